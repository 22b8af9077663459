package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A transactor writes copies and commits the offsets of what they were made from in one transaction, so that a record is
// never both routed and delivered again from where it was. Handlers run before: a transaction lasts as long as its
// requests. What is handed over while one is under way makes up the next.
//
// It has a client of its own, whose transactional id says who it is: whoever comes with the same id fences it. That a
// member which the group has forgotten cannot commit is seen to by its member id and generation, which travel with the
// offsets.
type transactor struct {
	p         *Pipeline
	id, other string // the transactional id, and one that is tried when it is denied, "": none; the run loop alone changes them

	client atomic.Pointer[kgo.Client] // nil until it is needed, and after what only a new one mends; the run loop alone changes it

	pace  pace          // of the run loop
	added chan struct{} // there is something to write

	mu         sync.Mutex
	queue      []*route
	avoid      map[outletKey]*avoided
	avoidLanes map[*lane]*avoided
	trials     trials
}

const (
	// transactionTimeout is after what time brokers abort the transaction of a member that is gone. Until then readers of
	// committed records wait.
	transactionTimeout = 10 * time.Second
	// transactionRecords and transactionBytes bound one transaction.
	transactionRecords = 5000
	transactionBytes   = 8 << 20
	// endTimeout bounds the requests that end a transaction.
	endTimeout = transactionTimeout
)

func newTransactor(p *Pipeline) *transactor {
	id, before := transactionalIDs(p.cfg.Group, p.cfg.InstanceID)
	return &transactor{p: p, id: id, other: before, added: make(chan struct{}, 1), avoid: make(map[outletKey]*avoided), avoidLanes: make(map[*lane]*avoided)}
}

// add hands a copy over.
func (t *transactor) add(r *route) {
	t.mu.Lock()
	t.queue = append(t.queue, r)
	t.mu.Unlock()
	select {
	case t.added <- struct{}{}:
	default:
	}
}

// run writes what is handed over until ctx ends.
func (t *transactor) run(ctx context.Context) {
	defer t.reset()
	for failed := 0; ctx.Err() == nil; {
		batch, timeout, wait := t.next(time.Now())
		if len(batch) == 0 {
			rest(ctx, wait, t.added)
			continue
		}
		began := time.Now()
		err := t.transact(ctx, batch, timeout)
		t.trials.ended(began, time.Now())
		if err == nil || ctx.Err() != nil {
			failed = 0
			continue
		}
		t.p.meter.aborted.Add(1)
		if errors.Is(err, errTooLarge) { // the next one has less, at once
			continue
		}
		if !errors.Is(err, errGivenUp) { // of which nobody needs to be told
			t.p.faults.note("transaction", "", -1, err)
		}
		t.otherID(err)
		if errors.As(err, new(laneRefusedError)) { // which the next goes without
			continue
		}
		failed++
		added := t.added
		if t.waiting() { // for this time to be over
			added = nil
		}
		rest(ctx, min(routeBackoff<<min(failed-1, 8), routeBackoffMax), added)
	}
}

func (t *transactor) waiting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue) > 0
}

// next takes the copies of the next transaction: those of which nothing is avoided, or when it is time to try again one of
// which something was. wait is when that is, if there is nothing before.
func (t *transactor) next(now time.Time) (batch []*route, timeout, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := int64(0)
	var left []*route
	full := false // what comes later does not overtake
	for _, r := range t.queue {
		full = full || len(batch) >= transactionRecords || size+r.size > transactionBytes && len(batch) > 0
		if full || t.avoids(r) {
			left = append(left, r)
			continue
		}
		size += r.size
		batch = append(batch, r)
	}
	trial, wait := t.due(now)
	if trial >= 0 && (len(batch) == 0 || t.trials.may(now)) {
		r := t.queue[trial]
		t.queue = slices.Delete(t.queue, trial, trial+1)
		t.trials.begin()
		return []*route{r}, t.pace.allow(tryTimeout), 0
	}
	if len(batch) > 0 {
		t.queue = left
		return batch, t.pace.allow(writeTimeout), 0
	}
	return nil, 0, wait
}

// again puts copies back that were part of a transaction that came to nothing.
func (t *transactor) again(batch []*route) {
	now := time.Now()
	for _, r := range batch {
		r.record.Timestamp, r.again = now, true
	}
	t.mu.Lock()
	t.queue = append(slices.Clone(batch), t.queue...)
	t.mu.Unlock()
}

