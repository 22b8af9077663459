package dlq

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	wishTime     = time.Second      // between two looks for a wish
	wishPatience = 30 * time.Second // with who works on a task, until it has ended
)

// Tasks returns the queue's replays, the one that was started last first: those that have not ended, and the last hundred
// that have.
func (q *Queue) Tasks(ctx context.Context) ([]Task, error) {
	l, _, err := q.readTasks(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	tasks := make([]Task, 0, len(l.tasks))
	for _, t := range l.tasks {
		tasks = append(tasks, l.standing(t, now))
	}
	return byStart(tasks), nil
}

// Task returns one replay. The error is ErrNoTask where there is none.
func (q *Queue) Task(ctx context.Context, id string) (Task, error) {
	l, _, err := q.readTasks(ctx)
	if err != nil {
		return Task{}, err
	}
	t := l.tasks[id]
	if t == nil {
		return Task{}, fmt.Errorf("%s in %s: %w", id, q.topic, ErrNoTask)
	}
	return l.standing(t, time.Now()), nil
}

// readTasks reads the one partition of the ledger that tells of tasks and who writes.
func (q *Queue) readTasks(ctx context.Context) (*ledger, kadm.TopicDetail, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return nil, topic, err
	}
	l := newLedger()
	reader, err := q.ledgerReader(ctx, topic.ID)
	if errors.Is(err, ErrNoTopic) {
		return l, topic, nil
	}
	if err != nil {
		return nil, topic, err
	}
	spans, err := spansOf(ctx, q.admin, q.Ledger(), time.Time{}, stable)
	if err != nil {
		return nil, topic, err
	}
	spans = slices.DeleteFunc(spans, func(s span) bool { return s.partition != writerPartition })
	return l, topic, reader.read(ctx, l, spans)
}

// Start writes a replay down as a task that waits for somebody to work on it, see [Queue.Resume].
func (q *Queue) Start(ctx context.Context, r Replay) (Task, error) {
	if err := q.checkTask(r); err != nil {
		return Task{}, err
	}
	topic, err := q.describe(ctx)
	if err != nil {
		return Task{}, err
	}
	if _, err := r.Filter.compile(topic.ID); err != nil {
		return Task{}, err
	}
	if _, err := q.ensureLedger(ctx, topic); err != nil {
		return Task{}, err
	}
	t := q.newTask(r, time.Now())
	if t.ends, err = q.ends(ctx); err != nil {
		return Task{}, err
	}
	if t.starts, err = q.startsSince(ctx, r.Filter.Since); err != nil {
		return Task{}, err
	}
	if t.Kept {
		starts, err := listed(ctx, q.topic, q.admin.ListStartOffsets)
		if err != nil {
			return Task{}, err
		}
		of, err := q.index.now(ctx, topic, starts)
		if ctx.Err() != nil {
			return Task{}, err
		}
		if err != nil {
			t.away = true
			q.index.warn("%v: should it be empty when it is back, nobody knows what of that which the replay covers it kept", err)
		}
		t.life, t.first = of.name, of.first
	}
	return *t, q.tell(ctx, q.taskRecord(keysOf(topic.ID), t, time.Now().UnixMilli()))
}

// checkTask is Check of a replay that another call works on than the one that began it.
func (q *Queue) checkTask(r Replay) error {
	if r.Edit != nil {
		return errEdited
	}
	return q.Check(r)
}

// ends are those of the queue's partitions now.
func (q *Queue) ends(ctx context.Context) (map[int32]int64, error) {
	return listed(ctx, q.topic, q.admin.ListCommittedOffsets)
}

// tell writes to the ledger beside its writer: what takes nothing from anybody.
func (q *Queue) tell(ctx context.Context, record *kgo.Record) error {
	client, err := kgo.NewClient(append(slices.Clone(q.client.Opts()),
		kgo.ConsumeTopics(), kgo.ConsumePartitions(nil), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(""))...)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", q.Ledger(), err)
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("write to the ledger %s: %w", q.Ledger(), err)
	}
	return nil
}

// Pause ends the work on a replay so that it can be gone on with, by [Queue.Resume]. It returns when who works on it has
// ended; where nobody does, it waits for no other call that writes to the queue. A replay that has ended is [ErrTaskEnded].
func (q *Queue) Pause(ctx context.Context, id string) (Task, error) {
	return q.wish(ctx, id, wishPause, TaskPaused)
}

// Cancel ends a replay for good. What it replayed stays replayed, the rest is still open. It waits as Pause does.
func (q *Queue) Cancel(ctx context.Context, id string) (Task, error) {
	return q.wish(ctx, id, wishCancel, TaskCancelled)
}

