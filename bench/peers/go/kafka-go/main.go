// Command kafka-go is a consumer on segmentio/kafka-go with the usual retry that is written by hand: attempts on the spot, then a copy to another
// topic, and the offset after that.
//
// Settings, as the library's documentation has them: Reader with GroupID, MinBytes 1, MaxBytes 10 MB, read_committed, CommitInterval 1 s; FetchMessage
// and CommitMessages; Writer with RequireAll, up to 1,000 copies a call, and a BatchTimeout of 1 ms: a synchronous WriteMessages waits until the batch of
// every partition is full or that old, and of copies that are hashed over partitions none gets full. There is no idempotent producer in this library.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/peers/go/load"
)

func main() {
	contract.Main(func(ctx context.Context, t contract.Task, m *contract.Meter) error {
		l := load.New(t, m)
		return l.Until(ctx, func(ctx context.Context) error { return consume(ctx, l) })
	})
}

// patience is how long copies are collected at most, before they are written.
const patience = 10 * time.Millisecond

func consume(ctx context.Context, l *load.Load) (err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: l.Task.Brokers, GroupID: l.Task.Group, Topic: l.Task.Topic, StartOffset: kafka.FirstOffset,
		MinBytes: 1, MaxBytes: 10e6, CommitInterval: load.CommitInterval, IsolationLevel: kafka.ReadCommitted,
	})
	w := &kafka.Writer{
		Addr: kafka.TCP(l.Task.Brokers...), Topic: l.Task.Copies(), RequiredAcks: kafka.RequireAll, Balancer: &kafka.Hash{},
		BatchSize: load.BatchSize, BatchTimeout: time.Millisecond, Compression: kafka.Lz4,
	}
	defer func() { err = errors.Join(err, w.Close(), r.Close()) }()
	var c collection
	for {
		if err := c.collect(ctx, r, l); err != nil {
			return err
		}
		if len(c.copies) > 0 {
			if err := w.WriteMessages(ctx, c.copies...); err != nil {
				return err
			}
		}
		if err := r.CommitMessages(ctx, c.handled...); err != nil {
			return err
		}
		for _, m := range c.handled {
			l.Settled(int32(m.Partition), 1)
		}
	}
}

// collection is what is committed at once: a record that succeeded, or those whose copies are written at once, and the one that ended them.
type collection struct{ handled, copies []kafka.Message }

// collect handles records anew until one succeeds, until a batch of them has failed, or until the first that failed has waited for long enough.
func (c *collection) collect(ctx context.Context, r *kafka.Reader, l *load.Load) error {
	c.handled, c.copies = c.handled[:0], c.copies[:0]
	soon := ctx
	for len(c.copies) < load.BatchSize {
		m, err := r.FetchMessage(soon)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil // nothing came in time
		}
		if err != nil {
			return err
		}
		err = l.Try(ctx, int32(m.Partition), m.Value)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.handled = append(c.handled, m)
		if err == nil {
			return nil
		}
		if len(c.copies) == 0 {
			var cancel context.CancelFunc
			soon, cancel = context.WithTimeout(ctx, patience)
			defer cancel()
		}
		c.copies = append(c.copies, kafka.Message{Key: m.Key, Value: m.Value, Headers: m.Headers})
	}
	return nil
}
