package breaker_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// setup gives a test its breaker and a recorder of its events.
func setup(t *testing.T, c breaker.Config) (*breaker.Breaker, *events) {
	t.Helper()
	c.Dependency = "payments"
	b, err := breaker.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	e := &events{}
	b.Subscribe(e.add)
	return b, e
}

type events struct {
	mu   sync.Mutex // timers add from goroutines of their own
	told []breaker.Event
}

func (e *events) add(event breaker.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, event)
}

// all returns the events so far and forgets them.
func (e *events) all() []breaker.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := e.told
	e.told = nil
	return told
}

// take is all in short: "closed>open open>half_open".
func (e *events) take() string {
	var told []string
	for _, event := range e.all() {
		told = append(told, event.From.String()+">"+event.To.String())
	}
	return strings.Join(told, " ")
}

// advance lets virtual time pass and everything due happen.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// play makes one call after the other: "s" succeeds, "f" fails, "S" and "F" do so
// slowly, "i" is ignored, "." is a second that passes.
func play(t *testing.T, b *breaker.Breaker, calls string) {
	t.Helper()
	for _, c := range calls {
		if c == '.' {
			advance(time.Second)
			continue
		}
		p, ok := b.Acquire()
		if !ok {
			t.Fatalf("%s: call %q was not admitted: the breaker is %v (%s)", calls, c, b.State(), b.Snapshot().Why)
		}
		switch c {
		case 's':
			b.Record(p, breaker.Success, time.Millisecond)
		case 'f':
			b.Record(p, breaker.Failure, time.Millisecond)
		case 'S':
			b.Record(p, breaker.Success, 5*time.Second)
		case 'F':
			b.Record(p, breaker.Failure, 5*time.Second)
		case 'i':
			b.Record(p, breaker.Ignored, time.Hour)
		default:
			t.Fatalf("no such call: %q", c)
		}
	}
}

func times(n int, calls string) string { return strings.Repeat(calls, n) }

