// Command kafka-go is a consumer on segmentio/kafka-go with the usual retry that is written by hand: attempts on the spot, then a copy to another
// topic, and the offset after that.
//
// Settings, as the library's documentation has them: Reader with GroupID, MinBytes 1, MaxBytes 10 MB, read_committed, CommitInterval 1 s; FetchMessage
// and CommitMessages; Writer with RequireAll and batches of 1,000. There is no idempotent producer in this library.
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

func consume(ctx context.Context, l *load.Load) (err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: l.Task.Brokers, GroupID: l.Task.Group, Topic: l.Task.Topic, StartOffset: kafka.FirstOffset,
		MinBytes: 1, MaxBytes: 10e6, CommitInterval: load.CommitInterval, IsolationLevel: kafka.ReadCommitted,
	})
	w := &kafka.Writer{
		Addr: kafka.TCP(l.Task.Brokers...), Topic: l.Task.Copies(), RequiredAcks: kafka.RequireAll, Balancer: &kafka.Hash{},
		BatchSize: load.BatchSize, BatchTimeout: 10 * time.Millisecond, Compression: kafka.Lz4,
	}
	defer func() { err = errors.Join(err, w.Close(), r.Close()) }()
	var failed []kafka.Message
	route := func() error {
		copies := make([]kafka.Message, len(failed))
		for i, m := range failed {
			copies[i] = kafka.Message{Key: m.Key, Value: m.Value, Headers: m.Headers}
		}
		if err := w.WriteMessages(ctx, copies...); err != nil {
			return err
		}
		if err := r.CommitMessages(ctx, failed...); err != nil {
			return err
		}
		l.Settled(len(failed))
		failed = failed[:0]
		return nil
	}
	for {
		soon, cancel := ctx, context.CancelFunc(func() {})
		if len(failed) > 0 {
			soon, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
		}
		m, err := r.FetchMessage(soon)
		cancel()
		if err != nil {
			if ctx.Err() != nil || len(failed) == 0 {
				return err
			}
			if err := route(); err != nil { // nothing came in time
				return err
			}
			continue
		}
		if err := l.Try(ctx, m.Value); err != nil {
			if ctx.Err() != nil {
				return err
			}
			if failed = append(failed, m); len(failed) == load.BatchSize {
				if err := route(); err != nil {
					return err
				}
			}
			continue
		}
		if err := r.CommitMessages(ctx, m); err != nil {
			return err
		}
		l.Settled(1)
	}
}
