package breaker

import (
	"testing"
	"testing/synctest"
	"time"
)

func newBreaker(t testing.TB, c Config) *Breaker {
	t.Helper()
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// The way of every healthy call waits for nobody, not even for one who holds the
// breaker's lock for ever.
func TestAcquireTakesNoLock(t *testing.T) {
	b := newBreaker(t, Config{})
	refusing := newBreaker(t, Config{})
	refusing.Force(ForcedOpen)
	b.mu.Lock()
	refusing.mu.Lock()
	defer b.mu.Unlock()
	defer refusing.mu.Unlock()
	if _, ok := b.Acquire(); !ok || b.State() != Closed || b.Succeeded() != 0 {
		t.Error("closed: the call was refused")
	}
	if _, ok := refusing.Acquire(); ok || refusing.State() != ForcedOpen {
		t.Error("open: the call was admitted")
	}
}

// The state may change between Acquire's look at it and its lock.
func TestAcquireSeesTheStateUnderTheLock(t *testing.T) {
	b := newBreaker(t, Config{Failures: 1})
	p, ok := b.acquireProbe()
	q, _ := b.acquireProbe()
	if !ok || p == q || b.Record(p, Success, 0) != Closed || b.Snapshot().Calls != 1 {
		t.Errorf("closed meanwhile: admitted %v, %+v", ok, b.Snapshot())
	}
	b.Force(ForcedOpen)
	if p, ok := b.acquireProbe(); ok || p != (Permit{}) {
		t.Errorf("open meanwhile: admitted with %v", p)
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	for name, c := range map[string]Config{
		"window of time":  {},
		"window of calls": {WindowCalls: 1000},
		"disabled":        {Disabled: true},
	} {
		b := newBreaker(t, c)
		for what, f := range map[string]func(){
			"success": func() {
				p, _ := b.Acquire()
				b.Record(p, Success, time.Millisecond)
			},
			"slow": func() {
				p, _ := b.Acquire()
				b.Record(p, Success, time.Minute)
				b.Successes(100, 0)
			},
			"failure": func() {
				p, _ := b.Acquire()
				b.Record(p, Failure, time.Millisecond)
				b.Successes(100, 0)
			},
			"ignored": func() {
				p, _ := b.Acquire()
				b.Cancel(p)
			},
			"snapshot": func() { b.Snapshot() },
		} {
			b.Successes(1000, 0)
			if n := testing.AllocsPerRun(1000, f); n != 0 {
				t.Errorf("%s, %s: %v allocations a call, want none", name, what, n)
			}
		}
		if s := b.State(); s != b.config.Mode {
			t.Errorf("%s: it left its state for %v: the measurement is of another one", name, s)
		}
	}
}

func TestProbesAllocateNothing(t *testing.T) {
	b := newBreaker(t, Config{HalfOpenCalls: 2})
	b.Force(HalfOpen)
	if n := testing.AllocsPerRun(1000, func() {
		p, _ := b.Acquire()
		_, _ = b.Acquire()
		b.Cancel(p)
	}); n != 0 {
		t.Errorf("%v allocations a probe, want none", n)
	}
}

// A call is forgotten when it is 29 to 30 thirtieths of the window old, whatever
// the step of time it ended in.
func TestTimeWindowForgets(t *testing.T) {
	const length = 30 * time.Second
	for _, at := range []time.Duration{0, time.Nanosecond, 500 * time.Millisecond, time.Second - 1, time.Second, 29*time.Second + 1, 10 * time.Hour} {
		w := newTimeWindow(length)
		w.add(at, counts{calls: 1, failures: 1, slow: 1})
		want := counts{calls: 1, failures: 1, slow: 1}
		if got := w.totals(at + length - length/buckets); got != want {
			t.Errorf("a call at %v is forgotten too early", at)
		}
		if got := w.totals(at + length); got != (counts{}) {
			t.Errorf("a call at %v is remembered too long: %+v", at, got)
		}
	}
}

func TestTimeWindowKeepsItsSums(t *testing.T) {
	w := newTimeWindow(30 * time.Millisecond)
	for ms := range 100 {
		w.add(time.Duration(ms)*time.Millisecond, counts{calls: 2, failures: 1})
	}
	if got, want := w.totals(99*time.Millisecond), (counts{calls: 60, failures: 30}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := w.totals(109*time.Millisecond), (counts{calls: 40, failures: 20}); got != want {
		t.Errorf("a third later: got %+v, want %+v", got, want)
	}
	// A pause in which every step passes more than once.
	if got := w.totals(time.Hour); got != (counts{}) {
		t.Errorf("much later: got %+v, want nothing", got)
	}
}

func TestCallWindow(t *testing.T) {
	w := newCallWindow(4)
	for _, tt := range []struct {
		add  counts
		want counts
	}{
		{counts{calls: 1, failures: 1, slow: 1}, counts{calls: 1, failures: 1, slow: 1}},
		{counts{calls: 1, failures: 1}, counts{calls: 2, failures: 2, slow: 1}},
		{counts{calls: 2}, counts{calls: 4, failures: 2, slow: 1}},
		{counts{calls: 1}, counts{calls: 4, failures: 1, slow: 0}},            // the slow failure went
		{counts{calls: 3, slow: 2}, counts{calls: 4, failures: 0, slow: 2}},   // and the other one
		{counts{calls: 100, slow: 1}, counts{calls: 4, failures: 0, slow: 1}}, // of many, the slow are the last
		{counts{calls: 100, slow: 100}, counts{calls: 4, failures: 0, slow: 4}},
		{counts{calls: 1}, counts{calls: 4, failures: 0, slow: 3}},
		{counts{calls: 4, failures: 2, again: 1}, counts{calls: 4, failures: 2, again: 1}},
		{counts{calls: 1}, counts{calls: 4, failures: 1}},
	} {
		w.add(0, tt.add)
		if got := w.totals(0); got != tt.want {
			t.Errorf("after %+v: got %+v, want %+v", tt.add, got, tt.want)
		}
	}
	w.reset()
	w.add(0, counts{calls: 1})
	if got := w.totals(0); got != (counts{calls: 1}) {
		t.Errorf("after a reset: got %+v", got)
	}
}

// A timer that fires late, after the state that set it is gone, changes nothing.
func TestLateTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, Config{})
		b.Force(Open)
		generation, _ := unpack(b.word.Load())
		b.Force(Closed)
		if b.timer != nil {
			t.Error("the timer is still set")
		}
		b.Force(Open)
		b.probe(generation)
		if got := b.State(); got != Open {
			t.Errorf("the timer of an earlier opening made it %v", got)
		}
	})
}
