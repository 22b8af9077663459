// Package rawreplay is the limit of a replay: a plain loop that reads dead letters and writes a copy and a mark of each, as a replay writes them, in
// transactions of a replay's size.
package rawreplay

import (
	"context"
	"time"

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
	var w *writer
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
			if w == nil {
				if w, err = newWriter(copies, r); err != nil {
					return err
				}
			}
			copied, mark := w.of(r, copies, marks, time.Now())
			client.Produce(ctx, copied, promise)
			client.Produce(ctx, mark, promise)
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
