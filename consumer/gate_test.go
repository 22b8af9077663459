package consumer

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/internal/credit"
	"pgregory.net/rapid"
)

// quietGate is a gate whose changes nobody follows but the test.
func quietGate(t testing.TB, burst int, c breaker.Config) (*gate, *breaker.Breaker, *[]PauseReason) {
	t.Helper()
	b, err := breaker.New(c)
	if err != nil {
		t.Fatal(err)
	}
	changes := new([]PauseReason)
	g := newGate([]*breaker.Breaker{b}, credit.New(burst, 2), func(r PauseReason, begun bool) { *changes = append(*changes, r) }, func() {})
	b.Subscribe(g.onBreaker)
	t.Cleanup(b.Close)
	return g, b, changes
}

// TestGateIsASetOfReasons begins and ends reasons in any order: the gate is held while there is one.
func TestGateIsASetOfReasons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := breaker.New(breaker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		changes, wakes := 0, 0
		g := newGate([]*breaker.Breaker{b}, credit.New(1000, 2), func(PauseReason, bool) { changes++ }, func() { wakes++ })
		model := make(map[PauseReason]bool)
		reasons := []PauseReason{PauseBreaker, PauseOperator, PauseOutage}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			r := rapid.SampledFrom(reasons).Draw(t, "reason")
			on := rapid.Bool().Draw(t, "on")
			before, beforeWakes := changes, wakes
			g.set(r, on)
			told := changes > before
			if told != (model[r] != on) || told != (wakes > beforeWakes) {
				t.Fatalf("%v %v was %v: told %v, woken %v", r, on, model[r], told, wakes > beforeWakes)
			}
			model[r] = on
			var want []PauseReason
			for _, r := range reasons {
				if model[r] {
					want = append(want, r)
				}
			}
			slices.Sort(want)
			if got := g.reasons(); !slices.Equal(got, want) {
				t.Fatalf("reasons %v, want %v", got, want)
			}
			if g.free() != (len(want) == 0) {
				t.Fatalf("free is %v with the reasons %v", g.free(), want)
			}
			// The breaker is closed, so that with its reason set nothing is open.
			open := !model[PauseOperator] && !model[PauseBreaker]
			if g.open() != open {
				t.Fatalf("open is %v with the reasons %v", g.open(), want)
			}
			if g.frozen() != (len(want) > 0 && !open) {
				t.Fatalf("frozen is %v with the reasons %v", g.frozen(), want)
			}
		}
	})
}

// TestHeldBetween holds the time that the gate remembers to a sum over single seconds.
func TestHeldBetween(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		steps := rapid.IntRange(0, keptHolds).Draw(rt, "steps")
		fault := ""
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			g, _, _ := quietGate(t, 10, breaker.Config{})
			start := time.Now()
			var held []bool // by second
			spend := func(n int, is bool) {
				pass(time.Duration(n) * time.Second)
				for range n {
					held = append(held, is)
				}
			}
			for range steps {
				spend(random.IntN(4), false)
				g.set(PauseOperator, true)
				spend(random.IntN(4), true)
				if random.IntN(3) == 0 { // a second reason makes it no longer
					g.set(PauseOutage, true)
					spend(random.IntN(3), true)
					g.set(PauseOperator, false)
					spend(random.IntN(3), true)
					g.set(PauseOutage, false)
				} else {
					g.set(PauseOperator, false)
				}
			}
			if random.IntN(2) == 0 {
				g.set(PauseOperator, true)
				spend(random.IntN(4), true)
			}
			for range 20 {
				from := random.IntN(len(held) + 1)
				to := from + random.IntN(len(held)-from+1)
				want := time.Duration(0)
				for _, is := range held[from:to] {
					if is {
						want += time.Second
					}
				}
				if got := g.heldBetween(start.Add(time.Duration(from)*time.Second), start.Add(time.Duration(to)*time.Second)); got != want {
					fault = "held " + got.String() + ", want " + want.String()
				}
			}
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// TestHeldTimeIsBounded keeps the memory of holds small, and forgets none of them.
func TestHeldTimeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, _ := quietGate(t, 10, breaker.Config{})
		start := time.Now()
		const n = 10 * keptHolds
		for range n {
			g.set(PauseOperator, true)
			pass(time.Second)
			g.set(PauseOperator, false)
			pass(time.Second)
		}
		if len(g.holds) > keptHolds {
			t.Errorf("%d holds are kept, at most %d", len(g.holds), keptHolds)
		}
		if got := g.heldBetween(start, time.Now()); got < n*time.Second {
			t.Errorf("held %v of %v: a record would be timed out that was paused", got, n*time.Second)
		}
	})
}

