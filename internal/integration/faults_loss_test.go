package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// Records that are gone before they were read: nothing the pipeline does brings them back, so that what counts is that it
// is told, that nothing else is lost, and that the operator decides.

// A partition whose unread records were deleted stands still, with on_data_loss: hold, and the others go on. With skip it
// goes on with what is left, and what is not is counted.
func TestOffsetsOutOfRange(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	first := b.start(succeeds)
	b.produceTo(b.numbered(0, 10)...)
	b.produceTo(b.numbered(1, 10)...)
	b.calls.awaitDone(t, 20)
	b.settled()
	first.stop()

	b.produceTo(b.numbered(0, 20)...)
	b.produceTo(b.numbered(1, 5)...)
	deleteRecords(t, b.source, 0, 25) // of which 10 to 24 are unread
	holds := b.start(succeeds)
	b.awaitLog("level=ERROR", "unread records are gone: the partition stands still", b.source, "partition=0", "from=10", "to=25")
	b.calls.awaitDone(t, 25)
	holds.awaitReason(t, "unread records are gone")
	if got := holds.metric(t, "redeliver_paused", "reason=data_loss"); got != 1 {
		t.Errorf("%v partitions are paused for data_loss, want 1", got)
	}
	holds.stop()
	if diff := cmp.Diff(map[int32]int64{0: 10, 1: 15}, kafkatest.Committed(t, b.group)[b.source]); diff != "" {
		t.Errorf("commits while the partition stood still (-want +got):\n%s", diff)
	}

	skips := b.start(succeeds, func(c *consumer.Config) { c.OnDataLoss = consumer.SkipDataLoss })
	b.calls.awaitDone(t, 30)
	b.awaitLog("level=ERROR", "going on with what is left", b.source, "from=10", "to=25")
	b.settled()
	if got := skips.metric(t, "redeliver_lost_records_total", "topic="+b.source); got != 15 {
		t.Errorf("%v records count as lost, want 15", got)
	}
	skips.mustBeReady(t)
	attemptsOnce(t, b.calls.soFar())
}

// numbered are records for a partition.
func (b *bundle) numbered(partition int32, n int) (records []*kgo.Record) {
	for i := range n {
		r := record(fmt.Sprint("key-", i), fmt.Sprint(i))
		r.Partition = partition
		records = append(records, r)
	}
	return records
}

// deleteRecords deletes the records of a partition below an offset, as retention does.
func deleteRecords(t *testing.T, topic string, partition int32, below int64) {
	t.Helper()
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, partition, below, -1)
	answers, err := kafkatest.Admin(t).DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Somebody deletes copies that wait in a tier. Those are lost, which is told; the tier goes on with what is left by itself,
// for the records of a source wait behind nothing in it.
func TestCopiesAreDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	tier := func(c *consumer.Config) {
		c.Retry = retrytopics.Policy{Tiers: []time.Duration{2 * time.Second}, MaxRetries: 1}
	}
	first := b.start(failsUntil(2, errBroken), tier, withoutBreaker)
	b.produce(b.numbered(0, 10)...)
	b.calls.awaitCount(t, 10)
	awaitRecords(t, 10, b.tier("2s"))
	first.stop()
	done := len(doneIn(b.calls.soFar())) // that many came back before the stop: none, unless the machine is slow
	deleteRecords(t, b.tier("2s"), 0, 7)

	second := b.start(failsUntil(2, errBroken), tier, withoutBreaker)
	b.calls.awaitDone(t, max(done, 3))
	if done == 0 {
		b.awaitLog("level=ERROR", "going on with what is left", b.tier("2s"), "from=0", "to=7")
		if got := second.metric(t, "redeliver_lost_records_total", "topic="+b.tier("2s")); got != 7 {
			t.Errorf("%v copies count as lost, want 7", got)
		}
	}
	b.produce(record("key", "after"))
	b.calls.awaitDone(t, max(done, 3)+1)
	b.settled(b.tier("2s"))
	second.mustBeReady(t)
	attemptsOnce(t, b.calls.soFar())
	neverEarly(t, b.calls.soFar())
}

