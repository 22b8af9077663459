package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Write gives an order from outside of the fleet, by writing it to the control topic: all processes act on it when they read it, those
// included that start later. It returns when the brokers have it.
func Write(ctx context.Context, client *kgo.Client, topic string, o Order) error {
	r, err := o.record()
	if err != nil {
		return err
	}
	result := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: 0, Key: r.key(), Value: r.value()})
	if err := result.FirstErr(); err != nil {
		return fmt.Errorf("the order was not written to the control topic %s: %w", topic, unknown(remedied(topic, err)))
	}
	return nil
}

// Read returns what the records of a control topic say together, from its beginning to where it ends now. opts are the options of
// the client that it makes.
func Read(ctx context.Context, topic string, opts ...kgo.Opt) (*State, error) {
	client, err := kgo.NewClient(append(opts[:len(opts):len(opts)],
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))...)
	if err != nil {
		return nil, fmt.Errorf("the Kafka client refuses its options: %w", err)
	}
	defer client.CloseAllowingRebalance()
	failed := func(err error) error {
		return fmt.Errorf("the control topic %s was not read: %w", topic, unknown(remedied(topic, err)))
	}
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, failed(err)
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, failed(err)
	}
	first, _ := starts.Lookup(topic, 0)
	last, _ := ends.Lookup(topic, 0)
	if err := errors.Join(first.Err, last.Err); err != nil {
		return nil, failed(err)
	}
	s := newState()
	for next := first.Offset; next < last.Offset; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, failed(err)
		}
		fetches.EachRecord(func(f *kgo.Record) {
			next = f.Offset + 1
			if r, err := decode(f.Key, f.Value); err == nil && f.Offset < last.Offset {
				s.apply(f.Offset, f.Timestamp, r)
			}
		})
	}
	return s, nil
}

// unknown says what to do about a topic that does not exist.
func unknown(err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("%w; a process with breaker.scope: fleet makes it, or redeliver topics apply", err)
	}
	return err
}
