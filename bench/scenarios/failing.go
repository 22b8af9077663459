package scenarios

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

var failing = harness.Scenario{
	Letter: "c",
	Name:   "one in twenty fails",
	About: "5 % of the records fail, and wait in a tier of 1 s; a fifth of these fail there again and wait in one of 10 s. The rate is that of first attempts, and so are the CPU and the allocations; \"all done\" is the time " +
		"until the last retry has succeeded, and \"CPU s/million, all\" what all of it took by then, the retries that wait for longer than the fresh records last included. The limit is the franz-go loop in which nothing fails. A round ends after 20 s, with the rate by then, but for those that still wait for their retries, which have 20 s more. " +
		"What this compares is how much a failure holds up: kafka-go, sarama and watermill retry on the spot, as is usual with them, so that their rates are given by the waits, 1 to 11 s for one record in twenty; Parallel Consumer keeps the records of a failed one's key back, and no more than 10,000 in all, so that it mostly waits, too; by default Redeliver " +
		"and Spring keep none back. How many times as fast another one is than who waits is no ratio of speeds.",
	Contenders: append([]harness.Contender{
		{Name: franz, Run: rawSum},
		{Name: redeliver, Against: franz, Run: retryAll},
	}, peers(franz, kafkaGo, saramaLoop, watermill, spring, parallelConsumer)...),
	Cases: func(scale float64) []harness.Case {
		return []harness.Case{{
			Name: "100 B, 12 partitions", Size: 100,
			Failures: failuresOf,
			Task:     contract.Task{Records: harness.Scaled(10_000_000, scale, 1000), Parts: 12, Limit: harness.Limit(20*time.Second, scale)},
		}}
	},
}

// failuresOf is how often the i-th record fails: 4 % once, 1 % twice.
func failuresOf(i int) int {
	switch n := contract.Scattered(i) % 100; {
	case n < 1:
		return 2
	case n < 5:
		return 1
	}
	return 0
}

func retryAll(ctx context.Context, t contract.Task, m *contract.Meter) error {
	var first contract.Tally
	var done atomic.Int64
	c := member(t, consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
		if r.Attempt() == 1 && first.Add(r.Partition, 1) {
			m.Begin()
		}
		if r.Attempt() <= contract.Failures(r.Value) {
			return contract.ErrFails
		}
		done.Add(1)
		return nil
	}))
	c.Breaker = breaker.Config{Disabled: true} // 5 % are below what opens it, but the first calls may be less lucky
	c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second, 10 * time.Second}}
	ended := false
	err := watch(ctx, c, func(*consumer.Pipeline) bool {
		n := first.Total()
		m.Saw(n, t.Records)
		if !ended && (n >= t.Records || m.Over(t.Limit)) {
			m.End(n)
			ended = true
		}
		if done.Load() < int64(t.Records) && !m.Over(t.LimitOf(n)) {
			return false
		}
		if done.Load() >= int64(t.Records) {
			m.Figure("all done s", m.Elapsed().Seconds())
			m.Figure("CPU s/million, all", m.CPU().Seconds()/float64(t.Records)*1e6)
		}
		return true
	})
	if n := done.Load(); err == nil && n > int64(t.Records) {
		err = fmt.Errorf("%d of %d records succeeded", n, t.Records)
	}
	return err
}
