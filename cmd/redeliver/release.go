package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/admin"
)

func newReleaseCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release TOPIC/PARTITION/OFFSET | --all [--pipeline NAME]",
		Short: "Hand a held record to its handler again",
		Long: `Hand a record to its handler again that a running process holds since it is given up: failures of its kind are held
(classify: handling: hold), or no dead letters are kept. It starts afresh, with no attempts made, and may be held again.
` + "`redeliver status`" + ` lists such records. One is named by where it stands, in a source or retry topic, or by its id; --all is all of
a pipeline.`,
		Example: "  redeliver release orders/3/42\n  redeliver release --all",
		Args:    argument("the place of a record", true),
	}
	format, address, change := addOutput(cmd), addAdminFlag(cmd), addChangeFlags(cmd)
	pipeline := p.addPipelineFlag(cmd)
	all := cmd.Flags().Bool("all", false, "release all that the pipeline holds so")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *all && len(args) > 0:
			return usagef("name one record or say --all, not both")
		case !*all && len(args) == 0:
			return usagef("name a record, like orders/3/42, or say --all")
		}
		if *all {
			return p.releaseAll(cmd.Context(), *address, *pipeline, *format, change)
		}
		record, err := parseRecord(args[0])
		if err != nil {
			return err
		}
		client, _, err := p.adminClient(*address)
		if err != nil {
			return err
		}
		check := func(ctx context.Context) (string, error) {
			if _, err := client.Status(ctx); err != nil {
				return "", err
			}
			return fmt.Sprintf("dry run: would release %s in the process at %s, if it holds it then", args[0], client.URL()), nil
		}
		do := func(ctx context.Context) (string, error) {
			return client.Release(ctx, admin.Release{Pipeline: *pipeline, Topic: record.Topic, Partition: record.Partition, Offset: record.Offset})
		}
		return p.changeProcess(cmd.Context(), change, *format, "release", args[0], "", check, do)
	}
	return cmd
}

// releaseAll releases all that a pipeline holds.
func (p *program) releaseAll(ctx context.Context, address, pipeline string, format outputFormat, change *changeFlags) error {
	var named []string
	if pipeline != "" {
		named = []string{pipeline}
	}
	client, name, err := p.adminPipeline(ctx, address, named)
	if err != nil {
		return err
	}
	check := func(ctx context.Context) (string, error) {
		if _, err := checkPipelineThere(ctx, client, name, "release"); err != nil {
			return "", err
		}
		return fmt.Sprintf("dry run: would release all that pipeline %s holds in the process at %s", name, client.URL()), nil
	}
	do := func(ctx context.Context) (string, error) {
		return client.Release(ctx, admin.Release{Pipeline: name, All: true})
	}
	return p.changeProcess(ctx, change, format, "release", name, "", check, do)
}
