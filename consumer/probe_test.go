package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
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
		inLine := waits.ready.size == 1 && waits.fresh() == nil
		waits.probed = 1
		st.mu.Unlock()
		equal(t, "a record that was not tried yet is in the ready line", inLine, true)
		w.p.breaker.Force(breaker.HalfOpen)
		synctest.Wait()

		offered, passedOver := w.nextProbe(fresh, st), w.nextProbe(retry, failed.strand)
		if !offered || passedOver || !w.p.mayProbe(st, fresh) || w.p.mayProbe(failed.strand, retry) {
			t.Errorf("the next probe is offered to the untried record: %v, to the retry: %v; they may use it: %v, %v",
				offered, passedOver, w.p.mayProbe(st, fresh), w.p.mayProbe(failed.strand, retry))
		}
		close(end)
		pass(time.Minute)
	})
}

// nextProbe reports whether the next probe is offered to a strand for a kind, while all slots are taken.
func (w *workbench) nextProbe(k kind, st *strand) bool {
	s := w.p.slots
	s.mu.Lock()
	for k := range s.queued {
		clear(s.queued[k])
		s.turns[k] = nil
	}
	s.mu.Unlock()
	w.p.offerProbe()
	s.mu.Lock()
	defer s.mu.Unlock()
	_, offered := s.queued[k][st]
	return offered
}

// TestNoProbeIsOfferedToATenantThatHasAllItsCalls has a record that was not tried yet, of a tenant whose one call is under way, and another
// tenant's retry. The record cannot start before the call ends, so that it is not offered the probe, over and over, and does not keep
// the retry from it. When the call has ended it is handled all the same.
func TestNoProbeIsOfferedToATenantThatHasAllItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, called := make(chan struct{}), make(chan string, 10)
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error { called <- string(r.Key); <-end; return nil }), func(c *Config) {
			c.Concurrency = 1
			c.Tenants = &Tenants{MaxInFlight: 1}
			c.Breaker = breaker.Config{HalfOpenCalls: 1}
		})
		busy, waits, failed := w.lane(0, 0), w.lane(1, 0), w.lane(2, time.Second)
		w.feed(busy, "a")
		w.feed(waits, "b")
		r := w.copyOf(failed, 0, "c", retrytopics.State{Attempt: 1, Due: time.Now(), FirstFailed: time.Now(), Class: classify.Transient})
		r.Headers = append(r.Headers, Header{Key: retrytopics.HeaderJobTenant, Value: []byte("another")})
		w.p.received(failed, []*kgo.Record{r}, time.Now())
		synctest.Wait()
		w.p.breaker.Force(breaker.HalfOpen)
		synctest.Wait()
		if w.nextProbe(fresh, waits.strand) || !w.nextProbe(retry, failed.strand) || !w.p.mayProbe(failed.strand, retry) {
			t.Errorf("the next probe is offered to the tenant whose call is under way: %v, to the other one's retry: %v, which may use it: %v",
				w.nextProbe(fresh, waits.strand), w.nextProbe(retry, failed.strand), w.p.mayProbe(failed.strand, retry))
		}
		close(end)
		pass(time.Minute)
		equal(t, "calls", len(called), 3)
	})
}

// TestProbesOfRankedRecordsTakeTurns lets all records of a partition fail while the breaker is half-open, one of them of a higher priority:
// no record is the probe twice in a row while there is another.
func TestProbesOfRankedRecordsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var called []string
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			called = append(called, string(r.Key))
			return errors.New("the dependency is away")
		}), func(c *Config) {
			c.Concurrency = 1
			c.Priority = &Priority{}
			c.Breaker = breaker.Config{HalfOpenCalls: 1, OpenFor: time.Second}
		})
		w.p.breaker.Force(breaker.HalfOpen)
		synctest.Wait()
		l := w.lane(0, 0)
		records := make([]*kgo.Record, 0, 3)
		for i, key := range []string{"a", "b", "c"} {
			r := &kgo.Record{Topic: testTopic, Offset: int64(i), Key: []byte(key), Timestamp: time.Now()}
			if key == "a" {
				r.Headers = []Header{{Key: retrytopics.HeaderJobPriority, Value: []byte("9")}}
			}
			records = append(records, r)
		}
		w.p.received(l, records, time.Now())
		pass(20 * time.Second)
		if len(called) < 9 {
			t.Fatalf("there were %d probes", len(called))
		}
		for i := range called[1:] {
			if called[i] == called[i+1] {
				t.Fatalf("a record was the probe twice in a row: %v", called)
			}
		}
	})
}
