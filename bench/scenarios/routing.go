package scenarios

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

const (
	rawCopy       = "franz-go copy"
	rawTxCopy     = "franz-go transactional copy"
	rawLargeCopy  = "franz-go transactional copy, large"
	redeliverOnce = "Redeliver, exactly once"

	// largeTransaction is how many copies the pipeline puts into a transaction at most.
	largeTransaction = 5000

	copiesATransaction = "copies a transaction"
)

var routing = harness.Scenario{
	Letter: "b",
	Name:   "everything fails",
	About: "Every record fails and is written to a retry topic, acks=all, by an idempotent producer. The limits are a plain franz-go loop that copies every record with the same headers, " +
		"written by hand, and one that does so in transactions with the offsets in them: of as many copies as ours came to last, and of as many as ours may have. A round ends after 10 s, with the rate by then.",
	Contenders: append([]harness.Contender{
		{Name: rawCopy, Run: copyAll},
		{Name: redeliver, Against: rawCopy, Run: routeAll(consumer.AtLeastOnce)},
		{Name: rawTxCopy, Run: copyInTransactions},
		{Name: redeliverOnce, Against: rawTxCopy, Run: routeAll(consumer.ExactlyOnceRouting)},
		{Name: rawLargeCopy, Run: copyInTransactions},
	}, peers(rawCopy, kafkaGo, saramaLoop, watermill, spring, parallelConsumer)...),
	Cases: func(scale float64) []harness.Case {
		equal := largeTransaction // what the pipeline's transactions came to last
		return []harness.Case{{
			Name: "100 B, 12 partitions", Size: 100, Failures: func(int) int { return contract.Always },
			Task: contract.Task{Records: harness.Scaled(3_000_000, scale, 1000), Parts: 12, Limit: harness.Limit(10*time.Second, scale)},
			Round: func(ctx context.Context, c *harness.Cluster, contender string, t *contract.Task) (func() error, error) {
				switch contender {
				case rawTxCopy:
					t.Batch = equal
				case rawLargeCopy:
					t.Batch = largeTransaction
				}
				return nil, c.Create(ctx, t.Copies(), t.Parts) // the pipeline makes its own
			},
			Learn: func(contender string, r contract.Result) {
				if n := int(r.Figures[copiesATransaction]); contender == redeliverOnce && n > 0 {
					equal = n
				}
			},
		}}
	},
}

func producing(more ...kgo.Opt) []kgo.Opt {
	return append(more, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(20_000), kgo.ProducerLinger(2*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()))
}

// copier returns what produces a copy of each record, and what tells of a copy that could not be written.
func copier(ctx context.Context, t contract.Task, produce func(context.Context, *kgo.Record, func(*kgo.Record, error))) (copyAll func(kgo.Fetches), failed func() error) {
	headers, to := rawHeaders{group: t.Group}, t.Copies()
	var first atomic.Pointer[error]
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			first.CompareAndSwap(nil, &err)
		}
	}
	return func(fetches kgo.Fetches) {
			fetches.EachRecord(func(r *kgo.Record) {
				now := time.Now()
				produce(ctx, &kgo.Record{Topic: to, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: headers.of(r, now), Timestamp: now}, promise)
			})
		}, func() error {
			if err := first.Load(); err != nil {
				return *err
			}
			return nil
		}
}

func copyAll(ctx context.Context, t contract.Task, m *contract.Meter) error {
	cl, err := kgo.NewClient(rawOptions(t, producing()...)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	write, failed := copier(ctx, t, cl.Produce)
	return rawLoop(ctx, t, m, cl, func(fetches kgo.Fetches) error {
		write(fetches)
		return nil
	}, func() error {
		if err := cl.Flush(ctx); err != nil {
			return err
		}
		return failed()
	})
}

// copyInTransactions copies all records in transactions of up to a batch of the task each, which have the offsets in them.
func copyInTransactions(ctx context.Context, t contract.Task, m *contract.Meter) error {
	s, err := kgo.NewGroupTransactSession(rawOptions(t, producing(kgo.TransactionalID(t.Group+"-raw"))...)...)
	if err != nil {
		return err
	}
	defer s.Close()
	write, failed := copier(ctx, t, s.Produce)
	n, transactions := 0, 0
	for n < t.Records && !m.Over(t.Limit) {
		fetches := s.PollRecords(ctx, t.Batch)
		if err := fetches.Err(); err != nil {
			return err
		}
		m.Begin()
		if err := s.Begin(); err != nil {
			return err
		}
		write(fetches)
		committed, err := s.End(ctx, kgo.TryCommit)
		if err == nil {
			err = failed()
		}
		if err != nil {
			return err
		}
		if committed {
			n += fetches.NumRecords()
			transactions++
		}
		m.Saw(n, t.Records)
	}
	m.End(n)
	m.Figure(copiesATransaction, float64(n)/float64(transactions))
	return nil
}

// routeAll is the pipeline while every call fails, without the breaker that would stop it.
func routeAll(d consumer.Delivery) func(context.Context, contract.Task, *contract.Meter) error {
	return func(ctx context.Context, t contract.Task, m *contract.Meter) error {
		c := member(t, consumer.HandlerFunc(func(context.Context, *consumer.Record) error {
			m.Begin()
			return consumer.RetryAfter(putOff, contract.ErrFails)
		}))
		c.Delivery, c.Breaker = d, breaker.Config{Disabled: true}
		var now consumer.Stats
		err := work(ctx, t, m, c, seldom(func(p *consumer.Pipeline) int {
			now = p.Stats()
			return int(now.Retried)
		}))
		if now.Transactions > 0 {
			m.Figure(copiesATransaction, float64(now.Retried)/float64(now.Transactions))
		}
		return err
	}
}
