package dlq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrNoTopic is the error of a dead-letter topic that does not exist.
var ErrNoTopic = errors.New("does not exist")

// describe asks the cluster what it knows about a topic. A topic that does not exist is ErrNoTopic.
func describe(ctx context.Context, admin *kadm.Client, topic string) (kadm.TopicDetail, error) {
	// Asking for authorized operations goes past the client's cache, which for five seconds does not see that a topic was
	// made, or made again, and renews it.
	details, err := admin.ListTopics(kadm.WithAuthorizedOps(ctx), topic)
	if err != nil {
		return kadm.TopicDetail{}, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	detail := details[topic]
	switch {
	case errors.Is(detail.Err, kerr.UnknownTopicOrPartition), detail.Err == nil && len(detail.Partitions) == 0:
		return kadm.TopicDetail{}, fmt.Errorf("topic %s %w", topic, ErrNoTopic)
	case detail.Err != nil:
		return kadm.TopicDetail{}, fmt.Errorf("look up topic %s: %w", topic, detail.Err)
	}
	return detail, nil
}

// span is a range of offsets of one partition: from is in it, to is not.
type span struct {
	partition int32
	from, to  int64
}

// bound says up to where a topic is read.
type bound bool

const (
	// stable ends where a read_committed reader ends now: before the first transaction that is open.
	stable bound = false
	// written ends behind the last record, which a read_committed reader sees when all transactions now open have ended.
	written bound = true
)

// spansOf are the ranges of a topic's partitions that hold records now, of those written since the time when it is not
// zero.
func spansOf(ctx context.Context, admin *kadm.Client, topic string, since time.Time, until bound) ([]span, error) {
	ends, err := listed(ctx, topic, admin.ListCommittedOffsets)
	if until == written {
		ends, err = listed(ctx, topic, admin.ListEndOffsets)
	}
	if err != nil {
		return nil, err
	}
	starts, err := listed(ctx, topic, admin.ListStartOffsets)
	if err != nil {
		return nil, err
	}
	if !since.IsZero() {
		// The first record at or after the time, by its timestamp: none before it matches, even where the timestamps of
		// several producers are not in order.
		starts, err = listed(ctx, topic, offsetsSince(admin, since))
		if err != nil {
			return nil, err
		}
	}
	var spans []span
	for partition, from := range starts {
		if to := ends[partition]; from >= 0 && from < to {
			spans = append(spans, span{partition, from, to})
		}
	}
	return spans, nil
}

// offsetsSince lists the first offset of each partition whose record is of the time or later; the end where there is none.
func offsetsSince(admin *kadm.Client, since time.Time) func(context.Context, ...string) (kadm.ListedOffsets, error) {
	return func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return admin.ListOffsetsAfterMilli(ctx, max(since.UnixMilli(), 0), topics...)
	}
}

// movingTime is for how long leaders that are away, or move, are asked again: a broker that died is missed after the nine seconds of its session.
const movingTime = 20 * time.Second

// listed asks for an offset of each partition, again while a leader is away or moves.
func listed(ctx context.Context, topic string, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (offsets map[int32]int64, err error) {
	err = whileLeadersMove(ctx, func() error {
		all, err := list(ctx, topic)
		if err == nil {
			err = all.Error()
		}
		if err != nil {
			return fmt.Errorf("list the offsets of topic %s: %w", topic, err)
		}
		offsets = make(map[int32]int64, len(all[topic]))
		for partition, offset := range all[topic] {
			offsets[partition] = offset.Offset
		}
		return nil
	})
	return offsets, err
}

// whileLeadersMove does something that may be done twice, again for [movingTime] while it fails since a leader is away or moves. A topic that is not there is none
// of that.
func whileLeadersMove(ctx context.Context, do func() error) error {
	began := time.Now()
	for {
		err := do()
		if err == nil || !transient(err) || errors.Is(err, ErrNoTopic) || errors.Is(err, kerr.UnknownTopicOrPartition) || time.Since(began) >= movingTime {
			return err
		}
		if pause(ctx, fetchBackoff) != nil {
			return err
		}
	}
}

func length(spans []span) (n int64) {
	for _, s := range spans {
		n += s.to - s.from
	}
	return n
}
