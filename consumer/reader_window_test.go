package consumer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestAPollThatWaitsDoesNotKeepRoomThatIsGone has the poll of the sources wait for records, for as many as there was room for when it began,
// while the retry lanes take up what comes. It begins anew before it brings more than there is room for by then: the window bounds what
// repeats after a crash.
func TestAPollThatWaitsDoesNotKeepRoomThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 100
		w := onBench(t, HandlerFunc(func(ctx context.Context, _ *Record) error { <-ctx.Done(); return nil }), func(c *Config) { c.Window.Records = window })
		w.lane(0, 0)
		retries := w.lane(0, time.Minute)
		in := w.p.intake
		asked := in.sources.ask(t.Context())
		poll := in.sources.interruptible(t.Context())
		next := int64(0)
		for range 3 {
			n := in.retries.waitForRoom(t.Context())
			records := make([]*kgo.Record, n)
			for i := range records {
				records[i] = w.copyOf(retries, next, fmt.Sprint("k", next), retrytopics.State{Attempt: 1, Due: time.Now(), FirstFailed: time.Now(), Class: classify.Transient})
				next++
			}
			in.retries.deliver(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: retries.topic, Partitions: []kgo.FetchPartition{{LastStableOffset: 500, Records: records}}}}}})
			pass(0)
		}
		held := int(in.records.Load() + in.unsaved.Load())
		if poll.Err() == nil && held+asked > window {
			t.Errorf("%d records are held and the poll under way may bring %d more, the window is %d", held, asked, window)
		}
	})
}
