package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// changeFlags are the flags of every command that changes something.
type changeFlags struct {
	yes    bool
	dryRun bool
}

func addChangeFlags(cmd *cobra.Command) *changeFlags {
	f := new(changeFlags)
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do it without asking")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be done and do nothing; never asks")
	return f
}

// errNotConfirmed is what the error is of a change that somebody was asked for and said no to.
var errNotConfirmed = errors.New("not confirmed; nothing was changed")

// confirm says whether to go on with a change. With --dry-run it says no, and the command has said what it would do.
// With --yes it says yes. Otherwise it asks on the terminal; without one the command fails with exitUsage, and so it
// does, with exitFailed, when the answer is no. The question is a sentence without a question mark: "Create 4 topics".
func (p *program) confirm(f *changeFlags, question string) (bool, error) {
	switch {
	case f.dryRun:
		return false, nil
	case f.yes:
		return true, nil
	case !p.interactive:
		return false, usagef("%s? There is no terminal to ask on: say --yes, or --dry-run to see what would be done", question)
	}
	p.letIndexesGo()
	fmt.Fprintf(p.err, "%s? [y/N] ", question)
	answer, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) { // the end of input is a no
		fmt.Fprintln(p.err)
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, &exitError{status: exitFailed, err: errNotConfirmed}
}

// interruptible is standard input that gives up when the command is interrupted, as a read from a terminal does not. What
// was being read then is lost.
type interruptible struct {
	ctx  context.Context
	from io.Reader
}

func (i interruptible) Read(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	own, read := make([]byte, len(b)), make(chan result, 1)
	go func() {
		n, err := i.from.Read(own)
		read <- result{n, err}
	}()
	select {
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	case r := <-read:
		return copy(b, own[:r.n]), r.err
	}
}
