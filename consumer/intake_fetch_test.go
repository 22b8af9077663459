package consumer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestFetchesAreSmallWhileTheyReadAhead follows the size of fetches: what a retry topic holds for long must not come by the megabyte, and
// fresh records must.
func TestFetchesAreSmallWhileTheyReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) {
			c.Window = Window{Records: 100}
			c.ClientOptions = []kgo.Opt{kgo.FetchMaxBytes(8 << 20), kgo.FetchMaxPartitionBytes(512 << 10)}
		})
		client, err := kgo.NewClient(w.p.copyOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		w.p.client, w.p.admin = client, kadm.NewClient(client)
		const whole, small = "8388608/524288", "1048576/65536"
		size := func() string {
			return fmt.Sprintf("%d/%d", limitOf(client, kgo.FetchMaxBytes), limitOf(client, kgo.FetchMaxPartitionBytes))
		}
		source := w.lane(0, 0)
		equal(t, "with a source lane only", size(), whole)

		l := w.lane(0, time.Minute)
		w.looksAhead()
		equal(t, "with a retry lane that nothing is known of", size(), small)
		w.brings(source, 1, 1, 0)
		equal(t, "when only fresh records have come", size(), small)
		w.brings(l, 10, 500, time.Minute)
		equal(t, "when the retry lane has more that waits", size(), small)
		w.brings(l, 60, 500, time.Minute)
		equal(t, "when it is paused, for it keeps its share", size(), whole)

		pass(2 * time.Minute)
		if !w.fetched(l) {
			t.Fatal("the lane is not fetched again")
		}
		equal(t, "when it is fetched again", size(), small)
		w.brings(l, 10, 500, -time.Second)
		equal(t, "when what comes of it is due", size(), whole)
		w.brings(l, 10, 500, time.Minute)
		equal(t, "when more of it waits", size(), small)
		pass(2 * time.Minute)
		w.brings(l, 1, l.next+1, time.Minute)
		equal(t, "when it has come to its end", size(), whole)

		w.lane(2, time.Minute).measured(0)
		w.looksAhead()
		equal(t, "with another lane that is known to be empty", size(), whole)
		w.lane(1, time.Minute)
		w.looksAhead()
		equal(t, "with another lane that nothing is known of", size(), small)
		pass(2 * unheardFor)
		w.brings(source, 1, 2, 0)
		equal(t, "when nothing has come of it for a while", size(), whole)
	})
}

// looksAhead is what happens when lanes have got their positions, and nobody answers where they end.
func (w *workbench) looksAhead() {
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel()
	w.p.intake.lookAhead(ctx)
}

// brings hands the intake a poll's records of a lane that ends at an offset, due after a time.
func (w *workbench) brings(l *lane, n int, end int64, due time.Duration) {
	w.t.Helper()
	l.strand.mu.Lock()
	next := l.next
	l.strand.mu.Unlock()
	records := make([]*kgo.Record, n)
	for i := range records {
		at := next + int64(i)
		records[i] = &kgo.Record{Topic: l.topic, Partition: l.partition, Offset: at, Value: []byte("v")}
		if l.tier > 0 {
			records[i] = w.copyOf(l, at, fmt.Sprint(at), retrytopics.State{Attempt: 1, Due: time.Now().Add(due), Class: classify.Transient})
		}
	}
	w.p.intake.deliver(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{Partition: l.partition, Records: records, LastStableOffset: end}}}}}})
	synctest.Wait()
}
