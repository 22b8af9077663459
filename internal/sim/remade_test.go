//go:build synctests

package sim

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestCopiesForATopicMadeAgain deletes a retry topic that nothing was written to yet, and makes it again before the member knows.
// Its first copy there is the first that its client ever writes to a topic of that name. When the member finds out that
// the topic is another one, copies must not be numbered from the beginning once more: the broker would take the next for the
// first, acknowledge it, and keep nothing.
func TestCopiesForATopicMadeAgain(t *testing.T) {
	s := Setup{Brokers: 1, Sources: map[string]int32{"orders": 1}, Config: consumer.Config{
		Breaker:     breaker.Config{Disabled: true},
		Concurrency: 1,
		Retry:       retrytopics.Policy{Tiers: []time.Duration{time.Second}, Strategy: retrytopics.Fixed{Wait: time.Second}, NoJitter: true},
	}}
	topic := "g.orders.retry-1s"
	run(t, s, func(w *World) {
		w.Join()
		for range 50 {
			w.Produce(&Record{Fate: Fate{Kind: Fail, Times: 1, Work: time.Second}})
		}
		w.Sleep(500 * time.Millisecond)
		w.DeleteRetryTopic("orders", "1s")
		if err := w.fake.CreateTopic(topic, 1, nil); err != nil {
			t.Fatal(err)
		}
		// Whoever cannot fetch does not hear that the topic that he fetches from is gone. Brokers remember five batches.
		w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition}, -1, 2*time.Second)
		w.Sleep(2 * time.Minute)
		w.mustTell(t, "level=ERROR", "topic was deleted and made again: what was in it is gone", "topic="+topic)
	}, func(h *History, _ *Report) {
		if len(h.Deleted) != 1 || len(h.Log[Partition{topic, 0}]) < 50 {
			t.Errorf("%d topics deleted, and %d records in the one that was made again", len(h.Deleted), len(h.Log[Partition{topic, 0}]))
		}
	})
}

// TestWhatWasFoundIsNoFaultAnyMore keeps a member from finding where its partitions start, as brokers do for a moment that do not know a
// new topic yet. When it has found that, it does not go on telling of it.
func TestWhatWasFoundIsNoFaultAnyMore(t *testing.T) {
	s := Setup{Brokers: 1, Sources: map[string]int32{"orders": 1}, Config: consumer.Config{Breaker: breaker.Config{Disabled: true}}}
	run(t, s, func(w *World) {
		w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.UnknownTopicOrPartition}, -1, 3*time.Second)
		m := w.Join()
		w.Sleep(2 * time.Second)
		if told := m.Pipeline.Stats().Reasons; len(told) == 0 {
			t.Error("it does not tell that it cannot find where its partitions start")
		}
		w.Produce(&Record{})
		w.Sleep(5 * time.Second) // less than faults are remembered
		if told := m.Pipeline.Stats().Reasons; len(told) > 0 {
			t.Errorf("it tells of %q when it reads", told)
		}
	}, func(*History, *Report) {})
}
