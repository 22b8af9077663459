package breaker

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A load calls a dependency through a breaker, so many calls at once, on
// virtual time.
type load struct {
	breaker     *Breaker
	concurrency int
	// call begins a call: how long it will take and whether it will fail.
	call func(began time.Duration) (took time.Duration, fails bool)
}

// run keeps the load going for that long, or until the breaker is not closed and
// every call has ended. It returns the calls that were admitted while it was
// closed.
func (l load) run(length time.Duration) (succeeded, failed int) {
	start := time.Now()
	type result struct{ succeeded, failed int }
	results := make(chan result, l.concurrency)
	for range l.concurrency {
		go func() {
			var r result
			for time.Since(start) < length {
				p, ok := l.breaker.Acquire()
				if !ok || l.breaker.State() != Closed {
					break
				}
				took, fails := l.call(time.Since(start))
				<-time.After(took)
				if fails {
					r.failed++
					l.breaker.Record(p, Failure, took)
				} else {
					r.succeeded++
					l.breaker.Record(p, Success, took)
				}
			}
			results <- r
		}()
	}
	for range l.concurrency {
		r := <-results
		succeeded += r.succeeded
		failed += r.failed
	}
	return succeeded, failed
}

// SPEC: from closed to open a dependency gets at most minimum_calls plus
// concurrency failing calls, however many successes the window still holds.
func TestDyingDependencyGetsFewCalls(t *testing.T) {
	const dies = 31 * time.Second
	for _, tt := range []struct {
		name             string
		concurrency      int
		success, failure time.Duration // how long such calls take
		stragglers       bool          // calls in flight at the death still succeed
		config           Config
	}{
		{name: "it refuses", concurrency: 64, success: 60 * time.Millisecond, failure: time.Microsecond},
		{name: "it refuses, stragglers", concurrency: 64, success: 60 * time.Millisecond, failure: time.Microsecond, stragglers: true},
		{name: "it refuses slowly, stragglers", concurrency: 64, success: 60 * time.Millisecond, failure: time.Millisecond, stragglers: true},
		{name: "it answers as ever, with errors", concurrency: 64, success: 60 * time.Millisecond, failure: 60 * time.Millisecond},
		{name: "it answers as ever, stragglers", concurrency: 64, success: 60 * time.Millisecond, failure: 60 * time.Millisecond, stragglers: true},
		{name: "it hangs", concurrency: 64, success: 20 * time.Millisecond, failure: 25 * time.Second},
		{name: "it hangs, stragglers", concurrency: 64, success: 20 * time.Millisecond, failure: 25 * time.Second, stragglers: true},
		{name: "one call at a time", concurrency: 1, success: time.Millisecond, failure: time.Millisecond},
		{name: "a thousand calls", concurrency: 1000, success: 500 * time.Millisecond, failure: 500 * time.Millisecond, stragglers: true},
		{name: "a window of calls", concurrency: 64, success: 60 * time.Millisecond, failure: time.Millisecond, stragglers: true, config: Config{WindowCalls: 10_000}},
		{name: "the highest rate", concurrency: 64, success: 60 * time.Millisecond, failure: 60 * time.Millisecond, config: Config{FailureRate: 1}},
		{name: "another minimum", concurrency: 8, success: 10 * time.Millisecond, failure: time.Millisecond, config: Config{MinimumCalls: 100}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, tt.config)
				order := rand.New(rand.NewPCG(1, 2)).Perm(tt.concurrency)
				var first atomic.Int64
				l := load{breaker: b, concurrency: tt.concurrency, call: func(began time.Duration) (time.Duration, bool) {
					switch {
					case began == 0: // spread the calls evenly over time
						return tt.success * time.Duration(1+order[first.Add(1)-1]) / time.Duration(tt.concurrency), false
					case began >= dies:
						return tt.failure, true
					case began+tt.success > dies && !tt.stragglers:
						return dies - began + tt.failure, true
					}
					return tt.success, false
				}}
				succeeded, failed := l.run(dies + time.Hour)
				if b.State() == Closed {
					t.Fatal("it never opened")
				}
				limit := b.config.MinimumCalls + tt.concurrency
				t.Logf("%d calls succeeded, then %d failed, at most %d may: %s", succeeded, failed, limit, b.Snapshot().Why)
				if failed > limit {
					t.Errorf("%d calls failed before it opened, at most %d may (minimum_calls plus concurrency)", failed, limit)
				}
			})
		})
	}
}

// Where calls take very different times, slow successes go on arriving among the
// failures, and the package comment says what that can cost: the failures that
// are as many as the stragglers and the calls in flight together, and then those
// in flight.
func TestDyingDependencyWithManyStragglers(t *testing.T) {
	const dies = 4 * time.Second
	const concurrency = 64
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(t, Config{Window: 3 * time.Second})
			random := newDice(seed, 0)
			l := load{breaker: b, concurrency: concurrency, call: func(began time.Duration) (time.Duration, bool) {
				return random.upTo(120 * time.Millisecond), began >= dies
			}}
			_, failed := l.run(dies + time.Hour)
			if limit := 2*concurrency + concurrency; failed > limit {
				t.Errorf("seed %d: %d calls failed before it opened, at most %d may", seed, failed, limit)
			}
		})
	}
}

// What keeps the promise must not open a breaker whose dependency fails less
// than the limit, whichever way its calls take their time.
func TestLowerRatesStayClosed(t *testing.T) {
	for _, failing := range []float64{0.1, 0.3, 0.4} {
		for _, tt := range []struct {
			name             string
			success, failure time.Duration // on average
		}{
			{"alike", 60 * time.Millisecond, 60 * time.Millisecond},
			{"quick failures", 60 * time.Millisecond, time.Millisecond},
			{"slow failures", 20 * time.Millisecond, 200 * time.Millisecond},
		} {
			for _, concurrency := range []int{1, 8, 64, 256} {
				synctest.Test(t, func(t *testing.T) {
					b := newBreaker(t, Config{Window: 10 * time.Second})
					random := newDice(7, uint64(concurrency))
					l := load{breaker: b, concurrency: concurrency, call: func(began time.Duration) (time.Duration, bool) {
						// Well at first, so that the window has calls to judge by.
						if began < 3*time.Second || !random.chance(failing) {
							return random.upTo(2 * tt.success), false
						}
						return random.upTo(2 * tt.failure), true
					}}
					// Only while the load goes on: when nothing new begins, the slowest
					// calls are the last to end, and may all be failures.
					const length = 6 * time.Second
					end := time.Now().Add(length)
					opened := make(chan Event, 10)
					b.Subscribe(func(e Event) { opened <- e })
					succeeded, failed := l.run(length)
					select {
					case e := <-opened:
						if e.At.Before(end) {
							t.Errorf("%.0f%% fail, %s, %d at once: opened after %d successes and %d failures: %s",
								100*failing, tt.name, concurrency, succeeded, failed, e.Why)
						}
					default:
					}
				})
			}
		}
	}
}

// dice are random numbers for many goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

func newDice(seed1, seed2 uint64) *dice {
	return &dice{random: rand.New(rand.NewPCG(seed1, seed2))}
}

func (d *dice) upTo(limit time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.random.Int64N(int64(limit)))
}

func (d *dice) chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.Float64() < p
}
