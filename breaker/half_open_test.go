package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func TestOpenRefusesThenProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 2})
		start := time.Now()
		play(t, b, "ff")
		if s := b.Snapshot(); s.State != breaker.Open || !s.OpenUntil.Equal(start.Add(30*time.Second)) || s.Opened != 1 || s.ConsecutiveFailures != 2 {
			t.Errorf("got %+v", s)
		}
		advance(30*time.Second - 1)
		if _, ok := b.Acquire(); ok {
			t.Error("a call was admitted while open")
		}
		if got := e.take(); got != "closed>open" {
			t.Errorf("got %q", got)
		}
		advance(1)
		if s := b.Snapshot(); s.State != breaker.HalfOpen || !s.OpenUntil.IsZero() || !s.Since.Equal(start.Add(30*time.Second)) {
			t.Errorf("got %+v", s)
		}
		told := e.all()
		if len(told) != 1 {
			t.Fatalf("got %v", told)
		}
		want := breaker.Event{
			Dependency: "payments", From: breaker.Open, To: breaker.HalfOpen, At: start.Add(30 * time.Second), Why: "was open for 30s",
		}
		if got := told[0]; !got.At.Equal(want.At) || got.Why != want.Why || got.From != want.From || got.To != want.To || got.Dependency != want.Dependency {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := want.String(); got != `breaker "payments": open to half_open: was open for 30s` {
			t.Errorf("got %s", got)
		}
	})
}

func TestHalfOpen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config breaker.Config
		probes string // sequential calls in the half-open state
		want   string // events
	}{
		{"enough successes close it", breaker.Config{}, "sss", "half_open>closed"},
		{"fewer do not", breaker.Config{}, "ss", ""},
		{"a failure opens it at once", breaker.Config{}, "f", "half_open>open"},
		{"but not beside more successes", breaker.Config{}, "ssf", "half_open>closed"},
		{"too many failures do", breaker.Config{}, "sff", "half_open>open"},
		{"what fails again decides nothing beside a success", breaker.Config{}, "saa", "half_open>closed"},
		{"and is left out of the rate", breaker.Config{}, "saf", "half_open>open"},
		{"it opens it when nothing succeeds", breaker.Config{}, "a", "half_open>open"},
		{"what is ignored gives its permit back", breaker.Config{}, "iiiisiiiisiiii", ""},
		{"and may be used", breaker.Config{}, "iiisiisiis", "half_open>closed"},
		{"all slow open it", breaker.Config{}, "SSS", "half_open>open"},
		{"one that is quick is enough", breaker.Config{}, "SSs", "half_open>closed"},
		{"so many slow ones are too many", breaker.Config{SlowRate: 0.5}, "SS", "half_open>open"},
		{"slow does not count where it is off", breaker.Config{SlowCall: -1}, "SSS", "half_open>closed"},
		{"one probe", breaker.Config{HalfOpenCalls: 1}, "s", "half_open>closed"},
		{"the minimum is of the closed state", breaker.Config{MinimumCalls: 100, HalfOpenCalls: 2}, "sf", "half_open>open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, e := setup(t, tt.config)
				b.Force(breaker.HalfOpen)
				e.take()
				play(t, b, tt.probes)
				if got := e.take(); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestHalfOpenPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{HalfOpenCalls: 3})
		b.Force(breaker.HalfOpen)
		e.take()

		var permits []breaker.Permit
		for range 10 {
			if p, ok := b.Acquire(); ok {
				permits = append(permits, p)
			}
		}
		if len(permits) != 3 {
			t.Fatalf("%d calls were admitted, want 3", len(permits))
		}
		if permits[0] == permits[1] || permits[1] == permits[2] {
			t.Fatalf("two permits are one: %v", permits)
		}

		// One result each: a second one is not counted, nor are permits that
		// were never given.
		for range 5 {
			b.Record(permits[0], breaker.Success, 0)
			b.Record(breaker.Permit{}, breaker.Failure, 0)
		}
		if s := b.Snapshot(); s.State != breaker.HalfOpen || s.ProbesSucceeded != 1 || s.ProbesInFlight != 2 || s.Succeeded != 1 {
			t.Errorf("got %+v", s)
		}
		// A success keeps its permit: no fourth call.
		if _, ok := b.Acquire(); ok {
			t.Error("a fourth call was admitted")
		}
		// A cancelled one gives it back, once.
		b.Cancel(permits[1])
		b.Cancel(permits[1])
		p, ok := b.Acquire()
		if _, more := b.Acquire(); !ok || more {
			t.Errorf("after one cancelled call: admitted %v, and one more %v", ok, more)
		}
		b.Record(permits[1], breaker.Failure, 0) // cancelled already
		b.Record(p, breaker.Success, 0)
		if got := b.Record(permits[2], breaker.Success, 0); got != breaker.Closed {
			t.Errorf("three successes: got %v", got)
		}
		if got := e.take(); got != "half_open>closed" {
			t.Errorf("got %q", got)
		}
	})
}