// later leaves to the next transaction what was not sent of a batch.
func (t *transactor) later(batch, sent []*route) {
	if len(sent) == len(batch) {
		return
	}
	done := make(map[*route]bool, len(sent))
	for _, r := range sent {
		done[r] = true
	}
	rest := slices.DeleteFunc(batch, func(r *route) bool { return done[r] })
	t.mu.Lock()
	t.queue = append(rest, t.queue...)
	t.mu.Unlock()
}

// transact carries out one transaction. What its error stands for was not done, and is tried again.
func (t *transactor) transact(ctx context.Context, batch []*route, timeout time.Duration) error {
	batch = t.fitting(t.open(batch))
	if len(batch) == 0 {
		return nil
	}
	t.p.intake.leave(len(batch))
	defer t.p.intake.leave(0)
	client, err := t.connect()
	if err == nil {
		err = client.BeginTransaction()
	}
	if err != nil {
		t.reset()
		t.again(batch)
		return fmt.Errorf("begin a transaction: %w", err)
	}
	began := time.Now()
	sent, last, failed, err := t.write(ctx, client, batch, timeout)
	silent := err == nil && len(failed) == len(last) && allNotTaken(failed)
	nobody := silent && slices.ContainsFunc(last, func(r *route) bool { return r.to() != last[0].to() })
	t.pace.took(time.Since(began), silent)
	if err != nil || len(failed) > 0 {
		t.abort(client)
		if err == nil {
			t.p.meter.aborted.Add(1) // with an error it is counted by who called
		}
		batch = slices.DeleteFunc(batch, func(r *route) bool { return failed[r] != nil })
		t.again(batch)
		for r, why := range failed {
			if topicGone(why) {
				t.reset() // a topic that is made again has another id, which a new client learns
			}
			if !nobody { // where nobody answers it is no destination's fault
				t.shun(r, why)
			}
			t.p.written(r, why)
		}
		return err
	}
	t.later(batch, sent)
	return t.commit(ctx, client, sent)
}

// open leaves out the copies of closed lanes: their records are the next owner's.
func (t *transactor) open(batch []*route) []*route {
	return slices.DeleteFunc(batch, func(r *route) bool {
		if r.closed() {
			t.forgetLane(r.entry.lane)
			t.p.outlets.pass(r, t.p.write)
			return true
		}
		return false
	})
}

// write produces copies, to each destination one batch after the other, and ends with the first wave of which one was not acknowledged. It
// returns those that it produced, which are not all of them where that takes long, the last wave of them, and what [transactor.writeWave] returns of that.
func (t *transactor) write(ctx context.Context, client *kgo.Client, batch []*route, timeout time.Duration) (sent, last []*route, failed map[*route]error, err error) {
	flushed, heard, cancel := whileHeard(ctx, timeout, writeTimeoutMax)
	defer cancel()
	began := time.Now()
	for _, wave := range t.p.outlets.waves(batch) {
		if len(sent) > 0 && time.Since(began) >= writeQuick && t.roomFor(sent) { // several of that kind would outlast the transaction
			break
		}
		sent, last = append(sent, wave...), wave
		if failed, err = t.writeWave(ctx, flushed, heard, client, wave); err != nil || len(failed) > 0 {
			break
		}
	}
	return sent, last, failed, err
}

// writeWave produces copies at once, and waits until flushed ends, which lasts for as long as one after the other is acknowledged. It returns
// those that their destinations did not take, or an error that says nothing of a single one.
func (t *transactor) writeWave(ctx, flushed context.Context, heard func(), client *kgo.Client, wave []*route) (failed map[*route]error, err error) {
	var mu sync.Mutex
	left := make([]error, len(wave)) // nil: acknowledged
	for i := range left {
		left[i] = errNotTaken
	}
	over := false
	copies := make([]kgo.Record, len(wave)) // the client keeps what it fails, for a while
	for i, r := range wave {
		copies[i] = *r.record
		client.Produce(ctx, &copies[i], func(_ *kgo.Record, why error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case over: // who is called back from now on changes nothing
			case why == nil:
				left[i] = nil
				r.record.Offset = copies[i].Offset
				heard() // others may be on their way
			case producerFailed(why):
				left[i], err = why, why
			default:
				left[i] = why
			}
		})
	}
	_ = client.Flush(flushed) // what it did not bring out is left
	mu.Lock()
	defer mu.Unlock()
	over = true
	if err != nil || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	for i, why := range left {
		if why != nil {
			if failed == nil {
				failed = make(map[*route]error)
			}
			failed[wave[i]] = why
		}
	}
	return failed, nil
}

var errNotTaken = errors.New("its destination did not acknowledge it in time")

