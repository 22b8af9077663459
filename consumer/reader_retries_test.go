package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestWhatWasPolledForAFormerLaneIsNotTheNextOnes has the poll loop of the retry topics deliver what it polled for a lane that was closed
// since: the lane that the partition has now begins elsewhere, and would pass over what lies between. It is read once the poll loop has
// followed.
func TestWhatWasPolledForAFormerLaneIsNotTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		polled := func(l *lane, offset int64) {
			w.p.intake.retries.deliver(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{
				LastStableOffset: 20, Records: []*kgo.Record{{Topic: l.topic, Offset: offset, Timestamp: time.Now()}},
			}}}}}})
		}
		next := func(l *lane) int64 {
			l.strand.mu.Lock()
			defer l.strand.mu.Unlock()
			return l.next
		}
		former := w.lane(0, time.Minute)
		polled(former, 6)
		equal(t, "next of the former", next(former), 7)
		w.p.closeLanes([]*lane{former})

		l := w.p.newLane(former.topic, 0, testTopic, time.Minute)
		l.placed, l.readable = true, true
		w.p.intake.open(l)
		polled(l, 7)
		equal(t, "next before the poll loop has followed", next(l), 0)
		followLanes(w.p)
		polled(l, 0)
		equal(t, "next then", next(l), 1)
	})
}

// TestALaneOfARetryTopicIsReadWhenItHasItsPlace opens a lane whose commit, or held keys, are not read yet.
func TestALaneOfARetryTopicIsReadWhenItHasItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		fresh := w.lane(0, 0)
		retries := w.p.newLane(w.p.cfg.Names.RetryTopic(testTopic, time.Minute), 0, testTopic, time.Minute)
		w.p.intake.open(retries)
		followLanes(w.p)
		equal(t, "read before", w.p.intake.following.reads(retries), false)
		w.p.place(retries.topic, 0, 5, 5, "")
		left := w.p.begin(map[string]map[int32]kgo.Offset{fresh.topic: {0: kgo.NewOffset().At(3)}, retries.topic: {0: kgo.NewOffset().At(5).WithEpoch(2)}})
		equal(t, "topics that the group's client reads", len(left), 1)
		equal(t, "offset that it reads the source from", left[fresh.topic][0].EpochOffset().Offset, 3)
		from, ready := retries.start()
		equal(t, "may be read", ready, true)
		equal(t, "from", from.EpochOffset(), kgo.EpochOffset{Epoch: 2, Offset: 5})
		w.p.intake.following.follow()
		equal(t, "read then", w.p.intake.following.reads(retries), true)
	})
}
