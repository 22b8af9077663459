package dlq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TaskState says where a replay stands.
type TaskState string

// The states. Those that are done, stopped and cancelled have ended; the others can be gone on with.
const (
	TaskWaiting     TaskState = "waiting"     // for somebody to work on it, see [Queue.Attend]
	TaskRunning     TaskState = "running"     //
	TaskPaused      TaskState = "paused"      // by an operator, or by the end of the context
	TaskInterrupted TaskState = "interrupted" // who worked on it was killed, or failed
	TaskDone        TaskState = "done"
	TaskStopped     TaskState = "stopped" // too much of what it had replayed failed again
	TaskCancelled   TaskState = "cancelled"
)

// Ended says whether nobody will go on with it.
func (s TaskState) Ended() bool { return s == TaskDone || s == TaskStopped || s == TaskCancelled }

// Task is a replay that is written down in the ledger, so that another process can go on with it.
type Task struct {
	ID    string
	State TaskState
	Why   string // it was paused, stopped or, by an error, interrupted; "" where who worked on it could not write that down
	// Replay is what it does, without its functions.
	Replay Replay
	By     string    // who started it
	At     time.Time // when
	Change time.Time // when it was last written about
	Worker Writer    // who works on it now; the zero Writer: nobody
	// Done entries were replayed. Succeeded and Failed are what is known of their outcomes, where they were waited for.
	Done, Succeeded, Failed int64
	// To counts replayed entries by the topic they were written to.
	To map[string]int64
	// Kept: it covers what only an index keeps ([Index].Keep), so that only a queue with such an index can go on with it.
	Kept bool
	// Skipped are the entries that it selects and has not replayed, as its last call has found them so far. Of a replay that a release did
	// which wrote none down they are all 0.
	Skipped Skipped

	ends   map[int32]int64 // of the queue's partitions when it was started; nil: nobody has worked on it
	starts map[int32]int64 // where what it covers began then; nil: not known
	canary bool            // it is passed
	wished wish            // since it was last written about; the zero wish: nothing
	life   string          // of the index that keeps what the topic loses of what it covers; "": none is known
	first  map[int32]int64 // where the first entry of each partition stood in that, or in the topic
	away   bool            // the index was away when it was started: what it had then is not known
}

// Skipped counts the entries that a replay selects and does not replay, and says whether more are gone, each as the field of its name in [Summary].
type Skipped struct {
	Replayed   int64     `json:"replayed,omitempty"`
	Discarded  int64     `json:"discarded,omitempty"`
	Superseded int64     `json:"superseded,omitempty"`
	Parked     int64     `json:"parked,omitempty"`
	Limited    int64     `json:"limited,omitempty"`
	OtherGroup int64     `json:"other_group,omitempty"`
	LeftOut    []LeftOut `json:"left_out,omitempty"`
	KeptLost   bool      `json:"kept_lost,omitempty"`
	Taken      int64     `json:"taken,omitempty"`
}

// Left counts those that somebody should look at: that were left out, and not since they had been dealt with.
func (s Skipped) Left() int64 {
	n := s.Limited + s.OtherGroup
	for _, l := range s.LeftOut {
		n += l.Count
	}
	return n
}

// skipped is what of a summary a task keeps.
func (s *Summary) skipped() Skipped {
	kept := Skipped{Replayed: s.Replayed, Discarded: s.Discarded, Superseded: s.Superseded, Parked: s.Parked, Limited: s.Limited, OtherGroup: s.OtherGroup, LeftOut: slices.Clone(s.LeftOut), KeptLost: s.KeptLost, Taken: s.Taken}
	for i := range kept.LeftOut {
		kept.LeftOut[i].Why = cutBytes(kept.LeftOut[i].Why, normalizedSize)
	}
	return kept
}

var (
	// ErrNoTask is the error of the id of a task that does not exist.
	ErrNoTask = errors.New("there is no such replay")
	// ErrTaskEnded is what an error is of a task that has ended and cannot be gone on with.
	ErrTaskEnded = errors.New("the replay has ended")
	// ErrPaused and ErrCancelled end a replay that somebody paused or cancelled. What it did before is marked.
	ErrPaused    = errors.New("the replay was paused")
	ErrCancelled = errors.New("the replay was cancelled")
	// ErrStopped is what an error is of a replay that stopped by itself, since too much of what it had replayed failed again.
	ErrStopped = errors.New("the replay was stopped")
	// ErrKept is the error of a replay that covers what only an index keeps, for a queue that has no such index.
	ErrKept = errors.New("the replay covers what the topic has lost and an index keeps, and there is no such index here")
)

