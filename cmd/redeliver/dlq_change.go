package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
)

// chore is a change to the entries of queues: replay or discard.
type chore struct {
	filter   dlq.Filter
	takeOver bool // end another one that is under way
	doing    string
	done     string
	remedy   map[dlq.Status]string                  // how it is done all the same to what it leaves out
	others   string                                 // and to what is of another consumer group; "": not at all
	max      int                                    // replays
	cluster  string                                 // that it writes to; "" for the queue's own
	task     string                                 // that it goes on with, which was named; "": a new one, or none
	waits    bool                                   // for outcomes
	starts   map[string]bool                        // what is done is only written down, for another process to do: by task, whether that has to have the index; nil: it is done here
	edits    func(q queue) func(e dlq.Entry) string // tells what is edited in an entry; nil, or returns nil: nothing ever
	check    func(q queue) error                    // what is wrong with it for the queue, before anything is done; nil: nothing can be
	ask      func(q queue, would dlq.Summary) string
	do       func(q queue, f dlq.Filter, dry bool, tell tellers) (dlq.Summary, error)
}

// tellers are what a chore tells on its way.
type tellers struct {
	progress func(dlq.Progress)
	entry    func(e dlq.Entry, topic string) // nil: nobody asks, so that what was read may be read over
}

// placeless is entry of what goes to no topic.
func (t tellers) placeless() func(dlq.Entry) {
	if t.entry == nil {
		return nil
	}
	return func(e dlq.Entry) { t.entry(e, "") }
}

// changeQueues does a chore in every queue that the flags select: asked for first, told on the way, summed up at the end.
func (p *program) changeQueues(ctx context.Context, flags *filterFlags, change *changeFlags, format outputFormat, c chore) error {
	cfg, selected, err := p.selectFor(flags, c.cluster, true)
	if err != nil {
		return err
	}
	if !change.yes && !change.dryRun && !p.interactive {
		_, err := p.confirm(change, strings.ToUpper(c.doing[:1])+c.doing[1:]+" dead letters")
		return err
	}
	qs, err := p.openQueuesOf(ctx, cfg, selected, flags, true)
	if err != nil {
		return err
	}
	defer qs.close()
	if c.check != nil {
		for _, q := range qs.all {
			if err := c.check(q); err != nil {
				return usagef("%w", err)
			}
		}
	}
	if len(qs.all) > 0 {
		if err := p.reachCluster(ctx, qs.all[0].config, c.cluster); err != nil {
			return err
		}
	}
	report := &changeReport{program: p, flags: flags, chore: c, format: format, found: make(map[string]bool), missing: qs.missing}
	left := c.filter.Limit
	err = p.each(qs, func(q queue) error {
		filter := c.filter
		filter.IDs = q.ids
		if c.filter.Limit > 0 {
			if left <= 0 {
				return nil
			}
			filter.Limit = left
		}
		report.behind = p.tellBehind(ctx, q, doneLater) // before anybody is asked, and before its own transactions are open
		s, err := p.changeQueue(ctx, q, filter, change, report)
		left -= int(s.Done)
		return err
	})
	return report.end(err)
}

// selectFor reads the configuration and says what is wrong with a change by it alone, before anybody is asked and anything connects. cluster is the one that
// is written to, "" for the queue's own.
func (p *program) selectFor(flags *filterFlags, cluster string, change bool) (*config.Config, []*config.Pipeline, error) {
	c, err := p.load()
	if err != nil {
		return nil, nil, err
	}
	if known := clusterNames(c); cluster != "" && !slices.Contains(known, cluster) {
		text := "name it under clusters, with the keys of kafka"
		if len(known) > 0 {
			text = "known are " + strings.Join(known, ", ")
		}
		return nil, nil, usagef("--to: the configuration names no cluster %q: %s, see %s", cluster, text, c.At("clusters"))
	}
	selected, err := selectPipelines(c, flags, change)
	return c, selected, err
}

// addTakeOver gives a command the flag to end another one that is under way.
func addTakeOver(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("take-over", false, "end a replay or discard that is under way, instead of being refused; it is told so, and nothing is done twice")
}

// changeQueue does the chore in one queue. Unless it is told --yes, it first finds out what that would change, and asks.
func (p *program) changeQueue(ctx context.Context, q queue, filter dlq.Filter, change *changeFlags, report *changeReport) (dlq.Summary, error) {
	c := report.chore
	if change.dryRun || !change.yes {
		rival, err := p.underWay(ctx, q, change.dryRun, c.takeOver)
		if err != nil {
			return dlq.Summary{}, p.busy(q, err)
		}
		would, err := c.do(q, filter, true, report.counting(q, change.dryRun))
		report.endProgress()
		if err != nil {
			return dlq.Summary{}, err // which has done nothing, and may have counted a part only
		}
		would.DryRun = change.dryRun
		if change.dryRun || would.Done == 0 && would.Limited == 0 {
			return would, report.add(q, would, nil)
		}
		if would.Done > 0 { // otherwise only marks are made that say why nothing is
			if _, err := p.confirm(change, c.ask(q, would)+rival); err != nil {
				if report.begun {
					err = partlyf("not confirmed for %s; nothing was changed there", q.Topic())
				}
				return dlq.Summary{}, err
			}
		}
	}
	s, err := c.do(q, filter, false, report.doing(q))
	report.endProgress()
	err = p.busy(q, err)
	if s.Task != "" && c.starts == nil && s.Done+s.InDoubt+s.Unmarked == 0 {
		if _, unknown := q.Task(ctx, s.Task); unknown != nil { // a replay is written down with the first entries that it changes
			s.Task = ""
		}
	}
	return s, errors.Join(err, report.add(q, s, err))
}

// busy says of a refusal since a replay is under way, which may take hours, by which commands it is paused and gone on with.
func (p *program) busy(q queue, err error) error {
	var busy *dlq.BusyError
	if !errors.As(err, &busy) || !busy.By.Replays() {
		return err
	}
	return fmt.Errorf("%w; `%s` pauses it, and `%s` goes on with it later", err, p.commandOf("replay pause "+busy.By.Task, q, ""), p.commandOf("replay resume "+busy.By.Task, q, ""))
}

// underWay finds out before the question whether somebody replays or discards entries of the queue now. It returns what
// to say of that in the question; the error is that nobody need be asked, for the chore would be refused.
func (p *program) underWay(ctx context.Context, q queue, dryRun, takeOver bool) (string, error) {
	by, err := q.UnderWay(ctx)
	if err != nil || by.Run == "" {
		return "", err
	}
	rival := fmt.Sprintf("the %s that is under way, started %s by %s", by.Doing, by.At.Local().Format(time.DateTime), by.By)
	if by.Task != "" {
		rival += ", which is paused then"
	}
	switch {
	case dryRun && takeOver:
		fmt.Fprintf(p.err, "%s: this would end %s\n", q.Topic(), rival)
	case dryRun:
		fmt.Fprintf(p.err, "%s: this would be refused because of %s, unless --take-over ends it\n", q.Topic(), rival)
	case takeOver:
		return ", and end " + rival, nil
	default:
		return "", &dlq.BusyError{Topic: q.Topic(), By: by}
	}
	return "", nil
}
