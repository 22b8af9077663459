package dlq

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	doingReplay  = "replay"
	doingDiscard = "discard"
	doingPark    = "park"
	doingReopen  = "reopen"

	// transactionTimeout bounds for how long a run that was killed holds up those who read the retry topics, where nobody
	// takes its place.
	transactionTimeout = 30 * time.Second
	// endPatience is how long a run that is interrupted goes on with the transaction it is in, and for how long one that
	// failed tries to find out what became of its last transaction.
	endPatience = 10 * time.Second
)

// writer is the one that writes about a queue. It took over from whoever did before, and is told when somebody takes
// over from it.
type writer struct {
	*producer // transactional

	queue   *Queue
	topicID kadm.TopicID
	ledger  string
	keys    ledgerKeys
	self    Writer
	edit    string          // what a replay changes, for the marks
	counts  Status          // of the marks that are this run's work; statuses: all are
	began   map[int32]int64 // where the ledger's partitions ended when this run began
	ends    map[int32]int64 // and those of the dead letters, when what it goes through was fixed

	open   *transaction
	signed time.Time // of the last sign of life; zero: none yet
	room   []byte    // for the next marks
	failed bool      // a transaction failed and could not be ended cleanly: nothing more can be written
}

// beginWriting makes this call the queue's writer, unless another one is under way. Whoever wrote before has no open
// transaction and cannot write any more when it returns, and the ledger was read after that, to the end.
func (q *Queue) beginWriting(ctx context.Context, topic kadm.TopicDetail, self Writer, o order) (*writer, *ledger, error) {
	if _, err := q.ensureLedger(ctx, topic); err != nil {
		return nil, nil, err
	}
	who := q.rival
	if o.takeOver { // nobody is waited for
		who = q.underWay
	}
	by, err := who(ctx, topic.ID)
	if err != nil {
		return nil, nil, err
	}
	if by.Run != "" && !o.takeOver {
		return nil, nil, &BusyError{Topic: q.topic, By: q.named(ctx, by)}
	}
	client, err := q.transactional(o.keyed)
	if err != nil {
		return nil, nil, err
	}
	w := &writer{
		producer: newProducer(client, o.keyed),
		queue:    q,
		topicID:  topic.ID,
		ledger:   q.Ledger(),
		keys:     keysOf(topic.ID),
		self:     self,
		counts:   o.counts,
	}
	l, err := w.begin(ctx)
	if err == nil {
		err = w.settleOthers(ctx, l, by)
	}
	if err != nil {
		w.end(ctx)
		return nil, nil, err
	}
	return w, l, nil
}

// settleOthers writes down how replays stand that nobody works on. What somebody wished of one while another call wrote, it is from now on, also for
// releases that know no such wishes. The one that this call took the queue over from is paused: whoever attends the queue would go on with it at once
// otherwise, as with one whose process was killed.
func (w *writer) settleOthers(ctx context.Context, l *ledger, from Writer) error {
	var records []*kgo.Record
	for _, t := range l.tasks {
		at := l.now()
		switch {
		case t.obey():
			at = t.Change.UnixMilli() // that of the wish, since when it is so
		case t.ID == from.Task && t.ID != w.self.Task && t.State == TaskRunning:
			t.State, t.Why = TaskPaused, fmt.Sprintf("a %s by %s took the queue over", w.self.Doing, w.self.By)
		default:
			continue
		}
		records = append(records, w.queue.taskRecord(w.keys, t, at))
	}
	if len(records) == 0 {
		return nil
	}
	if sent := w.transact(ctx, records); !sent.committed() {
		return w.failure(sent, w.aftermath(ctx, sent))
	}
	return nil
}

// transactional makes the client that writes: the queue's own, with the transactional id of the queue.
func (q *Queue) transactional(keyed string) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(slices.Concat(q.client.Opts(), producing(keyed, q.client)),
		kgo.TransactionalID(q.transactionalID()),
		kgo.TransactionTimeout(transactionTimeout),
	)...)
	if err != nil {
		return nil, fmt.Errorf("make a transactional client for %s: %w", q.topic, err)
	}
	return client, nil
}

func (q *Queue) transactionalID() string { return "redeliver." + q.topic }

// begin fences the writer before, says in the ledger who writes now, and reads the ledger.
func (w *writer) begin(ctx context.Context) (*ledger, error) {
	if _, _, err := w.client.ProducerID(ctx); err != nil {
		return nil, fmt.Errorf("take over as the writer of %s (transactional id %s): %w", w.queue.topic, w.queue.transactionalID(), err)
	}
	var err error
	if w.began, err = listed(ctx, w.queue.Ledger(), w.queue.admin.ListEndOffsets); err != nil {
		return nil, err
	}
	if sent := w.transact(ctx, nil); !sent.committed() { // the first one says who writes
		return nil, w.failure(sent, w.aftermath(ctx, sent))
	}
	var l *ledger
	err = w.during(ctx, func(ctx context.Context) (err error) {
		l, _, err = w.queue.readLedger(ctx, w.topicID, written)
		return err
	})
	if err != nil {
		return nil, err
	}
	if l.writer.Run != w.self.Run {
		w.failed = true
		return nil, &FencedError{Topic: w.queue.topic, By: l.writer, Doing: w.self.Doing}
	}
	return l, nil
}

// end leaves the queue to others.
func (w *writer) end(ctx context.Context) {
	w.release(ctx)
	w.client.Close()
}

// sign makes the ledger record that says who writes, and that it does.
func (w *writer) sign(now time.Time) *kgo.Record {
	value, _ := json.Marshal(ledgerValue{
		V: ledgerVersion, At: w.self.At.UnixMilli(), By: w.self.By, Run: w.self.Run, Doing: w.self.Doing, TaskID: w.self.taskOf(),
		Alive: now.UnixMilli(), Ended: w.self.Ended,
	})
	return &kgo.Record{Topic: w.ledger, Partition: writerPartition, Key: w.keys.writer(), Value: value}
}

