package breaker_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// Each opening without a time in the closed state between them doubles the wait, up to the longest; staying closed for as
// long as the last wait makes the next one short again.
func TestWaitsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := setup(t, breaker.Config{
			Failures: 1, HalfOpenCalls: 1, OpenFor: 10 * time.Second, OpenMultiplier: 2, OpenMax: 35 * time.Second, OpenJitter: -1,
		})
		opens := func(because string, want time.Duration, inARow int) {
			t.Helper()
			play(t, b, "f")
			s := b.Snapshot()
			if got := s.OpenUntil.Sub(s.Since); s.State != breaker.Open || got != want || s.OpenedInARow != inARow {
				t.Errorf("%s: %v for %v, %d in a row; want open for %v, %d in a row", because, s.State, got, s.OpenedInARow, want, inARow)
			}
			advance(want)
		}
		opens("the first", 10*time.Second, 1)
		opens("a probe failed", 20*time.Second, 2)
		opens("twice", 35*time.Second, 3)
		opens("as long as it may be", 35*time.Second, 4)
		play(t, b, "s")
		advance(34 * time.Second)
		opens("it was not closed for as long as it was open", 35*time.Second, 5)
		play(t, b, "s")
		advance(35 * time.Second)
		opens("it stayed closed", 10*time.Second, 1)
		opens("and again", 20*time.Second, 2)
		b.Force(breaker.Closed)
		opens("an operator has closed it", 10*time.Second, 1)
		b.Force(breaker.Open)
		if s := b.Snapshot(); s.OpenUntil.Sub(s.Since) != 10*time.Second {
			t.Errorf("an operator opens it for %v, want 10s", s.OpenUntil.Sub(s.Since))
		}
	})
}

// A breaker that is only for metrics tells of the waits that a real one would have.
func TestWaitsThatWouldBeGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{
			Mode: breaker.MetricsOnly, Failures: 1, HalfOpenCalls: 1, OpenFor: 10 * time.Second, OpenMultiplier: 2, OpenMax: 35 * time.Second, OpenJitter: -1,
		})
		after := func(wait time.Duration, call string, want ...string) {
			t.Helper()
			advance(wait - 1)
			play(t, b, call)
			if early := e.all(); len(early) > 0 {
				t.Errorf("before %v: got %v", wait, early)
			}
			advance(1)
			play(t, b, call)
			var told []string
			for _, event := range e.all() {
				told = append(told, event.To.String()+", "+event.Why)
			}
			if !slices.Equal(told, want) {
				t.Errorf("after %v: got %q, want %q", wait, told, want)
			}
		}
		play(t, b, "f")
		e.all()
		after(10*time.Second, "f", "half_open, would have been open for 10s", "open, a probe failed")
		after(20*time.Second, "f", "half_open, would have been open for 20s", "open, a probe failed")
		after(35*time.Second, "s", "half_open, would have been open for 35s", "closed, 1 of 1 probes succeeded")
		advance(34 * time.Second)
		play(t, b, "f") // it was not closed for as long as it was open
		e.all()
		after(35*time.Second, "s", "half_open, would have been open for 35s", "closed, 1 of 1 probes succeeded")
		advance(35 * time.Second)
		play(t, b, "f")
		e.all()
		after(10*time.Second, "s", "half_open, would have been open for 10s", "closed, 1 of 1 probes succeeded")
		b.Force(breaker.Closed)
		b.Force(breaker.MetricsOnly)
		play(t, b, "f")
		e.all()
		after(10*time.Second, "f", "half_open, would have been open for 10s", "open, a probe failed")
	})
}

// Jitter spreads the waits upwards, by at most its part.
func TestWaitsAreJitteredUpwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := setup(t, breaker.Config{Failures: 1, OpenFor: 10 * time.Second, OpenMultiplier: 2, OpenMax: 10 * time.Second})
		seen := map[time.Duration]bool{}
		for range 50 {
			play(t, b, "f")
			s := b.Snapshot()
			wait := s.OpenUntil.Sub(s.Since)
			if wait < 10*time.Second || wait > 12500*time.Millisecond {
				t.Fatalf("open for %v, want 10s to 12.5s", wait)
			}
			seen[wait] = true
			advance(wait)
		}
		if len(seen) < 10 {
			t.Errorf("%d different waits of 50", len(seen))
		}
	})
}

// What the probes have not shown when their time is over.
func TestHalfOpenFor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config breaker.Config
		probes string
		out    int // probes that do not end
		want   string
	}{
		{"nobody comes", breaker.Config{}, "", 0, ""},
		{"none ends", breaker.Config{}, "", 3, "half_open>open"},
		{"too many do not end", breaker.Config{HalfOpenCalls: 4}, "ss", 2, "half_open>open"},
		{"one does not end", breaker.Config{}, "ss", 1, "half_open>closed"},
		{"some came and succeeded", breaker.Config{}, "ss", 0, "half_open>closed"},
		{"some came and said nothing", breaker.Config{}, "ii", 0, ""},
		{"no limit", breaker.Config{HalfOpenFor: -1}, "", 3, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tt.config.HalfOpenFor == 0 {
					tt.config.HalfOpenFor = time.Minute
				}
				b, e := setup(t, tt.config)
				b.Force(breaker.HalfOpen)
				advance(time.Hour) // which is before the first probe and does not count
				e.take()
				for range tt.out {
					b.Acquire()
				}
				play(t, b, tt.probes)
				advance(time.Minute - 1)
				if got := e.take(); got != "" {
					t.Errorf("before the time is over: %q", got)
				}
				advance(1)
				if got := e.take(); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// Probes that nobody made leave the time to the next ones.
func TestHalfOpenForBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{HalfOpenFor: time.Minute})
		b.Force(breaker.HalfOpen)
		play(t, b, "i")
		advance(2 * time.Minute)
		e.take()
		b.Acquire()
		advance(time.Minute)
		if got := e.take(); got != "half_open>open" {
			t.Errorf("got %q, want it to open", got)
		}
	})
}
