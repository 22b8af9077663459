package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	// leaseTime is for how long a writer counts as alive after its last sign of life. One that was killed keeps others
	// out for so long.
	leaseTime = 15 * time.Second
	// renewTime is between two signs of life: several in a lease, so that one that is late costs nothing.
	renewTime = 4 * time.Second
	// releasePatience is how long a call that ended goes on trying to say so.
	releasePatience = 2 * time.Second
	// markPatience is how long a call that seems to be under way is waited for while its last transaction ends: its brokers write that
	// down after they have said that it will. markPause is between two looks.
	markPatience = time.Second
	markPause    = 20 * time.Millisecond
)

// ErrBusy is what an error is ([errors.Is]) of a change of entries that did not begin, since another one of the same
// queue is under way: replay, discard, park, reopen, renew and purge exclude each other. The error is a [*BusyError].
var ErrBusy = errors.New("another call writes to the queue")

// BusyError says who writes to a queue.
type BusyError struct {
	Topic string // of the dead letters
	By    Writer
}

func (e *BusyError) Error() string {
	pause := ""
	if e.By.Replays() { // which may take hours
		pause = fmt.Sprintf(", pause replay %s and go on with it later", e.By.Task)
	}
	return fmt.Sprintf("%s; nothing was done there: wait until it has ended (one that was killed counts as ended after %v)%s, or end it by taking over (--take-over)", e.By.text(e.Topic), leaseTime, pause)
}

// Replays says whether what it does is a replay, which Task names: [Queue.Pause] pauses it, and [Queue.Resume] goes on with it.
func (w Writer) Replays() bool { return w.Task != "" && w.Doing == doingReplay }

// Is reports whether target is ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

func (w Writer) text(topic string) string {
	return fmt.Sprintf("a %s of %s is under way, started %s by %s (run %s)", w.Doing, topic, w.At.Format(time.DateTime), w.By, w.Run)
}

// UnderWay returns who changes entries of the queue now (see [ErrBusy]); the zero Writer when nobody does. A call that was
// killed is taken for one under way for 15 seconds. That goes by the clocks of both machines: where they differ by more,
// a call that is under way may be taken for dead.
func (q *Queue) UnderWay(ctx context.Context) (Writer, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return Writer{}, err
	}
	by, err := q.underWay(ctx, topic.ID)
	if err != nil {
		return by, err
	}
	return q.named(ctx, by), nil
}

// named is a writer as others are told of it. A replay is written down with the first entries that it changes: before that, and when it was killed before, nobody
// can pause it or go on with it. Where that cannot be found out it has no name.
func (q *Queue) named(ctx context.Context, by Writer) Writer {
	if by.Task == "" {
		return by
	}
	if l, _, err := q.readTasks(ctx); err != nil || l.tasks[by.Task] == nil {
		by.Task = ""
	}
	return by
}

func (q *Queue) underWay(ctx context.Context, topicID kadm.TopicID) (Writer, error) {
	reader, err := q.ledgerReader(ctx, topicID)
	if errors.Is(err, ErrNoTopic) {
		return Writer{}, nil
	}
	if err != nil {
		return Writer{}, err
	}
	// Who is alive has written in the last seconds: the rest of the ledger need not be read for it.
	spans, err := spansOf(ctx, q.admin, q.Ledger(), time.Now().Add(-2*leaseTime), stable)
	if err != nil {
		return Writer{}, err
	}
	spans = slices.DeleteFunc(spans, func(s span) bool { return s.partition != writerPartition })
	l := newLedger()
	if err := reader.read(ctx, l, spans); err != nil || !l.writer.alive(time.Now()) {
		return Writer{}, err
	}
	return l.writer, nil
}

// rival returns who keeps a call from beginning; the zero Writer when nobody does. The last thing that a call says is that it has ended, in a
// transaction whose end may not be to be read yet when it is over for who called: a script's next call would be refused.
func (q *Queue) rival(ctx context.Context, topicID kadm.TopicID) (Writer, error) {
	for until := time.Now().Add(markPatience); ; {
		by, err := q.underWay(ctx, topicID)
		if err != nil || by.Run == "" || time.Now().After(until) {
			return by, err
		}
		ended, err := q.transactionsEnded(ctx)
		if err != nil {
			return Writer{}, err
		}
		if ended { // between the two, or long ago
			return q.underWay(ctx, topicID)
		}
		select {
		case <-ctx.Done():
			return Writer{}, ctx.Err()
		case <-time.After(markPause):
		}
	}
}

// transactionsEnded reports whether no transaction is open where writers say that they are alive.
func (q *Queue) transactionsEnded(ctx context.Context) (bool, error) {
	stable, err := listed(ctx, q.Ledger(), q.admin.ListCommittedOffsets)
	if err != nil {
		return false, err
	}
	ends, err := listed(ctx, q.Ledger(), q.admin.ListEndOffsets)
	return stable[writerPartition] >= ends[writerPartition], err
}

// alive says whether the writer has a lease, to who looks once; who looks again and again knows better, see [pulse]. A sign of life from a clock that is far ahead is none, or a writer that was
// killed would keep others out until the clocks get there.
func (w Writer) alive(now time.Time) bool {
	return w.Run != "" && !w.Ended && now.Sub(w.Alive).Abs() < leaseTime
}

// renew gives a sign of life when it is time for one. Transactions that are written anyway carry theirs with them.
func (w *writer) renew(ctx context.Context) result {
	if !w.due() {
		return result{}
	}
	return w.transact(ctx, nil)
}

func (w *writer) due() bool { return time.Since(w.signed) >= w.queue.renewTime }

// during renews the lease while f runs.
func (w *writer) during(ctx context.Context, f func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	ticks := time.NewTicker(w.queue.renewTime)
	defer ticks.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticks.C:
			if sent := w.renew(ctx); sent.err != nil {
				err := w.failure(sent, w.aftermath(ctx, sent))
				stop(err)
				<-done
				return err
			}
		}
	}
}

// release says that this run has ended, so that the next one need not wait for the end of the lease. What cannot be said
// is left unsaid.
func (w *writer) release(ctx context.Context) {
	if w.failed || w.signed.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(releasePatience, w.queue.patience))
	defer cancel()
	w.self.Ended, w.signed = true, time.Time{}
	w.write(ctx, nil)
}
