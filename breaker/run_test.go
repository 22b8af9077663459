package breaker

import "testing"

// A run of so many failures, stragglers and calls in flight is dead when that
// many failures are no accident: with n calls and the limit at one half, from
// n/2 + 3*sqrt(n)/2 failures on.
func TestRunIsDead(t *testing.T) {
	const begunBefore = 1000
	for _, tt := range []struct {
		failures, stragglers, inFlight int
		minimum                        int
		rate                           float64
		want                           bool
	}{
		{8, 0, 0, 4, 0.5, false},
		{9, 0, 0, 4, 0.5, true},
		{9, 0, 0, 10, 0.5, false}, // below the minimum
		{9, 1, 0, 4, 0.5, false},
		{11, 1, 0, 4, 0.5, false},
		{12, 1, 0, 4, 0.5, true},
		{11, 0, 1, 4, 0.5, false}, // in flight counts as success
		{12, 0, 1, 4, 0.5, true},
		{12, 1, 1, 4, 0.5, false},
		{20, 5, 1, 20, 0.5, false},
		{21, 4, 1, 20, 0.5, true},
		{400, 300, 20, 20, 0.5, false},
		{401, 300, 20, 20, 0.5, true},
		{50, 0, 0, 20, 1, true},
		{50, 1, 0, 20, 1, false},
		{80, 0, 0, 4, 0.9, false}, // a high limit takes many calls to be above by chance
		{81, 0, 0, 4, 0.9, true},
	} {
		var r run
		begun := uint64(begunBefore)
		for range tt.failures {
			begun++ // began after the first failure, or is the first
			r.failed(begun, begun)
		}
		for serial := range uint64(tt.stragglers) {
			r.succeeded(serial + 1)
		}
		begun += uint64(tt.inFlight)
		if got := r.dead(begun, tt.minimum, tt.rate); got != tt.want {
			t.Errorf("%+v: dead: %v", tt, got)
		}
	}
}

// Which calls end a run, and which are in flight in it.
func TestRunBeginsAndEnds(t *testing.T) {
	var r run
	r.succeeded(1)
	r.over(2)
	r.failed(3, 10) // ten calls have begun, 3 is the first of them to fail
	if r.mark != 10 || r.failures != 1 || r.stragglers != 0 || r.ended != 0 {
		t.Fatalf("the first failure begins it: %+v", r)
	}
	r.succeeded(10)
	if r.failures != 1 || r.stragglers != 1 {
		t.Errorf("the last call that began before the first failure is a straggler: %+v", r)
	}
	r.over(10)
	r.over(11)
	r.failed(12, 20)
	r.failed(4, 20)
	if r.mark != 10 || r.failures != 3 || r.ended != 2 {
		t.Errorf("of the calls that began in the run 11 and 12 have ended: %+v", r)
	}
	r.succeeded(13)
	if r.failures != 0 {
		t.Errorf("a call that began in the run succeeded: %+v", r)
	}
	r.failed(14, 30)
	if r.mark != 30 || r.failures != 1 || r.stragglers != 0 {
		t.Errorf("the next failure begins another: %+v", r)
	}
}

// The same by calls on a breaker whose window is full of successes, so that a
// run alone can open it.
func TestDeadRunOpens(t *testing.T) {
	setup := func(t *testing.T) (b *Breaker, acquire func() Permit, fail func(times int)) {
		b = newBreaker(t, Config{MinimumCalls: 9})
		b.Successes(100_000, 0)
		acquire = func() Permit {
			p, ok := b.Acquire()
			if !ok {
				t.Fatalf("not admitted: %s", b.Snapshot().Why)
			}
			return p
		}
		return b, acquire, func(times int) {
			for range times {
				b.Record(acquire(), Failure, 0)
			}
		}
	}
	want := func(t *testing.T, b *Breaker, s State, when string) {
		t.Helper()
		if got := b.State(); got != s {
			t.Fatalf("%s: got %v, want %v", when, got, s)
		}
	}

	t.Run("a straggler does not end it", func(t *testing.T) {
		b, acquire, fail := setup(t)
		first, straggler := acquire(), acquire()
		b.Record(first, Failure, 0)
		fail(4)
		b.Record(straggler, Success, 0)
		fail(6)
		want(t, b, Closed, "11 failures, 1 straggler")
		fail(1)
		want(t, b, Open, "12 failures, 1 straggler")
	})
	t.Run("what is in flight may yet succeed", func(t *testing.T) {
		b, acquire, fail := setup(t)
		straggler := acquire()
		fail(5)
		inFlight := acquire()
		b.Record(straggler, Success, 0)
		fail(7)
		want(t, b, Closed, "12 failures, 1 straggler, 1 in flight")
		b.Cancel(inFlight)
		fail(1)
		want(t, b, Open, "13 failures, 1 straggler, the other cancelled")
	})
	t.Run("a call that began after the first failure ends it", func(t *testing.T) {
		b, acquire, fail := setup(t)
		first, straggler := acquire(), acquire()
		b.Record(first, Failure, 0)
		b.Record(acquire(), Success, 0)
		fail(5)
		b.Record(straggler, Success, 0) // of the new run
		fail(6)
		want(t, b, Closed, "11 failures since the success")
		fail(1)
		want(t, b, Open, "12 failures since the success")
	})
	t.Run("successes counted together end it", func(t *testing.T) {
		b, acquire, fail := setup(t)
		straggler := acquire()
		fail(8)
		b.Successes(1, 0)
		fail(5)
		b.Record(straggler, Success, 0)
		fail(6)
		want(t, b, Closed, "11 failures since")
		fail(1)
		want(t, b, Open, "12 failures since")
	})
}
