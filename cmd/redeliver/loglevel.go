package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

// logLevels are those that the configuration knows.
var logLevels = []string{"debug", "info", "warn", "error"}

func newLogLevelCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log-level [PIPELINE] LEVEL",
		Short: "Change what a pipeline of a running process logs",
		Long: `Change the least level that a pipeline logs - debug, info, warn, error - in the process at --admin, until that ends. What the
process logs beside its pipelines stays as log.level says.`,
		Example: "  redeliver log-level debug\n  redeliver log-level orders info",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("%s needs a level, and before it the name of a pipeline where there are several: %s", cmd.CommandPath(), cmd.UseLine())
			}
			return nil
		},
		ValidArgsFunction: p.completePipelines,
	}
	format, address, change := addOutput(cmd), addAdminFlag(cmd), addChangeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		level := args[len(args)-1]
		if !slices.Contains(logLevels, level) {
			return usagef("%q is no level: give debug, info, warn or error", level)
		}
		client, name, err := p.adminPipeline(cmd.Context(), *address, args[:len(args)-1])
		if err != nil {
			return err
		}
		check := func(ctx context.Context) (string, error) {
			return checkPipelineThere(ctx, client, name, "change the log level of")
		}
		do := func(ctx context.Context) (string, error) { return client.LogLevel(ctx, name, level) }
		return p.hinted(p.changeProcess(cmd.Context(), change, *format, "log level", name, "", check, do))
	}
	return cmd
}
