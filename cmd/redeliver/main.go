// Command redeliver runs consumer groups with delayed retries, circuit breakers, dead letters and replay, and looks after
// their topics. See redeliver help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := &program{
		in:          os.Stdin,
		out:         os.Stdout,
		err:         os.Stderr,
		getenv:      os.LookupEnv,
		interactive: term.IsTerminal(int(os.Stdin.Fd())),
		terminal:    term.IsTerminal(int(os.Stderr.Fd())),
		columns:     stderrColumns,
		quit:        make(chan struct{}),
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endings()...)
	go func() {
		if p.heed(signals, cancel); !p.quits.Load() {
			fmt.Fprintln(os.Stderr, "redeliver: a second signal: leaving at once")
			os.Exit(exitFailed)
		}
	}()
	os.Exit(p.main(ctx, os.Args[1:]))
}

// heed has the first signal end the command's context, so that it can drain and say what it did, and returns at the second one, which ends the
// process, also where it was started with interrupts ignored, as a shell does in the background; a command that has to
// tidy up first ends by itself.
func (p *program) heed(signals <-chan os.Signal, cancel context.CancelFunc) {
	<-signals
	cancel()
	if !p.quits.Load() {
		defer time.AfterFunc(endingTold, p.tellEnding).Stop()
	}
	for hangup := true; hangup; { // of a terminal that is gone both the system and the shell tell
		hangup = <-signals == syscall.SIGHUP
	}
	close(p.quit)
}

// endingTold is after an interruption: what takes longer, as a transaction that brokers have to end, is told.
const endingTold = 2 * time.Second

func (p *program) tellEnding() {
	if p.terminal {
		fmt.Fprintln(p.err) // below the line of the progress
	}
	fmt.Fprintln(p.err, "redeliver: interrupted, and ending what is under way; a second signal leaves at once")
}

// endings are the signals that end a command: also that of a terminal which is gone, as of an SSH connection that broke, unless nohup has it ignored.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// stderrColumns is how wide the terminal is, which may change on the way.
func stderrColumns() int {
	if columns, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && columns > 0 {
		return columns
	}
	return progressColumns
}
