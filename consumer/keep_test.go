package consumer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestWhatIsGivenBackIsNotFetchedAgainAtOnce fills a retry lane with records that wait, until it gives back what more is
// fetched: then it is paused, or the client would fetch the same records again and again.
func TestWhatIsGivenBackIsNotFetchedAgainAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		window Window
		size   int           // of a value
		spread time.Duration // from one record's due time to the next
		first  time.Duration // until the first is due
	}{
		{"by count, all far from due", Window{Records: 100}, 1, 0, time.Minute},
		{"by count, the first of them due soon", Window{Records: 100}, 1, 100 * time.Millisecond, 500 * time.Millisecond},
		{"by bytes", Window{Records: 1000, Bytes: 10_000}, 1000, 0, time.Minute},
		{"by bytes, the first of them due soon", Window{Records: 1000, Bytes: 10_000}, 1000, 100 * time.Millisecond, 900 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onBench(t, succeed, func(c *Config) { c.Window = tt.window })
				l := w.lane(0, time.Minute)
				start := time.Now()
				// As the poll loop does it: what is fetched is kept or given back, and fetched again unless the lane is paused.
				next, fetches := int64(0), 0
				for next < 500 && w.fetched(l) && fetches < 1000 {
					fetches++
					batch := make([]*kgo.Record, min(20, 500-next))
					for i := range batch {
						offset := next + int64(i)
						due := start.Add(tt.first + time.Duration(offset)*tt.spread)
						batch[i] = w.copyOf(l, offset, fmt.Sprint(offset), retrytopics.State{Attempt: 1, Due: due, Class: classify.Transient})
						batch[i].Value = make([]byte, tt.size)
					}
					w.p.intake.retries.deliver(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{Records: batch, LastStableOffset: 500}}}}}})
					l.strand.mu.Lock()
					next = l.next
					l.strand.mu.Unlock()
				}
				if next == 0 {
					t.Error("nothing was kept")
				}
				if fetches >= 1000 {
					t.Errorf("after 1000 fetches at one moment %d records were kept, and the lane is still fetched", next)
				}
				pass(2 * time.Minute)
				if !w.fetched(l) {
					t.Error("the lane is not fetched again when what waited is done")
				}
			})
		})
	}
}

// fetched reports whether the client is to fetch the lane.
func (w *workbench) fetched(l *lane) bool { return !l.stopped.Load() }
