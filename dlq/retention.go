package dlq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// expiryNotice is how long before the topic's retention may take an entry that is told, unless retention is shorter than two days.
const expiryNotice = 24 * time.Hour

// ExpiryNotice is how long before the retention of a topic may take an entry that counts as expiring: a day, or half of the retention where that is
// less.
func ExpiryNotice(retention time.Duration) time.Duration { return min(expiryNotice, retention/2) }

// Retention returns for how long the dead-letter topic keeps its records; below 0 it is for ever. A topic that deletes by its size may take
// records earlier.
func (q *Queue) Retention(ctx context.Context) (time.Duration, error) {
	k, err := q.keeping(ctx)
	return k.retention, err
}

// ImportRetention returns for how long after its time of death the dead-letter topic keeps what [Queue.Import] writes; below 0 that time does not
// matter, for the topic keeps its records for ever, or counts from when they are written.
func (q *Queue) ImportRetention(ctx context.Context) (time.Duration, error) {
	k, err := q.keeping(ctx)
	return k.ofImports(), err
}

// keeping is how a topic keeps its records.
type keeping struct {
	retention   time.Duration // below 0: for ever
	fromWriting bool          // retention counts from when they are written, and not from their own times
}

// ofImports is [Queue.ImportRetention].
func (k keeping) ofImports() time.Duration {
	if k.fromWriting {
		return -1
	}
	return k.retention
}

func (q *Queue) keeping(ctx context.Context) (keeping, error) {
	configs, err := q.admin.DescribeTopicConfigs(ctx, q.topic)
	if err == nil && len(configs) != 1 {
		err = fmt.Errorf("%d topics were described", len(configs))
	}
	if err == nil {
		err = configs[0].Err
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return keeping{retention: -1}, fmt.Errorf("topic %s %w", q.topic, ErrNoTopic)
	}
	if err != nil {
		return keeping{retention: -1}, fmt.Errorf("read the retention of topic %s: %w", q.topic, err)
	}
	k, deletes := keeping{retention: -1}, true
	for _, c := range configs[0].Configs {
		switch {
		case c.Value == nil:
		case c.Key == cleanupPolicy:
			deletes = strings.Contains(*c.Value, "delete")
		case c.Key == "retention.ms":
			ms, err := strconv.ParseInt(*c.Value, 10, 64)
			if err == nil && ms >= 0 && ms <= math.MaxInt64/int64(time.Millisecond) {
				k.retention = time.Duration(ms) * time.Millisecond
			}
		case c.Key == "message.timestamp.type":
			k.fromWriting = *c.Value == "LogAppendTime"
		}
	}
	if !deletes {
		k.retention = -1
	}
	return k, nil
}

// daysText is a duration as configurations have it: 7d, 36h.
func daysText(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-len(zero)+1]
		}
	}
	return text
}

// Expires returns when a topic with this retention may take the entry, or the last copy that [Queue.Renew] made of it; the zero time where it
// keeps its records for ever. It does not take an entry before that, and often later: it deletes whole segments, and none behind one that it keeps, so that
// an entry stays that stands behind a younger record of its partition. What [Filter.ExpiringBefore] selects, and [Expiry] counts, is without those.
func (e Entry) Expires(retention time.Duration) time.Time {
	if retention < 0 {
		return time.Time{}
	}
	written := e.Record.Timestamp
	if e.Mark.Renewed.After(written) {
		written = e.Mark.Renewed
	}
	return written.Add(retention)
}

// expires says whether the topic may take the entry before the time that the filter names.
func (s *selector) expires(e *Entry) bool {
	if s.ExpiringBefore.IsZero() {
		return true
	}
	at := e.Expires(s.retention)
	return !at.IsZero() && at.Before(s.ExpiringBefore)
}

// expiring leaves of the spans what may hold an entry that expires in time: nothing that was written later than that.
func (q *Queue) expiring(ctx context.Context, sel *selector, spans []span) ([]span, error) {
	var err error
	if sel.retention, err = q.Retention(ctx); err != nil || sel.retention < 0 {
		return nil, err
	}
	young, err := q.young(ctx, sel.retention, sel.ExpiringBefore)
	if err != nil {
		return nil, err
	}
	var old []span
	for _, s := range spans {
		if s.to = min(s.to, young[s.partition]); s.from < s.to {
			old = append(old, s)
		}
	}
	return old, nil
}

// young are the offsets of the first record of each partition that retention does not take before a time, nor what stands behind it.
func (q *Queue) young(ctx context.Context, retention time.Duration, before time.Time) (map[int32]int64, error) {
	return listed(ctx, q.topic, offsetsSince(q.admin, before.Add(-retention)))
}

// expiry is what counts as expiring.
type expiry struct {
	retention time.Duration // below 0: nothing does
	soon      int64         // Unix ms
	young     map[int32]int64
	starts    map[int32]int64 // of the partitions, before which an index keeps what expires no more
}

// takes says whether retention may soon take an entry that is still to be dealt with: one with this status, in this place, which has that time left.
func (x *expiry) takes(status Status, at position, expires int64) bool {
	return x.retention >= 0 && expires < x.soon && at.offset < x.young[at.partition] && at.offset >= x.starts[at.partition] && slices.Contains(toBeDealtWith, status)
}

// Expiry is what the topic's retention may take soon.
type Expiry struct {
	// Retention of the topic; below 0 it keeps its records for ever.
	Retention time.Duration
	// Entries are still to be dealt with, parked ones too, and may be taken within the time asked for.
	Entries int64
	// First is when the first of them may be taken; the zero time without one.
	First time.Time
}

// Expiry counts the entries that are still to be dealt with, parked ones too, and that the topic's retention may take within a time; 0 stands for
// [ExpiryNotice]. It reads no more of the topic than what is old enough, and nothing where there is no retention.
func (q *Queue) Expiry(ctx context.Context, within time.Duration) (Expiry, error) {
	var x Expiry
	var err error
	if x.Retention, err = q.Retention(ctx); err != nil || x.Retention < 0 {
		return x, err
	}
	if within == 0 {
		within = ExpiryNotice(x.Retention)
	}
	f := Filter{ExpiringBefore: time.Now().Add(within), Status: toBeDealtWith}
	for e, err := range q.Entries(ctx, f) {
		if err != nil {
			return x, err
		}
		x.add(&e)
	}
	return x, nil
}

// toBeDealtWith are the statuses of entries that would be lost with their record.
var toBeDealtWith = []Status{StatusOpen, StatusLimited, StatusParked}

func (x *Expiry) add(e *Entry) {
	x.Entries++
	if at := e.Expires(x.Retention); x.First.IsZero() || at.Before(x.First) {
		x.First = at
	}
}
