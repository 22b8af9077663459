package dlq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrFenced is what an error is ([errors.Is]) that ended a change of entries (see [ErrBusy]) since another call, of this process or
// another, took the queue over. That is done when it is asked for, of a call that gave no sign of life for 15 seconds, and
// of one of two that begin at the same moment. What was done until then is done and marked, the rest is not; the other
// call has seen that. The error is a [*FencedError].
var ErrFenced = errors.New("another call took the queue over")

// FencedError says who took the queue over.
type FencedError struct {
	Topic string // of the dead letters
	By    Writer // the zero Writer when it is not known
	Doing string // what was ended, see [Writer].Doing
	Cause error  // what the brokers said
	// State is TaskPaused or TaskCancelled of a replay that somebody made so meanwhile, since it gave no sign of life, and Why says who. The error is then
	// ErrPaused or ErrCancelled, too. "" where there is no more to say than that it was ended.
	State TaskState
	Why   string
}

func (e *FencedError) Error() string {
	if is := e.settled(); is != nil {
		return fmt.Sprintf("%v %s, when it gave no sign of life", is, e.Why)
	}
	if e.By.Run == "" {
		return fmt.Sprintf("the brokers ended this %s of %s, as they do when another call begins to write to it: %v", e.Doing, e.Topic, e.Cause)
	}
	text := fmt.Sprintf("another %s of %s took over, started %s by %s (run %s)", e.By.Doing, e.Topic, e.By.At.Format(time.DateTime), e.By.By, e.By.Run)
	if e.Doing == doingReplay {
		return text + "; what either of them marked is replayed once, and what neither of them got to is still open"
	}
	return text + "; what it had not got to is as it was"
}

// Is reports whether target is ErrFenced, or what the replay was made.
func (e *FencedError) Is(target error) bool { return target == ErrFenced || target == e.settled() }

// settled is the error of a replay that was paused or cancelled; nil where it was neither.
func (e *FencedError) settled() error {
	switch e.State {
	case TaskPaused:
		return ErrPaused
	case TaskCancelled:
		return ErrCancelled
	}
	return nil
}

// Unwrap returns what the brokers said.
func (e *FencedError) Unwrap() error { return e.Cause }

// fencing says whether the brokers refuse the writer and not only what it wrote.
func fencing(err error) bool {
	for _, code := range []error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping, kerr.OperationNotAttempted} {
		if errors.Is(err, code) {
			return true
		}
	}
	return errors.Is(err, errEpochMoved)
}

// mayBeFencing says whether it could be another call's doing: Apache Kafka also answers the end of a transaction that it is
// just fencing with an error of its own.
func mayBeFencing(err error) bool { return fencing(err) || errors.Is(err, kerr.UnknownServerError) }

// errEpochMoved: the client was given another producer epoch in the middle of a transaction, which ended it.
var errEpochMoved = errors.New("the transaction was ended by the brokers")

// findings are what a writer left behind that had to stop, read back from the ledger.
type findings struct {
	writer Writer // who writes now
	task   *Task  // that this run works on, as it is now; nil: none, or nothing was written about it
	marked int64  // entries that this run replayed or discarded
	exact  bool   // marked is all of them
}

const (
	announceTries   = 10 // until who fenced us has said who it is
	announceBackoff = 100 * time.Millisecond
)

// aftermath finds out what became of a run that failed: a commit whose answer was lost may have happened, and who fenced
// it has ended its transaction before it said so in the ledger.
func (w *writer) aftermath(ctx context.Context, sent result) findings {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.queue.patience)
	defer cancel()
	var f findings
	for range announceTries {
		f = w.lookBack(ctx, sent.inDoubt)
		if !mayBeFencing(sent.err) || f.writer.Run != w.self.Run || pause(ctx, announceBackoff) != nil {
			break
		}
	}
	return f
}

// lookBack reads what was written to the ledger since this run took over: all of it, or only who writes.
func (w *writer) lookBack(ctx context.Context, all bool) findings {
	found := findings{writer: w.self}
	spans, err := spansOf(ctx, w.queue.admin, w.queue.Ledger(), time.Time{}, written)
	if err != nil {
		return found
	}
	if !all {
		spans = slices.DeleteFunc(spans, func(s span) bool { return s.partition != writerPartition })
	}
	for i := range spans {
		spans[i].from = max(spans[i].from, w.began[spans[i].partition])
	}
	reader, err := w.queue.ledgerReader(ctx, w.topicID)
	if err != nil {
		return found
	}
	l := newLedger()
	l.writer = w.self
	err = reader.read(ctx, l, spans)
	found.writer, found.task, found.exact = l.writer, l.tasks[w.self.Task], all && err == nil
	for _, m := range l.marks {
		if l.origin[m.from].writer == w.self.Run && (m.status == w.counts || w.counts == statuses) {
			found.marked++
		}
	}
	return found
}

// failure makes of an error of the brokers one that says what happened.
func (w *writer) failure(sent result, f findings) error {
	switch {
	case f.writer.Run != w.self.Run:
		fenced := &FencedError{Topic: w.queue.topic, By: f.writer, Doing: w.self.Doing, Cause: sent.err}
		// What took the queue over for something else pauses it, too, which is told as what it is.
		if t := f.task; t != nil && (t.State == TaskCancelled || t.State == TaskPaused && f.writer.Task == t.ID) {
			fenced.State, fenced.Why = t.State, t.Why
		}
		return fenced
	case fencing(sent.err) && sent.took < transactionTimeout && !errors.Is(sent.err, errEpochMoved):
		// Too early for the brokers to have given the transaction up: whoever it was has not said so yet.
		return &FencedError{Topic: w.queue.topic, Doing: w.self.Doing, Cause: sent.err}
	case fencing(sent.err):
		return fmt.Errorf("the brokers ended the transaction of this %s, as they do after %v: %w", w.self.Doing, transactionTimeout, sent.err)
	}
	for r, why := range sent.refused {
		if why == tooLarge {
			return fmt.Errorf("topic %s refuses a record of %d bytes as too large: raise its max.message.bytes", r.Topic, sizeOf(r))
		}
		return fmt.Errorf("topic %s refuses a record: %w", r.Topic, why.code)
	}
	if errors.Is(sent.err, kerr.UnknownTopicID) || errors.Is(sent.err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("write to the brokers: %w: a topic was deleted meanwhile. If it is the ledger, %s, nothing knows any more what was done: all of it is open again", sent.err, w.queue.Ledger())
	}
	return fmt.Errorf("write to the brokers: %w", sent.err)
}

// whoami is who the ledger says did something, when the caller does not say: user@host.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
