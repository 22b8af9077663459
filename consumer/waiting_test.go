package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// TestWaiting tells whether there is anything that only the breaker keeps from being handled: what was fetched, and what is known to
// stand behind that.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return nil }))
		equal(t, "without a partition", w.p.Waiting(), false)
		l := w.lane(0, 0)
		equal(t, "with an empty one", w.p.Waiting(), false)
		w.p.breaker.Force(breaker.ForcedOpen)
		l.end.Store(5)
		equal(t, "with records that are not fetched", w.p.Waiting(), true)
		w.feed(l, "a", "b", "c", "d", "e")
		equal(t, "with records that are", w.p.Waiting(), true)
		w.p.Pause()
		equal(t, "while it is paused", w.p.Waiting(), false)
		w.p.Resume(0)
		w.p.breaker.Auto()
		pass(time.Second)
		equal(t, "when all are handled", w.p.Waiting(), false)
	})
}
