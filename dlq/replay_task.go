package dlq

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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
	// AnyGroup: it covers entries of any consumer group, for it was started in a queue with [AnyGroup]; else those of the queue's group. It does so whoever
	// works on it, unless a release started it that did not write this down: then it is as the queue of who works on it has it.
	AnyGroup bool
	// Skipped are the entries that it selects and has not replayed, as its last call has found them so far. Of a replay that a release did
	// which wrote none down they are all 0.
	Skipped Skipped

	ends   map[int32]int64 // of the queue's partitions when it was started; nil: nobody has worked on it
	starts map[int32]int64 // where what it covers began then; nil: not known
	canary bool            // it is passed
	silent bool            // of which groups its entries are: an earlier release started it
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
	AnyGroup  *bool            `json:"any_group,omitempty"` // nil: not said
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
	return &Task{ID: newRun(now), State: TaskWaiting, Replay: r, By: r.By, At: now, Kept: q.keeps(r.Filter), AnyGroup: q.anyGroup}
}

// record makes the ledger record of a task.
func (q *Queue) taskRecord(keys ledgerKeys, t *Task, now int64) *kgo.Record {
	anyGroup := &t.AnyGroup
	if t.silent {
		anyGroup = nil
	}
	value, _ := json.Marshal(ledgerValue{ // of what checkWritten let through, it cannot fail
		V: ledgerVersion, At: now, By: t.By, Run: t.ID, Doing: doingTask,
		Task: &taskValue{
			State: t.State, Why: t.Why, Began: t.At.UnixMilli(), Spec: specOf(t.Replay), Ends: t.ends, Starts: t.starts,
			Done: t.Done, Succeeded: t.Succeeded, Failed: t.Failed, To: t.To, Canary: t.canary, Skipped: t.Skipped, Kept: t.Kept, AnyGroup: anyGroup, Life: t.life, First: t.first, Away: t.away,
		},
	})
	return &kgo.Record{Topic: q.Ledger(), Partition: writerPartition, Key: keys.task(t.ID), Value: value}
}

// covering is the queue with the entries of the groups that a replay covers, whoever works on it.
func (q *Queue) covering(t *Task) *Queue {
	if t.silent || t.AnyGroup == q.anyGroup {
		return q
	}
	of := *q
	of.anyGroup = t.AnyGroup
	return &of
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
		AnyGroup: v.Task.AnyGroup != nil && *v.Task.AnyGroup, silent: v.Task.AnyGroup == nil,
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
