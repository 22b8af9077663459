package consumer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAPollThatWaitsDoesNotKeepRoomThatIsGone has the poll of the retry topics wait for records, for as many as there was room for when it began,
// while the sources' lanes take what was polled of them. It begins anew before it brings more than there is room for by then: the window bounds what
// repeats after a crash.
func TestAPollThatWaitsDoesNotKeepRoomThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 100
		w := onBench(t, HandlerFunc(func(ctx context.Context, _ *Record) error { <-ctx.Done(); return nil }), func(c *Config) { c.Window.Records = window })
		sources := []*lane{w.lane(0, 0), w.lane(1, 0), w.lane(2, 0), w.lane(3, 0)}
		w.lane(0, time.Minute)
		in := w.p.intake
		in.retries.interruptible(t.Context()) // of what came before
		asked := in.retries.ask(t.Context())
		poll := in.retries.interruptible(t.Context())
		if poll.Err() != nil {
			t.Fatal("the poll has ended before it began")
		}
		for _, l := range sources {
			in.sources.polled(fetchOf(l, 0, 500))
		}
		for range 2 * len(sources) {
			in.sources.handOver(in.sources.waitForRoom(t.Context()))
			pass(0)
		}
		held := int(in.records.Load() + in.unsaved.Load())
		if held+asked <= window {
			t.Fatalf("%d records are held, and %d were asked for: the window of %d is not used up", held, asked, window)
		}
		if poll.Err() == nil {
			t.Errorf("%d records are held and the poll under way may bring %d more, the window is %d", held, asked, window)
		}
	})
}

// fetchOf brings so many records of a lane, from an offset on.
func fetchOf(l *lane, from int64, n int) kgo.Fetches {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: l.topic, Partition: l.partition, Offset: from + int64(i), Key: fmt.Append(nil, "k", i), Timestamp: time.Now()}
	}
	return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{Partition: l.partition, LastStableOffset: from + int64(n), Records: records}}}}}}
}

// TestAReaderDoesNotWaitForALaneThatDrainsNoMore has some of what a lane holds settle at once, and the rest hang: the lane is paused, and the
// others are read, as soon as that shows.
func TestAReaderDoesNotWaitForALaneThatDrainsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, quickOnes, hang = 1000, 200, 502 // a little more than its share
		begin := make(chan struct{})
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if <-begin; r.Offset >= quickOnes {
				<-ctx.Done()
			}
			return nil
		}), func(c *Config) { c.Window.Records, c.Concurrency = window, window })
		l := w.lane(0, 0)
		w.lane(1, 0)
		w.feed(l, keysOf(quickOnes+hang)...)
		pass(0)
		read := time.Now()
		time.AfterFunc(grace/2, func() { close(begin) })
		if w.p.intake.sources.waitForRoom(t.Context()); !l.crowded.Load() {
			t.Error("the lane is not paused")
		}
		if waited := time.Since(read); waited > 3*soon {
			t.Errorf("nothing was read for %v, while %d records of a lane hang", waited, l.held.Load())
		}
	})
}

// TestAPausedLaneIsReadOnWhenTheOthersHaveDrained pauses a lane whose calls hang while the others take the rest of the window. When that
// is free again the lane may hold more, and is read on.
func TestAPausedLaneIsReadOnWhenTheOthersHaveDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, hang = 100, 20
		begin := make(chan struct{})
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if <-begin; r.Partition == 0 {
				<-ctx.Done()
			}
			return nil
		}), func(c *Config) { c.Window.Records, c.Concurrency = window, window })
		lanes := []*lane{w.lane(0, 0), w.lane(1, 0), w.lane(2, 0)}
		w.feed(lanes[0], keysOf(hang)...)
		for _, l := range lanes[1:] {
			w.feed(l, keysOf((window-hang)/2)...)
		}
		pass(0)
		w.p.intake.sources.mark()
		pass(patient)
		w.p.intake.sources.pauseCrowded()
		close(begin)
		pass(soon)
		if l := lanes[0]; !l.crowded.Load() || l.held.Load() != hang {
			t.Fatalf("it holds %d records and is paused: %v", l.held.Load(), l.crowded.Load())
		}
		w.p.committer.acknowledged(w.p.committer.marks(lanes))
		equal(t, "records in the window", w.p.intake.records.Load(), hang)
		if lanes[0].crowded.Load() {
			t.Errorf("it is paused though the window of %d holds its %d records only", window, hang)
		}
	})
}

// keysOf are so many keys.
func keysOf(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	return keys
}

// TestALaneHasTimeToDrainBeforeItIsPaused gives a lane more than its share, of which nothing is settled for a moment: copies are acknowledged many
// at a time. Pausing it would throw away what is fetched of it already. Where that is little others do not wait for it.
func TestALaneHasTimeToDrainBeforeItIsPaused(t *testing.T) {
	for _, tt := range []struct {
		window int
		waits  time.Duration // until it is paused
	}{{2 * maxChunk, patient}, {100, grace}} {
		t.Run(fmt.Sprint(tt.window), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onBench(t, HandlerFunc(func(ctx context.Context, _ *Record) error { <-ctx.Done(); return nil }), func(c *Config) { c.Window.Records = tt.window })
				l := w.lane(0, 0)
				w.lane(1, 0)
				in := w.p.intake
				pass(time.Minute)
				w.feed(l, make([]string, tt.window*4/5)...)
				fed := time.Now()
				for in.sources.mark(); ; in.sources.mark() { // as who waits for room does each time
					pass(grace)
					if draining := in.sources.pauseCrowded(); draining == l.crowded.Load() {
						t.Fatalf("draining %v, paused %v", draining, l.crowded.Load())
					}
					if l.crowded.Load() {
						break
					}
				}
				equal(t, "paused after", time.Since(fed), tt.waits)
			})
		})
	}
}
