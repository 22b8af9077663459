package breaker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func TestModes(t *testing.T) {
	for _, tt := range []struct {
		mode   breaker.State
		admits bool
	}{
		{breaker.Closed, true},
		{breaker.ForcedOpen, false},
		{breaker.Disabled, true},
		{breaker.MetricsOnly, true},
	} {
		b, _ := setup(t, breaker.Config{Mode: tt.mode, Failures: 1})
		if s := b.Snapshot(); s.State != tt.mode || s.Mode != tt.mode {
			t.Errorf("mode %v: begins %v, in mode %v", tt.mode, s.State, s.Mode)
		}
		if _, ok := b.Acquire(); ok != tt.admits || tt.mode.Admits() != tt.admits {
			t.Errorf("mode %v: admitted %v, said %v; want %v", tt.mode, ok, tt.mode.Admits(), tt.admits)
		}
		for _, by := range breaker.States() {
			b.Force(by)
			if b.Auto(); b.State() != tt.mode && !(tt.mode == breaker.Closed && (by == breaker.Open || by == breaker.HalfOpen)) {
				t.Errorf("mode %v: auto after %v left it %v", tt.mode, by, b.State())
			}
		}
	}
}

// A breaker that is only for metrics admits everything and tells what it would have done, as the real one would.
func TestMetricsOnlyTellsWhatItWouldDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Mode: breaker.MetricsOnly, Failures: 2, HalfOpenCalls: 2, OpenFor: 5 * time.Second})
		for _, step := range []struct{ calls, want string }{
			{"sf", ""},
			{"f", "closed>open"},
			{"ffssff", ""},
			{".....", ""},
			{"f", "open>half_open half_open>open"},
			{".....s", "open>half_open"},
			{"s", "half_open>closed"},
			{"f", ""},
			{"f", "closed>open"},
		} {
			play(t, b, step.calls)
			var told []string
			for _, event := range e.all() {
				if !event.Would {
					t.Errorf("%q: %v: it did so", step.calls, event)
				}
				told = append(told, event.From.String()+">"+event.To.String())
			}
			if got := strings.Join(told, " "); got != step.want {
				t.Errorf("%q: got %q, want %q", step.calls, got, step.want)
			}
		}
		if s := b.Snapshot(); s.State != breaker.MetricsOnly || s.Would != breaker.Open || s.Opened != 0 {
			t.Errorf("got %+v", s)
		}
		past := b.History()
		if got := past[0].String(); got != `breaker "payments": would go from closed to open: 2 failures in a row` {
			t.Errorf("got %s", got)
		}
		b.Force(breaker.Closed)
		if s := b.Snapshot(); s.Would != breaker.Closed || s.State != breaker.Closed {
			t.Errorf("after that: %+v", s)
		}
	})
}

func TestHistory(t *testing.T) {
	b, e := setup(t, breaker.Config{})
	if got := b.History(); len(got) != 0 {
		t.Errorf("a new breaker remembers %v", got)
	}
	for i := range 60 {
		b.Force([]breaker.State{breaker.ForcedOpen, breaker.Disabled}[i%2])
	}
	past, told := b.History(), e.all()
	if len(past) != 50 || fmt.Sprint(past) != fmt.Sprint(told[10:]) {
		t.Errorf("got %d events, want the last 50 of those that were told", len(past))
	}
}

// Poison, which fails whatever the dependency does, opens a breaker on suspicion where little else is called. Each time
// that the probes prove it wrong, the next suspicion takes twice as much; one that was right begins anew.
func TestWrongSuspicionsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := setup(t, breaker.Config{HalfOpenCalls: 1})
		suspects := func(after int) {
			t.Helper()
			play(t, b, times(after-1, "a"))
			if b.State() != breaker.Closed {
				t.Fatalf("it opened before %d failures: %s", after, b.Snapshot().Why)
			}
			play(t, b, "a")
			if !b.Suspected() {
				t.Fatalf("%d failures did not make it suspicious: %v", after, b.State())
			}
			b.Probe()
		}
		for _, after := range []int{20, 40, 80} {
			suspects(after)
			play(t, b, "s")
		}
		suspects(160)
		play(t, b, "f") // the dependency is away indeed
		advance(30 * time.Second)
		play(t, b, "s")
		suspects(20)
		play(t, b, "s")
		advance(5*time.Minute + 1)
		suspects(20) // it is long ago
	})
}
