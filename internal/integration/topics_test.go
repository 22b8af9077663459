package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// The topics that a pipeline makes have the partitions of their source, and settings under which nothing is lost in
// them. What a user asks for is made so too.
func TestTopicsAreMadeBySpecification(t *testing.T) {
	t.Parallel()
	const partitions = 3
	b := setup(t, partitions, "max.message.bytes=2000000", "retention.ms=3600000", "retention.bytes=1000000")
	m := b.start(succeeds, func(c *consumer.Config) {
		c.Retry = retrytopics.Policy{} // the default one
		c.DeadLetters.Retention = 7 * 24 * time.Hour
	})
	awaitReady(t, m)
	copies := map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
		"max.message.bytes": "2065536", "message.timestamp.type": "CreateTime",
	}
	letters := map[string]string{
		"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1",
		"max.message.bytes": "2065536", "message.timestamp.type": "CreateTime",
	}
	for topic, want := range map[string]map[string]string{
		b.tier("1s"): copies, b.tier("10s"): copies, b.tier("60s"): copies, b.dlq(): letters,
		b.dlq() + ".ledger": {"cleanup.policy": "compact"},
	} {
		kafkatest.AwaitTopics(t, partitions, topic)
		got := settings(t, topic)
		if sync := got["min.insync.replicas"]; replicas(t, topic) >= 3 && sync != "2" {
			t.Errorf("%s: min.insync.replicas is %s, want 2", topic, sync)
		}
		for key := range got {
			if _, asked := want[key]; !asked {
				delete(got, key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", topic, diff)
		}
	}
}

// awaitReady waits until the pipeline says that it is ready and has partitions.
func awaitReady(t testing.TB, m *member) {
	t.Helper()
	eventually(t, func() error {
		if s := m.Stats(); !s.Ready || len(s.Partitions) == 0 {
			return fmt.Errorf("ready: %v (%s), with %d partitions", s.Ready, s.NotReady, len(s.Partitions))
		}
		return nil
	})
}

func settings(t testing.TB, topic string) map[string]string {
	t.Helper()
	configs, err := kafkatest.Admin(t).DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, c := range configs[0].Configs {
		got[c.Key] = c.MaybeValue()
	}
	return got
}

func replicas(t testing.TB, topic string) int {
	t.Helper()
	topics, err := kafkatest.Admin(t).ListTopics(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return len(topics[topic].Partitions[0].Replicas)
}

// A source that grows under a running pipeline: the retry topics have their new partitions before the first record of
// the source's is handled, and that is the first one there is, although the group began at the end.
func TestSourceGrows(t *testing.T) {
	t.Parallel()
	const before, after, each = 2, 5, 20
	b := setup(t, before)
	admin := kafkatest.Admin(t)
	m := b.start(func(ctx context.Context, r *consumer.Record) error {
		if r.Partition >= before && r.Attempt() == 1 {
			for _, topic := range append(b.tiers(), b.dlq()) {
				if n, err := partitionsOf(ctx, admin, topic); err != nil || n < after {
					t.Errorf("the first records of %s/%d are handled while %s has %d partitions (%v)", r.Topic, r.Partition, topic, n, err)
				}
			}
		}
		return failsUntil(2, errBroken)(ctx, r)
	}, func(c *consumer.Config) { c.Start = consumer.Latest() }, withoutBreaker)
	awaitReady(t, m)
	awaitCommits(t, b.group, b.source, before)
	early := make([]*kgo.Record, before) // of which copies are written, so that their writer knows the tiers as they are
	for p := range early {
		early[p] = record("early", "value")
		early[p].Partition = int32(p)
	}
	b.produceTo(early...)
	b.calls.awaitDone(t, before)

	responses, err := admin.UpdatePartitions(t.Context(), after, b.source)
	if err == nil {
		err = responses.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	kafkatest.AwaitTopics(t, after, b.source)
	var given []*kgo.Record
	for p := range int32(after) {
		for i := range each {
			r := record(fmt.Sprint("key-", i), "value")
			r.Partition = p
			given = append(given, r)
		}
	}
	b.produceTo(given...)
	given = append(given, early...)
	all := b.calls.awaitDone(t, len(given))
	b.settled()
	onceEach(t, all, given)
	neverEarly(t, all)
	if n := b.log.Count("level=INFO", "topics made", "actions="); n < 2 {
		t.Errorf("it is told %d times that topics were made, want at the start and when the source had grown", n)
	}
	if s := m.Stats(); s.RouteFailures > 0 {
		t.Errorf("%d copies were refused at first, want none", s.RouteFailures)
	}
}

// waitsOrFails fails every call; what says that it waits is to be tried again in an hour.
func waitsOrFails(_ context.Context, r *consumer.Record) error {
	if string(r.Value) == "waits" {
		return consumer.RetryAfter(time.Hour, errBroken)
	}
	return errBroken
}

func partitionsOf(ctx context.Context, admin *kadm.Client, topic string) (int, error) {
	topics, err := admin.ListTopics(kadm.WithAuthorizedOps(ctx), topic)
	if err != nil {
		return 0, err
	}
	return len(topics[topic].Partitions), topics[topic].Err
}

// awaitCommits waits until the group has committed a position for so many partitions of the topic.
func awaitCommits(t testing.TB, group, topic string, partitions int) {
	t.Helper()
	eventually(t, func() error {
		if got := len(kafkatest.Committed(t, group)[topic]); got < partitions {
			return fmt.Errorf("the group has positions in %d partitions of %s, want %d", got, topic, partitions)
		}
		return nil
	})
}

// Retry topics have no retention: what the group has committed in them is deleted by the engine, which looks every half
// minute. Sources, dead letters and what still waits are not touched.
func TestRetryTopicsAreTrimmed(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	b.start(waitsOrFails, withoutBreaker, func(c *consumer.Config) {
		c.Retry = retrytopics.Policy{Tiers: append(quick.Tiers[:2:2], time.Hour), MaxRetries: 2}
	})
	const records = 40
	for i := range records {
		b.produce(record(fmt.Sprint("key-", i), "value"))
	}
	b.produce(record("key", "waits"))
	b.calls.awaitCount(t, 3*records+1)
	b.settled()
	awaitRecords(t, 1, b.tier("1h"))

	admin := kafkatest.Admin(t)
	for _, topic := range b.tiers() {
		awaitRecords(t, records, topic)
		eventually(t, func() error {
			starts, err := admin.ListStartOffsets(t.Context(), topic)
			if err != nil {
				return err
			}
			ends, err := admin.ListEndOffsets(t.Context(), topic)
			if err != nil {
				return err
			}
			left := int64(0)
			ends.Each(func(end kadm.ListedOffset) { left += end.Offset - starts[topic][end.Partition].Offset })
			if left > 0 {
				err = fmt.Errorf("%s still holds %d records that are done", topic, left)
			}
			return err
		})
	}
	for topic, want := range map[string]int{b.source: records + 1, b.dlq(): records, b.tier("1h"): 1} {
		if got := len(kafkatest.ReadAll(t, topic)); got != want {
			t.Errorf("%s holds %d records after the trimming, want %d", topic, got, want)
		}
	}
}

// What a changed configuration leaves behind is found and drained: a tier that is no more, and the retry topics of a
// source that is read no more. Nothing of it is early, and nobody reads on in the source that has left.
func TestLeftoversAreDrained(t *testing.T) {
	t.Parallel()
	const partitions = 2
	b := setup(t, partitions)
	gone := kafkatest.Topic(t, partitions)
	goneTier := func(delay string) string { return b.group + "." + gone + ".retry-" + delay }
	routed := make(routes, 100)
	old := b.start(waitsOrFails, func(c *consumer.Config) {
		c.Topics = []string{b.source, gone}
		c.Retry = retrytopics.Policy{Tiers: []time.Duration{3 * time.Second, time.Hour}}
		c.Hooks = []consumer.Hook{routed}
	})
	given := []*kgo.Record{record("a", "1"), record("b", "2")}
	given[0].Topic, given[1].Topic = b.source, gone
	waits := record("c", "waits")
	waits.Topic = b.source
	kafkatest.Produce(t, append(given, waits)...)
	for range len(given) + 1 {
		within(t, "copy in a tier", routed)
	}
	old.stop()
	if got := len(b.calls.soFar()); got != len(given)+1 {
		t.Fatalf("%d calls were made before the configuration changed, want %d", got, len(given)+1)
	}
	kafkatest.Produce(t, &kgo.Record{Topic: gone, Key: []byte("b"), Value: []byte("after")})

	m := b.start(failsUntil(3, errBroken)) // with other tiers, and one source
	b.awaitLog("level=WARN", b.tier("1h"), "retry topic that the configuration needs no more")
	m.awaitMetric(t, "redeliver_backlog", "tier=1h")
	all := b.calls.awaitDone(t, len(given))
	b.settledIn(b.source, b.tier("3s"), b.tier("200ms"), b.tier("1s"), goneTier("3s"), goneTier("1s"))
	onceEach(t, b.calls.soFar(), given)
	neverEarly(t, all)
	b.awaitLog("level=WARN", b.tier("3s"), "retry topic that the configuration needs no more")
	for _, r := range given {
		var attempts []int
		for _, x := range b.calls.of(id(r)) {
			attempts = append(attempts, x.attempt)
		}
		if diff := cmp.Diff([]int{1, 2, 3}, attempts); diff != "" {
			t.Errorf("honest-attempts: %s (-want +got):\n%s", id(r), diff)
		}
	}
}
