package dlq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const doingPurge = "purge"

// Purge says what [Queue.Purge] does.
type Purge struct {
	// Before is the time of the records that are deleted: they were written before it. Zero: none is deleted, and only marks of entries
	// that are gone from the topic are.
	Before time.Time
	// IncludeOpen deletes entries too that are still to be dealt with.
	IncludeOpen bool
	// By is who the ledger says it was. Defaults to user@host.
	By string
	// DryRun does everything but write and delete.
	DryRun bool
	// TakeOver ends another call that is under way, with [ErrFenced], instead of being refused with ErrBusy.
	TakeOver bool
	// Progress is called now and then while the entries are read, and when all are, by one goroutine at a time. It must not block.
	Progress func(Progress)
}

// Purged says what a purge did, or would have on a dry run.
type Purged struct {
	Run    string
	DryRun bool
	// Records were deleted, copies of entries among them.
	Records int64
	// Open entries among them were still to be dealt with. They are gone, with IncludeOpen only.
	Open int64
	// FromIndex are entries that the topic has lost and only the queue's index keeps ([Index].Keep): they go from it when it answers next, as they do from
	// those of other machines, which may keep others. FromIndexOpen of them were still to be dealt with; there are some with IncludeOpen only.
	FromIndex, FromIndexOpen int64
	// Uncounted: the index was away, so that FromIndex says nothing. With IncludeOpen that is an error, and nothing is done.
	Uncounted bool
	// Kept are the partitions in which records of that age stay, since they stand behind an entry that is still to be dealt with.
	Kept []Kept
	// Marks were taken out of the ledger, since their entries are gone, and what else it said of a topic that had the name before and was deleted.
	Marks int64
	Took  time.Duration
}

// Kept is a partition that was not purged as far as was asked for.
type Kept struct {
	Entry   string    // that it stops at: the first that is still to be dealt with
	Died    time.Time //
	Records int64     // of that age that stay, this one and those behind it
}

// Purge deletes the records of the dead-letter topic that were written before a time, with DeleteRecords, and takes the marks of entries
// that are gone, by this or by the topic's retention, out of the ledger, and all that it says of a topic that had the name before. Of an entry that was renewed or imported those stay which were made where it stood before:
// they say whose that id is. In each partition it stops at the first entry that is still to be
// dealt with, parked or not, unless that was carried forward ([Queue.Renew]) or IncludeOpen is set. What is deleted is gone for good: what indexes
// hold of it goes when they catch up, and so does what they keep of that age that retention took ([Index].Keep), of which those stay that are
// still to be dealt with, unless IncludeOpen is set, which is refused while the queue's index is away: nobody could say what goes. An entry whose mark was taken out and that is imported once more is open.
//
// With an index that keeps entries, also by another configuration, the marks stay of those that retention took and that may be kept still; those of parked
// ones, and of others that are still to be dealt with, stay in any case unless IncludeOpen is set, for an index elsewhere may keep them.
//
// It reads topic and ledger whole, and remembers some 60 bytes of each entry. As [Queue.Replay], it is refused while another call writes to
// the queue, so that nothing is reopened or replayed meanwhile. One that failed or was interrupted has deleted nothing it should not, and tells what it
// has ([Purged].Records); run it again for the rest, marks among it. Leaders that are away or move are asked again for twenty seconds.
func (q *Queue) Purge(ctx context.Context, p Purge) (Purged, error) {
	began := time.Now()
	done := Purged{Run: newRun(began), DryRun: p.DryRun}
	t, err := q.begin(ctx, order{filter: Filter{All: true}, doing: doingPurge, by: p.By, run: done.Run, dryRun: p.DryRun, takeOver: p.TakeOver, progress: p.Progress})
	if err != nil {
		return done, err
	}
	defer t.end(ctx)
	work := &purge{Purge: p, task: t, done: &done, last: make(map[Identity]lastCopy), unborn: make(map[Identity]lastCopy), cuts: make(map[int32]int64), spared: began.UnixMilli()}
	if q.index != nil {
		work.index = q.index.longest(ctx)
		if work.index.Keep > 0 {
			work.spared = keptSince(work.index.Keep)
		}
	}
	if err = t.during(ctx, work.run); err == nil && t.writer != nil {
		err = work.forget(ctx)
	}
	done.Took = time.Since(began)
	return done, err
}

