package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/dlq"
)

// dryListed is how many of the entries that a dry run would change its table shows.
const dryListed = 100

// chore is a change to the entries of queues: replay or discard.
type chore struct {
	filter dlq.Filter
	doing  string
	done   string
	max    int // replays
	ask    func(q queue, would dlq.Summary) string
	do     func(q queue, f dlq.Filter, dry bool, tell tellers) (dlq.Summary, error)
}

// tellers are what a chore tells on its way.
type tellers struct {
	progress func(dlq.Progress)
	entry    func(e dlq.Entry, topic string)
}

// changeQueues does a chore in every queue that the flags select: asked for first, told on the way, summed up at the end.
func (p *program) changeQueues(ctx context.Context, flags *filterFlags, change *changeFlags, format outputFormat, c chore) error {
	if !change.yes && !change.dryRun && !p.interactive {
		_, err := p.confirm(change, strings.ToUpper(c.doing[:1])+c.doing[1:]+" dead letters")
		return err
	}
	qs, err := p.openQueues(ctx, flags, true)
	if err != nil {
		return err
	}
	defer qs.close()
	report := &changeReport{program: p, chore: c, format: format, found: make(map[string]bool), missing: qs.missing}
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
		s, err := p.changeQueue(q, filter, change, report)
		left -= int(s.Done)
		return err
	})
	return report.end(err)
}

// changeQueue does the chore in one queue. Unless it is told --yes, it first finds out what that would change, and asks.
func (p *program) changeQueue(q queue, filter dlq.Filter, change *changeFlags, report *changeReport) (dlq.Summary, error) {
	c := report.chore
	if change.dryRun || !change.yes {
		would, err := c.do(q, filter, true, report.looking(q, change.dryRun))
		report.endProgress()
		would.DryRun = change.dryRun
		if err != nil || change.dryRun || would.Done == 0 && would.Limited == 0 {
			return would, errors.Join(err, report.add(q, would, err))
		}
		if would.Done > 0 { // otherwise only marks are made that say why nothing is
			if ok, err := p.confirm(change, c.ask(q, would)); err != nil || !ok {
				return dlq.Summary{}, err
			}
		}
	}
	s, err := c.do(q, filter, false, report.doing(q))
	report.endProgress()
	return s, errors.Join(err, report.add(q, s, err))
}

// changeReport gathers what became of a chore, over all queues.
type changeReport struct {
	program *program
	chore   chore
	format  outputFormat
	bar     *progress

	summaries []changeSummary
	partly    bool
	found     map[string]bool // ids that some queue had
	missing   []string
	listed    int
}

// changeSummary is what became of a chore in one queue, as data.
type changeSummary struct {
	Pipeline   string           `json:"pipeline"`
	Queue      string           `json:"queue"`
	Run        string           `json:"run,omitempty"`
	DryRun     bool             `json:"dry_run"`
	Complete   bool             `json:"complete"`
	Done       int64            `json:"done"`
	To         map[string]int64 `json:"to,omitempty"`
	Matched    int64            `json:"matched"`
	Replayed   int64            `json:"replayed_before"`
	Discarded  int64            `json:"discarded_before"`
	Limited    int64            `json:"replay_limit"`
	LeftOut    []leftOut        `json:"left_out"`
	OtherGroup int64            `json:"other_group"`
	Duplicates int64            `json:"duplicates"`
	InDoubt    int64            `json:"in_doubt"`
	Missing    []string         `json:"missing"`
	Seconds    float64          `json:"seconds"`
	Error      string           `json:"error,omitempty"`
}

type leftOut struct {
	Why   string `json:"why"`
	Count int64  `json:"count"`
	ID    string `json:"id"`
}

// doing tells progress on standard error.
func (r *changeReport) doing(q queue) tellers {
	return r.tellers(r.chore.doing+" "+q.Topic(), r.chore.done)
}

// looking tells progress of a dry run, and the entries that would be changed where they are asked for.
func (r *changeReport) looking(q queue, list bool) tellers {
	t := r.tellers("look through "+q.Topic(), "to be "+r.chore.done)
	if list && r.format == asTable {
		t.entry = r.would
	}
	return t
}

func (r *changeReport) tellers(label, done string) tellers {
	r.bar = r.program.newProgress(label, 0)
	return tellers{
		progress: func(at dlq.Progress) {
			r.bar.grow(at.Total)
			r.bar.set(at.Scanned, fmt.Sprintf("%d %s", at.Done, done))
		},
		entry: func(dlq.Entry, string) {},
	}
}

