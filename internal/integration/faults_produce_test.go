package integration_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// A copy that cannot be written: its record is held, unsettled, and tried again until it can be. Whoever looks at the
// pipeline sees which destination it is; other records go on.

// The dead letters' topic has fewer replicas in sync than it asks for. The client tries again without an end and without
// a word, and so the pipeline says it.
//
// It is not parallel: on Apache Kafka a node is killed.
func TestNotEnoughReplicas(t *testing.T) {
	kafkatest.RequireNodes(t, 3)
	b := setup(t, 1)
	m := b.start(func(_ context.Context, r *consumer.Record) error {
		if string(r.Value) == "dies" {
			return consumer.DeadLetter(errBroken)
		}
		return nil
	}, func(c *consumer.Config) { c.SessionTimeout = 30 * time.Second })
	awaitReady(t, m)
	mend := notEnoughReplicas(t, b.dlq(), b.source)
	b.produce(record("a", "dies"))
	b.calls.awaitCount(t, 1)
	m.awaitNotReady(t, b.dlq(), "not acknowledge")
	b.awaitLog("level=ERROR", "partition does not acknowledge copies", b.dlq())
	m.awaitMetric(t, "redeliver_held_records")
	b.produce(record("a", "lives")) // the record is held, not its key and not its partition
	b.calls.awaitDone(t, 1)

	mend()
	b.settledIn(b.source)
	m.mustBeReady(t)
	if got := values(b.letters()); !slices.Equal(got, []string{"dies"}) {
		t.Errorf("the dead letters are %q, want one", got)
	}
	if held := m.metric(t, "redeliver_held_records"); held != 0 {
		t.Errorf("%v records count as held afterwards, want none", held)
	}
}

// notEnoughReplicas makes a topic ask for more replicas in sync than it has, and leaves another topic its leader.
func notEnoughReplicas(t *testing.T, topic, spare string) (mend func()) {
	t.Helper()
	if kafkatest.KindOf(t) == kafkatest.Embedded {
		f := kafkatest.Fake(t, "").Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.NotEnoughReplicas, Count: -1})
		t.Cleanup(f.Remove)
		return f.Remove
	}
	alter(t, topic, "min.insync.replicas", "3")
	leads := []int32{kafkatest.Leader(t, topic, 0), kafkatest.Leader(t, spare, 0)}
	for node := int32(1); ; node++ {
		if !slices.Contains(leads, node) {
			return kafkatest.KillNode(t, node)
		}
	}
}

// alter changes a setting of a topic, and returns when the brokers tell the new one.
func alter(t *testing.T, topic, key, value string) {
	t.Helper()
	admin := kafkatest.Admin(t)
	answers, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
	for _, a := range answers {
		if err == nil {
			err = a.Err
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if got := settings(t, topic)[key]; got != value {
			return fmt.Errorf("%s of %s is %s, want %s", key, topic, got, value)
		}
		return nil
	})
}

// values are the records' values as text.
func values(records []*kgo.Record) (values []string) {
	for _, r := range records {
		values = append(values, string(r.Value))
	}
	return values
}

// The brokers write copies and their answers do not come: requests run into their time-out and are sent again while the
// first is in doubt. Each copy stands in its topic once.
func TestTimeoutsInDoubt(t *testing.T) {
	t.Parallel()
	const records = 20
	b := setup(t, 1)
	n := &network{}
	lost := unanswered{kmsg.Produce, make(chan error, 100)}
	m := b.start(func(ctx context.Context, r *consumer.Record) error {
		if r.Attempt() == 1 && string(r.Value) != "first" {
			n.deafen()
		}
		return failsUntil(3, errBroken)(ctx, r)
	}, withoutBreaker, n.option, impatient, func(c *consumer.Config) {
		c.SessionTimeout = 30 * time.Second
		c.ClientOptions = append(c.ClientOptions, kgo.WithHooks(lost))
	})
	// What the client has to ask before its first copies is asked for one that gets its answers.
	given := []*kgo.Record{record("key", "first")}
	b.produce(given...)
	b.calls.awaitDone(t, 1)
	b.settled()
	for i := 1; i < records; i++ {
		given = append(given, record(fmt.Sprint("key-", i), "value"))
	}
	b.produce(given[1:]...)
	awaitRecords(t, 2, b.tier("200ms"))
	within(t, "request without an answer", lost.told)
	m.awaitNotReady(t, b.tier("200ms"), "not acknowledge")
	b.awaitLog("level=ERROR", "partition does not acknowledge copies", b.tier("200ms"))
	m.awaitMetric(t, "redeliver_held_records")
	n.hear()
	b.calls.awaitDone(t, records)
	b.settled()
	all := b.calls.soFar()
	onceEach(t, all, given)
	attemptsOnce(t, all)
	neverEarly(t, all)
	for _, tier := range b.tiers() {
		if got := len(kafkatest.ReadAll(t, tier)); got != records {
			t.Errorf("%s holds %d copies of %d records", tier, got, records)
		}
	}
	m.mustBeReady(t)
}

// impatient lets requests run into their time-outs within a test.
func impatient(c *consumer.Config) {
	c.ClientOptions = append(slices.Clone(c.ClientOptions), kgo.ProduceRequestTimeout(time.Second), kgo.RequestTimeoutOverhead(time.Second))
}

