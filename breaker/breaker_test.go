package breaker_test

import (
	"fmt"
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
// slowly, "a" fails again, "i" is ignored, "." is a second that passes.
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
		case 'a':
			b.Record(p, breaker.FailureAgain, time.Millisecond)
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

		{"poison among successes", breaker.Config{}, times(30, "sa") + times(18, "a"), ""},
		{"poison alone", breaker.Config{}, times(20, "a"), "20 failures of calls that began after the last success; most of that had failed before"},
		{"poison after a success", breaker.Config{}, "s" + times(20, "a"), "20 failures of calls that began after the last success"},
		{"poison with a first failure", breaker.Config{}, "sf" + times(19, "a"), "20 failures of calls that began after the last success"},
		{"poison in a window of calls", breaker.Config{WindowCalls: 20}, times(20, "s") + times(19, "a"), ""},
		{"poison is no part of the rate", breaker.Config{}, times(10, "saaaf"), "failure rate 50% of 20 calls"},
		{"first failures between poison", breaker.Config{MinimumCalls: 40}, times(200, "s") + times(19, "fa") + "ff", "40 failures of calls that began after the last success"},

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

func TestStatesAsText(t *testing.T) {
	want := []string{"closed", "open", "half_open", "forced_open", "disabled", "metrics_only"}
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
