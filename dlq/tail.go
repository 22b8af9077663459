package dlq

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// tailTime is between two looks for what died.
const tailTime = 500 * time.Millisecond

// Tail goes through the entries that the filter selects as they die, until ctx ends, which is no error, or something fails,
// as when the topic is deleted ([TopicDeletedError]), also if it is made again at once: whoever calls it anew then follows that one.
// It begins with those that die from now on, or that died since Filter.Since where that is set. It does not read the ledger:
// Status and All are ignored. A further copy of an entry, as a crash or [Queue.Renew] makes it, is left out: one that died before it began, and one of the
// last 65,536 that it has met. It shows an entry once more whose record failed anew, as since the offsets of its group were reset, and says when it first did:
// whether the entry had been dealt with the ledger knows. Filter.Limit ends it.
func (q *Queue) Tail(ctx context.Context, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := q.tail(ctx, f, yield); err != nil && ctx.Err() == nil {
			yield(Entry{}, err)
		}
	}
}

func (q *Queue) tail(ctx context.Context, f Filter, yield func(Entry, error) bool) error {
	topic, err := q.describe(ctx)
	if err != nil {
		return err
	}
	sel, err := f.compile(topic.ID)
	if err == nil {
		err = q.findFormer(ctx, topic, sel)
	}
	if err != nil {
		return err
	}
	read := make(map[int32]int64) // what is not in it is read from its beginning: a partition that is new
	if f.Since.IsZero() {
		if read, err = q.ends(ctx); err != nil {
			return err
		}
	}
	fetcher, left, since := newFetcher(q.client, q.admin, topic), f.Limit, f.Since
	var met tailed
	for {
		if err := q.still(ctx, topic); err != nil {
			return err
		}
		spans, err := spansOf(ctx, q.admin, q.topic, since, stable)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return cmp.Or(q.still(ctx, topic), err)
		}
		if err != nil {
			return err
		}
		since = time.Time{}
		for i, s := range spans {
			spans[i].from = max(s.from, read[s.partition])
			read[s.partition] = max(s.to, read[s.partition])
		}
		spans = slices.DeleteFunc(spans, func(s span) bool { return s.from >= s.to })
		stopped := false
		err = newScan(fetcher, spans).each(ctx, func(e *Entry) bool {
			carried := !e.State.Died.IsZero() && f.Since.IsZero() // what is said to have died earlier has not died now
			if met.add(e.death()) && !carried && sel.match(e) {
				left--
				stopped = !yield(*e, nil) || left == 0
			}
			return !stopped
		})
		if err != nil || stopped {
			return err
		}
		if err := pause(ctx, tailTime); err != nil {
			return err
		}
	}
}

// still fails when the topic is not the one that it was: offsets that are known of it say nothing of one that was made again, which may for good have fewer
// records, so that nothing is ever read of it that would tell.
func (q *Queue) still(ctx context.Context, topic kadm.TopicDetail) error {
	var now kadm.TopicDetail
	err := whileLeadersMove(ctx, func() (err error) {
		now, err = q.describe(ctx)
		return err
	})
	if errors.Is(err, ErrNoTopic) || err == nil && now.ID != topic.ID {
		return &TopicDeletedError{topic.Topic}
	}
	return err
}

// tailKept is how many are known at least, where there were so many.
const tailKept = 1 << 16

// tailed are the deaths of entries that were met last: up to twice as many as are kept at least.
type tailed struct{ last, before identities }

// add says whether one is new.
func (t *tailed) add(id Identity) bool {
	if t.before.has(id) || !t.last.add(id) {
		return false
	}
	if t.last.n == tailKept {
		t.last, t.before = t.before, t.last
		t.last.clear()
	}
	return true
}