// purge is one at work.
type purge struct {
	Purge
	task  *task
	done  *Purged
	index *index // as who shares it keeps the longest; nil: there is none

	last   map[Identity]lastCopy // by what only they have, and of those that failed anew as it is for these
	unborn map[Identity]lastCopy // of those that a mark holds for which noted no birth, by its identity
	starts map[int32]int64       // by partition: where it began
	ends   map[int32]int64       // and up to where it is looked at
	old    map[int32][]int64     // by partition: offsets of the records of that age
	cuts   map[int32]int64       // where what stays begins
	spared int64                 // Unix ms: marks since then stay of what the topic's retention took, for an index may keep that
	marks  []*kgo.Record         // tombstones
	lost   keptOnly              // that go with it
}

// lastCopy is where the last copy of an entry stands.
type lastCopy struct {
	position
	open bool
}

// run deletes the records, and finds out which marks are of nothing any more.
func (p *purge) run(ctx context.Context) error {
	q := p.task.survey.queue
	starts, err := listed(ctx, q.topic, q.admin.ListStartOffsets)
	if err != nil {
		return err
	}
	p.starts = starts
	asked := maps.Clone(starts)
	if !p.Before.IsZero() {
		if asked, err = listed(ctx, q.topic, offsetsSince(q.admin, p.Before)); err != nil {
			return err
		}
	}
	p.ends = make(map[int32]int64)
	for _, s := range p.task.survey.scan.spans {
		p.ends[s.partition] = s.to
	}
	for partition := range asked { // nothing is deleted that is not looked at, such as what was imported since
		asked[partition] = max(min(asked[partition], p.ends[partition]), starts[partition])
	}
	if err := p.look(ctx, asked); err != nil {
		return err
	}
	if p.lost, err = p.kept(ctx); err != nil {
		return err
	}
	switch {
	case p.DryRun:
		p.done.Records, p.done.Open = p.gives(p.cuts)
		p.tellKept()
	default:
		if err := p.delete(ctx); err != nil {
			return err
		}
	}
	return p.gone(ctx)
}

// tellKept says what goes from indexes: whoever reads that it was purged takes it out.
func (p *purge) tellKept() {
	p.done.FromIndex, p.done.FromIndexOpen, p.done.Uncounted = p.lost.all, p.lost.open, p.lost.unknown
}

// look goes through the topic and decides where what stays begins.
func (p *purge) look(ctx context.Context, asked map[int32]int64) error {
	s := p.task.survey
	p.old = make(map[int32][]int64)
	at := make(map[position]Entry) // of those that stay
	began, told := time.Now(), time.Time{}
	err := s.scan.each(ctx, func(e *Entry) bool {
		m := s.ledger.of(e)
		e.Status, e.Mark = s.ledger.stands(e, m), s.ledger.describe(m)
		here := position{e.Partition, e.Offset}
		open := slices.Contains(toBeDealtWith, e.Status)
		p.last[e.part()] = lastCopy{here, open}
		if elder := s.ledger.with(e.identity(), noBirth); elder.at > 0 && !precedes(elder.at, BirthOf(&e.State), e.At.UnixMilli()) {
			p.unborn[e.identity()] = lastCopy{here, open}
		}
		if e.Offset < asked[e.Partition] {
			p.old[e.Partition] = append(p.old[e.Partition], e.Offset)
			if open {
				at[here] = Entry{TopicID: e.TopicID, Partition: e.Partition, Offset: e.Offset, At: e.At}
			}
		}
		if p.Progress != nil && time.Since(told) >= progressTime {
			told = time.Now()
			p.Progress(Progress{Scanned: s.scan.passed.Load(), Total: s.scan.total, Took: time.Since(began)})
		}
		return true
	})
	if err != nil {
		return err
	}
	if p.Progress != nil {
		p.Progress(Progress{Scanned: s.scan.passed.Load(), Total: s.scan.total, Took: time.Since(began)})
	}
	maps.Copy(p.cuts, asked)
	stops := make(map[int32]Entry)
	for _, l := range p.last {
		switch {
		case !l.open || l.offset >= asked[l.partition]:
		case p.IncludeOpen:
		case l.offset < p.cuts[l.partition]:
			p.cuts[l.partition], stops[l.partition] = l.offset, at[l.position]
		}
	}
	for partition, offsets := range p.old {
		slices.Sort(offsets)
		if stop, stopped := stops[partition]; stopped {
			below, _ := slices.BinarySearch(offsets, p.cuts[partition])
			p.done.Kept = append(p.done.Kept, Kept{Entry: stop.ID(), Died: stop.At, Records: int64(len(offsets) - below)})
		}
	}
	slices.SortFunc(p.done.Kept, func(a, b Kept) int { return cmp.Or(a.Died.Compare(b.Died), strings.Compare(a.Entry, b.Entry)) })
	return nil
}

