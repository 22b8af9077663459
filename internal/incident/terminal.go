package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// build makes the binary as a user would.
func build(ctx context.Context, binary string) error {
	made, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/redeliver").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the binary: %w\n%s", err, made)
	}
	return nil
}

// terminal runs commands and records them.
type terminal struct {
	dir    string // that they run in
	binary string
	out    *bytes.Buffer
	told   io.Writer // what is going on, for who waits
}

// say writes what a reader is told between two commands.
func (t *terminal) say(format string, args ...any) {
	fmt.Fprintf(t.out, format+"\n\n", args...)
}

// run runs one command line and records it with what it printed. It returns that; the exit status has to be the one wanted.
func (t *terminal) run(ctx context.Context, status int, line string) (string, error) {
	fmt.Fprintln(t.told, "$", line)
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(t.binary)+string(os.PathListSeparator)+os.Getenv("PATH"), "TZ=UTC", "USER=ann")
	printed, err := cmd.CombinedOutput()
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got, err = exit.ExitCode(), nil
	}
	if err == nil && got != status {
		err = fmt.Errorf("%s: exit status %d, want %d:\n%s", line, got, status, printed)
	}
	text := t.clean(string(printed))
	fmt.Fprintf(t.out, "```console\n$ %s\n%s", line, text)
	if got != 0 {
		fmt.Fprintf(t.out, "$ echo $?\n%d\n", got)
	}
	fmt.Fprint(t.out, "```\n\n")
	return text, err
}

// quietly runs a command line that is no part of the record.
func (t *terminal) quietly(ctx context.Context, line string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(t.binary)+string(os.PathListSeparator)+os.Getenv("PATH"), "TZ=UTC")
	printed, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", line, err, printed)
	}
	return string(printed), err
}

// who is who ran it, on which machine: the record is the same wherever it is made.
var who = regexp.MustCompile(`\bby [^\s@]+@[^\s,;:)]+`)

// clean takes out of what was printed what only a live terminal shows, and who made the record.
func (t *terminal) clean(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if at := strings.LastIndexByte(line, '\r'); at >= 0 {
			line = line[at+1:]
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	text = who.ReplaceAllString(strings.Join(lines, "\n"), "by ann@desk")
	return strings.ReplaceAll(text, t.dir, "/home/ann")
}
