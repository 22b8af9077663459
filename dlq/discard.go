package dlq

import (
	"context"
	"fmt"
	"time"
)

// Discard says what [Queue.Discard], [Queue.Park] and [Queue.Reopen] do.
type Discard struct {
	// Filter selects the entries. The zero Filter selects all that are still to be dealt with. Entries that were replayed
	// or discarded before are left as they are, whatever it says. So are those that are to be discarded or parked and carry another consumer group
	// than the queue's, unless they are named by their own ids: [Summary.OtherGroup].
	Filter Filter
	// Reason is why, for the ledger.
	Reason string
	// By is who the ledger says it was. Defaults to user@host.
	By string
	// DryRun does everything but write.
	DryRun bool
	// TakeOver ends another change that is under way, with [ErrFenced], instead of being refused with ErrBusy.
	TakeOver bool
	// Progress is called now and then, and at the end, by one goroutine at a time. It must not block.
	Progress func(Progress)
	// Entry is called with every entry that is discarded, parked or reopened, or would be on a dry run, before that is written. It must not
	// block.
	Entry func(e Entry)
}

// Discard gives entries up: list, stats and replay leave them out from then on. The records stay in the topic. As
// [Queue.Replay], it is refused while another change is under way ([ErrBusy]), and ends cleanly with ctx.
func (q *Queue) Discard(ctx context.Context, d Discard) (Summary, error) {
	return q.setAside(ctx, d, d.Filter, doingDiscard, StatusDiscarded)
}

// Park sets entries aside that are still to be dealt with, but not now: list, stats and replay leave them out, unless they ask
// for their status or name them. They are not done with: what waits behind one of them in a pipeline that holds keys goes on
// waiting. Otherwise as [Queue.Discard].
func (q *Queue) Park(ctx context.Context, d Discard) (Summary, error) {
	return q.setAside(ctx, d, d.Filter, doingPark, StatusParked)
}

// Reopen makes entries that were parked open again. Where the filter names no status it selects those that are parked.
func (q *Queue) Reopen(ctx context.Context, d Discard) (Summary, error) {
	asked := d.Filter
	if len(d.Filter.Status) == 0 {
		d.Filter.Status, d.Filter.All = []Status{StatusParked}, false
	}
	return q.setAside(ctx, d, asked, doingReopen, StatusOpen)
}

// setAside marks entries with a status. What was replayed or discarded stays that, and what has the status already. asked is the filter as the caller gave it,
// which says what is counted.
func (q *Queue) setAside(ctx context.Context, d Discard, asked Filter, doing string, status Status) (Summary, error) {
	summary := Summary{Run: newRun(time.Now()), DryRun: d.DryRun}
	t, err := q.begin(ctx, order{
		filter: d.Filter, doing: doing, counts: status, by: d.By, run: summary.Run,
		dryRun: d.DryRun, takeOver: d.TakeOver, progress: d.Progress,
	})
	if err != nil {
		return summary, err
	}
	defer t.end(ctx)
	t.decide = func(_ context.Context, e *Entry, now time.Time, s *Summary) (*item, error) {
		switch {
		case asked.passesSilently(e.Status):
		case e.Status == StatusReplayed:
			s.Replayed++
		case e.Status == StatusDiscarded:
			s.Discarded++
		case e.Status == StatusParked && (status == StatusParked || !t.survey.wanted(StatusParked)):
			s.Parked++
		case status == StatusOpen && e.Status != StatusParked:
			s.Open++
		case t.survey.wanted(e.Status) && status != StatusOpen && q.foreign(e) && !t.survey.sel.byOwnID(e): // theirs to give up
			s.OtherGroup++
		case t.survey.wanted(e.Status):
			if d.Entry != nil {
				d.Entry(*e)
			}
			return t.item(&item{entry: e, work: true}, status, now, d.Reason), nil
		}
		return nil, nil
	}
	return summary, t.run(ctx, &summary)
}

// order is what a call wants of a task.
type order struct {
	filter   Filter
	doing    string
	counts   Status
	by       string
	run      string
	dryRun   bool
	takeOver bool
	keyed    string
	progress func(Progress)
	task     *Task // that begins; nil: none
}

// begin makes this call the queue's writer, unless it is a dry run, and fixes the range to go through.
func (q *Queue) begin(ctx context.Context, o order) (*task, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := o.filter.compile(topic.ID); err != nil {
		return nil, err // before anybody is fenced for it
	}
	t := &task{limit: o.filter.Limit, progress: o.progress}
	var l *ledger
	if !o.dryRun {
		self := Writer{Run: o.run, By: o.by, Doing: o.doing, At: time.Now()}
		if self.By == "" {
			self.By = whoami()
		}
		if o.task != nil {
			self.Task = o.task.ID
		}
		if t.writer, l, err = q.beginWriting(ctx, topic, self, o); err != nil {
			return nil, err
		}
	}
	if o.task == nil {
		t.survey, err = q.survey(ctx, topic, o.filter, l)
	} else if o.task.ends, err = q.ends(ctx); err == nil {
		if o.task.starts, err = q.startsSince(ctx, o.filter.Since); err == nil {
			t.survey, err = q.surveyTo(ctx, topic, o.filter, l, o.task)
		}
	}
	if err == nil {
		err = t.see(ctx)
	}
	if err == nil && o.doing != doingPurge && o.filter.ExpiringBefore.IsZero() { // which is about what the topic holds, as what expires is
		err = t.help(ctx)
	}
	if err != nil {
		t.end(ctx)
		return nil, err
	}
	return t, nil
}

// see notes what the queue holds now that the range to go through is fixed, for the marks.
func (t *task) see(ctx context.Context) (err error) {
	if t.writer != nil {
		t.writer.ends, err = t.writer.queue.ends(ctx)
	}
	return err
}

// during does what may take long, while the writer gives its signs of life.
func (t *task) during(ctx context.Context, f func(context.Context) error) error {
	if t.writer == nil {
		return f(ctx)
	}
	return t.writer.during(ctx, f)
}

// help lets the index help: it may have to be built first.
func (t *task) help(ctx context.Context) (err error) {
	err = t.during(ctx, t.survey.helped)
	if t.survey.indexAway(ctx, err) && (t.of == nil || !t.of.Kept) { // one that covers what is kept is not gone on with without it
		err = fmt.Errorf("%w, or without an index (--no-index)", err)
	}
	return err
}

func (t *task) end(ctx context.Context) {
	if t.writer != nil {
		t.writer.end(ctx)
	}
}

// item gives what an entry becomes its mark.
func (t *task) item(i *item, status Status, now time.Time, reason string) *item {
	if t.writer != nil {
		i.mark = &i.made.mark
		t.writer.mark(i.mark, i.entry, status, now, t.survey.ledger.after(now), i.to, reason)
	}
	return i
}