const (
	doingTask = "task" // of ledger records that are a task
	doingWish = "wish" // of those that ask who works on one to end, or that say how one stands which nobody works on

	wishPause  = "pause"
	wishCancel = "cancel"

	tasksKept = 100 // that have ended
)

// taskValue is a task in the ledger.
type taskValue struct {
	State     TaskState        `json:"state"`
	Why       string           `json:"why,omitempty"`
	Began     int64            `json:"began"` // Unix ms
	Spec      taskSpec         `json:"spec"`
	Ends      map[int32]int64  `json:"ends,omitempty"`
	Starts    map[int32]int64  `json:"starts,omitempty"`
	Done      int64            `json:"done,omitempty"`
	Succeeded int64            `json:"succeeded,omitempty"`
	Failed    int64            `json:"failed,omitempty"`
	To        map[string]int64 `json:"to,omitempty"`
	Canary    bool             `json:"canary_passed,omitempty"`
	Kept      bool             `json:"kept,omitempty"`
	Skipped   Skipped          `json:"skipped,omitzero"`
	Life      string           `json:"index,omitempty"`
	First     map[int32]int64  `json:"index_from,omitempty"`
	Away      bool             `json:"index_away,omitempty"`
}

// newTask makes one that nobody has worked on.
func (q *Queue) newTask(r Replay, now time.Time) *Task {
	if r.By == "" {
		r.By = whoami()
	}
	if r.MaxReplays == 0 {
		r.MaxReplays = DefaultMaxReplays
	}
	return &Task{ID: newRun(now), State: TaskWaiting, Replay: r, By: r.By, At: now, Kept: q.keeps(r.Filter)}
}

// record makes the ledger record of a task.
func (q *Queue) taskRecord(keys ledgerKeys, t *Task, now int64) *kgo.Record {
	value, _ := json.Marshal(ledgerValue{ // a regular expression is text: it cannot fail
		V: ledgerVersion, At: now, By: t.By, Run: t.ID, Doing: doingTask,
		Task: &taskValue{
			State: t.State, Why: t.Why, Began: t.At.UnixMilli(), Spec: specOf(t.Replay), Ends: t.ends, Starts: t.starts,
			Done: t.Done, Succeeded: t.Succeeded, Failed: t.Failed, To: t.To, Canary: t.canary, Skipped: t.Skipped, Kept: t.Kept, Life: t.life, First: t.first, Away: t.away,
		},
	})
	return &kgo.Record{Topic: q.Ledger(), Partition: writerPartition, Key: keys.task(t.ID), Value: value}
}

func (v *ledgerValue) task() (*Task, error) {
	if v.Task == nil {
		return nil, errors.New("a task that says nothing")
	}
	r, err := v.Task.Spec.replay()
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", v.Run, err)
	}
	r.By = v.By
	return &Task{
		ID: v.Run, State: v.Task.State, Why: v.Task.Why, Replay: r, By: v.By, At: time.UnixMilli(v.Task.Began), Change: time.UnixMilli(v.At),
		Done: v.Task.Done, Succeeded: v.Task.Succeeded, Failed: v.Task.Failed, To: v.Task.To, ends: v.Task.Ends, starts: v.Task.Starts, canary: v.Task.Canary, Skipped: v.Task.Skipped, Kept: v.Task.Kept, life: v.Task.Life, first: v.Task.First, away: v.Task.Away,
	}, nil
}

// standing is a task as it is now: one that nobody works on, though it says so, was interrupted, and one of which somebody wished that nobody does is so.
func (l *ledger) standing(t *Task, now time.Time) Task {
	one := *t
	one.To = maps.Clone(t.To)
	switch alive := l.writer.alive(now) && l.writer.Task == t.ID; {
	case alive: // it sees the wish, and says itself how it ended
		one.Worker = l.writer
		return one
	case one.State == TaskRunning:
		one.State = TaskInterrupted
	}
	one.obey()
	return one
}

// obey makes a task what somebody wished it to be while nobody worked on it, and says whether it was something else.
func (t *Task) obey() bool {
	wished := t.wished
	t.wished = wish{}
	if wished.what == "" || t.State.Ended() {
		return false
	}
	t.State, t.Why, t.Change = TaskPaused, "by "+wished.by, time.UnixMilli(wished.at)
	if wished.what == wishCancel {
		t.State = TaskCancelled
	}
	return true
}

