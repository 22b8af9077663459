package scenarios

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/consumer"
)

// startupPulse is how often each partition gets a record.
const startupPulse = 250 * time.Millisecond

var startup = harness.Scenario{
	Letter: "h", Unit: "partitions", Plot: "flowing s",
	Name: "start-up and rebalance",
	About: "A source of 1,000 partitions, each of which gets a record every 250 ms; Redeliver has three tiers of as many partitions beside it. \"flowing\" is the time from joining until a record of every partition was handled, in a group that is there and has one to read in each; " +
		"\"rebalance\" that from a second member's joining until it has handled records of half of the partitions; \"gap\" the longest time in which a partition stood still meanwhile, of which 250 ms are the pause between two records. The rate is partitions by the time to flow.",
	Contenders: []harness.Contender{
		{Name: franz, Run: start(rawMember)},
		{Name: redeliver, Against: franz, Run: start(pipelineMember(consumer.Classic))},
		{Name: "Redeliver, KIP-848", Against: franz, Run: start(pipelineMember(consumer.NextGen))},
	},
	Cases: func(scale float64) []harness.Case {
		partitions := harness.Scaled(1000, scale, 50)
		return []harness.Case{{
			Name: fmt.Sprintf("%d partitions", partitions),
			Task: contract.Task{Records: partitions, Parts: partitions},
			Prepare: func(ctx context.Context, c *harness.Cluster, one *harness.Case) error {
				return c.Create(ctx, one.Task.Topic, partitions)
			},
			Round: func(ctx context.Context, c *harness.Cluster, contender string, t *contract.Task) (func() error, error) {
				stop := c.Feed(ctx, t.Topic, t.Parts, 100, float64(t.Parts)/startupPulse.Seconds(), nil)
				// Whoever joins finds a record in every partition: how long the next one takes to come is not asked.
				err := existing(ctx, c, contender, *t)
				if err == nil {
					err = c.AwaitLag(ctx, t.Group, t.Topic)
				}
				if err != nil {
					_ = stop() // the first error is the one that says something
					return nil, err
				}
				return stop, nil
			},
		}}
	},
}

// existing makes the group of a contender, with a position in each partition.
func existing(ctx context.Context, c *harness.Cluster, contender string, t contract.Task) error {
	if contender == franz {
		return c.CommitEnds(ctx, t.Group, t.Topic)
	}
	// The group's own topics are made by its first member, once in its life.
	var seen contract.Tally
	first := member(t, consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
		seen.Add(r.Partition, 1)
		return nil
	}))
	first.Start = consumer.Latest()
	if contender != redeliver {
		first.GroupProtocol = consumer.NextGen
	}
	return watch(ctx, first, func(*consumer.Pipeline) bool { return seen.Total() > 0 })
}

// flow is what a member has handled: when last, by partition, in Unix nanoseconds.
type flow struct {
	last []atomic.Int64
	gap  *atomic.Int64 // the longest time between two records of a partition, of all members
	of   []atomic.Int64
}

func (f *flow) handled(partition int32) {
	now := time.Now().UnixNano()
	f.last[partition].Store(now)
	before := f.of[partition].Swap(now)
	for before > 0 {
		longest := f.gap.Load()
		if now-before <= longest || f.gap.CompareAndSwap(longest, now-before) {
			break
		}
	}
}

func (f *flow) partitions() (n int) {
	for i := range f.last {
		if f.last[i].Load() > 0 {
			n++
		}
	}
	return n
}

// start starts a member, waits until all flows, and then starts another one. run handles records until ctx ends.
func start(run func(ctx context.Context, t contract.Task, f *flow) error) func(context.Context, contract.Task, *contract.Meter) error {
	return func(ctx context.Context, t contract.Task, m *contract.Meter) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var gap atomic.Int64
		of := make([]atomic.Int64, t.Parts)
		ended := make(chan error, 2)
		members := 0
		join := func(enough int) (time.Duration, error) {
			f := &flow{make([]atomic.Int64, t.Parts), &gap, of}
			began := time.Now()
			members++
			go func() { ended <- run(ctx, t, f) }()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for f.partitions() < enough {
				select {
				case err := <-ended:
					members--
					return 0, fmt.Errorf("a member ended early: %w", err)
				case <-tick.C:
				}
			}
			return time.Since(began), nil
		}
		m.Begin()
		flowing, err := join(t.Parts)
		m.End(t.Parts)
		if err == nil {
			m.Figure("flowing s", flowing.Seconds())
			gap.Store(0)
			var rebalance time.Duration
			rebalance, err = join(t.Parts / 2)
			m.Figure("rebalance s", rebalance.Seconds())
			now := time.Now().UnixNano()
			for i := range of { // those that stand still yet
				gap.Store(max(gap.Load(), now-of[i].Load()))
			}
			m.Figure("gap s", time.Duration(gap.Load()).Seconds())
		}
		cancel()
		for range members {
			if e := <-ended; err == nil {
				err = e
			}
		}
		return err
	}
}

func rawMember(ctx context.Context, t contract.Task, f *flow) error {
	cl, err := kgo.NewClient(append(rawOptions(t), kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	next := time.Now().Add(time.Second)
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { f.handled(r.Partition) })
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			if err := cl.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func pipelineMember(protocol consumer.GroupProtocol) func(context.Context, contract.Task, *flow) error {
	return func(ctx context.Context, t contract.Task, f *flow) error {
		c := member(t, consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
			f.handled(r.Partition)
			return nil
		}))
		c.GroupProtocol, c.Start = protocol, consumer.Latest()
		p, err := consumer.New(c)
		if err != nil {
			return err
		}
		return p.Run(ctx)
	}
}
