package consumer

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestWhatMayHaveBeenPutBackIsCommittedOnceMore leaves a commit without an answer: when it cannot come late any more, what was committed
// since is committed once more, though nothing has moved, and so it is when the partition is given up before.
func TestWhatMayHaveBeenPutBackIsCommittedOnceMore(t *testing.T) {
	for _, givenUp := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := onBench(t, succeed)
			c := w.p.committer
			l := w.lane(0, 0)
			w.feed(l, "a")
			synctest.Wait()
			c.acknowledged(c.marks([]*lane{l}))
			c.OnBrokerE2E(kgo.BrokerMetadata{}, kmsg.Fetch.Int16(), kgo.BrokerE2E{ReadErr: io.EOF})
			c.OnBrokerE2E(kgo.BrokerMetadata{}, kmsg.OffsetCommit.Int16(), kgo.BrokerE2E{})
			equal(t, "what is committed again when all was answered", len(c.marks([]*lane{l})), 0)
			c.OnBrokerE2E(kgo.BrokerMetadata{}, kmsg.OffsetCommit.Int16(), kgo.BrokerE2E{BytesWritten: 100, ReadErr: io.EOF})
			time.Sleep(lateFor - 1)
			equal(t, "what is committed again while the late one may come", len(c.marks([]*lane{l})), 0)
			for len(c.dirty) > 0 {
				<-c.dirty
			}
			if givenUp {
				l.strand.mu.Lock()
				l.draining = true
				l.strand.mu.Unlock()
			} else {
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				equal(t, "who is told that there is something to commit", len(c.dirty), 1)
			}
			ms := c.marks([]*lane{l})
			if m := ms[partition{l.topic, 0}]; m == nil || m.at != 1 {
				t.Fatalf("given up %v: committed again is %v, want offset 1", givenUp, m)
			}
			c.acknowledged(ms)
			equal(t, "what is committed after that", len(c.marks([]*lane{l})), 0)
			time.Sleep(time.Minute)
		})
	}
}
