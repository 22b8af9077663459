// Command sarama is a consumer group on IBM/sarama with the usual retry that is written by hand: attempts on the spot, then a copy to another topic,
// and the offset after that. Its partitions are handled side by side, as the library does by itself.
//
// Settings, as the library's examples have them: oldest offset, auto-commit of marked offsets each second, read_committed; a sync producer
// with WaitForAll, idempotent, lz4, given up to 1,000 copies at once. Of one request in flight, which the idempotent producer demands, only the producer
// knows: the consumer has the library's five.
package main

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

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
	from := sarama.NewConfig()
	from.Version = sarama.V2_8_0_0
	from.Consumer.Offsets.Initial = sarama.OffsetOldest
	from.Consumer.Offsets.AutoCommit.Interval = load.CommitInterval
	from.Consumer.IsolationLevel = sarama.ReadCommitted
	to := sarama.NewConfig()
	to.Version = sarama.V2_8_0_0
	to.Producer.RequiredAcks, to.Producer.Idempotent, to.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	to.Producer.Return.Successes = true
	to.Producer.Compression = sarama.CompressionLZ4
	producer, err := sarama.NewSyncProducer(l.Task.Brokers, to)
	if err != nil {
		return err
	}
	group, err := sarama.NewConsumerGroup(l.Task.Brokers, l.Task.Group, from)
	if err != nil {
		return errors.Join(err, producer.Close())
	}
	defer func() { err = errors.Join(err, group.Close(), producer.Close()) }()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{l.Task.Topic}, &handler{l, producer}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

type handler struct {
	load     *load.Load
	producer sarama.SyncProducer
}

func (h *handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (h *handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	var copies []*sarama.ProducerMessage
	for {
		select {
		case <-s.Context().Done():
			return nil
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			failed := h.load.Try(s.Context(), m.Partition, m.Value)
			if s.Context().Err() != nil {
				return nil
			}
			if failed != nil {
				copies = append(copies, &sarama.ProducerMessage{Topic: h.load.Task.Copies(), Key: sarama.ByteEncoder(m.Key), Value: sarama.ByteEncoder(m.Value)})
				if len(copies) < load.BatchSize && len(claim.Messages()) > 0 {
					continue
				}
			}
			if len(copies) > 0 { // before the offset of a record that came after them
				if err := h.producer.SendMessages(copies); err != nil {
					return err
				}
				h.load.Settled(m.Partition, len(copies))
				copies = copies[:0]
			}
			if failed == nil {
				h.load.Settled(m.Partition, 1)
			}
			s.MarkMessage(m, "")
		}
	}
}