// Connections break all the time, in the middle of fetches, copies and commits. New ones are made, and each copy stands in
// its topic once.
func TestDisconnects(t *testing.T) {
	t.Parallel()
	const records = 200
	b := setup(t, 2)
	n := &network{}
	m := b.start(func(ctx context.Context, r *consumer.Record) error {
		if r.Offset%20 == 0 {
			n.drop("")
		}
		return failsUntil(3, errBroken)(ctx, r)
	}, withoutBreaker, n.option)
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "value")
	}
	b.produce(given...)
	b.calls.awaitDone(t, records)
	b.settled()
	all := b.calls.soFar()
	onceEach(t, all, given)
	attemptsOnce(t, all)
	neverEarly(t, all)
	for _, tier := range b.tiers() {
		if got := len(kafkatest.ReadAll(t, tier)); got != records {
			t.Errorf("%s holds %d copies of %d records", tier, got, records)
		}
	}
	b.mustHaveSeenNothing(m, "cannot commit offsets: will try again")
}

// The brokers throttle the client by a quota on what it produces. Copies take their time, and that is told; all are
// written.
func TestThrottling(t *testing.T) {
	kafkatest.RequireReal(t) // kfake keeps quotas and does not act on them
	t.Parallel()
	const records = 60
	b := setup(t, 1)
	quota(t, b.group, "producer_byte_rate", 10_000)
	m := b.start(failsUntil(3, errBroken), withoutBreaker, func(c *consumer.Config) { c.ClientID = b.group })
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), string(noise(2000 * (i + 1))[2000*i:])) // no two compress together
	}
	b.produce(given...)
	b.awaitLog("level=WARN", "cannot go at full speed", "brokers throttle this client", "by a quota, for ")
	m.awaitMetric(t, "redeliver_faults", "doing=throttle")
	m.awaitReason(t, "brokers throttle this client")
	b.calls.awaitDone(t, records)
	b.settled()
	all := b.calls.soFar()
	onceEach(t, all, given)
	attemptsOnce(t, all)
	neverEarly(t, all)
	m.mustBeReady(t)
}

// quota limits a client id, until the test ends.
func quota(t *testing.T, clientID, key string, value float64) {
	t.Helper()
	admin := kafkatest.Admin(t)
	set := func(ctx context.Context, remove bool) error {
		answers, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{
			Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &clientID}},
			Ops:    []kadm.AlterClientQuotaOp{{Key: key, Value: value, Remove: remove}},
		}})
		for _, a := range answers {
			if err == nil {
				err = a.Err
			}
		}
		return err
	}
	if err := set(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set(context.Background(), true); err != nil {
			t.Errorf("the quota of %s stays: %v", clientID, err)
		}
	})
}

// The dead letters' topic takes smaller records than the source, and the pipeline may not change it. The record whose
// copy is too large is held, and others of its partition die meanwhile; it goes as soon as the limit is raised.
func TestCopyIsTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.createTopics(1, b.tiers())
	b.createTopics(1, []string{b.dlq()}, "max.message.bytes=20000")
	b.createTopics(1, []string{retrytopics.LedgerTopic(b.dlq())}, "cleanup.policy=compact")
	m := b.start(fails(consumer.DeadLetter(errBroken)), func(c *consumer.Config) { c.TopicSettings.Manual = true })
	b.produce(record("a", string(noise(30_000))), record("b", "small"), record("a", "small too"))
	awaitRecords(t, 2, b.dlq())
	m.awaitNotReady(t, b.dlq(), "MESSAGE_TOO_LARGE")
	b.awaitLog("level=ERROR", "copy cannot be written", b.dlq(), "MESSAGE_TOO_LARGE")
	m.awaitMetric(t, "redeliver_route_failures_total")
	m.awaitMetric(t, "redeliver_held_records")

	alter(t, b.dlq(), "max.message.bytes", "100000")
	b.settledIn(b.source)
	m.mustBeReady(t)
	if got := len(b.letters()); got != 3 {
		t.Errorf("there are %d dead letters, want 3", got)
	}
	attemptsOnce(t, b.calls.soFar())
}

// The dead letters' topic is read-only for the pipeline.
func TestDeadLettersAreReadOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	m := b.start(fails(consumer.DeadLetter(errBroken)))
	awaitReady(t, m)
	allow := kafkatest.Deny(t, kadm.OpWrite, b.dlq())
	b.produce(record("a", "1"), record("a", "2"))
	b.calls.awaitCount(t, 2)
	m.awaitNotReady(t, b.dlq(), "AUTHORIZATION_FAILED")
	b.awaitLog("level=ERROR", "copy cannot be written", b.dlq(), "AUTHORIZATION_FAILED")
	m.awaitMetric(t, "redeliver_held_records")
	allow()
	b.settledIn(b.source)
	m.mustBeReady(t)
	if got := values(b.letters()); len(got) != 2 {
		t.Errorf("the dead letters are %q, want both", got)
	}
	attemptsOnce(t, b.calls.soFar())
}

// The disk of the dead letters' leader is full, or a hosted service refuses more by its policy.
func TestDeadLettersAreFull(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]*kerr.Error{"storage": kerr.KafkaStorageError, "policy": kerr.PolicyViolation} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := kafkatest.Fake(t, "Apache Kafka has no full topics, and a node whose disk is full goes away: see TestNodeIsKilled")
			b := setup(t, 1)
			m := b.start(fails(consumer.DeadLetter(errBroken)))
			awaitReady(t, m)
			full := fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: b.dlq(), Err: refusal, Count: -1})
			defer full.Remove()
			b.produce(record("a", "1"))
			m.awaitNotReady(t, b.dlq())
			if refusal.Retriable { // the client tries by itself, and says nothing
				b.awaitLog("level=ERROR", "partition does not acknowledge copies", b.dlq())
			} else {
				b.awaitLog("level=ERROR", "copy cannot be written", b.dlq(), refusal.Message)
			}
			m.awaitMetric(t, "redeliver_held_records")
			full.Remove()
			b.settledIn(b.source)
			m.mustBeReady(t)
			if got := values(b.letters()); len(got) != 1 {
				t.Errorf("the dead letters are %q, want one", got)
			}
		})
	}
}
