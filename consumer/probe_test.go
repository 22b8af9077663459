package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// TestAProbeIsOfferedToWhoMayUseIt has all slots taken, a record that was not tried yet in the ready line of one partition, as there is where
// tenants share the slots, and a retry in another, which has waited longer for a probe. The retry may not be the probe while
// there is the other: who is offered the next one, and who may use it, is the same.
func TestAProbeIsOfferedToWhoMayUseIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { <-end; return nil }), func(c *Config) {
			c.Concurrency = 1
			c.Tenants = &Tenants{}
			c.Breaker = breaker.Config{HalfOpenCalls: 1}
		})
		busy, waits, failed := w.lane(0, 0), w.lane(1, 0), w.lane(2, time.Second)
		w.feed(busy, "a")
		w.feed(waits, "b")
		w.feedCopies(failed, "c")
		synctest.Wait()
		st := waits.strand
		st.mu.Lock()
		st.takeUp()
		inLine := waits.ready.untried() != nil && waits.fresh() == nil
		waits.probed = 1
		st.mu.Unlock()
		equal(t, "a record that was not tried yet is in the ready line", inLine, true)
		w.p.breaker.Force(breaker.HalfOpen)
		synctest.Wait()

		s := w.p.slots
		s.mu.Lock()
		for k := range s.queued {
			clear(s.queued[k])
			s.turns[k] = nil
		}
		s.mu.Unlock()
		w.p.offerProbe()
		s.mu.Lock()
		_, offered := s.queued[fresh][st]
		_, passedOver := s.queued[retry][failed.strand]
		s.mu.Unlock()
		if !offered || passedOver || !w.p.mayProbe(st, fresh) || w.p.mayProbe(failed.strand, retry) {
			t.Errorf("the next probe is offered to the untried record: %v, to the retry: %v; they may use it: %v, %v",
				offered, passedOver, w.p.mayProbe(st, fresh), w.p.mayProbe(failed.strand, retry))
		}
		close(end)
		pass(time.Minute)
	})
}
