package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

func newDLQPurgeCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Delete old dead letters that were dealt with, and what the ledger says of those that are gone",
		Long: `Delete the records of the dead-letter topic that were written before --before, with DeleteRecords, and take the marks of dead letters that
are gone out of the ledger. In each partition it stops at the first dead letter that is still to be dealt with, open or parked, and says
which: deal with it, carry it forward ('redeliver dlq renew'), or say --include-open, which deletes it too. What failed anew after
its dead letter had been replayed or discarded, as after the offsets of the group were reset, is open as any. What is deleted is gone for good.

What indexes hold of it goes too, and what they keep of that age (index.keep) when the topic's retention took it: what the index of this
command keeps is counted by itself. While that index is away --include-open is refused.

Without --before no record is deleted, and the marks go of those that the topic's retention has taken.

Exit status 3 says that some records of that age stay, behind one that is still to be dealt with.`,
		Example: "  redeliver dlq purge --before 30d --dry-run\n  redeliver dlq purge --before 2026-01-01 --yes\n  redeliver dlq purge --yes",
		Args:    noArguments,
	}
	format, change, flags, takeOver := addOutput(cmd), addChangeFlags(cmd), p.addQueueFlags(cmd), addTakeOver(cmd)
	before := cmd.Flags().String("before", "", "delete what was written before this `time`: 30d, 2006-01-02, 2006-01-02T15:04:05Z")
	includeOpen := cmd.Flags().Bool("include-open", false, "delete those too that are still to be dealt with")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		purge := dlq.Purge{IncludeOpen: *includeOpen, DryRun: change.dryRun, TakeOver: *takeOver}
		var err error
		if purge.Before, err = parseTime(*before, time.Now()); err != nil {
			return usagef("--before: %w", err)
		}
		if purge.Before.After(time.Now()) {
			return usagef("--before %s: that is still to come; want how long ago (30d) or a time that is over", *before)
		}
		if *includeOpen && purge.Before.IsZero() {
			return usagef("--include-open: say with --before which records to delete")
		}
		if !change.yes && !change.dryRun && !p.interactive {
			what := "Delete dead letters of that age for good"
			if purge.Before.IsZero() {
				what = "Delete what the ledger says of dead letters that are gone"
			}
			_, err := p.confirm(change, what)
			return err
		}
		qs, err := p.openQueues(cmd.Context(), flags, true)
		if err != nil {
			return err
		}
		defer qs.close()
		rows := newRows[purgeView](p.out, *format)
		kept, told, begun := false, false, false
		err = p.each(qs, func(q queue) error {
			done, err := p.purge(cmd.Context(), q, purge, change)
			if err != nil && (done.DryRun || done.Records+done.Marks == 0) {
				return p.unpurged(q, err, begun)
			}
			kept, told, begun = kept || len(done.Kept) > 0, true, begun || !done.DryRun && done.Records+done.Marks > 0
			tell := func() error { return rows.add(viewPurged(q, done)) }
			if *format == asTable {
				tell = func() error { return showPurged(p.out, q, done) }
			}
			const again = "purge again for the rest, what the ledger says of them among it"
			switch {
			case errors.Is(err, context.Canceled):
				err = partlyf("interrupted; " + again)
			case err != nil:
				err = partlyf("%w; "+again, err)
			}
			return errors.Join(tell(), err)
		})
		if (told || err == nil) && *format != asTable { // nothing, where there are no dead letters
			err = errors.Join(err, rows.close())
		}
		if err == nil && kept {
			err = partlyf("some stay behind dead letters that are still to be dealt with, see above")
		}
		return err
	}
	return cmd
}

// unpurged is the error of a queue of which nothing was deleted. Where something was of those before it, it says of which it speaks.
func (p *program) unpurged(q queue, err error, begun bool) error {
	interrupted := errors.Is(err, context.Canceled) // at the question, or before
	switch {
	case interrupted && begun:
		return partlyf("interrupted; nothing was deleted of %s, and what was deleted before is told above", q.Topic())
	case interrupted:
		return &exitError{status: exitFailed, err: errors.New("interrupted; nothing was deleted")}
	case begun && errors.Is(err, errNotConfirmed):
		return partlyf("not confirmed for %s; nothing was changed there", q.Topic())
	case begun:
		return partlyf("%s was not purged, and what was deleted before is told above: %w", q.Topic(), p.busy(q, err))
	}
	return p.busy(q, err)
}