// over says whether a task has ended, or somebody wished that it has.
func (t *Task) over() bool { return t.State.Ended() || t.wished.what == wishCancel }

// byStart sorts tasks, the one that was started last first.
func byStart(tasks []Task) []Task {
	slices.SortFunc(tasks, func(a, b Task) int { return b.At.Compare(a.At) })
	return tasks
}

// controls are what may end the work from beside it.
func (t *task) controls() []func(context.Context) error {
	var all []func(context.Context) error
	if t.of != nil {
		all = append(all, t.writer.awaitWish)
	}
	if t.outcomes != nil {
		all = append(all, func(ctx context.Context) error {
			err := t.outcomes.run(ctx)
			if ctx.Err() != nil {
				return nil
			}
			return err
		})
	}
	return all
}

// landed tells those who wait for outcomes that an entry was written, or refused.
func (t *task) landed(i *item, refused bool) {
	if t.outcomes != nil && i.work {
		t.outcomes.written(i.entry, i.copy, refused)
	}
}

// count takes over what is known of outcomes.
func (t *task) count(summary *Summary) {
	if t.outcomes != nil {
		summary.Succeeded, summary.Failed, summary.Pending, t.of.canary = t.outcomes.counts()
	}
}

// noted makes the ledger record of the task as it is when the items are written.
func (t *task) noted(items []*item, summary *Summary) *kgo.Record {
	after := Summary{Done: summary.Done, To: maps.Clone(summary.To)}
	for _, i := range items {
		after.done(i)
	}
	t.count(summary)
	t.of.Done, t.of.To = t.before.Done+after.Done, maps.Clone(t.before.To)
	for topic, n := range after.To {
		if t.of.To == nil {
			t.of.To = make(map[string]int64)
		}
		t.of.To[topic] += n
	}
	t.of.Succeeded, t.of.Failed, t.of.Skipped = summary.Succeeded, summary.Failed, summary.skipped()
	return t.survey.queue.taskRecord(t.writer.keys, t.of, time.Now().UnixMilli())
}

// replay works on a replay until it has ended or has to, and writes down how it stands then.
func (t *task) replay(ctx context.Context, r Replay, summary *Summary) error {
	return t.leave(ctx, t.work(ctx, r, summary), summary)
}

// work is replay without what is written down of its end.
func (t *task) work(ctx context.Context, r Replay, summary *Summary) error {
	edit, err := t.survey.queue.editor(r)
	if err != nil {
		return err
	}
	router := newRouter(t.survey.queue, r.To, edit)
	router.originals.named = t.survey.sel.byOwnID
	err = t.during(ctx, func(ctx context.Context) (err error) {
		t.elsewhere, err = t.survey.queue.connectCluster(ctx, t.survey.topic, r.To)
		return err
	})
	if err != nil {
		return err
	}
	if t.elsewhere != nil {
		defer t.elsewhere.close()
		router.admin = t.elsewhere.admin
	}
	if t.writer != nil {
		t.writer.edit = r.edited()
	}
	if r.Rate > 0 && !r.DryRun {
		t.pace = newPace(r.Rate)
	}
	if t.of != nil {
		router.task = t.of.ID
	}
	decision := &replayDecision{Replay: r, router: router, task: t}
	t.decide = decision.decide
	if r.Again && !t.survey.sel.placed() { // entries that are named are meant, whatever they became
		if err := t.during(ctx, decision.findDeaths); err != nil {
			return err
		}
	}
	if t.survey.queue.keysHeld && r.To.keyed() == "" {
		if err := t.during(ctx, decision.order); err != nil {
			return err
		}
	}
	if t.of == nil {
		return t.run(ctx, summary)
	}
	if t.keepsNothing(r) {
		t.survey.scan.memory = new(rooms)
	}
	summary.Task = t.of.ID
	t.before = *t.of
	t.of.State, t.of.Why = TaskRunning, ""
	if summary.KeptLost, err = t.lostKept(ctx); err != nil {
		return err
	}
	if r.Waits() {
		t.outcomes = newOutcomes(t.survey.queue, t.survey.topic.ID, router, t.of)
	}
	// It is written down with the first entries that it replays or marks: until then there is nothing to go on with. One that is known is under way from
	// now on, also where it waits for outcomes first.
	if t.known() {
		if summary.Taken, err = t.took(ctx); err != nil {
			return err
		}
		began := t.survey.queue.taskRecord(t.writer.keys, t.of, time.Now().UnixMilli())
		if sent := t.writer.transact(ctx, []*kgo.Record{began}); !sent.committed() {
			return t.fail(ctx, sent, nil, summary)
		}
	}
	t.begun = true
	err = t.run(ctx, summary)
	if err == nil && t.survey.replayOrder != nil {
		err = t.survey.came(ctx, summary)
	}
	t.count(summary)
	return err
}

