package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/retrytopics"
)

func newSkipCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "skip TOPIC/PARTITION/OFFSET --reason TEXT",
		Short: "Settle one held record without handling it",
		Long: `Settle one record that a running process holds, without handling it, so that what waits behind it can go on. It is named by
where it stands, in a source or retry topic, or by its id. No copy is kept: take one first if it matters. The reason is
kept in the log of the process.`,
		Example: `  redeliver skip orders/3/42 --reason "refunded by hand, ticket 4711"`,
		Args:    argument("the place of a record", false),
	}
	format, address, change := addOutput(cmd), addAdminFlag(cmd), addChangeFlags(cmd)
	pipeline := p.addPipelineFlag(cmd)
	reason := cmd.Flags().String("reason", "", "why, for the log of the process (required)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		record, err := parseRecord(args[0])
		if err != nil {
			return err
		}
		if record.Reason = strings.TrimSpace(*reason); record.Reason == "" {
			return usagef("--reason is missing: say why the record is skipped, for the log of the process")
		}
		record.Pipeline = *pipeline
		client, _, err := p.adminClient(*address)
		if err != nil {
			return err
		}
		question := fmt.Sprintf("Skip %s for good, in the process at %s: it is settled without being handled", args[0], client.URL())
		check := func(ctx context.Context) (string, error) {
			if _, err := client.Status(ctx); err != nil {
				return "", err
			}
			return fmt.Sprintf("dry run: would skip %s in the process at %s, if it holds it then", args[0], client.URL()), nil
		}
		do := func(ctx context.Context) (string, error) { return client.Skip(ctx, record) }
		return p.changeProcess(cmd.Context(), change, *format, "skip", args[0], question, check, do)
	}
	return cmd
}

// parseRecord reads TOPIC/PARTITION/OFFSET; a namespace before it, as ids may have, is read over.
func parseRecord(text string) (admin.Skip, error) {
	_, topic, partition, offset, err := retrytopics.ParseID(text)
	if err != nil || topic == "" {
		return admin.Skip{}, usagef("%q names no record: give TOPIC/PARTITION/OFFSET, like orders/3/42", text)
	}
	return admin.Skip{Topic: topic, Partition: partition, Offset: offset}, nil
}
