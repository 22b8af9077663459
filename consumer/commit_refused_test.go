package consumer

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// TestCommitsOfATopicThatIsGoneAreTriedLessAndLess has the coordinator refuse one of two partitions for as long as its topic is gone: it
// is asked again at a falling rate, and at once when its topic is there again and a watermark moves. The other is never left out.
func TestCommitsOfATopicThatIsGoneAreTriedLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		c := w.p.committer
		gone, other := w.lane(0, time.Minute), w.lane(0, 0)
		var tries []time.Time
		deadline := time.Now().Add(10 * time.Minute)
		for time.Now().Before(deadline) {
			time.Sleep(commitPause)
			w.feed(other, "a")
			synctest.Wait()
			ms := c.marks(c.due([]*lane{gone, other}, time.Now()))
			if m := ms[partition{gone.topic, 0}]; m != nil {
				tries = append(tries, time.Now())
				if err := ms.refused(partition{gone.topic, 0}, kerr.UnknownTopicOrPartition); !errors.Is(err, kerr.UnknownTopicOrPartition) {
					t.Fatalf("the refusal is told as %v", err)
				}
			}
			if ms[partition{other.topic, 0}] == nil {
				t.Fatal("the other partition is left out")
			}
			c.acknowledged(ms)
		}
		last := time.Duration(0)
		for i, at := range tries[1:] {
			wait := at.Sub(tries[i])
			if wait < last || wait > commitBackoffMax {
				t.Fatalf("try %d came %v after the one before, want at least %v, as before that, and at most %v", i+1, wait, last, commitBackoffMax)
			}
			last = wait
		}
		equal(t, "the longest wait", last, commitBackoffMax)
		time.Sleep(commitBackoffMax)
		select {
		case <-c.dirty:
		default:
			t.Error("nobody is told that the partition may be asked for again")
		}
		ms := c.marks(c.due([]*lane{gone}, time.Now()))
		equal(t, "what is tried then", len(ms), 1)
		c.acknowledged(ms)
		equal(t, "refusals after it was taken", gone.refusals, refusals{})
	})
}

// TestCommitsRefusedForTheGroupAreTriedAtOnce has the coordinator refuse a partition while the group rebalances.
func TestCommitsRefusedForTheGroupAreTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		l := w.lane(0, 0)
		ms := w.p.committer.marks([]*lane{l})
		_ = ms.refused(partition{l.topic, 0}, kerr.RebalanceInProgress)
		equal(t, "what is tried next", len(w.p.committer.marks(w.p.committer.due([]*lane{l}, time.Now()))), 1)
	})
}

// TestACommitNamesTheTopicThatItIsOf has a retry topic deleted and made again while a commit of the one that is gone is still to come: it
// says so, and whoever reads it begins with the new one at its beginning.
func TestACommitNamesTheTopicThatItIsOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		topic := w.p.topics.retry(testTopic, time.Minute)
		w.p.topics.mu.Lock()
		w.p.topics.retries[topic] = note{retry: true, delay: "1m", source: testTopic}
		w.p.topics.ids[topic] = kadm.TopicID{1}
		w.p.topics.mu.Unlock()
		gone := w.lane(0, time.Minute)
		w.p.topics.mu.Lock()
		w.p.topics.ids[topic] = kadm.TopicID{2}
		w.p.topics.mu.Unlock()
		equal(t, "the commit of the one that is gone is taken for one", w.p.topics.earlier(topic, gone.mark(false).metadata), true)
	})
}
