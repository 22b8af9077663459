package consumer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// TestOneHungCallDoesNotStopItsPartition lets the first of many more records than the window holds hang: all others are
// handled, what they took of the window is free again, and a commit says so in a few bytes.
func TestOneHungCallDoesNotStopItsPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if r.Offset == 0 {
				<-ctx.Done()
			}
			return ctx.Err()
		}), func(c *Config) {
			c.Window.Records = 100
			c.HandlerTimeout, c.Drain, c.RebalanceTimeout = time.Hour, 2*time.Hour, 3*time.Hour
		})
		l := w.lane(0, 0)
		const polls, size = 500, 50
		for n := range polls {
			keys := make([]string, size)
			for i := range keys {
				keys[i] = fmt.Sprint(n, "-", i)
			}
			w.feed(l, keys...)
			pass(10 * time.Millisecond)
		}
		w.held(l, 1, recordSize(&kgo.Record{Key: []byte("0-49"), Value: []byte("v")})*size) // those of one poll
		equal(t, "watermark", w.watermark(l), 0)
		m := l.mark(false)
		done, err := readDone(doneIn(m.metadata), m.at, w.p.topics.id(l.topic))
		if err != nil || len(done) != 1 || done[0] != (span{1, polls * size}) {
			t.Errorf("the commit says that %v is done, %v: %q", done, err, m.metadata)
		}
	})
}

// TestWhatWaitsDoesNotKeepWhatIsDone has one of many records wait for its next try on the spot: the window lets go of
// the memory of the others, and the record is whole when it is tried again.
func TestWhatWaitsDoesNotKeepWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			if string(r.Key) != "waits" {
				return nil
			}
			seen = append(seen, fmt.Sprintf("%s=%s %d %q", r.Key, r.Value, r.Attempt(), r.Headers))
			if len(seen) == 1 {
				return errors.New("away")
			}
			return nil
		}), func(c *Config) { c.Retry.InPlace = retrytopics.InPlace{Max: 1, Delay: time.Minute} })
		l := w.lane(0, 0)
		records := make([]*kgo.Record, 200)
		for i := range records {
			records[i] = &kgo.Record{Topic: l.topic, Offset: int64(i), Key: fmt.Append(nil, i), Value: make([]byte, 1000), Timestamp: time.Now()}
		}
		waits := records[20]
		waits.Key, waits.Value, waits.Headers = []byte("waits"), []byte("v"), []Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}}
		w.p.received(l, records, time.Now())
		pass(time.Second)
		w.held(l, 1, recordSize(waits))
		clear(waits.Value) // the client's memory is its own again
		pass(2 * time.Minute)
		if len(seen) != 2 || seen[1] != `waits=v 2 [{"h" "1"} {"h" ""}]` {
			t.Errorf("it was called with %q", seen)
		}
		w.held(l, 0, 0)
	})
}

// TestAFullMapHoldsWhatIsNew lets every second record hang until the map of what is done between them fills a commit's
// metadata: nothing new is begun then, no commit is refused, and all goes on when what hangs ends.
func TestAFullMapHoldsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			if r.Offset%2 == 0 {
				<-release
			}
			return nil
		}), func(c *Config) { c.Concurrency, c.Window.Records = 10_000, 100_000 })
		l := w.lane(0, 0)
		l.metadata = noteLimit + 300
		const records = 4000
		keys := make([]string, records)
		for i := range keys {
			keys[i] = fmt.Sprint(i)
		}
		w.feed(l, keys...)
		pass(time.Second)
		l.strand.mu.Lock()
		running, open := l.running, l.open
		l.strand.mu.Unlock()
		if running < 10 || running > records/4 {
			t.Fatalf("%d calls hang: the map has not stopped anything, or everything", running)
		}
		m := l.mark(false)
		if got := len(m.metadata); got > l.metadata {
			t.Errorf("the metadata takes %d bytes of %d", got, l.metadata)
		}
		done, err := readDone(doneIn(m.metadata), m.at, w.p.topics.id(l.topic))
		if err != nil {
			t.Fatal(err)
		}
		told := int64(0)
		for _, s := range done {
			told += s.to - s.from
		}
		equal(t, "records that the commit says are done", told, int64(records-open))
		close(release)
		pass(time.Second)
		w.held(l, 0, 0)
	})
}

// TestABrokerThatTakesLessMetadataGetsLess halves what a commit carries until the broker takes it.
func TestABrokerThatTakesLessMetadataGetsLess(t *testing.T) {
	w := onBench(t, succeed)
	l := w.lane(0, 0)
	for range 20 {
		ms := w.p.committer.marks([]*lane{l})
		if err := ms.refused(partition{l.topic, 0}, kerr.OffsetMetadataTooLarge); err != nil {
			t.Fatal(err)
		}
	}
	m := l.mark(false)
	equal(t, "metadata when nothing else is taken", m.metadata, "")
	if !l.roomInMap(1000) {
		t.Error("a lane stops for the sake of a map that nobody takes")
	}
}

// held expects that a lane holds so many records, and at most so many bytes for them.
func (w *workbench) held(l *lane, records int, bytes int64) {
	w.t.Helper()
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	equal(w.t, "open records", l.open, records)
	if l.bytes > bytes {
		w.t.Errorf("%d bytes are kept, want %d at most", l.bytes, bytes)
	}
}
