package fleet

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// claiming is a charge that has read that the fleet is open, and wants to probe.
type claiming struct {
	*charge
	state *State
	claim record
}

func startClaiming(t *testing.T) *claiming {
	t.Helper()
	b, err := breaker.New(breaker.Config{Dependency: dependency})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	t.Cleanup(b.Follow(func(bool) {}))
	c := &claiming{charge: newCharge(b, nil, "me", "me"), state: newState()}
	c.canProbe = true
	c.read(0, record{kind: kindOpen, Wait: time.Second, By: "other"})
	c.move()
	time.Sleep(3 * time.Second)
	claim := c.move().record
	if claim == nil || claim.kind != kindProbe || claim.Episode != 0 {
		t.Fatalf("it writes %+v, want a claim", claim)
	}
	c.claim = *claim
	return c
}

func (c *claiming) read(offset int64, r record) {
	r.subject = subject{name: dependency}
	c.state.apply(offset, time.Now(), r)
	c.see(c.state.of(dependency), time.Now(), true)
	c.settle(offset+1, time.Now())
}

// move does what there is to do next.
func (c *claiming) move() move {
	m := c.next(c.state.of(dependency), Order{}, time.Now())
	if m.adopt != nil {
		c.breaker.Adopt(*m.adopt)
	}
	return m
}

func (c *claiming) is(t *testing.T, when string, want breaker.State) {
	t.Helper()
	if got := c.breaker.State(); got != want {
		t.Errorf("%v %s, want %v", got, when, want)
	}
}

// TestAHolderEndsItsLeaseBeforeOthersMay lets a process claim, and then make no probe: it is open again before anybody else can
// hold the lease, counted from before its claim was written.
func TestAHolderEndsItsLeaseBeforeOthersMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sent := startClaiming(t), time.Now()
		time.Sleep(4 * time.Second) // on its way
		c.wrote(1, nil, time.Now())
		c.read(1, c.claim)
		c.move()
		c.is(t, "with the lease", breaker.HalfOpen)
		time.Sleep(time.Until(sent.Add(leaseLength - early - time.Millisecond)))
		c.move()
		c.is(t, "before the lease is over", breaker.HalfOpen)
		time.Sleep(2 * time.Millisecond)
		c.move()
		c.is(t, "when the lease is over", breaker.Open)
		if m := c.move(); m.record != nil {
			t.Errorf("it writes %v, though the log has not let the lease end", m.record.kind)
		}
	})
}

// TestAClaimWhoseWriterWasToldThatItFailedHolds loses the answer to a claim that was written. Nobody else may probe while it stands,
// so who made it does, whether the answer was missed before or after the claim was read.
func TestAClaimWhoseWriterWasToldThatItFailedHolds(t *testing.T) {
	for _, readFirst := range []bool{false, true} {
		t.Run(fmt.Sprintf("read first %v", readFirst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, sent := startClaiming(t), time.Now()
				if readFirst {
					c.read(1, c.claim)
				}
				c.wrote(0, errAway, time.Now())
				if !readFirst {
					c.read(1, c.claim)
				}
				c.move()
				c.is(t, "with the lease", breaker.HalfOpen)
				time.Sleep(time.Until(sent.Add(leaseLength - early + time.Millisecond)))
				c.move()
				c.is(t, "when the lease is over", breaker.Open)
			})
		})
	}
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
