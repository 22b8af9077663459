package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/config"
)

func newPauseCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause [PIPELINE]",
		Short: "Hold a pipeline of a running process",
		Long: `Hold a pipeline until ` + "`redeliver resume`" + `: nothing more is started, calls in flight end as they do, and the time of waiting
records stands still. It holds in the process at --admin, and ends with it. With breaker.scope: fleet it holds in all processes,
those that start later too, whichever is asked; --via kafka writes to the control topic instead, and needs none of them.`,
		Args:              argument("the name of a pipeline", true),
		ValidArgsFunction: p.completePipelines,
	}
	format, address, change, via := addOutput(cmd), addAdminFlag(cmd), addChangeFlags(cmd), addVia(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if kafka, err := viaIsKafka(cmd, *via); err != nil {
			return err
		} else if kafka {
			return p.orderPipelineViaKafka(cmd.Context(), change, *format, "pause", args, fleet.Order{Wish: fleet.Pause})
		}
		client, name, err := p.adminPipeline(cmd.Context(), *address, args)
		if err != nil {
			return err
		}
		check := func(ctx context.Context) (string, error) { return checkPipelineThere(ctx, client, name, "pause") }
		do := func(ctx context.Context) (string, error) { return client.Pause(ctx, name) }
		return p.hinted(p.changeProcess(cmd.Context(), change, *format, "pause", name, "", check, do))
	}
	return cmd
}

// orderPipelineViaKafka gives an order to the pipeline that the arguments name, or to the only one.
func (p *program) orderPipelineViaKafka(ctx context.Context, flags *changeFlags, format outputFormat, change string, args []string, order fleet.Order) error {
	if len(args) == 0 {
		c, err := p.read(config.Options{Embedded: true})
		if err != nil {
			return err
		}
		one, err := onlyPipeline(c)
		if err != nil {
			return err
		}
		args = []string{one}
	}
	return p.orderViaKafka(ctx, flags, format, change, args[0], order)
}

// adminPipeline returns the client of a process and the pipeline that the arguments name: it may be left out where the
// configuration, or the process, has only one.
func (p *program) adminPipeline(ctx context.Context, address string, args []string) (*admin.Client, string, error) {
	client, c, err := p.adminClient(address)
	if err != nil {
		return nil, "", err
	}
	if len(args) == 1 {
		return client, args[0], nil
	}
	if c != nil {
		one, err := onlyPipeline(c)
		return client, one, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return nil, "", err
	}
	if len(status.Pipelines) != 1 {
		var names []string
		for _, p := range status.Pipelines {
			names = append(names, p.Pipeline)
		}
		return nil, "", usagef("the process at %s has %d pipelines, %s: name one", client.URL(), len(names), strings.Join(names, ", "))
	}
	return client, status.Pipelines[0].Pipeline, nil
}

func onlyPipeline(c *config.Config) (string, error) {
	if len(c.Pipelines) != 1 {
		var names []string
		for _, p := range c.Pipelines {
			names = append(names, p.Name)
		}
		return "", usagef("%s has several pipelines, %s: name one", c.File, strings.Join(names, ", "))
	}
	return c.Pipelines[0].Name, nil
}

// checkPipelineThere says what a dry run of a change to a pipeline would do.
func checkPipelineThere(ctx context.Context, client *admin.Client, name, change string) (string, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(status.Pipelines, func(p admin.PipelineStatus) bool { return p.Pipeline == name })
	if i < 0 {
		return "", fmt.Errorf("the process at %s has no pipeline %q", client.URL(), name)
	}
	held := ""
	for _, reason := range []string{"operator", "outage"} {
		if status.Pipelines[i].Paused[reason] > 0 {
			held = ", held now: " + reason
		}
	}
	return fmt.Sprintf("dry run: would %s pipeline %s (%s%s)", change, name, status.Pipelines[i].Phase, held), nil
}
