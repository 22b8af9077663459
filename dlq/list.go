package dlq

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Entries goes through the entries that the filter selects, in the order of their time of death as far as each
// partition keeps it, as the queue was when the iteration began: one that stands behind others of its partition which died later comes after them, as
// the copy of a [Queue.Renew] does when the topic has taken the entry's first one. An error ends it. It reads the whole ledger and, from
// Filter.Since on, the whole topic; memory is bounded but for some 60 bytes an entry of the topic.
//
// An entry may be kept; it keeps the bytes of the batch alive that it was read in.
func (q *Queue) Entries(ctx context.Context, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s, err := q.look(ctx, f)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		given, stopped := false, false
		err = s.answered(ctx, f, &given, func(s *survey) error {
			if s.ledger == nil {
				s.query.status = &s.sel.status
			}
			left := f.Limit
			return s.each(ctx, func(e *Entry) bool {
				if !s.wanted(e.Status) {
					return true
				}
				left--
				given = true
				stopped = !yield(*e, nil)
				return !stopped && left != 0
			})
		})
		if err != nil && !stopped {
			yield(Entry{}, err)
		}
	}
}

// ErrNoEntry is the error of an id that no entry has.
var ErrNoEntry = errors.New("there is no such dead letter")

// copyReach is how many offsets before a record its first copy is looked for: a crash repeats what was not yet committed,
// which is seconds of dead letters.
const copyReach = 1000

// firstCopy returns the id of the first copy of an entry among the records before it, "" where it is the first.
func (q *Queue) firstCopy(ctx context.Context, e *Entry) (string, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return "", err
	}
	spans, err := spansOf(ctx, q.admin, q.topic, time.Time{}, stable)
	if err != nil {
		return "", err
	}
	var before []span
	for _, s := range spans {
		if s.partition == e.Partition {
			before = append(before, span{s.partition, max(s.from, e.Offset-copyReach), e.Offset})
		}
	}
	first, wanted := "", e.part()
	err = newScan(newFetcher(q.client, q.admin, topic), before).each(ctx, func(other *Entry) bool {
		if other.Status, other.Mark = e.Mark.stands(other), e.Mark; other.part() == wanted {
			first = other.ID()
		}
		return first == ""
	})
	return first, err
}
