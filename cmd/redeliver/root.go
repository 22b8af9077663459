package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/redeliver/redeliver/consumer/tracing"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/internal/otlp"
)

// program is what every command is made with: the streams, the environment and the flags that all commands share.
type program struct {
	in  io.Reader
	out io.Writer // data only
	err io.Writer // everything else: questions, progress, remarks, errors

	getenv      func(string) (string, bool)
	interactive bool       // somebody can answer a question on in
	terminal    bool       // err is a terminal: progress may be painted over
	columns     func() int // of that terminal; nil: progressColumns

	quit  chan struct{} // closed at the second signal
	quits atomic.Bool   // the command ends by itself then

	indexes *indexes    // that the command has; nil: none
	partial atomic.Bool // an answer leaves out what only an index keeps

	patience time.Duration // with brokers that do not answer; 0: connectTimeout

	spans  *otlp.Exporter // nil: nobody follows records
	tracer *tracing.Tracer

	configFile string // -c
	notices    bool   // the configuration's are told with its warnings
	began      bool   // a command's own code was reached: what fails from here on is no wrong usage
}

// commands are the constructors of all commands, one file each.
var commands = []func(*program) *cobra.Command{
	newRunCommand,
	newDemoCommand,
	newStatusCommand,
	newExperimentCommand,
	newBreakerCommand,
	newLogLevelCommand,
	newPauseCommand,
	newResumeCommand,
	newSkipCommand,
	newReleaseCommand,
	newDLQCommand,
	newReplayCommand,
	newValidateCommand,
	newClassifyCommand,
	newTopicsCommand,
	newConfigCommand,
	newVersionCommand,
}

// root puts the command tree together.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "redeliver",
		Short: "Delayed retries, circuit breakers, dead letters and replay for Kafka consumer groups",
		Long: `Redeliver gives a Kafka consumer group retries with delay, circuit breakers, dead letters and replay.

Start with:  redeliver demo                 see it work, with nothing to install
             redeliver config example       print a commented config.yaml
             redeliver validate             check config.yaml
             redeliver run                  run its pipelines

Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 done in part.`,
		Args:          noSuchCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVarP(&p.configFile, "config", "c", defaultConfigFile, "configuration `file`, - for standard input")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(flagError)
	root.Version = versionLine()
	root.SetVersionTemplate("{{.Version}}\n")
	for _, newCommand := range commands {
		root.AddCommand(newCommand(p))
	}
	p.watchBegin(root)
	return root
}

// main runs the command line and returns the exit status.
func (p *program) main(ctx context.Context, args []string) int {
	p.in = interruptible{ctx, p.in}
	root := p.root()
	root.SetArgs(args)
	defer p.endTracing()
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil && p.partial.Load():
		return p.report(partlyf("what only the index keeps is left out, see above"))
	case err == nil:
		return exitDone
	}
	if !p.began {
		err = &exitError{status: exitUsage, err: fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
	}
	return p.report(err)
}

// watchBegin notes in every command of the tree when its own code is reached. Cobra reports unknown flags, wrong
// arguments and missing required flags before that.
func (p *program) watchBegin(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			p.began = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		p.watchBegin(sub)
	}
}

// noSuchCommand is the Args of commands that only hold others.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := nearestCommand(cmd, args[0]); near != "" {
		return fmt.Errorf("there is no command %q; did you mean %q?", cmd.CommandPath()+" "+args[0], near)
	}
	var all []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, sub.Name())
		}
	}
	return fmt.Errorf("there is no command %q; there are %s", cmd.CommandPath()+" "+args[0], strings.Join(all, ", "))
}

// nearestCommand is the command of cmd whose name may have been meant, "" if none is near.
func nearestCommand(cmd *cobra.Command, name string) string {
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return cmd.CommandPath() + " " + near[0]
	}
	return ""
}

// flagError says which flag may have been meant by an unknown one, and in plain words what a value should have been.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var number *strconv.NumError
	if errors.As(err, &invalid) && errors.As(err, &number) && number.Func != "ParseBool" {
		return fmt.Errorf("--%s: %q is no number", invalid.GetFlag().Name, invalid.GetValue())
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var all []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	if near := config.Nearest(unknown.GetSpecifiedName(), all); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

// noArguments is the Args of commands that take flags only, and may hold others.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := nearestCommand(cmd, args[0]); near != "" {
		return fmt.Errorf("%s takes no argument, got %q; did you mean %q?", cmd.CommandPath(), args[0], near)
	}
	if cmd.Flags().Lookup("id") != nil && dlq.CheckID(args[0]) == nil {
		return fmt.Errorf("%s takes no argument, got %q; did you mean --id %s?", cmd.CommandPath(), args[0], shellWord(args[0]))
	}
	return fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0])
}

// argument is the Args of commands that take what, once; with optional it may be left out.
func argument(what string, optional bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 && !optional:
			return fmt.Errorf("%s needs %s: %s", cmd.CommandPath(), what, cmd.UseLine())
		case len(args) > 1:
			return fmt.Errorf("%s takes %s, once: got %q", cmd.CommandPath(), what, args)
		}
		return nil
	}
}