// producerFailed reports whether an error is the producer's, or its transaction's, and not that of a copy.
func producerFailed(err error) bool {
	for _, of := range []error{
		kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber, kerr.InvalidTxnState,
		kerr.TransactionAbortable, kerr.TransactionalIDAuthorizationFailed, kerr.ConcurrentTransactions, kerr.TransactionCoordinatorFenced, kgo.ErrAborting, kgo.ErrClientClosed, context.Canceled,
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

func allNotTaken(failed map[*route]error) bool {
	for _, why := range failed {
		if !errors.Is(why, errNotTaken) {
			return false
		}
	}
	return true
}

func topicGone(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
}

// commit commits the offsets and ends the transaction. From the offsets on it excludes all other commits and the closing of
// lanes that are given up: a commit in between would be the older one and stand. Where the end is in doubt that is so of its own
// lanes alone, and these are closed without a commit when they are given up: whoever has them next waits for the transaction.
func (t *transactor) commit(ctx context.Context, client *kgo.Client, batch []*route) error {
	turn := t.p.committer.turn
	<-turn
	release := sync.OnceFunc(func() { turn <- struct{}{} })
	defer release()
	ms, complete := t.leave(batch)
	complete = complete && !slices.ContainsFunc(batch, func(r *route) bool { return !ms.tellOf(r) }) // of which less fits since
	err := errGivenUp
	if complete {
		err = t.commitOffsets(ctx, client, ms)
	}
	if err != nil {
		t.stay(batch)
		release() // it will not be committed: who commits in between is not the older one
		t.abort(client)
		t.again(batch)
		return fmt.Errorf("commit offsets in a transaction: %w", err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := client.EndTransaction(ending, kgo.TryCommit); err != nil {
		ms.doubt(true)
		release() // nobody knows for how long its coordinator is away
		committed, unknown := t.outcome(ctx, ms)
		if unknown != nil || !committed {
			t.stay(batch)
			t.again(batch)
		}
		if unknown != nil { // we are stopping, and commit nothing more of it
			return errors.Join(fmt.Errorf("commit a transaction: %w", err), unknown)
		}
		defer ms.doubt(false) // after it counts
		if !committed {
			return fmt.Errorf("commit a transaction: %w", err)
		}
	}
	t.p.committer.acknowledged(ms, batch...)
	release()
	t.p.meter.transactions.Add(1)
	t.p.faults.clear("transaction")
	t.trust(batch)
	for _, r := range batch {
		t.p.toldWritten(r)
		t.p.outlets.pass(r, t.p.write)
		t.p.reuse(r)
	}
	return nil
}

// leave marks the records of a batch as leaving and returns what is to be committed with them. complete is false when
// a lane is closed: then nothing may be.
func (t *transactor) leave(batch []*route) (ms marks, complete bool) {
	ms, complete = make(marks), true
	for _, r := range batch {
		e := r.entry
		st := e.lane.strand
		st.mu.Lock()
		if e.lane.closed {
			complete = false
		} else {
			e.batch.state[e.index] = recordLeaving
		}
		st.mu.Unlock()
	}
	if !complete {
		return nil, false
	}
	for _, r := range batch {
		l := r.entry.lane
		if at := (partition{l.topic, l.partition}); ms[at] == nil {
			if ms[at] = l.mark(true); ms[at] == nil {
				return nil, false // closed since
			}
		}
		m := ms[partition{l.topic, l.partition}]
		m.routes = max(m.routes, r.entry.record.Offset)
	}
	return ms, true
}

// stay takes back what leave has marked.
func (t *transactor) stay(batch []*route) {
	for _, r := range batch {
		e := r.entry
		st := e.lane.strand
		st.mu.Lock()
		if !e.lane.closed && e.batch.state[e.index] == recordLeaving {
			e.batch.state[e.index] = recordEntry
		}
		st.mu.Unlock()
	}
}

// abort ends a transaction of which nothing is to stay. A client that cannot is replaced: its successor's first request
// aborts what is open.
func (t *transactor) abort(client *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), t.pace.allow(tryTimeout))
	defer cancel()
	if err := client.AbortBufferedRecords(ctx); err != nil {
		t.reset()
		return
	}
	if err := client.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.reset()
	}
}

// connect returns the client, a new one if there is none.
func (t *transactor) connect() (*kgo.Client, error) {
	if client := t.client.Load(); client != nil {
		return client, nil
	}
	client, err := kgo.NewClient(append(t.p.copyOptions(),
		kgo.TransactionalID(t.id),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.ProducerLinger(0), // a transaction waits for its last record
	)...)
	if err != nil {
		return nil, err
	}
	t.client.Store(client)
	return client, nil
}

// reset lets go of the client. What it had under way is in doubt until another has its place.
func (t *transactor) reset() {
	if client := t.client.Swap(nil); client != nil {
		client.Close()
	}
}
