package scenarios

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/consumer"
)

const byPartition = "Redeliver, ordered by partition"

var slow = harness.Scenario{
	Letter: "d", Apart: true,
	Name: "handlers that take their time",
	About: "Handlers of 1 ms and 10 ms, one partition, 1,000 keys, ordered by key, 64 calls at a time. The ideal is 64 divided by the 1 or 10 ms of a call. A call waits for a timer of the kernel, as it would for the answer of a service, and to be woken by that takes a moment: " +
		"\"of mere waiting\" is the rate divided by that of 64 goroutines that only wait, in the same process for a second before. A consumer that handles " +
		"one record after the other is the same pipeline ordered by partition, and the plain loop. A round ends after 10 s, with the rate by then.",
	Contenders: append([]harness.Contender{
		{Name: byPartition, Run: workAll(consumer.ByPartition)},
		{Name: redeliver, Against: byPartition, Run: workAll(consumer.ByKey)},
		{Name: franz, Against: byPartition, Run: workInTurn},
	}, peers(byPartition, kafkaGo, saramaLoop, watermill, spring, parallelConsumer)...),
	Cases: func(scale float64) (all []harness.Case) {
		for _, work := range []time.Duration{time.Millisecond, 10 * time.Millisecond} {
			ideal := consumer.DefaultConcurrency / work.Seconds() // a second
			all = append(all, harness.Case{
				Name: fmt.Sprintf("calls of %v", work), Size: 100,
				Task: contract.Task{Records: harness.Scaled(int(5*ideal), scale, 300), Parts: 1, Work: work, Limit: harness.Limit(10*time.Second, scale)},
			})
		}
		return all
	},
}

func workAll(o consumer.Ordering) func(context.Context, contract.Task, *contract.Meter) error {
	return func(ctx context.Context, t contract.Task, m *contract.Meter) error {
		waiting := 0.0
		if o == consumer.ByKey {
			var err error
			if waiting, err = waits(t.Work); err != nil {
				return err
			}
		}
		var done contract.Tally
		c := member(t, consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
			m.Begin()
			if err := contract.Wait(t.Work); err != nil {
				return err
			}
			done.Add(int32(r.Offset), 1)
			return nil
		}))
		c.Ordering = o
		err := work(ctx, t, m, c, func(*consumer.Pipeline) int { return done.Total() })
		if r, failed := m.Result(); failed == nil && waiting > 0 {
			m.Figure("of mere waiting", float64(r.Records)/r.Seconds/waiting)
			m.Figure("of the ideal", float64(r.Records)/r.Seconds/(consumer.DefaultConcurrency/t.Work.Seconds()))
		}
		return err
	}
}

// waits is how often in a second as many goroutines as there are calls at a time wait for so long, when they do nothing else.
func waits(work time.Duration) (float64, error) {
	var n atomic.Int64
	var all errgroup.Group
	began := time.Now()
	for range consumer.DefaultConcurrency {
		all.Go(func() error {
			for time.Since(began) < time.Second {
				if err := contract.Wait(work); err != nil {
					return err
				}
				n.Add(1)
			}
			return nil
		})
	}
	err := all.Wait()
	return float64(n.Load()) / time.Since(began).Seconds(), err
}

func workInTurn(ctx context.Context, t contract.Task, m *contract.Meter) error {
	cl, err := kgo.NewClient(rawOptions(t)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	n := 0
	for n < t.Records && !m.Over(t.Limit) {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		m.Begin()
		for range fetches.RecordsAll() {
			if m.Over(t.Limit) {
				break
			}
			if err := contract.Wait(t.Work); err != nil {
				return err
			}
			n++
			m.Saw(n, t.Records)
		}
	}
	m.End(n)
	return cl.CommitUncommittedOffsets(ctx)
}