// taskOf is the task of a call that goes on with what another one began.
func (w Writer) taskOf() string {
	if w.Task == w.Run {
		return ""
	}
	return w.Task
}

// result is what became of a transaction. It was committed when all is zero.
type result struct {
	refused map[*kgo.Record]*refusal // by the brokers, each by itself; nothing was written
	again   bool                     // nothing was written; the same records in smaller batches may go through
	err     error                    // the transaction failed, and this writer with it
	inDoubt bool                     // whether it was committed is not known
	aborted bool                     // it was ended, and another one may begin
	took    time.Duration            // until it failed
}

func (r *result) refuse(record *kgo.Record, why *refusal) {
	if r.refused == nil {
		r.refused = make(map[*kgo.Record]*refusal)
	}
	r.refused[record] = why
}

func (r result) committed() bool { return r.err == nil && !r.again && len(r.refused) == 0 }

// transaction is one that waits for more.
type transaction struct {
	ctx    context.Context // of its records
	cancel func()
	began  time.Time
	id     int64 // of the producer
	epoch  int16
	broken error // it could not be begun
	delivery
	sent result // so far
}

// transact writes the records in one transaction, with those that were written ahead, and a sign of life when it is time for one. When ctx ends on the
// way it still ends the transaction, in endPatience at most.
func (w *writer) transact(ctx context.Context, records []*kgo.Record) result {
	ctx, cancel := outlast(ctx, w.queue.patience)
	defer cancel()
	return w.write(ctx, records)
}

// tryTo writes records that nothing depends on, after an error: brokers that are away are not waited for longer than it takes to end a transaction.
func (w *writer) tryTo(ctx context.Context, records []*kgo.Record) {
	ctx, cancel := context.WithTimeout(ctx, w.queue.patience)
	defer cancel()
	_ = w.write(ctx, records)
}

// ahead writes records in a transaction that waits for more. What became of them says transact, which ends it.
func (w *writer) ahead(ctx context.Context, records []*kgo.Record) {
	if w.open == nil {
		w.open = w.beginTransaction(outlast(ctx, w.queue.patience))
	}
	if w.open.broken == nil && w.open.sent.committed() {
		w.open.sent = w.produce(w.open.ctx, records, &w.open.delivery)
		w.hurry()
	}
}

func (w *writer) beginTransaction(ctx context.Context, cancel func()) *transaction {
	t := &transaction{ctx: ctx, cancel: cancel, began: time.Now()}
	w.landed()
	if t.broken = w.client.BeginTransaction(); t.broken == nil {
		t.id, t.epoch, t.broken = w.client.ProducerID(ctx)
	}
	return t
}

// write is transact within ctx.
func (w *writer) write(ctx context.Context, records []*kgo.Record) (sent result) {
	t := w.open
	if t == nil {
		t = w.beginTransaction(ctx, func() {})
	}
	w.open = nil
	defer t.cancel()
	signs := w.due()
	if signs {
		records = append(slices.Clip(records), w.sign(t.began))
	}
	defer func() {
		sent.took = time.Since(t.began)
		w.failed = sent.err != nil && !sent.aborted
		if signs && sent.committed() {
			w.signed = t.began
		}
	}()
	if t.broken != nil {
		return result{err: t.broken}
	}
	if t.sent.committed() {
		t.sent = w.produce(t.ctx, records, &t.delivery)
	}
	if t.sent.committed() {
		t.sent = w.flush(ctx, &t.delivery)
	}
	if !t.sent.committed() {
		return w.abort(ctx, t.sent)
	}
	if err := w.awaitPartitions(ctx); err != nil {
		return w.abort(ctx, result{err: err})
	}
	// kgo may take a new epoch by itself in the middle of a transaction and go on, where the topic was trimmed behind the
	// last record it had acknowledged. The transaction that it would commit lacks what was written before that.
	if id, epoch, err := w.client.ProducerID(ctx); err != nil || id != t.id || epoch != t.epoch {
		return w.abort(ctx, result{err: errors.Join(errEpochMoved, err)})
	}
	if err := w.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return result{err: err, inDoubt: true}
	}
	w.unbounded()
	return result{}
}

// abort ends a transaction that cannot be committed. A writer that was fenced leaves that to its successor: kgo's own
// recovery would ask for the transactional id again.
func (w *writer) abort(ctx context.Context, sent result) result {
	if fencing(sent.err) {
		return sent
	}
	err := w.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = w.client.EndTransaction(ctx, kgo.TryAbort)
	}
	sent.aborted = err == nil
	if sent.err == nil && err != nil {
		sent.err = err
	}
	return sent
}

// awaitPartitions waits until the client has taken note of the partitions that it wrote to. It writes to a topic that is
// new to it a moment before that, and EndTransaction sees only partitions that are noted: it would find that nothing was
// written, end nothing or abort, and return nil. (kgo v1.22.2, storePartitionsUpdate: the store is deferred.)
func (w *writer) awaitPartitions(ctx context.Context) error {
	for _, l := range w.lines {
		for r := l.latest; r != nil && !l.noted; {
			leader, _, err := w.client.PartitionLeader(r.Topic, r.Partition)
			if l.noted = leader >= 0 || err != nil; l.noted {
				break
			}
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// outlast returns a context that ends d after ctx.
func outlast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = pause(longer, d)
		cancel()
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// runTime is how the name of a call begins, with when it did.
const runTime = "20060102-150405"

// newRun names a call: when it began, and six digits that tell it from others of that second.
func newRun(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format(runTime) + "-" + hex.EncodeToString(b[:])
}
