package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// TestAHolderEndsItsLeaseBeforeOthersMay lets a process claim, and then make no probe: it is open again before anybody else can
// hold the lease, counted from before its claim was written.
func TestAHolderEndsItsLeaseBeforeOthersMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := breaker.New(breaker.Config{Dependency: dependency})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		defer b.Follow(func(bool) {})()
		c := newCharge(b, nil, "me", "me")
		c.canProbe = true
		s := newState()
		read := func(offset int64, r record) {
			r.subject = subject{name: dependency}
			s.apply(offset, time.Now(), r)
			c.see(s.of(dependency), time.Now(), true)
			c.settle(offset+1, time.Now())
		}
		next := func() move {
			m := c.next(s.of(dependency), Order{}, time.Now())
			if m.adopt != nil {
				b.Adopt(*m.adopt)
			}
			return m
		}
		read(0, record{kind: kindOpen, Wait: time.Second, By: "other"})
		next()
		time.Sleep(3 * time.Second)
		claim := next().record
		if claim == nil || claim.kind != kindProbe || claim.Episode != 0 {
			t.Fatalf("it writes %+v, want a claim", claim)
		}
		sent := time.Now()
		time.Sleep(4 * time.Second) // on its way
		c.wrote(1, nil, time.Now())
		read(1, *claim)
		next()
		if b.State() != breaker.HalfOpen {
			t.Fatalf("%v with the lease", b.State())
		}
		time.Sleep(time.Until(sent.Add(leaseLength - early - time.Millisecond)))
		next()
		if b.State() != breaker.HalfOpen {
			t.Errorf("%v before the lease is over", b.State())
		}
		time.Sleep(2 * time.Millisecond)
		next()
		if b.State() != breaker.Open {
			t.Errorf("%v when the lease is over", b.State())
		}
		if m := next(); m.record != nil {
			t.Errorf("it writes %v, though the log has not let the lease end", m.record.kind)
		}
	})
}

// TestACloseIsSaidAgain hides the close that counts behind one that is void: somebody writes it again, and not everybody.
func TestACloseIsSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 5, breaker.Config{OpenFor: 20 * time.Second}, nil)
		defer f.stop()
		f.service.set(true)
		time.Sleep(10 * time.Second)
		f.service.set(false)
		time.Sleep(30 * time.Second)
		f.all(t, "after the outage", breaker.Closed)
		late := record{subject: subject{name: dependency}, kind: kindClose, Episode: 7777, By: "somebody slow"}
		f.log.change(func() { f.log.records = append(f.log.records, stored{time.Now(), late.key(), late.value()}) })
		before := f.log.kinds()[kindClose]
		time.Sleep(10 * time.Second)
		said := f.log.kinds()[kindClose] - before
		if said < 1 || said > 3 {
			t.Errorf("it was said %d times again", said)
		}
		f.log.mu.Lock()
		defer f.log.mu.Unlock()
		last, err := decode(f.log.records[len(f.log.records)-1].key, f.log.records[len(f.log.records)-1].value)
		if err != nil || last.kind != kindClose || last.Episode == 7777 {
			t.Errorf("the last record is %+v, %v", last, err)
		}
	})
}