// TestAdmission pays for dead letters, here with two for a success.
func TestAdmission(t *testing.T) {
	admitted := func(g *gate) (n int) {
		for n < 100 && g.admit() {
			n++
		}
		return n
	}
	g, _, _ := quietGate(t, 5, breaker.Config{})
	equal(t, "admitted at first", admitted(g), 5)
	equal(t, "holds", slices.Equal(g.reasons(), []PauseReason{PauseOutage}), true)
	g.success(1)
	equal(t, "free after a success", g.free(), true)
	equal(t, "admitted after a success", admitted(g), 2)
	equal(t, "holds after that", g.free(), false)
	g.success(10)
	equal(t, "admitted after many successes", admitted(g), 5)
	g.resume(3)
	equal(t, "free after a resume", g.free(), true)
	equal(t, "admitted after resume --admit 3", admitted(g), 3)
	equal(t, "holds again", g.free(), false)
	g.resume(0)
	equal(t, "admitted after a plain resume", admitted(g), 5)
	for range 50 {
		g.success(1)
		equal(t, "admitted with a success before", g.admit(), true)
	}

	without, _, _ := quietGate(t, -1, breaker.Config{})
	equal(t, "admitted without a bound", admitted(without), 100)
}

// TestAnOutageEndsWhenThereIsCreditForADeadLetter earns a part of one with each success.
func TestAnOutageEndsWhenThereIsCreditForADeadLetter(t *testing.T) {
	b, err := breaker.New(breaker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	g := newGate([]*breaker.Breaker{b}, credit.New(1, 0.5), func(PauseReason, bool) {}, func() {})
	equal(t, "the first", g.admit(), true)
	equal(t, "the second", g.admit(), false)
	g.success(1)
	equal(t, "free after one success", g.free(), false)
	g.success(1)
	equal(t, "free after two", g.free(), true)
}

// TestResumeEndsWhatAnOperatorMayEnd leaves the breaker's reason alone.
func TestResumeEndsWhatAnOperatorMayEnd(t *testing.T) {
	g, b, _ := quietGate(t, 1, breaker.Config{})
	g.set(PauseOperator, true)
	g.set(PauseOutage, true)
	b.Force(breaker.ForcedOpen)
	g.resume(0)
	if got := g.reasons(); !slices.Equal(got, []PauseReason{PauseBreaker}) {
		t.Errorf("reasons %v, want the breaker's only", got)
	}
	b.Auto()
	equal(t, "free", g.free(), true)
}

// TestOutageHasOneProbe lets one call through at a time while dead letters look like an outage.
func TestOutageHasOneProbe(t *testing.T) {
	g, _, _ := quietGate(t, 1, breaker.Config{})
	g.set(PauseOutage, true)
	equal(t, "open", g.open(), true)
	first, probe, ok := g.enter()
	equal(t, "the first is let through", ok, true)
	equal(t, "and is a probe", probe, true)
	_, _, ok = g.enter()
	equal(t, "a second beside it", ok, false)
	g.probed(first, false)
	_, _, ok = g.enter()
	equal(t, "the next after one that was not used", ok, true)
}

// TestOutageGoesOnBeingProbed refuses a second caller while the probe is out and again after it, before the next is due: a wake
// comes when it is.
func TestOutageGoesOnBeingProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := breaker.New(breaker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var woken atomic.Int32
		g := newGate([]*breaker.Breaker{b}, credit.New(1, 2), func(PauseReason, bool) {}, func() { woken.Add(1) })
		g.set(PauseOutage, true)
		first, _, ok := g.enter()
		equal(t, "the first probe", ok, true)
		_, _, ok = g.enter()
		equal(t, "a second beside it", ok, false)
		g.probed(first, true)
		_, _, ok = g.enter() // as everybody tries again after a probe
		equal(t, "another at once", ok, false)
		before := woken.Load()
		pass(time.Minute)
		if woken.Load() == before {
			t.Fatal("nobody is woken for the next probe")
		}
		_, _, ok = g.enter()
		equal(t, "another a minute later", ok, true)
	})
}

