package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

func newDLQRenewCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "renew [ID...]",
		Short: "Carry dead letters forward before the topic's retention takes them",
		Long: `Carry dead letters forward that are still to be dealt with, parked ones too, before the retention of their topic takes them: each is
written once more at the end of its partition, byte for byte, together with its mark in one transaction. It is the same entry still, with
its time of death and its status, and keeps its key closed. Its id changes when the topic takes the first copy; the one before names it
still, and so does that of its origin.

Without ids it takes those that expire within --expiring (a day unless told otherwise, or half of the retention where that is less). 'redeliver
dlq stats' says how many there are, and the metric redeliver_dlq_expiring. Everything expires within the whole retention, so that --expiring has
to be less: what was carried forward would be again at each call. With ids it takes those too that the topic has lost and only the index keeps
(index.keep), back into the topic.`,
		Example: "  redeliver dlq renew --dry-run\n  redeliver dlq renew --expiring 3d --yes\n  redeliver dlq renew orders/3/1042",
	}
	format, change := addOutput(cmd), addChangeFlags(cmd)
	flags := p.addFilterFlags(cmd, 0)
	cmd.Flags().Lookup("expiring").Usage = "that the retention may take within this `time` (default a day, or half of the retention; with ids any)"
	takeOver := addTakeOver(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags.ids = append(flags.ids, args...)
		now := time.Now()
		p.notices = true
		filter, err := flags.filter(now)
		if err != nil {
			return err
		}
		told := make(map[string]bool)
		soon := filter.ExpiringBefore.IsZero() && len(flags.ids) == 0
		return p.changeQueues(cmd.Context(), flags, change, *format, chore{
			filter: filter, takeOver: *takeOver,
			doing: "renew",
			done:  "renewed",
			ask: func(q queue, s dlq.Summary) string {
				return fmt.Sprintf("Write %d %s of %s once more, at its end", s.Done, plural(int(s.Done), "dead letter"), q.Topic())
			},
			do: func(q queue, f dlq.Filter, dry bool, tell tellers) (dlq.Summary, error) {
				if soon || !f.ExpiringBefore.IsZero() {
					retention, err := q.Retention(cmd.Context())
					if err != nil {
						return dlq.Summary{}, err
					}
					if retention < 0 && !told[q.Topic()] { // it is counted first where somebody is asked
						told[q.Topic()] = true
						fmt.Fprintf(p.err, "%s keeps its records for ever: nothing expires there\n", q.Topic())
					}
					if soon {
						f.ExpiringBefore = now.Add(dlq.ExpiryNotice(retention))
					}
				}
				s, err := q.Renew(cmd.Context(), dlq.Renew{
					Filter: f, DryRun: dry, TakeOver: *takeOver, Progress: tell.progress, Entry: tell.placeless(),
				})
				if errors.Is(err, dlq.ErrRenewedAgain) {
					err = usagef("--expiring %s: %w; say less, such as half of the retention", cmd.Flag("expiring").Value, err)
				}
				return s, err
			},
		})
	}
	return cmd
}
