package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
		for _, q := range qs.all {
			p.tellBehind(cmd.Context(), q, shownLater)
		}
		ctx, enough := context.WithCancel(cmd.Context())
		defer enough()
		shown := 0
		var mu sync.Mutex // of what is printed
		var all sync.WaitGroup
		failed, left := make([]error, len(qs.all)), len(qs.all)
		for i, q := range qs.all {
			all.Go(func() {
				filter := filter
				filter.IDs = q.ids
				for e, err := range tail(ctx, q, filter, func() {
					mu.Lock()
					defer mu.Unlock()
					fmt.Fprintf(p.err, "pipeline %s: topic %s does not exist yet: it is followed as soon as it does\n", q.pipeline.Name, q.Topic())
				}) {
					if err == nil {
						mu.Lock()
						if filter.Limit == 0 || shown < filter.Limit {
							err = p.tell(q, e, format)
						}
						if shown++; shown == filter.Limit { // of all queues together
							enough()
						}
						mu.Unlock()
					}
					if err != nil {
						failed[i] = err
						break
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if left--; ctx.Err() != nil && cmd.Context().Err() == nil && errors.Is(failed[i], context.Canceled) {
					failed[i] = nil // it was enough
				}
				if left > 0 && failed[i] != nil && ctx.Err() == nil { // else it is told when all has ended, which it has now
					fmt.Fprintf(p.err, "pipeline %s: %s is followed no longer, the others are: %v\n", q.pipeline.Name, q.Topic(), failed[i])
				}
			})
		}
		all.Wait()
		next := 0
		return p.each(qs, func(queue) error { // whose topic was named and is missing is told
			next++
			return failed[next-1]
		})
	}
	return cmd
}

// tailTime is between two looks for a topic that is not there yet.
const tailTime = 500 * time.Millisecond

// tail is [dlq.Queue.Tail] that waits for the topic of a pipeline, which may be made with its first dead letter. It says so once. One that was named is waited
// for by nobody: its name may be wrong.
func tail(ctx context.Context, q queue, f dlq.Filter, waits func()) iter.Seq2[dlq.Entry, error] {
	return func(yield func(dlq.Entry, error) bool) {
		for {
			missing := false
			for e, err := range q.Tail(ctx, f) {
				if missing = errors.Is(err, dlq.ErrNoTopic) && !q.foreign; missing {
					break
				}
				if !yield(e, err) {
					return
				}
			}
			if !missing {
				return
			}
			if waits != nil {
				waits()
				waits = nil
			}
			if f.Since.IsZero() {
				f.Since = time.UnixMilli(1) // all that is in it when it is there has died since
			}
			timer := time.NewTimer(tailTime)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
	}
}

// tell prints one dead letter on one line.
func (p *program) tell(q queue, e dlq.Entry, format outputFormat) error {
	d := view(q, e)
	if format == asJSONL {
		return printOne(p.out, format, d)
	}
	_, err := fmt.Fprintln(p.out, printable(fmt.Sprintf("%s  %s  %s  %s  %s  %s  %s", clockText(d.Died), d.ID, d.Class, orDash(d.Reason), orDash(d.Origin.ID), d.Fingerprint, errorText(d))))
	return err
}