// known says whether another call has written the replay down.
func (t *task) known() bool { return t.ledger.tasks[t.of.ID] != nil }

// leave writes down how a replay stands that ended with this error, also where that came before its first entry: whoever looks sees why nothing is done.
// One that no ledger tells of, for it has replayed nothing, stays untold.
func (t *task) leave(ctx context.Context, err error, summary *Summary) error {
	if t.of == nil {
		return err
	}
	switch {
	case err == nil:
		t.of.State = TaskDone
	case errors.Is(err, ErrCancelled):
		t.of.State = TaskCancelled
	case errors.Is(err, ErrStopped):
		t.of.State = TaskStopped
	case ctx.Err() != nil && t.handsOver && !errors.Is(err, ErrPaused):
		t.of.State = TaskWaiting
	case errors.Is(err, ErrPaused), errors.Is(err, ErrKeptLost), ctx.Err() != nil:
		t.of.State = TaskPaused
	default: // it was interrupted, as what is running is that nobody works on: releases that know no why of it go on with it the same
		t.of.State = TaskRunning
	}
	switch {
	case err == nil, t.of.State == TaskWaiting:
		t.of.Why = ""
	case errors.Is(err, context.Canceled):
		t.of.Why = "interrupted, as " + t.writer.self.By + " worked on it"
	default:
		t.of.Why = err.Error()
	}
	if t.writer.failed || !t.known() && !t.told {
		return err
	}
	end := t.writer.queue.forget(t.writer.keys, t.ledger)
	if t.begun {
		end = append(end, t.noted(nil, summary))
	} else { // of what was counted before it says the same
		end = append(end, t.writer.queue.taskRecord(t.writer.keys, t.of, time.Now().UnixMilli()))
	}
	if t.of.State == TaskRunning {
		t.writer.tryTo(ctx, end)
		return err
	}
	if sent := t.writer.transact(ctx, end); !sent.committed() {
		return errors.Join(err, t.fail(ctx, sent, nil, summary))
	}
	return err
}

// lostKept says whether the index that keeps what the topic loses was emptied since, of what the replay covers, and notes which one it is. What is kept no
// longer for its age, or was purged, is not lost, nor what was dealt with.
func (t *task) lostKept(ctx context.Context) (bool, error) {
	iq := t.survey.query
	if iq == nil || iq.life.name == "" { // the topics are read, which is told
		return t.of.Skipped.KeptLost, nil
	}
	if t.of.life != "" && t.of.life != iq.life.name {
		lost := int64(0)
		err := t.writer.during(ctx, func(ctx context.Context) (err error) {
			lost, err = t.survey.unaccounted(ctx, t.of.first, iq.life.lost(t.of.ends))
			return err
		})
		if err != nil || lost > 0 {
			return true, err
		}
	}
	if t.of.away && iq.life.since(t.of.At) {
		iq.index.warn("the index of dead letters was away when replay %s was started, and was empty since: what it had kept of that which the replay covers, if anything, is gone, and nobody knows how much that was", t.of.ID)
	}
	t.of.life, t.of.first = iq.life.name, iq.life.first
	return t.of.Skipped.KeptLost, nil
}

// keepsNothing says whether nobody has an entry, or the record that it becomes, when its transaction has ended.
func (t *task) keepsNothing(r Replay) bool {
	hooks := reflect.ValueOf(t.survey.queue.client.OptValue(kgo.WithHooks)) // a slice of a type that has no name here
	return r.Entry == nil && r.Edit == nil && r.JQ == "" && !r.Waits() && t.survey.queue.tracer == nil && t.elsewhere == nil && hooks.Len() == 0
}

// Work says how [Queue.Resume] goes on with a replay.
type Work struct {
	// TakeOver ends another call that writes to the queue, instead of being refused with ErrBusy.
	TakeOver bool
	// By is who the ledger says it was. Defaults to user@host.
	By string
	// Progress is as in [Replay].
	Progress func(Progress)

	handsOver bool // when ctx ends the replay waits for another call, instead of being paused
}

