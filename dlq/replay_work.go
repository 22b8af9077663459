package dlq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

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
	if t.elsewhere != nil {
		defer t.elsewhere.close()
	}
	if err != nil {
		return err
	}
	if t.elsewhere != nil {
		router.admin, router.sizes = t.elsewhere.admin, batchSizesOf(t.elsewhere.client)
	}
	if t.writer != nil {
		t.writer.edit = r.edited()
	}
	if r.Rate > 0 && !r.DryRun {
		t.pace = newPace(r.Rate)
	}
	router.task = summary.Run // a dry run's copies are as large as those of a replay, whose names are of one length
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
	q = q.covering(&found)
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
		err = errors.Join(t.see(ctx), t.help(ctx))
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
