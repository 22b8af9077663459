// Command redeliver runs consumer groups with delayed retries, circuit breakers, dead letters and replay, and looks after
// their topics. See redeliver help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

func main() {
	// The first signal ends the command's context, so that it can drain and say what it did; the second one ends the
	// process as if nobody listened.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	p := &program{
		in:          os.Stdin,
		out:         os.Stdout,
		err:         os.Stderr,
		getenv:      os.LookupEnv,
		interactive: term.IsTerminal(int(os.Stdin.Fd())),
		terminal:    term.IsTerminal(int(os.Stderr.Fd())),
		columns:     stderrColumns,
	}
	os.Exit(p.main(ctx, os.Args[1:]))
}

// stderrColumns is how wide the terminal is, which may change on the way.
func stderrColumns() int {
	if columns, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && columns > 0 {
		return columns
	}
	return progressColumns
}