// would tells an entry that a dry run would change.
func (r *changeReport) would(e dlq.Entry, topic string) {
	if r.listed++; r.listed > dryListed {
		return
	}
	text := e.ID() + "  " + e.At.Local().Format(time.DateTime) + "  " + e.State.Class.String() + "  " + e.State.ID
	if topic != "" {
		text += "  to " + topic
	}
	fmt.Fprintln(r.program.out, printable(text))
}

func (r *changeReport) endProgress() { r.bar.end() }

// add takes the summary of one queue and prints it, unless it is to be a part of one document.
func (r *changeReport) add(q queue, s dlq.Summary, failed error) error {
	if errors.Is(failed, dlq.ErrNoTopic) {
		return nil // told elsewhere
	}
	for _, id := range q.ids {
		if !slices.Contains(s.Missing, id) {
			r.found[id] = true
		}
	}
	if s.Complete || failed == nil {
		r.missing = append(r.missing, s.Missing...)
	}
	one := changeSummary{
		Pipeline: q.pipeline.Name, Queue: q.Topic(), Run: s.Run, DryRun: s.DryRun, Complete: s.Complete, Done: s.Done, To: s.To,
		Matched: s.Matched, Replayed: s.Replayed, Discarded: s.Discarded, Limited: s.Limited, LeftOut: []leftOut{},
		OtherGroup: s.OtherGroup, Duplicates: s.Duplicates, InDoubt: s.InDoubt, Missing: append([]string{}, s.Missing...), Seconds: s.Took.Seconds(),
	}
	for _, l := range s.LeftOut {
		one.LeftOut = append(one.LeftOut, leftOut(l))
	}
	if failed != nil {
		one.Error = failed.Error()
	}
	s.Missing = nil // other queues may have them
	r.partly = r.partly || s.Partly()
	r.summaries = append(r.summaries, one)
	if r.format == asTable {
		if r.listed > dryListed {
			fmt.Fprintf(r.program.out, "and %d more\n", r.listed-dryListed)
		}
		r.listed = 0
		return r.print(r.program.out, one, s.Took)
	}
	return nil
}

// print tells the summary to people.
func (r *changeReport) print(w io.Writer, s changeSummary, took time.Duration) error {
	would := ""
	if s.DryRun {
		would = "dry run: would have "
	}
	text := fmt.Sprintf("%s: %s%s %d %s", s.Queue, would, r.chore.done, s.Done, plural(int(s.Done), "dead letter"))
	if len(s.To) > 0 {
		text += " to " + topicsText(s.To)
	}
	if !s.DryRun && s.Done > 0 {
		text += fmt.Sprintf(" in %v", took.Round(time.Millisecond))
	}
	lines := []string{text}
	remark := func(n int64, format string, args ...any) {
		if n > 0 {
			lines = append(lines, "  "+fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	remark(s.Replayed, "had been replayed before")
	remark(s.Discarded, "had been discarded before")
	remark(s.Limited, "left out, replayed %d times or more: see `redeliver dlq list --status replay_limit`, and --max-replays", r.chore.max)
	for _, l := range s.LeftOut {
		remark(l.Count, "left out: %s (for example %s)", l.Why, l.ID)
	}
	remark(s.OtherGroup, "left out, of another consumer group")
	remark(s.Duplicates, "copies of entries, each dealt with as one")
	remark(s.InDoubt, "may be %s or not, for the brokers did not answer: run it again, the ledger knows", r.chore.done)
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// end prints what is printed as one document and makes the exit status.
func (r *changeReport) end(failed error) error {
	if r.format != asTable {
		rows := newRows[changeSummary](r.program.out, r.format)
		for _, s := range r.summaries {
			if err := rows.add(s); err != nil {
				return err
			}
		}
		if err := rows.close(); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	var missing []string
	for _, id := range r.missing {
		if !r.found[id] && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	switch {
	case len(missing) > 0 && len(r.found) == 0:
		return fmt.Errorf("there is no dead letter %s: see `redeliver dlq list`", strings.Join(missing, ", "))
	case len(missing) > 0:
		return partlyf("there is no dead letter %s", strings.Join(missing, ", "))
	case r.partly:
		return partlyf("some dead letters were left out, see above")
	}
	return nil
}

// topicsText names topics, the one that gets most first.
func topicsText(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	return strings.Join(names, " and ")
}