// Each row plays calls on a closed breaker and says whether the last of them,
// and no earlier one, opens it.
func TestOpens(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config breaker.Config
		calls  string
		why    string // "" stays closed
	}{
		{"failure rate over the window", breaker.Config{}, times(10, "s") + times(10, "f"), "failure rate 50% of 20 calls, the limit is 50%"},
		{"too few calls", breaker.Config{}, times(9, "s") + times(10, "f"), ""},
		{"too low a rate", breaker.Config{}, times(11, "s") + times(10, "f"), ""},
		{"only a failure opens", breaker.Config{}, times(10, "f") + times(10, "s"), ""},
		{"the failure after that does", breaker.Config{}, times(10, "f") + times(10, "s") + "f", "failure rate 52.4% of 21 calls"},
		{"a rate as it was written down", breaker.Config{FailureRate: 0.55}, times(9, "s") + times(11, "f"), "failure rate 55% of 20 calls, the limit is 55%"},
		{"what is ignored is no call", breaker.Config{}, times(100, "i") + times(9, "s") + times(10, "f"), ""},
		{"old calls are forgotten", breaker.Config{}, times(100, "s") + times(30, ".") + times(10, "s") + times(10, "f"), "failure rate 50% of 20 calls"},
		{"and failures too", breaker.Config{}, times(19, "f") + times(30, ".") + "sf", ""},
		{"a shorter window", breaker.Config{Window: 3 * time.Second}, times(100, "s") + "..." + times(10, "sf"), "failure rate 50% of 20 calls"},

		{"a window of calls", breaker.Config{WindowCalls: 20}, times(100, "s") + times(10, "f"), "failure rate 50% of 20 calls"},
		{"it does not age", breaker.Config{WindowCalls: 20}, times(10, "s") + times(100, ".") + times(10, "f"), "failure rate 50% of 20 calls"},
		{"a short one lowers the minimum", breaker.Config{WindowCalls: 4}, "ssff", "failure rate 50% of 4 calls"},

		{"failures in a row", breaker.Config{Failures: 3}, times(100, "s") + "ffsfff", "3 failures in a row"},
		{"ignored between them", breaker.Config{Failures: 3}, times(100, "s") + "fifif", "3 failures in a row"},
		{"a success between them", breaker.Config{Failures: 3}, times(100, "s") + "ffsff", ""},

		{"a dead dependency", breaker.Config{}, times(100_000, "s") + times(20, "f"), "20 failures in a row: as many as the minimum of calls"},
		{"one that lives", breaker.Config{}, times(100_000, "s") + times(19, "f") + "s" + times(19, "f"), ""},
		{"a dead one, another minimum", breaker.Config{MinimumCalls: 5}, times(100_000, "s") + times(5, "f"), "5 failures in a row"},

		{"slow calls", breaker.Config{}, times(20, "S"), "100% of 20 calls took 5s or longer, the limit is 100%"},
		{"not all slow", breaker.Config{}, "s" + times(30, "S"), ""},
		{"half slow", breaker.Config{SlowRate: 0.5}, times(10, "s") + times(10, "S"), "50% of 20 calls took 5s or longer, the limit is 50%"},
		{"slower than that is fine", breaker.Config{SlowCall: 5*time.Second + 1}, times(30, "S"), ""},
		{"nothing is slow", breaker.Config{SlowCall: -1}, times(30, "S"), ""},
		{"a slow failure is slow", breaker.Config{SlowRate: 0.5, FailureRate: 1}, times(10, "s") + times(10, "F"), "50% of 20 calls took 5s or longer"},
		{"a slow failure is a failure", breaker.Config{}, times(10, "s") + times(10, "F"), "failure rate 50% of 20 calls"},

		{"disabled", breaker.Config{Disabled: true, Failures: 1}, times(100, "f"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, e := setup(t, tt.config)
				play(t, b, tt.calls)
				want := breaker.Closed
				switch {
				case tt.config.Disabled:
					want = breaker.Disabled
				case tt.why != "":
					want = breaker.Open
				}
				if b.State() != want {
					t.Fatalf("got %v, want %v: %+v", b.State(), want, b.Snapshot())
				}
				if told := e.all(); tt.why != "" && (len(told) != 1 || !strings.HasPrefix(told[0].Why, tt.why)) {
					t.Errorf("got the events %v, want one for %q", told, tt.why)
				}
			})
		})
	}
}

func TestSuccessesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{SlowRate: 0.5, Failures: 2})
		b.Successes(0, 5)
		b.Successes(-3, 0)
		if s := b.Snapshot(); s.Calls != 0 || s.Succeeded != 0 {
			t.Errorf("no calls were counted: %+v", s)
		}
		play(t, b, "f")
		b.Successes(18, 9)
		play(t, b, "f") // not the second in a row
		if s := b.Snapshot(); s.State != breaker.Closed || s.Calls != 20 || s.Failures != 2 || s.Slow != 9 || s.Succeeded != 18 {
			t.Errorf("got %+v", s)
		}
		b.Successes(2, 99) // as if both were slow
		if got := e.take(); got != "closed>open" {
			t.Errorf("slow calls: got %q", got)
		}
		b.Successes(5, 0)
		if s := b.Snapshot(); s.Succeeded != 25 || s.Calls != 22 {
			t.Errorf("successes while open count as a sign of life only: %+v", s)
		}
	})
}

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
		{"one failure opens it", breaker.Config{}, "ssf", "half_open>open"},
		{"at once", breaker.Config{}, "f", "half_open>open"},
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
			play(t, b, "ssf")
		}
		advance(time.Minute)
		play(t, b, "sss")
		want := "closed>open" + times(3, " open>half_open half_open>open") + " open>half_open half_open>closed"
		if got := e.take(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if s := b.Snapshot(); s.Opened != 4 || s.Calls != 0 || s.Succeeded != 9 {
			t.Errorf("got %+v", s)
		}
		play(t, b, times(19, "f")) // the new window knows nothing of the old failures
		if b.State() != breaker.Closed {
			t.Errorf("got %v by %s", b.State(), b.Snapshot().Why)
		}
	})
}

func TestForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 1})
		steps := []struct {
			do    string
			f     func()
			want  breaker.State
			event string
		}{
			{"forced open", func() { b.Force(breaker.ForcedOpen) }, breaker.ForcedOpen, "closed>forced_open"},
			{"it stays", func() { advance(time.Hour) }, breaker.ForcedOpen, ""},
			{"once more is nothing", func() { b.Force(breaker.ForcedOpen) }, breaker.ForcedOpen, ""},
			{"auto", b.Auto, breaker.Closed, "forced_open>closed"},
			{"auto when measuring is nothing", b.Auto, breaker.Closed, ""},
			{"disabled", func() { b.Force(breaker.Disabled) }, breaker.Disabled, "closed>disabled"},
			{"failures do not matter", func() { play(t, b, times(50, "F")) }, breaker.Disabled, ""},
			{"but are seen", func() {
				if s := b.Snapshot(); s.Failures != 50 || s.Slow != 50 {
					t.Errorf("got %+v", s)
				}
			}, breaker.Disabled, ""},
			{"closed once", func() { b.Force(breaker.Closed) }, breaker.Closed, "disabled>closed"},
			{"and measuring afresh", func() { play(t, b, "s") }, breaker.Closed, ""},
			{"from there it opens", func() { play(t, b, "f") }, breaker.Open, "closed>open"},
			{"closed by hand stops the timer", func() { b.Force(breaker.Closed); advance(time.Hour) }, breaker.Closed, "open>closed"},
			{"opened by hand", func() { b.Force(breaker.Open) }, breaker.Open, "closed>open"},
			{"probes after its time", func() { advance(30 * time.Second) }, breaker.HalfOpen, "open>half_open"},
			{"forced open while it probes", func() { b.Force(breaker.ForcedOpen) }, breaker.ForcedOpen, "half_open>forced_open"},
			{"probing by hand", func() { b.Force(breaker.HalfOpen) }, breaker.HalfOpen, "forced_open>half_open"},
			{"all probes are there", func() { play(t, b, "sss") }, breaker.Closed, "half_open>closed"},
			{"no state", func() { b.Force(99) }, breaker.Closed, ""},
		}
		for _, s := range steps {
			s.f()
			if got := b.State(); got != s.want {
				t.Errorf("%s: got %v, want %v", s.do, got, s.want)
			}
			if got := e.take(); got != s.event {
				t.Errorf("%s: got the events %q, want %q", s.do, got, s.event)
			}
		}
	})
}

func TestAutoFollowsTheConfiguration(t *testing.T) {
	b, e := setup(t, breaker.Config{Disabled: true})
	b.Force(breaker.Closed)
	b.Force(breaker.ForcedOpen)
	b.Auto()
	if got := e.take(); got != "disabled>closed closed>forced_open forced_open>disabled" {
		t.Errorf("got %q", got)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 1})
		p, _ := b.Acquire()
		play(t, b, "f")
		b.Close()
		b.Close()
		advance(time.Hour) // its timer is stopped
		b.Force(breaker.Closed)
		b.Auto()
		b.Successes(3, 0)
		if got := b.Record(p, breaker.Success, 0); got != breaker.Open {
			t.Errorf("a closed breaker moved to %v", got)
		}
		if got := e.take(); got != "closed>open" {
			t.Errorf("got %q", got)
		}
		if got := b.Succeeded(); got != 4 {
			t.Errorf("%d successes, want 4", got)
		}

		c, _ := setup(t, breaker.Config{Failures: 1})
		c.Close()
		play(t, c, "fffsss")
		if s := c.Snapshot(); s.State != breaker.Closed || s.Calls != 0 || s.Succeeded != 3 {
			t.Errorf("a breaker closed while well admits calls and counts no more: %+v", s)
		}
	})
}