// Resume goes on with a replay that waits, was paused or was interrupted, wherever that was, and returns as [Queue.Replay]
// does. It covers what was in the queue when the replay was started, and replays nothing again that it had replayed. A
// replay that has ended is [ErrTaskEnded], one that covers what an index keeps [ErrKept] where there is none, and what [Queue.Start] would refuse here is
// refused.
func (q *Queue) Resume(ctx context.Context, id string, w Work) (Summary, error) {
	found, err := q.Task(ctx, id) // what is refused takes nothing over
	switch {
	case err != nil:
	case found.State.Ended():
		err = fmt.Errorf("%w: it is %s", ErrTaskEnded, found.State)
	case found.Kept && !q.keeps(found.Replay.Filter):
		err = ErrKept
	default:
		err = q.checkTask(found.Replay)
	}
	if err != nil {
		return Summary{}, err
	}
	o := order{doing: doingReplay, counts: StatusReplayed, by: w.By, takeOver: w.TakeOver, keyed: found.Replay.To.keyedHere()}
	writer, l, topic, err := q.takeUp(ctx, id, o)
	if err != nil {
		return Summary{}, err
	}
	t := &task{writer: writer, ledger: l, progress: w.Progress, of: l.tasks[id], handsOver: w.handsOver}
	defer t.end(ctx)
	summary := Summary{Run: writer.self.Run, Task: id}
	if t.of.State.Ended() {
		return summary, fmt.Errorf("%w: it is %s", ErrTaskEnded, t.of.State)
	}
	if w.handsOver && t.of.State == TaskPaused { // since it was chosen, and who attends goes on with none of these
		return summary, fmt.Errorf("%w %s", ErrPaused, t.of.Why)
	}
	r := t.of.Replay
	if r.Filter.Limit > 0 {
		t.limit = max(r.Filter.Limit-int(t.of.Done), 0)
		t.spent = t.limit == 0
	}
	if t.survey, err = q.surveyTo(ctx, topic, r.Filter, l, t.of); err == nil {
		err = t.help(ctx)
	}
	if err != nil {
		return summary, t.leave(ctx, err, &summary)
	}
	return summary, t.replay(ctx, r, &summary)
}

// surveyTo is survey of what was there when a replay was started, also where it stands behind the ends of then since it was carried forward.
func (q *Queue) surveyTo(ctx context.Context, topic kadm.TopicDetail, f Filter, l *ledger, of *Task) (*survey, error) {
	spans, err := spansOf(ctx, q.admin, q.topic, f.Since, stable)
	if err != nil {
		return nil, err
	}
	if l.renewed < of.At.Add(-clocksDiffer).UnixMilli() { // nothing was: the rest need not be read
		for i := range spans {
			spans[i].to = min(spans[i].to, of.ends[spans[i].partition])
		}
		spans = slices.DeleteFunc(spans, func(s span) bool { return s.from >= s.to })
	}
	s, err := q.surveyOf(ctx, topic, f, l, spans)
	if err == nil {
		s.ends, s.began = of.ends, of.At
	}
	return s, err
}

// Waits says whether outcomes are waited for: with Wait, and with what is decided by them.
func (r Replay) Waits() bool {
	return r.Wait || r.Concurrency > 0 || r.Canary > 0 || r.StopAt > 0
}

// checkOutcomes says what is wrong with what it says of outcomes.
func (r Replay) checkOutcomes() error {
	switch {
	case r.Concurrency < 0:
		return fmt.Errorf("concurrency %d: want 0 or more", r.Concurrency)
	case r.Canary < 0:
		return fmt.Errorf("canary %d: want 0 for none, or more", r.Canary)
	case !(r.CanaryRate >= 0 && r.CanaryRate <= 1):
		return fmt.Errorf("canary rate %v: want a share above 0 and up to 1", r.CanaryRate)
	case r.CanaryRate > 0 && r.Canary == 0:
		return fmt.Errorf("canary rate %v: it is the share of the canaries that have to succeed, and there are none", r.CanaryRate)
	case !(r.StopAt >= 0 && r.StopAt <= 1):
		return fmt.Errorf("stop at %v: want a share above 0 and up to 1, or 0 for none", r.StopAt)
	case r.Waits() && r.To.Cluster() != "":
		return fmt.Errorf("what becomes of records on cluster %s is not known: outcomes are waited for on the queue's own cluster only", r.To.Cluster())
	case r.Waits() && r.To.keyed() != "":
		return fmt.Errorf("what becomes of records in %s is not known: outcomes are waited for with retry and source only", r.To.keyed())
	}
	return nil
}
