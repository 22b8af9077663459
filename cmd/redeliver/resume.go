package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/fleet"
)

func newResumeCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume [PIPELINE]",
		Short: "Let a pipeline that is held go on",
		Long: `Let a pipeline go on that an operator has paused, or that holds since so many records went to the dead letters that there
is no credit for another one (see dlq.admission in the configuration). --admit N lets N more dead letters through before
it may hold again; without it as many as at the start. With breaker.scope: fleet all processes go on, whichever is asked;
--via kafka writes to the control topic instead, and needs none of them.`,
		Args:              argument("the name of a pipeline", true),
		ValidArgsFunction: p.completePipelines,
	}
	format, address, change := addOutput(cmd), addAdminFlag(cmd), addChangeFlags(cmd)
	via := addVia(cmd)
	admit := cmd.Flags().Int("admit", 0, "let so many dead letters, `N`, through before it may hold again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("admit") && *admit < 1 {
			return usagef("--admit is %d: give 1 or more", *admit)
		}
		if kafka, err := viaIsKafka(cmd, *via); err != nil {
			return err
		} else if kafka {
			return p.orderPipelineViaKafka(cmd.Context(), change, *format, "resume", args, fleet.Order{Wish: fleet.Resume, Admit: *admit})
		}
		client, name, err := p.adminPipeline(cmd.Context(), *address, args)
		if err != nil {
			return err
		}
		check := func(ctx context.Context) (string, error) { return checkPipelineThere(ctx, client, name, "resume") }
		do := func(ctx context.Context) (string, error) { return client.Resume(ctx, name, *admit) }
		return p.hinted(p.changeProcess(cmd.Context(), change, *format, "resume", name, "", check, do))
	}
	return cmd
}