func TestStatesAsText(t *testing.T) {
	want := []string{"closed", "open", "half_open", "forced_open", "disabled"}
	if got := fmt.Sprint(breaker.States()); got != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, s := range breaker.States() {
		text, err := s.MarshalText()
		var back breaker.State
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%v does not read back: %s, %v, %v", s, text, err, back)
		}
	}
	if got := breaker.State(9).String(); got != "state(9)" {
		t.Errorf("got %q", got)
	}
	if _, err := breaker.State(9).MarshalText(); err == nil {
		t.Error("a state that is none was written")
	}
	s := breaker.Open
	if err := s.UnmarshalText([]byte("half-open")); err == nil || s != breaker.Open || !strings.Contains(err.Error(), "half_open") {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestOutcomesThatAreNone(t *testing.T) {
	b, _ := setup(t, breaker.Config{Failures: 1})
	p, _ := b.Acquire()
	if got := b.Record(p, 77, time.Hour); got != breaker.Closed || b.Snapshot().Calls != 0 {
		t.Errorf("an outcome that is none was counted: %v, %+v", got, b.Snapshot())
	}
}

func TestEventsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := setup(t, breaker.Config{Failures: 1, HalfOpenCalls: 1})
		var first, second []string
		cancel := b.Subscribe(func(e breaker.Event) { first = append(first, e.To.String()) })
		play(t, b, "f")
		stop := b.Subscribe(func(e breaker.Event) { second = append(second, e.To.String()) })
		advance(30 * time.Second)
		cancel()
		cancel()
		play(t, b, "s")
		stop()
		play(t, b, "f")
		if want := []string{"open", "half_open"}; !slices.Equal(first, want) {
			t.Errorf("the first: got %v, want %v", first, want)
		}
		if want := []string{"half_open", "closed"}; !slices.Equal(second, want) {
			t.Errorf("the second: got %v, want %v", second, want)
		}
	})
}

// A subscriber may do anything to the breaker that calls it, and hears what came
// of that after it has returned, like everybody else in order.
func TestSubscriberCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 1, HalfOpenCalls: 1})
		var after []string
		b.Subscribe(func(event breaker.Event) {
			switch event.To {
			case breaker.Open:
				b.Force(breaker.HalfOpen)
			case breaker.HalfOpen:
				play(t, b, "s")
				b.Subscribe(func(event breaker.Event) { after = append(after, event.To.String()) })()
			case breaker.Closed:
				b.Snapshot()
				b.Auto()
			}
			after = append(after, "told of "+event.To.String())
		})
		play(t, b, "f")
		if got := e.take(); got != "closed>open open>half_open half_open>closed" {
			t.Errorf("got %q", got)
		}
		if want := []string{"told of open", "told of half_open", "told of closed"}; !slices.Equal(after, want) {
			t.Errorf("got %v, want %v", after, want)
		}
	})
}

// A subscriber that joins while an event is on its way does not get that one.
func TestSubscribeIsFromNowOn(t *testing.T) {
	b, _ := setup(t, breaker.Config{})
	var late []string
	b.Subscribe(func(e breaker.Event) {
		if e.To == breaker.ForcedOpen {
			b.Force(breaker.Disabled) // queued behind the event that is being told
			b.Subscribe(func(e breaker.Event) { late = append(late, e.To.String()) })
		}
	})
	b.Force(breaker.ForcedOpen)
	b.Auto()
	if want := []string{"closed"}; !slices.Equal(late, want) {
		t.Errorf("got %v, want %v", late, want)
	}
}

func TestSubscriberPanics(t *testing.T) {
	b, e := setup(t, breaker.Config{})
	cancel := b.Subscribe(func(breaker.Event) { panic("boom") })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		b.Force(breaker.ForcedOpen)
	}()
	cancel()
	b.Force(breaker.Disabled)
	if got := e.take(); got != "closed>forced_open forced_open>disabled" {
		t.Errorf("the others are still told: got %q", got)
	}
}
