package dlq

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/retrytopics"
)

// DiedAgain counts the entries that a replay put back to work and that are dead letters again, by its mark on what they
// were before. It reads the whole ledger, and what came to the queue after the replay was started; with [AnyGroup] the whole queue, and the topics in which
// the groups of what was replayed keep their dead letters.
func (q *Queue) DiedAgain(ctx context.Context, id string) (int64, error) {
	t, err := q.Task(ctx, id)
	if err != nil {
		return 0, err
	}
	q = q.covering(&t)
	topic, err := q.describe(ctx)
	if err != nil {
		return 0, err
	}
	spans, err := spansOf(ctx, q.admin, q.topic, time.Time{}, stable)
	if err != nil {
		return 0, err
	}
	for i := range spans {
		if !q.anyGroup { // else what was replayed says where it may have died
			spans[i].from = max(spans[i].from, t.ends[spans[i].partition])
		}
	}
	s, err := q.surveyOf(ctx, topic, Filter{All: true}, nil, slices.DeleteFunc(spans, func(s span) bool { return s.from >= s.to }))
	if err != nil {
		return 0, err
	}
	var died int64
	elsewhere := make(deadTopics)
	var counted identities // one that failed anew after it had been dealt with is there twice
	look := func(e *Entry) bool {
		if s.ledger.diedOf(id, &e.State, q.group) && counted.add(e.own()) {
			died++
		}
		return true
	}
	err = s.each(ctx, func(e *Entry) bool {
		if e.Status == StatusReplayed && e.Mark.Task == id {
			elsewhere.add(q, e)
		}
		return e.Offset < t.ends[e.Partition] || look(e)
	})
	if err == nil {
		err = elsewhere.each(ctx, q, func(e *Entry) bool {
			_, _, first := s.ledger.meet(e)
			return !first || look(e)
		})
	}
	return died, err
}

// diedOf says whether a dead letter with this state is what became of an entry when a task replayed it. One that named no group was replayed for that of the
// queue.
func (l *ledger) diedOf(task string, s *retrytopics.State, group string) bool {
	prior := s.Prior()
	groups := []string{prior.Group}
	if prior.Group == group {
		groups = append(groups, "")
	}
	for _, prior.Group = range groups {
		for m := range l.all(IdentityOf(&prior)) { // what was put back to a source does not say when it was born
			if prior.Timestamp = (time.Time{}); m.birth != noBirth {
				prior.Timestamp = time.UnixMilli(m.birth)
			}
			named := s.Replay == "" || s.Replay == replayName(task, &Entry{State: prior}) // which older releases did not write
			if named && m.status == StatusReplayed && l.origin[m.from].task == task {
				return true
			}
		}
	}
	return false
}

// deadTopics are topics beside the queue's own in which entries of another program may die that were replayed: those where their groups keep dead letters.
type deadTopics map[string]bool

// add adds that of an entry.
func (d deadTopics) add(q *Queue, e *Entry) {
	group := q.groupOf(e)
	if !q.anyGroup || group == "" {
		return
	}
	if dead := q.namesOf(group).DLQTopic(e.State.Topic); dead != q.topic {
		d[dead] = true
	}
}

// each calls f with every dead letter of the topics that are there, until it returns false. They may be made with the first one; and of a group that is none
// of a pipeline's there is seldom one, nor leave to see it.
func (d deadTopics) each(ctx context.Context, q *Queue, f func(*Entry) bool) error {
	for name := range d {
		topic, err := describe(ctx, q.admin, name)
		if errors.Is(err, ErrNoTopic) || errors.Is(err, kerr.TopicAuthorizationFailed) {
			continue
		}
		if err != nil {
			return err
		}
		spans, err := spansOf(ctx, q.admin, name, time.Time{}, stable)
		if err != nil {
			return err
		}
		if err := newScan(newFetcher(q.client, q.admin, topic), spans).each(ctx, f); err != nil {
			return err
		}
	}
	return nil
}
