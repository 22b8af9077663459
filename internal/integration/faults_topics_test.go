package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// Topics that a pipeline needs and may not make are missing: when it starts, and under way. It handles nothing whose copy
// would have nowhere to go, and says which topics an operator has to make. When they are there it goes on by itself.
func TestTopicsAreMissing(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	fails, deleted := failsUntil(2, errBroken), make(chan struct{})
	m := b.start(func(ctx context.Context, r *consumer.Record) error {
		if string(r.Value) == "after" {
			<-deleted
		}
		return fails(ctx, r)
	}, withoutBreaker, func(c *consumer.Config) { c.TopicSettings.Manual = true })
	given := record("a", "before")
	b.produce(given)
	m.awaitNotReady(t, "topics are missing", b.tier("200ms"), b.dlq(), "topics.create")
	b.awaitLog(append([]string{"level=WARN", "cannot make sure of the topics", "topics.create", b.dlq()}, b.tiers()...)...)
	m.awaitMetric(t, "redeliver_faults", "doing=topics")
	m.awaitMetric(t, "redeliver_paused", "reason=topic")
	if made := b.calls.soFar(); len(made) > 0 {
		t.Errorf("%d calls were made before the topics were there", len(made))
	}
	b.createTopics(2, append(b.tiers(), b.dlq()))
	b.createTopics(2, []string{retrytopics.LedgerTopic(b.dlq())}, "cleanup.policy=compact")
	b.given = append(b.given, given)
	b.calls.awaitDone(t, 1)
	b.wave(20, func() {})
	m.mustBeReady(t)

	after := record("a", "after")
	b.produce(after)
	eventually(t, func() error { // it is called before its lane is held for the topic
		if n := m.Stats().InFlight; n != 1 {
			return fmt.Errorf("%d calls are in flight, want one", n)
		}
		return nil
	})
	deleteTopic(t, b.tier("200ms"))
	close(deleted)
	b.calls.await(t, "call", func(all []call) bool { return string(all[len(all)-1].record.Value) == "after" })
	m.awaitNotReady(t, b.tier("200ms"))
	b.awaitLog("level=ERROR", "copy cannot be written", b.tier("200ms"))
	b.createTopics(2, []string{b.tier("200ms")})
	b.given = append(b.given, after)
	b.wave(20, func() {})
	m.mustBeReady(t)
}

func deleteTopic(t *testing.T, topic string) {
	t.Helper()
	if _, err := kafkatest.Admin(t).DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	kafkatest.AwaitGone(t, topic)
}

// Somebody deletes a tier in which records wait and makes it again, faster than the pipeline looks. What waited is gone,
// which is told and counted; what comes to the tier from now on is read from its beginning.
func TestRetryTopicIsMadeAgain(t *testing.T) {
	t.Parallel()
	const waiting = 10
	b := setup(t, 1)
	m := b.start(func(ctx context.Context, r *consumer.Record) error {
		if string(r.Value) == "waits" {
			return consumer.RetryAfter(time.Hour, errBroken)
		}
		return failsUntil(2, errBroken)(ctx, r)
	}, withoutBreaker, func(c *consumer.Config) {
		c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second, time.Hour}}
		c.TopicSettings.Manual = true // nobody else makes it meanwhile
	})
	b.createTopics(1, []string{b.tier("1s"), b.tier("1h"), b.dlq()})
	b.createTopics(1, []string{retrytopics.LedgerTopic(b.dlq())}, "cleanup.policy=compact")
	var waits []*kgo.Record
	for i := range waiting {
		waits = append(waits, record(fmt.Sprint("key-", i), "waits"))
	}
	b.produce(waits...)
	b.calls.awaitCount(t, waiting)
	awaitRecords(t, waiting, b.tier("1h"))
	b.settledIn(b.source)
	eventually(t, func() error { // what it has never heard of it cannot miss
		if got := m.metric(t, "redeliver_backlog", "tier=1h"); got != waiting {
			return fmt.Errorf("the backlog of the tier of 1h is %v, want %d", got, waiting)
		}
		return nil
	})

	for _, tier := range []string{b.tier("1h"), b.tier("1s")} {
		deleteTopic(t, tier)
		b.createTopics(1, []string{tier})
	}
	b.awaitLog("level=ERROR", "deleted and made again", b.tier("1h"))
	if got := m.metric(t, "redeliver_lost_records_total", "topic="+b.tier("1h")); got != waiting {
		t.Errorf("%v copies count as lost, want %d", got, waiting)
	}
	after := record("key", "after")
	b.produce(after)
	all := b.calls.awaitDone(t, 1)
	b.settledIn(b.source, b.tier("1s"))
	onceEach(t, all, []*kgo.Record{after})
	neverEarly(t, all)
	m.mustBeReady(t)
}

// A source is deleted from the cluster and leaves the configuration, while a record of it waits in a tier that leaves too.
// The record goes on by the tiers of today, which are made for it, and dies where its dead letters are looked for.
func TestSourceIsGone(t *testing.T) {
	t.Parallel()
	const partitions = 3
	b := setup(t, partitions)
	gone := kafkatest.Topic(t, partitions)
	of := func(role string) string { return b.group + "." + gone + "." + role }
	routed := make(routes, 100)
	old := b.start(waitsOrFails, func(c *consumer.Config) {
		c.Topics = []string{b.source, gone}
		c.Retry = retrytopics.Policy{Tiers: []time.Duration{3 * time.Second, time.Hour}}
		c.Hooks = []consumer.Hook{routed}
		c.DeadLetters.Disabled = true
	})
	awaitCommits(t, b.group, of("retry-3s"), partitions) // by which the topic is known to be the group's
	given, waits := record("a", "of a source that is gone"), record("b", "waits")
	given.Topic, waits.Topic = gone, gone
	kafkatest.Produce(t, given, waits)
	for range 2 {
		within(t, "copy in a tier", routed)
	}
	old.stop()
	deleteTopic(t, gone)

	m := b.start(fails(errBroken))
	b.awaitLog("level=WARN", of("retry-3s"), "retry topic that the configuration needs no more")
	m.awaitMetric(t, "redeliver_backlog", "tier=1h")
	all := b.calls.awaitCount(t, 4)
	b.settledIn(of("retry-3s"), of("retry-1s"))
	neverEarly(t, all)
	attemptsOnce(t, all)
	if letters := kafkatest.ReadAll(t, of("dlq")); len(letters) != 1 || string(letters[0].Value) != string(given.Value) {
		t.Errorf("the dead letters of the source that is gone are %q, want the one", values(letters))
	}
	kafkatest.AwaitTopics(t, partitions, of("retry-200ms"), of("retry-1s"), of("dlq"))
	if got := settings(t, of("retry-1s")); got["retention.ms"] != "-1" || got["max.message.bytes"] != "1114124" {
		t.Errorf("its tier has retention.ms=%s and max.message.bytes=%s, want -1 and 1114124", got["retention.ms"], got["max.message.bytes"])
	}
	m.mustBeReady(t)
}
