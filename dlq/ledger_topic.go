package dlq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const minInsyncReplicas = "min.insync.replicas"

// ensureLedger makes sure that there is a ledger topic which keeps its marks and has a partition for each of the dead letters, and
// describes it. Marks of a partition stand in the one of the same number: who follows them would not find them elsewhere when the ledger grows.
func (q *Queue) ensureLedger(ctx context.Context, dlq kadm.TopicDetail) (kadm.TopicDetail, error) {
	topic, err := describe(ctx, q.admin, q.Ledger())
	if errors.Is(err, ErrNoTopic) {
		if q.noCreate {
			return topic, fmt.Errorf("%w, and without it nothing can be marked as done: make it with `redeliver topics apply`", err)
		}
		if err := q.createLedger(ctx, dlq); err != nil {
			return topic, err
		}
		topic, err = q.awaitLedger(ctx, len(dlq.Partitions))
	}
	if err == nil && len(topic.Partitions) < len(dlq.Partitions) {
		topic, err = q.growLedger(ctx, topic, len(dlq.Partitions))
	}
	if err != nil {
		return topic, err
	}
	return topic, q.checkLedger(ctx)
}

// growLedger gives the ledger so many partitions.
func (q *Queue) growLedger(ctx context.Context, topic kadm.TopicDetail, n int) (kadm.TopicDetail, error) {
	small := fmt.Errorf("the ledger topic %s has %d partitions and the dead letters have %d, so that not all can be marked as done", q.Ledger(), len(topic.Partitions), n)
	if q.noCreate {
		return topic, fmt.Errorf("%w: give it as many with `redeliver topics apply`", small)
	}
	grown, err := q.admin.UpdatePartitions(ctx, n, q.Ledger())
	if err == nil {
		err = grown.Error()
	}
	if err != nil && !errors.Is(err, kerr.InvalidPartitions) { // which somebody else has made
		return topic, fmt.Errorf("%w, and they cannot be made: %w", small, err)
	}
	return q.awaitLedger(ctx, n)
}

// createLedger makes the topic beside the dead letters: as many partitions and replicas, compacted.
func (q *Queue) createLedger(ctx context.Context, dlq kadm.TopicDetail) error {
	replicas := dlq.Partitions.NumReplicas()
	configs := map[string]*string{cleanupPolicy: kadm.StringPtr("compact")}
	if replicas >= 3 {
		configs[minInsyncReplicas] = kadm.StringPtr("2")
	}
	_, err := q.admin.CreateTopic(ctx, int32(len(dlq.Partitions)), int16(replicas), configs, q.Ledger())
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create the ledger topic %s: %w", q.Ledger(), err)
	}
	return nil
}

const (
	readyPatience = 10 * time.Second     // for the brokers to know a topic that was made
	readyTries    = 20                   // looks at least, each of which may take long
	readySoon     = 5 * time.Millisecond // between the first two looks, and half as long again between the next ones
)

// awaitLedger waits until the brokers know so many partitions of a new or grown topic and their leaders, and the leaders that they are.
func (q *Queue) awaitLedger(ctx context.Context, partitions int) (kadm.TopicDetail, error) {
	began, wait := time.Now(), readySoon
	for tries := 1; ; tries++ {
		topic, err := describe(ctx, q.admin, q.Ledger())
		if err == nil && (len(topic.Partitions) < partitions || !led(topic)) {
			err = errNoLeaders
		}
		if err == nil {
			err = q.leading(ctx, topic)
		}
		switch {
		case err == nil:
			return topic, nil
		case !errors.Is(err, ErrNoTopic) && !errors.Is(err, errNoLeaders) && !kerr.IsRetriable(err) && !kgo.IsRetryableBrokerErr(err), tries >= readyTries && time.Since(began) >= readyPatience:
			return topic, fmt.Errorf("the new ledger topic is not ready: %w", err)
		}
		if err := pause(ctx, wait); err != nil {
			return topic, err
		}
		wait = min(wait+wait/2, fetchBackoff)
	}
}

// leading asks each leader of a topic once whether it knows that it is one. A client that is asked for offsets asks again by itself, but a quarter of a second later,
// while leaders know after some milliseconds.
func (q *Queue) leading(ctx context.Context, topic kadm.TopicDetail) error {
	asked := make(map[int32]*kmsg.ListOffsetsRequest)
	for _, p := range topic.Partitions {
		if asked[p.Leader] == nil {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = topic.Topic
			asked[p.Leader] = kmsg.NewPtrListOffsetsRequest()
			asked[p.Leader].Topics = append(asked[p.Leader].Topics, t)
		}
		end := kmsg.NewListOffsetsRequestTopicPartition()
		end.Partition, end.Timestamp = p.Partition, -1 // its end
		t := &asked[p.Leader].Topics[0]
		t.Partitions = append(t.Partitions, end)
	}
	answered := 0
	for leader, req := range asked {
		resp, err := q.client.Broker(int(leader)).Request(ctx, req)
		if err != nil {
			return err
		}
		for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return err
				}
				answered++
			}
		}
	}
	if answered < len(topic.Partitions) {
		return errNoLeaders
	}
	return nil
}

var errNoLeaders = errors.New("its partitions have no leaders yet")

func led(topic kadm.TopicDetail) bool {
	for _, p := range topic.Partitions {
		if p.Leader < 0 || p.Err != nil {
			return false
		}
	}
	return true
}

// checkLedger refuses a ledger that forgets: what it forgets would be replayed again. Where the configuration may not be
// read it is believed.
func (q *Queue) checkLedger(ctx context.Context) error {
	configs, err := q.admin.DescribeTopicConfigs(ctx, q.Ledger())
	if err != nil || len(configs) != 1 || configs[0].Err != nil {
		return nil
	}
	for _, c := range configs[0].Configs {
		if c.Key == cleanupPolicy && c.Value != nil && strings.TrimSpace(*c.Value) != "compact" {
			return fmt.Errorf("the ledger topic %s has cleanup.policy=%s and would forget what was replayed: set it to compact", q.Ledger(), *c.Value)
		}
	}
	return nil
}
