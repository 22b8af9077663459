package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/redeliver/redeliver/internal/demo"
)

func newDemoCommand(p *program) *cobra.Command {
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch Redeliver at work, with nothing to install",
		Long: `Watch Redeliver at work: a Kafka broker in this process (in a temporary directory), a service that fails, a pipeline
with its retry and dead-letter topics, a circuit breaker that opens and closes, and a replay. On a terminal one screen
shows it live, elsewhere plain lines do. It goes on until Ctrl-C, or for as long as --for says; one telling of the story
takes some 25 seconds.

At the end everything is counted again: out of the raw topics, by the service that was called, and from /metrics. If
the figures are not equal the exit status is 1.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if length < 0 || (cmd.Flags().Changed("for") && length == 0) {
				return usagef("--for is %v: give a time above 0, such as 30s, or leave it out to watch until Ctrl-C", length)
			}
			return p.demo(cmd.Context(), length)
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "end by itself after this `time`, such as 30s; left out: until Ctrl-C")
	return cmd
}

// demo runs the demo on the terminal that standard output is, or in plain lines.
func (p *program) demo(ctx context.Context, length time.Duration) error {
	// A reader that has gone, as head(1) does, is an error of the write and not the end of the process: the temporary
	// directory is to be removed.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// So it is when the terminal's window is closed, unless nohup(1) says otherwise.
	if !signal.Ignored(syscall.SIGHUP) {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}

	p.quits.Store(true) // the temporary directory is to be removed then, too
	c := demo.Config{For: length, Out: p.out, Quit: p.quit, ASCII: p.asciiOnly(), Colour: p.wantsColour()}
	if f, ok := p.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && p.env("TERM") != "dumb" {
		c.Size = func() (int, int, error) { return term.GetSize(int(f.Fd())) }
	}
	err := demo.Run(ctx, c)
	switch {
	case errors.Is(err, demo.ErrDiffers), errors.Is(err, demo.ErrQuit):
		return &exitError{status: exitFailed, err: err}
	case errors.Is(err, syscall.EPIPE):
		return &exitError{status: exitFailed}
	case err != nil:
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

func (p *program) env(name string) string {
	value, _ := p.getenv(name)
	return value
}

// wantsColour follows https://no-color.org.
func (p *program) wantsColour() bool { return p.env("NO_COLOR") == "" }

// asciiOnly reports whether the locale says that the terminal shows no UTF-8. One that says nothing is taken for a
// terminal of today.
func (p *program) asciiOnly() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToUpper(p.env(name)); locale != "" {
			return !strings.Contains(locale, "UTF-8") && !strings.Contains(locale, "UTF8")
		}
	}
	return false
}