// A result is judged in the state in which its call began, or not at all.
func TestStaleResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 1, HalfOpenCalls: 1})
		var old []breaker.Permit
		for range 8 {
			p, _ := b.Acquire()
			old = append(old, p)
		}
		b.Record(old[0], breaker.Failure, 0)
		if got := b.Record(old[1], breaker.Failure, 0); got != breaker.Open {
			t.Errorf("a late failure sees %v", got)
		}
		b.Record(old[2], breaker.Success, 0) // ends the outage for nobody
		advance(30 * time.Second)
		if got := b.Record(old[3], breaker.Failure, 0); got != breaker.HalfOpen {
			t.Errorf("a failure from before the outage made it %v", got)
		}
		if got := b.Record(old[4], breaker.Success, 0); got != breaker.HalfOpen {
			t.Errorf("a success from before the outage made it %v", got)
		}
		probe, ok := b.Acquire()
		if !ok {
			t.Fatal("the stale results used the probe up")
		}
		b.Cancel(old[5])
		if _, ok := b.Acquire(); ok {
			t.Error("a stale permit gave a probe back")
		}
		b.Record(probe, breaker.Success, 0)
		if got := b.Record(old[6], breaker.Failure, 0); got != breaker.Closed {
			t.Errorf("a failure from before the outage made the new closed state %v", got)
		}
		b.Record(probe, breaker.Failure, 0)
		b.Record(old[7], breaker.Success, 0)
		if got := e.take(); got != "closed>open open>half_open half_open>closed" {
			t.Errorf("got %q", got)
		}
		if s := b.Snapshot(); s.Succeeded != 4 || s.Calls != 0 || s.ConsecutiveFailures != 0 {
			t.Errorf("four successes, none in the new window: %+v", s)
		}
	})
}

func TestProbeFailsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{OpenFor: time.Minute})
		play(t, b, times(20, "f"))
		for range 3 {
			advance(time.Minute)
			play(t, b, "Sff")
		}
		advance(time.Minute)
		play(t, b, "sSS") // nothing is left of the probes that were slow then
		want := "closed>open" + times(3, " open>half_open half_open>open") + " open>half_open half_open>closed"
		if got := e.take(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if s := b.Snapshot(); s.Opened != 4 || s.Calls != 0 || s.Succeeded != 6 {
			t.Errorf("got %+v", s)
		}
		play(t, b, times(19, "f")) // the new window knows nothing of the old failures
		if b.State() != breaker.Closed {
			t.Errorf("got %v by %s", b.State(), b.Snapshot().Why)
		}
	})
}

// A probe that is out may still show that the dependency lives: those that fail meanwhile wait for it.
func TestProbesThatAreOutAreWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name string
		last breaker.Outcome
		want string
	}{
		{"it succeeds", breaker.Success, "half_open>closed"},
		{"it fails, too", breaker.Failure, "half_open>open"},
		{"it says nothing", breaker.Ignored, "half_open>open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, e := setup(t, breaker.Config{})
				b.Force(breaker.HalfOpen)
				e.take()
				out, _ := b.Acquire()
				play(t, b, "aa")
				if got := e.take(); got != "" {
					t.Fatalf("got %q while a probe was out", got)
				}
				b.Record(out, tt.last, time.Millisecond)
				if got := e.take(); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// Whoever was refused a probe hears when one is given back unused; otherwise nobody is bothered.
func TestFreeProbeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := breaker.New(breaker.Config{HalfOpenCalls: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		told := 0
		cancel := b.WhenFree(func() { told++ })
		b.Force(breaker.HalfOpen)
		p, _ := b.Acquire()
		b.Cancel(p)
		if told != 0 {
			t.Errorf("nobody was refused, and %d calls", told)
		}
		p, _ = b.Acquire()
		if _, ok := b.Acquire(); ok {
			t.Fatal("a second probe of one was admitted")
		}
		b.Cancel(p)
		b.Cancel(p)
		if told != 1 {
			t.Errorf("got %d calls, want 1", told)
		}
		cancel()
		p, _ = b.Acquire()
		b.Acquire()
		b.Cancel(p)
		if told != 1 {
			t.Errorf("called after cancel")
		}
	})
}
