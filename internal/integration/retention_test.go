package integration_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// A record that is a week old keeps its age for handlers, but its copies have the time of the copy: topics in which
// records are kept for a day keep it. The retry and dead-letter topics here are an operator's own, with that retention,
// so that a copy with the original's timestamp would be deleted by the next check.
//
// A broker checks every few seconds here (scripts/kafka), which is told by a canary: a record as old as ours in a topic
// of the same retention. Each canary that is gone is a check that the copy has outlived; a minute of waiting would show
// no more.
func TestOldRecordOutlivesRetention(t *testing.T) {
	kafkatest.RequireReal(t)
	t.Parallel()
	const day = "retention.ms=86400000"
	old := time.Now().Add(-8 * 24 * time.Hour).Truncate(time.Millisecond)
	b := setup(t, 1, "retention.ms=-1")
	b.createTopics(1, []string{b.tier("8s"), b.dlq()}, day)
	canaries := kafkatest.Topic(t, 1, day)
	b.produce(&kgo.Record{Key: []byte("key"), Value: []byte("old"), Timestamp: old})

	b.start(fails(errBroken), func(c *consumer.Config) {
		c.Retry = retrytopics.Policy{Tiers: []time.Duration{8 * time.Second}}
		c.TopicSettings.Manual = true
		c.DeadLetters.Retention = 24 * time.Hour
	})
	b.calls.awaitCount(t, 1)
	awaitRecords(t, 1, b.tier("8s"))
	awaitCheck(t, canaries, old)
	if got := len(kafkatest.ReadAll(t, b.tier("8s"))); got != 1 {
		t.Errorf("the tier holds %d records after a retention check, want 1", got)
	}

	all := b.calls.awaitCount(t, 2)
	b.settled(b.tier("8s"))
	for range 3 {
		awaitCheck(t, canaries, old)
	}
	letters := b.letters()
	if len(letters) != 1 {
		t.Fatalf("there are %d dead letters after three retention checks, want 1", len(letters))
	}
	for _, x := range all {
		if !x.record.Timestamp.Equal(old) {
			t.Errorf("attempt %d saw the timestamp %v, want the original's, %v", x.attempt, x.record.Timestamp, old)
		}
	}
	if got := header(letters[0].Headers, retrytopics.HeaderOriginTimestamp); len(got) != 1 || got[0] != fmt.Sprint(old.UnixMilli()) {
		t.Errorf("the dead letter says that its original is of %v, want %d", got, old.UnixMilli())
	}
	neverEarly(t, all)
}

// createTopics makes topics of the group as an operator does.
func (b *bundle) createTopics(partitions int32, topics []string, settings ...string) {
	b.t.Helper()
	configs := make(map[string]*string)
	for _, s := range settings {
		key, value := cutSetting(s)
		configs[key] = &value
	}
	if _, err := kafkatest.Admin(b.t).CreateTopics(b.t.Context(), partitions, -1, configs, topics...); err != nil {
		b.t.Fatal(err)
	}
	kafkatest.AwaitTopics(b.t, partitions, topics...)
}

// awaitCheck waits until the broker has looked for records that are too old.
func awaitCheck(t *testing.T, canaries string, old time.Time) {
	t.Helper()
	canary := &kgo.Record{Topic: canaries, Timestamp: old}
	kafkatest.Produce(t, canary)
	admin := kafkatest.Admin(t)
	eventually(t, func() error {
		starts, err := admin.ListStartOffsets(t.Context(), canaries)
		if start, _ := starts.Lookup(canaries, 0); err == nil && start.Offset <= canary.Offset {
			err = errors.New("the broker has made no retention check; scripts/kafka makes one every 5 s, set log.retention.check.interval.ms so elsewhere")
		}
		return err
	})
}

// awaitRecords waits until a topic has got n records, including those that were deleted.
func awaitRecords(t testing.TB, n int64, topic string) {
	t.Helper()
	admin := kafkatest.Admin(t)
	eventually(t, func() error {
		ends, err := admin.ListCommittedOffsets(t.Context(), topic)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			return err
		}
		got := int64(0)
		ends.Each(func(o kadm.ListedOffset) { got += o.Offset })
		if got < n {
			return fmt.Errorf("%s has got %d records, want %d", topic, got, n)
		}
		return nil
	})
}
