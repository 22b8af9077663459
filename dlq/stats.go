package dlq

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Stats are counts of a queue's entries. All but ByStatus are of the entries whose status the filter selects, which are
// those that are still to be dealt with unless it says otherwise.
type Stats struct {
	// ByStatus counts what the rest of the filter selects, by any status.
	ByStatus map[Status]int64
	Entries  int64
	ByClass  map[classify.Class]int64
	ByReason map[retrytopics.Reason]int64
	// ByTopic counts by the topic that the records first stood in.
	ByTopic map[string]int64
	// ByHour counts by the hour of death, in UTC.
	ByHour map[time.Time]int64
	// Problems are what the entries died of, the one with most entries first.
	Problems []Problem
	// Ungrouped counts entries of further problems, where there are more than 10,000.
	Ungrouped int64
	// Trends says which times the numbers of [Problem.Trend] are of.
	Trends Trends
	// Oldest and Newest are times of death; zero without an entry.
	Oldest, Newest time.Time
	// Bytes of keys and values.
	Bytes int64
	// Damaged entries have headers that cannot be read in full.
	Damaged int64
	// OtherGroup counts entries that carry another consumer group than the queue's.
	OtherGroup int64
	// Duplicates are further copies of entries that the filter selects, in the range that was read.
	Duplicates int64
	// FailedAnew counts entries that had been replayed or discarded and are open again, for their record failed once more since, and not of a replay: a consumer
	// group whose offsets were reset, or whose source was restored, has handled it anew. [Entry.Mark] says what had become of one before.
	FailedAnew int64
	// Expiry is of what the rest of the filter selects and is still to be dealt with, parked or not, within [ExpiryNotice]: what [Queue.Renew] carries
	// forward of it.
	Expiry Expiry
}

// Stats counts the entries that the filter selects. Filter.Limit is ignored.
func (q *Queue) Stats(ctx context.Context, f Filter) (Stats, error) {
	stats := newStats()
	s, err := q.look(ctx, f)
	if err != nil {
		return stats, err
	}
	retention, err := q.Retention(ctx)
	if err != nil && !retentionUntold(err) {
		return stats, err
	}
	given := false
	err = s.answered(ctx, f, &given, func(s *survey) (err error) {
		stats, err = s.stats(ctx, retention)
		return err
	})
	return stats, err
}

// retentionUntold says whether the error of [Queue.Retention] is that it is not told to this client, or by this cluster: entries may be counted all the same.
func retentionUntold(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) || errors.Is(err, kerr.UnsupportedVersion)
}

// stats counts what the survey selects of a topic with this retention.
func (s *survey) stats(ctx context.Context, retention time.Duration) (Stats, error) {
	q, stats := s.queue, newStats()
	stats.Expiry.Retention = retention
	x, err := s.expiry(ctx, retention)
	if err != nil {
		return stats, err
	}
	if s.ledger == nil && s.query.decides() {
		counted, ok, err := s.query.stats(ctx, s.scan.spans, s.sel.status, x, q.otherGroup)
		if ok || err != nil {
			return counted, err
		}
	}
	s.scan.prints = true
	problems := newGrouping()
	err = s.each(ctx, func(e *Entry) bool {
		stats.ByStatus[e.Status]++
		if x.takes(e.Status, position{e.Partition, e.Offset}, e.Expires(retention).UnixMilli()) {
			stats.Expiry.add(e)
		}
		if s.wanted(e.Status) {
			stats.count(e, q.foreign(e))
			problems.add(e)
		}
		return true
	})
	stats.Problems, stats.Trends = problems.sorted()
	stats.Ungrouped = problems.ungrouped
	stats.Duplicates = s.duplicates
	return stats, err
}

// expiry is what counts as expiring where the topic has this retention, by [ExpiryNotice].
func (s *survey) expiry(ctx context.Context, retention time.Duration) (x expiry, err error) {
	soon := time.Now().Add(ExpiryNotice(retention))
	x = expiry{retention: retention, soon: ceilMilli(soon)}
	if s.query != nil {
		x.starts = s.query.starts
	}
	if retention >= 0 {
		x.young, err = s.queue.young(ctx, retention, soon)
	}
	return x, err
}

func (s *Stats) count(e *Entry, otherGroup bool) {
	s.Entries++
	s.ByClass[e.State.Class]++
	s.ByReason[e.State.Reason]++
	s.ByTopic[e.State.Topic]++
	s.ByHour[e.At.UTC().Truncate(time.Hour)]++
	s.Bytes += int64(len(e.Record.Key) + len(e.Record.Value))
	if s.Oldest.IsZero() || e.At.Before(s.Oldest) {
		s.Oldest = e.At
	}
	if e.At.After(s.Newest) {
		s.Newest = e.At
	}
	if e.Err != nil {
		s.Damaged++
	}
	if e.FailedAnew() {
		s.FailedAnew++
	}
	if otherGroup {
		s.OtherGroup++
	}
}

// foreign says whether the entry is another group's.
func (q *Queue) foreign(e *Entry) bool {
	return q.otherGroup(e.State.Group)
}

func (q *Queue) otherGroup(group string) bool {
	return !q.anyGroup && q.group != "" && group != "" && group != q.group
}
