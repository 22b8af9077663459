// Package rawreplay is the limit of a replay: a plain loop that reads dead letters and writes a copy and a mark of each, of a replay's size, in
// transactions of a replay's size.
package rawreplay

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

const transaction = 5000 // entries, as a replay has

// Run copies n dead letters from one topic, which has so many partitions, as have the two that it writes to.
func Run(ctx context.Context, brokers []string, from, copies, marks string, partitions, n int) error {
	offsets := make(map[int32]kgo.Offset)
	for p := range int32(partitions) {
		offsets[p] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(copies), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MaxBufferedRecords(2*transaction+1),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{from: offsets}))
	if err != nil {
		return err
	}
	defer client.Close()
	var failed error
	promise := func(_ *kgo.Record, err error) {
		if err != nil && failed == nil {
			failed = err // read after the flush
		}
	}
	// As long as those of a replay.
	mark := []byte(`{"v":1,"status":"replayed","at":1763900000000,"by":"somebody@host","run":"20251123-121320-5f1c","to":"million.orders.retry-1s","id":"orders/3/104242","group":"million"}`)
	pending := 0
	commit := func() error {
		if err := client.Flush(ctx); err != nil {
			return err
		}
		if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return err
		}
		pending = 0
		return failed
	}
	for left := n; left > 0; {
		fetches := client.PollRecords(ctx, transaction)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			if pending == 0 {
				if err := client.BeginTransaction(); err != nil {
					return err
				}
			}
			client.Produce(ctx, &kgo.Record{Topic: copies, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers}, promise)
			client.Produce(ctx, &kgo.Record{Topic: marks, Partition: r.Partition, Key: fmt.Appendf(nil, "k3f9qak3f9qak3f9qak3f9/%d/%d", r.Partition, r.Offset), Value: mark}, promise)
			left--
			if pending++; pending == transaction {
				if err := commit(); err != nil {
					return err
				}
			}
		}
	}
	if pending > 0 {
		return commit()
	}
	return nil
}