// gives counts what goes with all that stands before these offsets, of what was looked at: records, and the entries that are still to be dealt with.
func (p *purge) gives(cuts map[int32]int64) (records, open int64) {
	for partition, offsets := range p.old {
		below, _ := slices.BinarySearch(offsets, cuts[partition])
		records += int64(below)
	}
	for _, l := range p.last {
		if l.open && l.offset < cuts[l.partition] {
			open++
		}
	}
	return records, open
}

// delete deletes what stands before the cuts, and tells what was deleted.
func (p *purge) delete(ctx context.Context) error {
	q, offsets := p.task.survey.queue, kadm.Offsets{}
	records, open := p.gives(p.cuts)
	if records == 0 {
		return nil
	}
	// Brokers are told the topic by its name alone, and it may have taken long to read it.
	if now, err := q.describe(ctx); err != nil || now.ID != p.task.survey.topic.ID {
		return cmp.Or(err, fmt.Errorf("%s was deleted and made again while it was read: nothing was deleted of the new one", q.topic))
	}
	for partition, cut := range p.cuts {
		if cut > p.starts[partition] {
			offsets.Add(kadm.Offset{Topic: q.topic, Partition: partition, At: cut})
		}
	}
	err := whileLeadersMove(ctx, func() error { return deleteRecords(ctx, q.admin, q.topic, offsets) })
	if err != nil {
		records, open = p.deleted(context.WithoutCancel(ctx))
	}
	p.done.Records, p.done.Open = records, open
	return err
}

func deleteRecords(ctx context.Context, admin *kadm.Client, topic string, offsets kadm.Offsets) error {
	answers, err := admin.DeleteRecords(ctx, offsets)
	if err != nil {
		return fmt.Errorf("delete records of %s: %w", topic, err)
	}
	var failed []error
	answers.Each(func(a kadm.DeleteRecordsResponse) {
		if a.Err != nil {
			failed = append(failed, fmt.Errorf("delete records of %s, partition %d: %w", topic, a.Partition, a.Err))
		}
	})
	return errors.Join(failed...)
}

// deleted counts what is gone of what was looked at, where deleting it failed in part; 0 where nobody says in time.
func (p *purge) deleted(ctx context.Context) (records, open int64) {
	ctx, stop := context.WithTimeout(ctx, tellTime)
	defer stop()
	starts, err := listed(ctx, p.task.survey.queue.topic, p.task.survey.queue.admin.ListStartOffsets)
	if err != nil {
		return 0, 0
	}
	for partition, cut := range p.cuts { // more may have gone since by itself
		starts[partition] = min(starts[partition], cut)
	}
	return p.gives(starts)
}

// tellTime is for how long it is asked what became of something that failed, before that is told.
const tellTime = 5 * time.Second

func parsePosition(text string) (position, bool) {
	first, second, ok := strings.Cut(text, "/")
	partition, err1 := strconv.ParseInt(first, 10, 32)
	offset, err2 := strconv.ParseInt(second, 10, 64)
	return position{int32(partition), offset}, ok && err1 == nil && err2 == nil
}
