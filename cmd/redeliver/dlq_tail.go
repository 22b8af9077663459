package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

func newDLQTailCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tail",
		Short:   "Follow dead letters as they die, until it is interrupted",
		Example: "  redeliver dlq tail\n  redeliver dlq tail --since 10m --class network -o jsonl",
		Args:    noArguments,
	}
	format := asTable
	cmd.Flags().VarP(&format, "output", "o", "output `format`: table (one line each), jsonl (one object a line)")
	flags := p.addFilterFlags(cmd, 0)
	_ = cmd.Flags().MarkHidden("status")
	_ = cmd.Flags().MarkHidden("all")
	_ = cmd.Flags().MarkHidden("expiring")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if format == asJSON {
			return usagef("-o json: there is no end to it; want jsonl")
		}
		filter, err := flags.filter(time.Now())
		if err != nil {
			return err
		}
		qs, err := p.openQueues(cmd.Context(), flags, false)
		if err != nil {
			return err
		}
		defer qs.close()
		var mu sync.Mutex // of the output
		var all sync.WaitGroup
		failed := make([]error, len(qs.all))
		for i, q := range qs.all {
			all.Go(func() {
				filter := filter
				filter.IDs = q.ids
				for e, err := range q.Tail(cmd.Context(), filter) {
					if err == nil {
						mu.Lock()
						err = p.tell(q, e, format)
						mu.Unlock()
					}
					if err != nil {
						failed[i] = err
						return
					}
				}
			})
		}
		all.Wait()
		next := 0
		return p.each(qs, func(queue) error { // a queue whose topic is missing is told
			next++
			return failed[next-1]
		})
	}
	return cmd
}

// tell prints one dead letter on one line.
func (p *program) tell(q queue, e dlq.Entry, format outputFormat) error {
	d := view(q, e)
	if format == asJSONL {
		return printOne(p.out, format, d)
	}
	_, err := fmt.Fprintln(p.out, printable(fmt.Sprintf("%s  %s  %s  %s  %s  %s  %s", d.Died.Local().Format(time.DateTime), d.ID, d.Class, orDash(d.Reason), orDash(d.Origin.ID), d.Fingerprint, errorText(d))))
	return err
}
