package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

func newDLQDiscardCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "discard [ID...]",
		Short: "Give dead letters up: list, stats and replay leave them out",
		Long: `Give dead letters up: list, stats and replay leave them out from then on, unless --status or --all asks for them. Who did it
and why is kept in the ledger. The records stay in the topic for as long as its retention keeps them.

They are named by their ids, by filters, or by both.`,
		Example: "  redeliver dlq discard k7qp-3-1042 --why \"a test order\"\n  redeliver dlq discard --class validation --until 30d --yes",
	}
	format, change := addOutput(cmd), addChangeFlags(cmd)
	flags := p.addFilterFlags(cmd, 0)
	takeOver := addTakeOver(cmd)
	why := cmd.Flags().String("why", "", "why, for the ledger")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags.ids = append(flags.ids, args...)
		filter, err := flags.filter(time.Now())
		if err != nil {
			return err
		}
		if !flags.narrow() {
			return usagef("say which: ids, or a filter such as --class or --until")
		}
		return p.changeQueues(cmd.Context(), flags, change, *format, chore{
			filter: filter, takeOver: *takeOver,
			doing: "discard",
			done:  "discarded",
			ask: func(_ queue, s dlq.Summary) string {
				return fmt.Sprintf("Discard %d %s", s.Done, plural(int(s.Done), "dead letter"))
			},
			do: func(q queue, f dlq.Filter, dry bool, tell tellers) (dlq.Summary, error) {
				entry := func(e dlq.Entry) { tell.entry(e, "") }
				return q.Discard(cmd.Context(), dlq.Discard{
					Filter: f, Reason: *why, DryRun: dry, TakeOver: *takeOver, Progress: tell.progress, Entry: entry,
				})
			},
		})
	}
	return cmd
}
