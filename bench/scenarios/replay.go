package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/bench/rawreplay"
	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

const rawReplay = "franz-go copy and mark"

var replaying = harness.Scenario{
	Letter: "e",
	Name:   "replay",
	About: "Dead letters are put back into the first tier of their group: a copy and a mark each, in transactions of 5,000. The limit is a plain franz-go loop that reads the same dead letters and writes a copy and " +
		"a mark of equal size in equal transactions. The time is from before there is a client until all is committed. `make deadletters` has the commands, the index, and a replay that is killed.",
	Contenders: []harness.Contender{
		{Name: rawReplay, Run: replayRaw},
		{Name: redeliver, Against: rawReplay, Run: replayAll},
	},
	Cases: func(scale float64) []harness.Case {
		return []harness.Case{{
			Name: "100 B, 12 partitions", Size: 100,
			Task: contract.Task{Records: harness.Scaled(300_000, scale, 1000), Parts: 12},
			Prepare: func(ctx context.Context, c *harness.Cluster, one *harness.Case) error {
				if err := c.Create(ctx, one.Task.Topic, one.Task.Parts); err != nil {
					return err
				}
				return c.Fill(ctx, one.Task.Topic, one.Task.Parts, one.Task.Records, one.Size, nil)
			},
			// Each round has dead letters of its own, and a ledger that says nothing of them yet.
			Round: func(ctx context.Context, c *harness.Cluster, contender string, t *contract.Task) (func() error, error) {
				if contender == rawReplay {
					for _, topic := range []string{t.Copies(), t.Group + "-marks"} {
						if err := c.Create(ctx, topic, t.Parts); err != nil {
							return nil, err
						}
					}
				}
				dying := member(*t, consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return consumer.DeadLetter(contract.ErrFails) }))
				dying.Breaker = breaker.Config{Disabled: true}
				return nil, watch(ctx, dying, func(p *consumer.Pipeline) bool { return p.Stats().DeadLettered >= uint64(t.Records) })
			},
		}}
	},
}

// queueOf is the dead-letter topic of a task.
func queueOf(t contract.Task) (names retrytopics.Names, topic string) {
	names = retrytopics.Names{Group: t.Group}
	return names, names.DLQTopic(t.Topic)
}

func replayRaw(ctx context.Context, t contract.Task, m *contract.Meter) error {
	_, topic := queueOf(t)
	m.Begin()
	if err := rawreplay.Run(ctx, t.Brokers, topic, t.Copies(), t.Group+"-marks", t.Parts, t.Records); err != nil {
		return err
	}
	m.End(t.Records)
	return nil
}

// replayAll replays everything. As in the raw loop, the time begins before there is a client.
func replayAll(ctx context.Context, t contract.Task, m *contract.Meter) error {
	m.Begin()
	client, err := kgo.NewClient(kgo.SeedBrokers(t.Brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	names, topic := queueOf(t)
	q, err := dlq.Open(client, topic, dlq.ForGroup(names.Group), dlq.RetryNames(names),
		dlq.FirstTier(func(origin string) string { return names.RetryTopic(origin, time.Second) }))
	if err != nil {
		return err
	}
	s, err := q.Replay(ctx, dlq.Replay{By: "bench"})
	if err != nil {
		return err
	}
	if s.Done != int64(t.Records) {
		return fmt.Errorf("replayed %d of %d", s.Done, t.Records)
	}
	m.End(t.Records)
	return nil
}
