package dlq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	attendTime = 3 * time.Second // between two looks for a replay, up to half longer
	// attendAge is for how long a replay that was interrupted is gone on with by itself: an older one may be forgotten by who started it.
	attendAge = 24 * time.Hour
	// attendSoon and attendLate are the first and the longest wait before a replay that failed is tried again.
	attendSoon = 10 * time.Second
	attendLate = 10 * time.Minute
)

// Attend says what [Queue.Attend] tells. Its functions must not block.
type Attend struct {
	// By is who the ledger says works on the replays. Defaults to user@host.
	By string
	// Took is called when it begins to work on a replay, and Left when it has ended to, with the error of [Queue.Resume].
	Took func(t Task)
	Left func(t Task, s Summary, err error)
	// Skewed is called, once for each call that writes to the queue, when the clock by which that tells that it is alive is ahead of this machine's by 15 seconds
	// or more, or, negative, behind it. Who attends the queue goes by whether it tells something; who looks once, as [Queue.UnderWay], [Queue.Tasks] and
	// what begins to write, takes it for dead. It is also called where the brokers take so long to end a transaction.
	Skewed func(w Writer, by time.Duration)
}

// Attend works on the queue's replays that nobody works on, one at a time, as [Queue.Resume] does: those that wait since [Queue.Start], and
// those whose process was killed or failed within the last day: it is taken for dead 15 seconds after its last sign of life was seen, whatever the clocks say. Replays that were paused it leaves alone, and those that were edited by hand,
// which no other call can repeat, or that cover what an index keeps where this queue has none. Several processes may attend one queue: one of them works. When ctx ends, the replay under way
// waits again, for another one. It returns when ctx ends, with its error, or when the queue cannot be read; a topic that is deleted and made again meanwhile, it follows.
func (q *Queue) Attend(ctx context.Context, a Attend) error {
	w := &attendant{queue: q, Attend: a, there: time.Now(), read: make(map[int32]int64), failed: make(map[string]backoff)}
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		if err := pause(ctx, attendTime+rand.N(attendTime/2)); err != nil {
			return err
		}
	}
}

// attendant follows the one partition of the ledger that tells of replays.
type attendant struct {
	queue *Queue
	Attend
	topicID kadm.TopicID
	there   time.Time     // when the dead-letter topic was seen last, or might have been
	reader  *ledgerReader // nil: there is no ledger
	ledger  *ledger
	read    map[int32]int64
	failed  map[string]backoff // by replay
	pulse   pulse              // of who writes
}

type backoff struct {
	until time.Time
	wait  time.Duration
}

// look reads on in the ledger and works on the replay that was started first of those that nobody works on.
func (w *attendant) look(ctx context.Context) error {
	began := time.Now()
	if err := w.readOn(ctx); err != nil || w.reader == nil {
		return err
	}
	now, writer := time.Now(), w.ledger.writer
	if by := w.pulse.skew(writer, began, now); by != 0 && w.Skewed != nil {
		w.Skewed(writer, by)
	}
	// Whose clock is ahead seems alive for longer: a call that begins would be refused.
	if w.pulse.beats(writer, now) || writer.alive(now) {
		return nil
	}
	t, ok := w.next(now)
	if !ok {
		return nil
	}
	if w.Took != nil {
		w.Took(t)
	}
	s, err := w.queue.Resume(ctx, t.ID, Work{By: w.By, handsOver: true})
	if w.Left != nil {
		w.Left(t, s, err)
	}
	w.left(t.ID, err, time.Now())
	return context.Cause(ctx)
}

// left notes how the work on a replay ended. Also who was fenced waits, longer each time: two would else take it from each other for ever.
func (w *attendant) left(id string, err error, now time.Time) {
	if err == nil || errors.Is(err, ErrTaskEnded) || errors.Is(err, ErrBusy) {
		delete(w.failed, id)
		return
	}
	wait := min(max(attendSoon, 2*w.failed[id].wait), attendLate)
	w.failed[id] = backoff{now.Add(wait), wait}
}

// readOn reads what came to the ledger since the last look. It looks both topics up each time: the ledger stays where the dead letters are deleted and made
// again, and nothing in it tells that its keys are others from then on; and where it is made again itself, what was read of the one before says nothing.
func (w *attendant) readOn(ctx context.Context) error {
	var topic kadm.TopicDetail
	var reader *ledgerReader
	err := whileLeadersMove(ctx, func() (err error) {
		if topic, err = w.queue.describe(ctx); err == nil {
			reader, err = w.queue.ledgerReader(ctx, topic.ID)
		}
		return err
	})
	now := time.Now()
	if topic.Topic != "" {
		w.there = now
	}
	switch {
	case errors.Is(err, ErrNoTopic) && now.Sub(w.there) < movingTime: // nothing was replayed yet, or the dead letters are about to be made again
		w.reader = nil
		return nil
	case err != nil:
		return err
	case w.reader == nil, w.topicID != topic.ID, w.reader.fetcher.id != reader.fetcher.id:
		w.topicID, w.ledger = topic.ID, newLedger()
		clear(w.read)
		clear(w.failed)
	}
	w.reader = reader
	spans, err := spansOf(ctx, w.queue.admin, w.queue.Ledger(), time.Time{}, stable)
	if err != nil {
		return err
	}
	spans = slices.DeleteFunc(spans, func(s span) bool { return s.partition != writerPartition || s.to <= w.read[s.partition] })
	for i, s := range spans {
		spans[i].from = max(s.from, w.read[s.partition])
	}
	if err := w.reader.read(ctx, w.ledger, spans); err != nil {
		return fmt.Errorf("look for replays: %w", err)
	}
	for _, s := range spans {
		w.read[s.partition] = s.to
	}
	clear(w.ledger.marks) // of the entries in that partition
	w.ledger.origin, w.ledger.index = nil, make(map[provenance]uint32)
	return nil
}

// next is the replay to work on.
func (w *attendant) next(now time.Time) (Task, bool) {
	var next Task
	for _, t := range w.ledger.tasks {
		one := w.ledger.standing(t, now)
		waits := one.State == TaskWaiting || one.State == TaskInterrupted && now.Sub(one.Change) < attendAge
		if waits && one.Replay.Edit == nil && (!one.Kept || w.queue.keeps(one.Replay.Filter)) && now.After(w.failed[t.ID].until) && (next.ID == "" || one.At.Before(next.At)) {
			next = one
		}
	}
	return next, next.ID != ""
}
