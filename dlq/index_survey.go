package dlq

import (
	"context"
	"errors"
	"fmt"

	"github.com/redeliver/redeliver/classify"
)

// indexed lets a survey answer from the index, if that works.
func (s *survey) indexed(ctx context.Context) error {
	err := s.byIndex(ctx)
	if !s.indexAway(ctx, err) {
		return err
	}
	s.away(err)
	return nil
}

// keeps says whether entries that the topic has lost, and only the index keeps, are among what a replay covers.
func (q *Queue) keeps(f Filter) bool {
	return q.index != nil && q.index.Keep > 0 && !q.keysHeld && f.ExpiringBefore.IsZero()
}

// indexAway says whether it is the index's store that failed.
func (s *survey) indexAway(ctx context.Context, err error) bool {
	failed := (*indexError)(nil)
	return errors.As(err, &failed) && ctx.Err() == nil
}

// byIndex lets a survey answer from the index. For some entries whose places are known it is not built first.
func (s *survey) byIndex(ctx context.Context) error {
	q := s.queue
	if s.sel.placed() && q.index.cold(ctx, s.topic) {
		return nil
	}
	iq, spans, err := q.index.query(ctx, q, s.topic, s.sel, s.scan.spans, s.ends)
	if err != nil {
		return err
	}
	s.query = iq
	s.scan = newScan(s.scan.fetcher, spans)
	s.scan.query = iq
	return nil
}

// helped lets a survey for a call that changes entries find them by the index, where that is quicker: it reads a part of the topic only,
// or what the topic has lost. One that puts keys in order has to see all, and of one origin are most entries of a queue.
func (s *survey) helped(ctx context.Context) error {
	q, f := s.queue, s.sel.Filter
	narrow := len(f.IDs) > 0 || f.Class != classify.None || f.Severity != classify.SeverityNone || f.Reason != "" ||
		!f.Since.IsZero() || !f.Until.IsZero() || f.Key != nil || f.Error != nil || f.Text != "" || len(f.Fingerprints) > 0
	switch {
	case q.index == nil || q.keysHeld || !narrow && q.index.Keep == 0:
		return nil
	case q.index.Keep == 0:
		return s.indexed(ctx)
	}
	err := s.byIndex(ctx)
	if s.indexAway(ctx, err) { // a replay would be done, and what it leaves out still be open
		return fmt.Errorf("%w; what the topics have lost and only the index keeps would be left out, so that nothing was done in %s: try again when it is there", err, q.topic)
	}
	return err
}

// metIndexed is met of an entry that comes from the index with its mark.
func (s *survey) metIndexed(e *Entry, f func(*Entry) bool) bool {
	matches := e.passed == nil && s.sel.match(e) && s.sel.expires(e)
	if e.copies {
		id := e.stablePart()
		if s.copiesMet[id] {
			if matches && s.wanted(e.Status) {
				s.duplicates++
			}
			return true
		}
		s.copiesMet[id] = true
	}
	return !matches || f(e)
}
