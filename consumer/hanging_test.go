package consumer

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestATransactionThatHangsIsTold has a transaction keep readers of a partition where they are, longer than one of ours may last: the partition
// and for how long are told, until it is ended.
func TestATransactionThatHangsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		l := w.lane(0, time.Minute)
		fetched := func(stable int64) {
			w.p.intake.retries.deliver(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{LastStableOffset: stable, HighWatermark: 9}}}}}})
		}
		told := func() bool {
			s := w.p.Stats()
			return slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, "readers from "+l.topic+"/0 behind offset 5 for 16s") })
		}
		fetched(5)
		time.Sleep(14 * time.Second)
		fetched(5)
		equal(t, "told while it may end by itself", told(), false)
		time.Sleep(2 * time.Second)
		equal(t, "told when it hangs", told(), true)
		fetched(9)
		equal(t, "told when it is ended", told(), false)
		equal(t, "for how long one is open", w.p.Stats().Partitions[0].OpenTransaction, 0)
	})
}

// TestATransactionThatEndsWhileAPartitionIsPausedIsNotTold has a partition paused while a transaction is open there, as a tier is whose
// records are not due: nothing is fetched that would tell of its end.
func TestATransactionThatEndsWhileAPartitionIsPausedIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		l := w.lane(0, time.Minute)
		l.ends(5, 9, time.Now())
		time.Sleep(5 * time.Second)
		l.measured(5)
		equal(t, "for how long one is open that does not end", w.p.Stats().Partitions[0].OpenTransaction, 5*time.Second)
		l.measured(9)
		time.Sleep(time.Minute)
		equal(t, "for how long one is open that has ended", w.p.Stats().Partitions[0].OpenTransaction, 0)
	})
}