// TestWhoWasRefusedIsWoken gives back what nobody called with: somebody was refused for it.
func TestWhoWasRefusedIsWoken(t *testing.T) {
	for _, tt := range []struct {
		name string
		hold func(g *gate, b *breaker.Breaker)
	}{
		{"half-open", func(_ *gate, b *breaker.Breaker) { b.Force(breaker.HalfOpen) }},
		{"outage", func(g *gate, _ *breaker.Breaker) { g.set(PauseOutage, true) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			woken := 0
			b, err := breaker.New(breaker.Config{HalfOpenCalls: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			g := newGate([]*breaker.Breaker{b}, credit.New(1, 2), func(PauseReason, bool) {}, func() { woken++ })
			b.Subscribe(g.onBreaker)
			b.WhenFree(g.wake)
			tt.hold(g, b)
			permit, _, ok := g.enter()
			equal(t, "a permit", ok, true)
			before := woken
			g.leave(permit)
			equal(t, "wakes with nobody refused", woken, before)
			permit, _, _ = g.enter()
			_, _, ok = g.enter()
			equal(t, "a second permit", ok, false)
			g.leave(permit)
			equal(t, "wakes with somebody refused", woken, before+1)
		})
	}
}

// TestAPermitThatAnotherPipelineGivesBackIsUsed has two pipelines share a breaker: what one does not use half-open, the other
// hears of.
func TestAPermitThatAnotherPipelineGivesBackIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := breaker.New(breaker.Config{HalfOpenCalls: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		one := newGate([]*breaker.Breaker{b}, credit.New(1, 2), func(PauseReason, bool) {}, func() {})
		woken := 0
		other := newGate([]*breaker.Breaker{b}, credit.New(1, 2), func(PauseReason, bool) {}, func() { woken++ })
		b.Subscribe(one.onBreaker)
		b.Subscribe(other.onBreaker)
		b.WhenFree(one.wake)
		b.WhenFree(other.wake)
		b.Force(breaker.HalfOpen)
		permit, _, _ := one.enter()
		_, _, ok := other.enter()
		equal(t, "the other's permit", ok, false)
		before := woken
		one.leave(permit)
		pass(time.Minute)
		if woken == before {
			t.Error("the other pipeline is not told that there is a permit")
		}
	})
}

// TestGateFollowsTheBreaker goes through all states.
func TestGateFollowsTheBreaker(t *testing.T) {
	g, b, _ := quietGate(t, 1, breaker.Config{})
	for _, tt := range []struct {
		to         breaker.State
		free, open bool
	}{
		{breaker.Open, false, false}, {breaker.HalfOpen, false, true}, {breaker.Closed, true, true},
		{breaker.ForcedOpen, false, false}, {breaker.Disabled, true, true},
	} {
		b.Force(tt.to)
		equal(t, tt.to.String()+": free", g.free(), tt.free)
		equal(t, tt.to.String()+": open", g.open(), tt.open)
	}
	b.Force(breaker.HalfOpen)
	g.set(PauseOperator, true)
	equal(t, "open half-open, paused by an operator", g.open(), false)
}

// TestABreakerThatMovedOnMeanwhile tells a gate of a state that is over: it is what the breaker is now that counts.
func TestABreakerThatMovedOnMeanwhile(t *testing.T) {
	g, b, _ := quietGate(t, 1, breaker.Config{})
	b.Force(breaker.Open)
	stale := breaker.Event{From: breaker.Closed, To: b.State()} // as Run reads it when it begins
	b.Force(breaker.Closed)
	g.onBreaker(stale)
	equal(t, "free while the breaker is closed", g.free(), true)
}