// The log of the source is cut off below what was read, by the election of a leader that had not got all of it, and other
// records are written there. With skip the pipeline goes back to where the logs part, and reads what stands there now; with
// hold it stands still.
//
// It is not parallel: on Apache Kafka nodes are killed for it.
func TestLogIsCutOff(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy consumer.DataLossPolicy
	}{{"hold", consumer.HoldOnDataLoss}, {"skip", consumer.SkipDataLoss}} {
		t.Run(tt.name, func(t *testing.T) {
			kafkatest.RequireNodes(t, 3)
			b := setup(t, 1)
			cut := cutLog(b)
			policy := func(c *consumer.Config) {
				c.OnDataLoss = tt.policy
				c.SessionTimeout = 40 * time.Second
			}
			m := b.start(succeeds, policy)
			b.produce(b.numbered(0, 5)...)
			b.calls.awaitDone(t, 5)
			b.settledIn(b.source)
			cut.begin()
			b.produce(b.numbered(0, 5)...)
			b.calls.awaitDone(t, 10)
			b.settledIn(b.source)
			cut.end(tt.policy == consumer.SkipDataLoss)
			if tt.policy == consumer.HoldOnDataLoss {
				b.awaitLog("level=ERROR", "the partition stands still", b.source, "from=10", "to=5")
				for range 2 { // a restart alone does not hide what is gone
					m.awaitNotReady(t, "unread records are gone")
					m.awaitMetric(t, "redeliver_paused", "reason=data_loss")
					m.stop()
					m = b.start(succeeds, policy)
				}
				if got := len(b.calls.soFar()); got != 10 {
					t.Errorf("%d calls were made, want 10: the partition stands still", got)
				}
				return
			}
			b.awaitLog("level=ERROR", "going on with what is left", b.source, "from=10", "to=5")
			b.calls.await(t, "calls for what stands in the log now", func(all []call) bool {
				seen := make(map[string]bool)
				for _, x := range all[10:] {
					seen[x.id+" "+string(x.record.Value)] = true
				}
				for _, r := range kafkatest.ReadAll(t, b.source) {
					if r.Offset >= 5 && !seen[id(r)+" "+string(r.Value)] {
						return false
					}
				}
				return len(all) > 10
			})
			b.settledIn(b.source)
			m.mustBeReady(t)
			if n := m.metric(t, "redeliver_lost_records_total"); n != 0 {
				t.Errorf("%v records count as lost, want none: those that were cut off had been read", n)
			}
		})
	}
}

// logCut cuts off what is written to the source between begin and end.
type logCut struct {
	begin func()
	end   func(once bool) // once: it is no loss any more when somebody has heard of it
}

// cutLog prepares the source of a test, of one partition. On Apache Kafka the last replica in sync is killed and one
// that is behind is elected. The embedded broker cannot lose what it has: it only says so, and what is read again is the same.
func cutLog(b *bundle) logCut {
	t := b.t
	t.Helper()
	if kafkatest.KindOf(t) == kafkatest.Embedded {
		fake := kafkatest.Fake(t, "")
		return logCut{func() {}, func(once bool) {
			fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				fake.KeepControl()
				r, ok := req.(*kmsg.OffsetForLeaderEpochRequest)
				if !ok || len(r.Topics) != 1 || r.Topics[0].Topic != b.source {
					return nil, nil, false
				}
				if once {
					fake.DropControl()
				}
				resp, _ := r.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
				topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
				topic.Topic = b.source
				part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				part.LeaderEpoch, part.EndOffset = 0, 5
				topic.Partitions = append(topic.Partitions, part)
				resp.Topics = append(resp.Topics, topic)
				return resp, nil, true
			})
			kafkatest.MoveLeader(t, b.source, 0)
		}}
	}
	leader, follower := b.onTwoNodes()
	var back func()
	return logCut{func() { back = kafkatest.KillNode(t, follower) }, func(bool) {
		restart := kafkatest.KillNode(t, leader)
		back()
		eventually(t, func() error {
			if got := kafkatest.Leader(t, b.source, 0); got != follower {
				return fmt.Errorf("%s is led by node %d, want %d", b.source, got, follower)
			}
			return nil
		})
		var other []*kgo.Record
		for range 8 {
			other = append(other, record("key", "of the new leader"))
		}
		b.produce(other...)
		restart()
	}}
}

// onTwoNodes makes the source anew with two replicas, of which one that is behind may become the leader.
func (b *bundle) onTwoNodes() (leader, follower int32) {
	b.t.Helper()
	admin := kafkatest.Admin(b.t)
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	b.source += "-two"
	unclean, one := "true", "1"
	if _, err := admin.CreateTopic(ctx, 1, 2, map[string]*string{"unclean.leader.election.enable": &unclean, "min.insync.replicas": &one}, b.source); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if _, err := admin.DeleteTopics(context.Background(), b.source); err != nil && !strings.Contains(err.Error(), "UNKNOWN_TOPIC") {
			b.t.Log(err)
		}
	})
	kafkatest.AwaitTopics(b.t, 1, b.source)
	topics, err := admin.ListTopics(kadm.WithAuthorizedOps(ctx), b.source)
	if err != nil {
		b.t.Fatal(err)
	}
	p := topics[b.source].Partitions[0]
	for _, r := range p.Replicas {
		if r != p.Leader {
			follower = r
		}
	}
	return p.Leader, follower
}