// wish makes a replay paused or cancelled. Who works on it is asked to end, and says itself how it ended. One that nobody works on is settled by this call,
// as the queue's writer. While another call is that, which may be for hours, this one does not take its place: it writes down beside it what is wished of
// the task, and the task is that for everybody who reads the ledger until a later record is about the task itself. What counts is the order in their
// partition, which compaction keeps: who goes on with a paused task writes one, the next writer of the queue writes down what was wished (settleOthers), and
// who took the task up before it could read the wish has it before it still, and ends (awaitWish). Releases that do not know this take the wish for one of
// a run that has ended, and see the task as it was until the next writer.
func (q *Queue) wish(ctx context.Context, id, wish string, state TaskState) (Task, error) {
	asked := ""
	for patience := time.Now().Add(wishPatience); ; {
		t, err := q.Task(ctx, id)
		switch {
		case err != nil || t.State == state && (t.State.Ended() || t.Worker.Run == ""):
			return t, err
		case t.State.Ended():
			return t, fmt.Errorf("%w: it is %s", ErrTaskEnded, t.State)
		case t.Worker.Run == "":
			settled, err := q.settle(ctx, id, state)
			if !errors.Is(err, ErrBusy) && !errors.Is(err, ErrFenced) {
				return settled, err
			}
			if time.Now().After(patience) {
				return t, fmt.Errorf("the wish is written down, and nobody sees it yet, for a transaction is open before it since %v: %w", wishPatience, err)
			}
			if err := q.tellWish(ctx, id, Writer{Run: id, Task: id}, wish); err != nil {
				return t, err
			}
		case time.Now().After(patience):
			return t, fmt.Errorf("%s works on the replay and has not ended it for %v: the wish is written down, and is followed when the worker sees it, before its first entry at the latest", t.Worker.By, wishPatience)
		case asked != t.Worker.Run:
			if err := q.tellWish(ctx, id, Writer{Run: t.Worker.Run}, wish); err != nil {
				return t, err
			}
			asked = t.Worker.Run
		}
		if err := pause(ctx, wishTime/4); err != nil {
			return t, err
		}
	}
}

// tellWish writes down what is wished of a run, or, where of names it, of the task whoever works on it.
func (q *Queue) tellWish(ctx context.Context, id string, of Writer, wish string) error {
	topic, err := q.describe(ctx)
	if err != nil {
		return err
	}
	value, _ := json.Marshal(ledgerValue{V: ledgerVersion, At: time.Now().UnixMilli(), By: whoami(), Run: of.Run, Doing: doingWish, Reason: wish, TaskID: of.Task})
	return q.tell(ctx, &kgo.Record{Topic: q.Ledger(), Partition: writerPartition, Key: keysOf(topic.ID).wish(id), Value: value})
}

// settle writes the state of a task that nobody works on.
func (q *Queue) settle(ctx context.Context, id string, state TaskState) (Task, error) {
	w, l, _, err := q.takeUp(ctx, id, order{doing: doingReplay, counts: StatusReplayed})
	if err != nil {
		return Task{}, err
	}
	defer w.end(ctx)
	t := l.tasks[id]
	switch {
	case t.State == state: // as this call wished before it, or another one
		return *t, nil
	case t.State.Ended():
		return *t, fmt.Errorf("%w: it is %s", ErrTaskEnded, t.State)
	}
	t.State, t.Why = state, "by "+w.self.By
	if sent := w.transact(ctx, []*kgo.Record{q.taskRecord(w.keys, t, l.now())}); !sent.committed() {
		return *t, w.failure(sent, w.aftermath(ctx, sent))
	}
	return *t, nil
}

// takeUp makes this call the queue's writer, for a task.
func (q *Queue) takeUp(ctx context.Context, id string, o order) (*writer, *ledger, kadm.TopicDetail, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return nil, nil, topic, err
	}
	self := Writer{Run: newRun(time.Now()), By: o.by, Doing: o.doing, Task: id, At: time.Now()}
	if self.By == "" {
		self.By = whoami()
	}
	w, l, err := q.beginWriting(ctx, topic, self, o)
	if err != nil {
		return nil, nil, topic, err
	}
	if l.tasks[id] == nil {
		w.end(ctx)
		return nil, nil, topic, fmt.Errorf("%s in %s: %w", id, q.topic, ErrNoTask)
	}
	return w, l, topic, nil
}

// awaitWish returns when somebody wishes that this call ends, with the error that ends it; nil when ctx ends before.
func (w *writer) awaitWish(ctx context.Context) error {
	reader, err := w.queue.ledgerReader(ctx, w.topicID)
	if err != nil {
		return nil // it is looked for beside the work, which goes on
	}
	reader.only = w.keys.wish("")
	at := w.began[writerPartition]
	for pause(ctx, wishTime) == nil {
		spans, err := spansOf(ctx, w.queue.admin, w.queue.Ledger(), time.Time{}, stable)
		if err != nil {
			continue
		}
		for _, s := range spans {
			if s.partition != writerPartition || s.to <= at {
				continue
			}
			l := newLedger()
			if reader.read(ctx, l, []span{{writerPartition, max(at, s.from), s.to}}) != nil {
				continue
			}
			at = s.to
			switch wish := cmp.Or(l.wishes[w.self.Run], l.wishes[w.self.Task]); wish.what {
			case wishPause:
				return fmt.Errorf("%w by %s", ErrPaused, wish.by)
			case wishCancel:
				return fmt.Errorf("%w by %s", ErrCancelled, wish.by)
			}
		}
	}
	return nil
}

// forget makes the records that take tasks out of the ledger which have ended long ago.
func (q *Queue) forget(keys ledgerKeys, l *ledger) []*kgo.Record {
	var ended []Task
	for _, t := range l.tasks {
		if t.State.Ended() {
			ended = append(ended, *t)
		}
	}
	var records []*kgo.Record
	for _, t := range byStart(ended)[min(tasksKept, len(ended)):] {
		for _, key := range [][]byte{keys.task(t.ID), keys.wish(t.ID)} {
			records = append(records, &kgo.Record{Topic: q.Ledger(), Partition: writerPartition, Key: key})
		}
	}
	return records
}
