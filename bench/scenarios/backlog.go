package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

const (
	emptyTier   = "Redeliver, nothing waits"
	waitingTier = "Redeliver, a backlog waits"

	// idle is for how long only the backlog is there.
	idle = 5 * time.Second
)

var backlog = harness.Scenario{
	Letter: "g",
	Name:   "a backlog waits",
	About: "Ten million records wait in a tier of 24 hours, beside the same pipeline with a tier in which one waits: the memory after five seconds in which nothing else comes; and when ten million fresh " +
		"records stand there, the time from the start of the pipeline to the first of them, their rate, and the most memory.",
	Contenders: []harness.Contender{
		{Name: emptyTier, Run: besideBacklog},
		{Name: waitingTier, Against: emptyTier, Run: besideBacklog},
	},
	Cases: func(scale float64) []harness.Case {
		waiting := harness.Scaled(10_000_000, scale, 5000)
		return []harness.Case{{
			Name: fmt.Sprintf("%d wait, 12 partitions", waiting), Size: 100,
			Task: contract.Task{Records: harness.Scaled(10_000_000, scale, 1000), Parts: 12},
			Prepare: func(ctx context.Context, c *harness.Cluster, one *harness.Case) error {
				for _, contender := range []string{emptyTier, waitingTier} {
					t := backlogTask(contender, one.Task)
					n := 1
					if contender == waitingTier {
						n = waiting
					}
					if err := wait(ctx, c, t, n); err != nil {
						return err
					}
					if err := c.Create(ctx, freshOf(t), t.Parts); err != nil {
						return err
					}
				}
				return nil
			},
			Round: func(ctx context.Context, c *harness.Cluster, contender string, t *contract.Task) (func() error, error) {
				*t = backlogTask(contender, *t)
				return func() error { return c.Trim(ctx, freshOf(*t)) }, c.Fill(ctx, freshOf(*t), t.Parts, t.Records, 100, nil)
			},
		}}
	},
}

// backlogTask is a task with the topic and group of the contender, the same in every round.
func backlogTask(contender string, t contract.Task) contract.Task {
	t.Topic += map[string]string{emptyTier: "-empty", waitingTier: "-full"}[contender]
	t.Group = t.Topic
	return t
}

// freshOf is the source of fresh records: that of those which wait has no more.
func freshOf(t contract.Task) string { return t.Topic + "-fresh" }

// wait makes n records that wait.
func wait(ctx context.Context, c *harness.Cluster, t contract.Task, n int) error {
	if err := c.Create(ctx, t.Topic, t.Parts); err != nil {
		return err
	}
	if err := c.Fill(ctx, t.Topic, t.Parts, n, 100, func(int) int { return contract.Always }); err != nil {
		return err
	}
	err := watch(ctx, waitingMember(t, func(*consumer.Record) {}), func(p *consumer.Pipeline) bool { return p.Stats().Retried >= uint64(n) })
	if err != nil {
		return err
	}
	return c.Trim(ctx, t.Topic)
}

// waitingMember is a pipeline whose failures wait for a day.
func waitingMember(t contract.Task, handled func(*consumer.Record)) consumer.Config {
	c := member(t, consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
		if contract.Failures(r.Value) > 0 {
			return contract.ErrFails
		}
		handled(r)
		return nil
	}))
	c.Breaker = breaker.Config{Disabled: true}
	c.Retry = retrytopics.Policy{Tiers: []time.Duration{24 * time.Hour}}
	return c
}

func besideBacklog(ctx context.Context, t contract.Task, m *contract.Meter) error {
	began := time.Now()
	if err := watch(ctx, waitingMember(t, func(*consumer.Record) {}), func(*consumer.Pipeline) bool { return time.Since(began) > idle }); err != nil {
		return err
	}
	m.Figure("idle MiB", float64(contract.Peak())/(1<<20))
	began = time.Now()
	var first time.Time
	var fresh contract.Tally
	c := waitingMember(t, func(r *consumer.Record) {
		if fresh.Add(r.Partition, 1) {
			m.Begin()
		}
	})
	c.Topics = append(c.Topics, freshOf(t))
	err := work(ctx, t, m, c, func(*consumer.Pipeline) int {
		n := fresh.Total()
		if n > 0 && first.IsZero() {
			first = time.Now()
		}
		return n
	})
	m.Figure("first record ms", float64(first.Sub(began).Milliseconds()))
	return err
}