// purge purges one queue. Unless it is told --yes, it first finds out what that would delete, and asks.
func (p *program) purge(ctx context.Context, q queue, purge dlq.Purge, change *changeFlags) (dlq.Purged, error) {
	do := func(dry bool, label string) (dlq.Purged, error) {
		bar := p.newProgress(label+" "+q.Topic(), 0)
		defer bar.end()
		purge.DryRun = dry
		purge.Progress = func(at dlq.Progress) {
			bar.grow(at.Total)
			bar.set(at.Scanned, "")
		}
		return q.Purge(ctx, purge)
	}
	if change.dryRun || !change.yes {
		would, err := do(true, "counting")
		would.DryRun = change.dryRun
		keeps := q.config.Index.Keep > 0 && !purge.Before.IsZero()
		if err != nil || change.dryRun || would.Records+would.Marks == 0 && !keeps {
			return would, err
		}
		question := fmt.Sprintf("Delete %d %s of %s for good, and %d %s", would.Records, plural(int(would.Records), "record"), q.Topic(), would.Marks, plural(int(would.Marks), "mark"))
		if would.Open > 0 {
			question += fmt.Sprintf(", %d of them dead letters that are still to be dealt with", would.Open)
		}
		switch {
		case would.FromIndex > 0:
			question += ", and " + fromIndex(would)
		case keeps:
			question += ", and what indexes keep of that age"
		}
		if _, err := p.confirm(change, question); err != nil {
			return dlq.Purged{}, err
		}
	}
	return do(false, "purge")
}

// purgeView is what a purge did, as data.
type purgeView struct {
	Pipeline string     `json:"pipeline"`
	Queue    string     `json:"queue"`
	Run      string     `json:"run,omitempty"`
	DryRun   bool       `json:"dry_run"`
	Records  int64      `json:"records"`
	Open     int64      `json:"open"`
	Marks    int64      `json:"marks"`
	Kept     []keptView `json:"kept"`
	Seconds  float64    `json:"seconds"`

	FromIndex     *int64 `json:"from_index"` // null: the index was away
	FromIndexOpen int64  `json:"from_index_open"`
}

type keptView struct {
	ID      string    `json:"id"` // of the dead letter that they stand behind
	Died    time.Time `json:"died"`
	Records int64     `json:"records"`
}

func viewPurged(q queue, d dlq.Purged) purgeView {
	v := purgeView{Pipeline: q.pipeline.Name, Queue: q.Topic(), DryRun: d.DryRun, Records: d.Records, Open: d.Open, Marks: d.Marks, Kept: []keptView{}, Seconds: d.Took.Seconds()}
	if !d.DryRun {
		v.Run = d.Run
	}
	if !d.Uncounted {
		v.FromIndex, v.FromIndexOpen = &d.FromIndex, d.FromIndexOpen
	}
	for _, k := range d.Kept {
		v.Kept = append(v.Kept, keptView{k.Entry, jsonTime(k.Died), k.Records})
	}
	return v
}

func showPurged(w io.Writer, q queue, d dlq.Purged) error {
	would := ""
	if d.DryRun {
		would = "dry run: would have "
	}
	fmt.Fprintf(w, "%s: %sdeleted %d %s and %d %s\n", q.Topic(), would, d.Records, plural(int(d.Records), "record"), d.Marks, plural(int(d.Marks), "mark"))
	if d.Open > 0 {
		fmt.Fprintf(w, "  %d of them still to be dealt with\n", d.Open)
	}
	switch {
	case d.Uncounted:
		fmt.Fprintln(w, "  besides, what indexes keep of that age, which was not counted")
	case d.FromIndex > 0:
		fmt.Fprintf(w, "  besides, %s\n", fromIndex(d))
	}
	var err error
	for _, k := range d.Kept {
		_, err = fmt.Fprintf(w, "  %d %s left: %s, dead since %s, is still to be dealt with\n", k.Records, plural(int(k.Records), "record"), k.Entry, clockText(k.Died))
	}
	return err
}

// fromIndex says what goes that only the index keeps.
func fromIndex(d dlq.Purged) string {
	text := fmt.Sprintf("%d %s that only the index keeps", d.FromIndex, plural(int(d.FromIndex), "dead letter"))
	if d.FromIndexOpen > 0 {
		text += fmt.Sprintf(", %d of them still to be dealt with", d.FromIndexOpen)
	}
	return text
}
