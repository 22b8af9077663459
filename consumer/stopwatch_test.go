//go:build synctests

package consumer

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// timedCalls runs a stopwatch over calls that take so long, with a watch that ticks as a chunk's does, and returns what it
// says of each call and how often it has read the clock.
func timedCalls(t *testing.T, slow time.Duration, calls ...time.Duration) (said []time.Duration, readings int) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		var ticks atomic.Int64
		watch := time.NewTicker(patience)
		defer watch.Stop()
		done := make(chan struct{})
		defer close(done)
		go func() {
			for {
				select {
				case <-watch.C:
					ticks.Add(1)
				case <-done:
					return
				}
			}
		}()
		s := newStopwatch(time.Now(), &ticks, slow)
		lap := func() {
			last, before, each := s.lap()
			said = append(append(said, slices.Repeat([]time.Duration{each}, before)...), last)
			readings++
		}
		for _, took := range calls {
			time.Sleep(took)
			synctest.Wait()
			if !s.called() {
				lap()
			}
		}
		if s.unread > 0 {
			lap()
		}
	})
	return said, readings
}

func sum(all []time.Duration) (total time.Duration) {
	for _, d := range all {
		total += d
	}
	return total
}

func TestCallsThatTakeNextToNothingShareAReading(t *testing.T) {
	calls := slices.Repeat([]time.Duration{100 * time.Nanosecond}, 161)
	said, readings := timedCalls(t, time.Second, calls...)
	if !slices.Equal(said, calls) {
		t.Errorf("it says %v", said)
	}
	if readings != 11 {
		t.Errorf("%d readings of the clock, want one for the first call and one for each %d of the others", readings, sharedReading)
	}
}

func TestACallThatTakesItsTimeHasItsOwnReading(t *testing.T) {
	calls := slices.Repeat([]time.Duration{100 * time.Nanosecond}, 100)
	calls[37] = time.Minute
	calls[60] = 2 * time.Millisecond
	said, _ := timedCalls(t, time.Second, calls...)
	if len(said) != len(calls) || sum(said) != sum(calls) {
		t.Fatalf("it says %v of %d calls, of %d: %v", sum(said), len(said), len(calls), sum(calls))
	}
	for i, want := range calls {
		if off := said[i] - want; off > time.Microsecond || off < -time.Microsecond {
			t.Errorf("call %d took %v, and it says %v", i, want, said[i])
		}
	}
}

func TestCallsOfSomeLengthAreTimedOneByOne(t *testing.T) {
	calls := []time.Duration{3 * time.Microsecond, 5 * time.Microsecond, 700 * time.Microsecond, 4 * time.Microsecond}
	said, readings := timedCalls(t, 0, calls...)
	if !slices.Equal(said, calls) || readings != len(calls) {
		t.Errorf("it says %v with %d readings, want %v", said, readings, calls)
	}
}

func TestABoundForSlowCallsBelowPatienceIsExact(t *testing.T) {
	calls := slices.Repeat([]time.Duration{200 * time.Nanosecond, 900 * time.Nanosecond}, 20)
	said, readings := timedCalls(t, 500*time.Nanosecond, calls...)
	if !slices.Equal(said, calls) || readings != len(calls) {
		t.Errorf("it says %v with %d readings, want %v", said, readings, calls)
	}
}
