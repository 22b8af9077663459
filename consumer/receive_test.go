package consumer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// A copy waits, and those of another group behind it are let go of as they come, with what else came with them, before all of it was looked at: the end of a
// transaction, or what was done before.
func TestOfWhatCameLittleIsOpenBeforeAllOfItWasLookedAt(t *testing.T) {
	for _, behind := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(behind, " ends of transactions"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				called := 0
				w := onBench(t, HandlerFunc(func(context.Context, *Record) error { called++; return nil }))
				l := w.lane(0, time.Second)
				var records []*kgo.Record
				for i := range int64(9) {
					r := w.copyOf(l, i, fmt.Sprint("k", i), retrytopics.State{Attempt: 1, Due: time.Now().Add(time.Minute), FirstFailed: time.Now()})
					if i > 0 {
						set(r, retrytopics.HeaderGroup, "other")
					}
					records = append(records, r)
				}
				for range behind {
					records = append(records, &kgo.Record{Topic: l.topic, Offset: int64(len(records)), Attrs: controlAttrs})
				}
				w.p.received(l, records, time.Now())
				synctest.Wait()
				equal(t, "watermark", w.watermark(l), 0)
				pass(2 * time.Minute)
				equal(t, "calls", called, 1)
				equal(t, "watermark when all is done", w.watermark(l), int64(9+behind))
			})
		})
	}
}
