// Command watermill is a consumer on watermill-kafka with the middleware for retries and the poison queue, as its documentation sets them up: the poison
// queue around the retries, which are made on the spot and keep the partition waiting.
//
// Settings: InitialInterval 1 s, Multiplier 10, two retries, no randomization; none where everything fails, so that records go to the poison queue at once. The subscriber
// begins at the oldest offset; the publisher is watermill's own, a sync producer, with WaitForAll, idempotent, and one request in flight.
package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/peers/go/load"
)

func main() {
	contract.Main(func(ctx context.Context, t contract.Task, m *contract.Meter) error {
		l := load.New(t, m)
		return l.Until(ctx, func(ctx context.Context) error { return consume(ctx, l) })
	})
}

// attemptOf is where a message carries the number of its attempt, in this process.
const attemptOf = "bench-attempt"

func consume(ctx context.Context, l *load.Load) (err error) {
	nop := watermill.NopLogger{}
	from := kafka.DefaultSaramaSubscriberConfig()
	from.Version = sarama.V2_8_0_0
	from.Consumer.Offsets.Initial = sarama.OffsetOldest
	from.Consumer.Offsets.AutoCommit.Interval = load.CommitInterval
	from.Consumer.IsolationLevel = sarama.ReadCommitted
	subscriber, err := kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: l.Task.Brokers, ConsumerGroup: l.Task.Group, Unmarshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: from, NackResendSleep: kafka.NoSleep,
	}, nop)
	if err != nil {
		return err
	}
	to := kafka.DefaultSaramaSyncPublisherConfig()
	to.Version = sarama.V2_8_0_0
	to.Producer.RequiredAcks, to.Producer.Idempotent, to.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	publisher, err := kafka.NewPublisher(kafka.PublisherConfig{Brokers: l.Task.Brokers, Marshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: to}, nop)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, publisher.Close()) }()
	poison, err := middleware.PoisonQueue(publisher, l.Task.Copies())
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: time.Second}, nop)
	if err != nil {
		return err
	}
	router.AddMiddleware(
		func(h message.HandlerFunc) message.HandlerFunc {
			return func(m *message.Message) ([]*message.Message, error) {
				out, err := h(m)
				if err == nil {
					l.Settled(partition(m), 1)
				}
				return out, err
			}
		},
		poison,
		middleware.Retry{MaxRetries: len(l.Delays), InitialInterval: time.Second, Multiplier: 10, MaxInterval: 10 * time.Second}.Middleware,
	)
	router.AddConsumerHandler("bench", l.Task.Topic, subscriber, func(m *message.Message) error {
		attempt, _ := strconv.Atoi(m.Metadata.Get(attemptOf)) // none: 0
		if attempt++; contract.Failures(m.Payload) > 0 {
			m.Metadata.Set(attemptOf, strconv.Itoa(attempt))
		}
		return l.Attempt(partition(m), m.Payload, attempt)
	})
	return router.Run(ctx)
}

func partition(m *message.Message) int32 {
	p, _ := kafka.MessagePartitionFromCtx(m.Context()) // the subscriber's messages have one
	return p
}
