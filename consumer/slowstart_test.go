package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// rampBench are slots whose clock the test turns.
type rampBench struct {
	*slots
	now     time.Time
	due     []func() // what is to happen later
	started chan kind
}

func newRampBench(capacity int) *rampBench {
	b := &rampBench{now: time.Unix(0, 0), started: make(chan kind, 1000)}
	b.slots = newSlots(capacity, Shares{Fresh: 0.5, Retries: 0.5}, alone, func(*strand, kind) { b.started <- fresh })
	b.slots.now = func() time.Time { return b.now }
	b.slots.later = func(_ time.Duration, f func()) { b.due = append(b.due, f) }
	return b
}

// pass lets time pass and then happen what was to.
func (b *rampBench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	due := b.due
	b.due = nil
	for _, f := range due {
		f()
	}
}

// wanted asks for slots until all would be in use, and returns how many are.
func (b *rampBench) wanted(t *testing.T, want int) {
	t.Helper()
	for range 100 {
		b.want(new(strand), fresh)
	}
	if got := b.inFlight(); got != want {
		t.Errorf("after %v %d calls are in flight, want %d", b.now.Sub(time.Unix(0, 0)), got, want)
	}
}

// After the dependency was away the calls at once grow from those of the probes to all, step by step, and those who stand in line
// are served as they grow. (One slot is kept for retries.)
func TestSlowStartGrows(t *testing.T) {
	b := newRampBench(64)
	b.slowStart(4, 10*time.Second)
	b.wanted(t, 4)
	b.pass(time.Second)
	b.wanted(t, 10)
	b.pass(4 * time.Second)
	if got := b.inFlight(); got != 34 {
		t.Errorf("%d calls are in flight when nobody asks anew, want 34: those in line", got)
	}
	if got := b.allowed(); got != 34 {
		t.Errorf("%d are allowed, want 34", got)
	}
	b.pass(5 * time.Second)
	b.wanted(t, 63)
	if got := b.allowed(); got != 0 {
		t.Errorf("the slow start is over, and %d are allowed", got)
	}
}

// A failure halves the bound, once for those that began together, and it goes on growing from there.
func TestSlowStartFollowsTheDependency(t *testing.T) {
	b := newRampBench(64)
	b.slowStart(4, 10*time.Second)
	b.pass(5 * time.Second)
	for range 10 {
		b.falter()
	}
	if got := b.allowed(); got != 17 {
		t.Errorf("%d allowed after calls failed, want 17, half of 34", got)
	}
	b.pass(time.Second)
	if got := b.allowed(); got != 23 {
		t.Errorf("%d allowed a second later, want 23", got)
	}
	for range 20 {
		b.pass(time.Second / 5)
		b.falter()
	}
	if got := b.allowed(); got < 1 || got > 3 {
		t.Errorf("%d allowed while everything fails, want one or two", got)
	}
}

// Whoever holds a slot beyond what is allowed gives it back after its call.
func TestSlowStartTakesSlotsBack(t *testing.T) {
	b := newRampBench(64)
	st := new(strand)
	b.want(st, fresh)
	b.want(st, fresh)
	b.slowStart(1, 10*time.Second)
	if !b.ended(st, fresh, true) {
		t.Error("one of two goes on while one is allowed")
	}
	b.done(st, fresh)
	if b.ended(st, fresh, true) {
		t.Error("the one that is allowed does not go on")
	}
	b.full()
	b.wanted(t, 63)
}

// A slow start follows whatever closes a breaker that has held the pipeline: probes, others of the fleet, or an operator. What
// opens a breaker ends it.
func TestSlowStartFollowsAClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, withLedger, func(c *Config) { c.Breaker.HalfOpenCalls = 2 })
		first, ledger := w.p.deps[0].breaker, w.p.deps[1].breaker
		for _, step := range []struct {
			what string
			do   func()
			want int
		}{
			{"nothing was", func() {}, 0},
			{"metrics only", func() { first.Force(breaker.MetricsOnly); first.Auto() }, 0},
			{"an operator", func() { first.Force(breaker.ForcedOpen); first.Auto() }, 2},
			{"it opens", func() { first.Force(breaker.Open) }, 0},
			{"the fleet", func() { first.Adopt(breaker.Adoption{State: breaker.Closed}) }, 2},
			{"it is over", func() { pass(11 * time.Second) }, 0},
			{"another dependency", func() { ledger.Force(breaker.HalfOpen); ledger.Force(breaker.Closed) }, 1},
		} {
			step.do()
			synctest.Wait()
			equal(t, "calls at once after "+step.what, w.p.slots.allowed(), step.want)
		}
	})
}
