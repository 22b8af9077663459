package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

const doingRenew = "renew"

// ErrRenewedAgain is the error of a [Renew] that would select what it has carried forward at the next call too, and at each one after that: its filter
// asks for what expires within the whole retention of the topic, as everything does.
var ErrRenewedAgain = errors.New("what is carried forward would be carried forward again at once")

// renewalRest is how much less than the retention a filter of a renewal may look ahead at most.
const renewalRest = time.Minute

// Renew says what [Queue.Renew] does.
type Renew struct {
	// Filter selects the entries. The zero Filter selects all that are still to be dealt with, parked ones too; [Filter.ExpiringBefore]
	// those that the topic's retention would take soon, which has to be a minute less than the retention at least: [ErrRenewedAgain]. Entries that
	// were replayed or discarded are left as they are; those of another consumer group are carried forward like the others, for nobody else would. With an index that keeps entries ([Index].Keep) those that the topic has lost are carried forward
	// too, back into the topic, unless ExpiringBefore is set: they expire no more.
	Filter Filter
	// By is who the ledger says it was. Defaults to user@host.
	By string
	// DryRun does everything but write.
	DryRun bool
	// TakeOver ends another call that is under way, with [ErrFenced], instead of being refused with ErrBusy.
	TakeOver bool
	// Progress is called now and then, and at the end, by one goroutine at a time. It must not block.
	Progress func(Progress)
	// Entry is called with every entry that is carried forward, or would be on a dry run, before that is written. It must not block.
	Entry func(e Entry)
}

// Renew carries entries forward that the topic's retention would take: it writes a copy of each at the end of its partition, byte for byte but for a
// header that says when it died, and, where the headers say nothing of an origin, one that says its id, together with its mark in one transaction, so
// that however it ends each is copied once. The copy is a further one of the same entry: it has its status, with who gave it that, when and why, its time of death, and keeps a key closed as the entry does. The entry's id is that of its first copy that is still there, so
// that it changes when the topic takes that; the one before names it still ([Entry].Former), and so do ids of the origin.
//
// As [Queue.Replay], it is refused while another call writes to the queue, and ends cleanly with ctx.
func (q *Queue) Renew(ctx context.Context, r Renew) (Summary, error) {
	summary := Summary{Run: newRun(time.Now()), DryRun: r.DryRun}
	if len(r.Filter.Status) == 0 && !r.Filter.All {
		r.Filter.Status = toBeDealtWith
	}
	if err := q.checkRenewal(ctx, r.Filter.ExpiringBefore); err != nil {
		return summary, err
	}
	t, err := q.begin(ctx, order{
		filter: r.Filter, doing: doingRenew, counts: statuses, by: r.By, run: summary.Run, dryRun: r.DryRun, takeOver: r.TakeOver, progress: r.Progress,
	})
	if err != nil {
		return summary, err
	}
	defer t.end(ctx)
	t.decide = func(_ context.Context, e *Entry, now time.Time, s *Summary) (*item, error) {
		switch {
		case r.Filter.passesSilently(e.Status):
		case e.Status == StatusReplayed:
			s.Replayed++
		case e.Status == StatusDiscarded:
			s.Discarded++
		case t.survey.wanted(e.Status):
			if r.Entry != nil {
				r.Entry(*e)
			}
			return t.renewal(e, now), nil
		}
		return nil, nil
	}
	return summary, t.run(ctx, &summary)
}

// checkRenewal refuses to look so far ahead that the copies of this call expire within that time themselves.
func (q *Queue) checkRenewal(ctx context.Context, before time.Time) error {
	if before.IsZero() {
		return nil
	}
	retention, err := q.Retention(ctx)
	if err != nil || retention < 0 {
		return err
	}
	if time.Until(before) > retention-renewalRest {
		return fmt.Errorf("renew entries of %s that expire before %s: everything does, its retention is %s: %w", q.topic, before.UTC().Format(time.RFC3339), daysText(retention), ErrRenewedAgain)
	}
	return nil
}

// renewal is the copy of an entry at the end of its partition, and the mark that says so and leaves the rest as it is.
func (t *task) renewal(e *Entry, now time.Time) *item {
	i := &item{entry: e, copy: renewed(e, now), to: e.Topic, work: true}
	if t.writer != nil {
		at := t.survey.ledger.after(now)
		if e.FailedAnew() { // it is open by nobody's doing
			e.Mark = Mark{Times: e.Mark.Times}
		}
		if e.Mark.onlyRenewed() {
			e.Mark.At = time.UnixMilli(at)
		}
		e.Mark.Renewed = time.UnixMilli(at)
		i.mark = &i.made.mark
		t.writer.mark(i.mark, e, e.Status, now, at, "", e.Mark.Reason)
	}
	return i
}

// renewed makes the copy. A header says when the entry died, for the copy's own time is that of the copy: retention deletes by it. Of an entry that is
// known by its place alone, since its headers say nothing of an origin, another one says its id: the copy stands in another place. The topic's tag stands before
// that, for another record will have that place when the topic is deleted and made again, and the copy may be imported there.
func renewed(e *Entry, now time.Time) *kgo.Record {
	set := []kgo.RecordHeader{diedHeader(e.At.UnixMilli())}
	if e.State.ID == retrytopics.FormatID("", e.Topic, e.Partition, e.Offset) {
		set = append(set, kgo.RecordHeader{Key: retrytopics.HeaderID, Value: []byte(topicTag(e.TopicID) + ":" + e.State.ID)})
	}
	headers := slices.DeleteFunc(slices.Clone(e.Record.Headers), func(h kgo.RecordHeader) bool {
		return slices.ContainsFunc(set, func(own kgo.RecordHeader) bool { return own.Key == h.Key })
	})
	return &kgo.Record{Topic: e.Topic, Partition: e.Partition, Key: e.Record.Key, Value: e.Record.Value, Timestamp: now, Headers: append(headers, set...)}
}

// unmarkID takes the topic's own tag off the id of a copy whose entry is known by its place alone: it is that of the first copy, which says none.
func (e *Entry) unmarkID() {
	if e.State.Topic != e.Topic { // as of nearly all
		return
	}
	if tag, place, tagged := strings.Cut(e.State.ID, ":"); tagged && tag == topicTag(e.TopicID) {
		e.State.ID = place
	}
}
