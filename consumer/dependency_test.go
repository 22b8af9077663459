package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// withLedger declares a second dependency, which opens at the first failure and probes after a second.
func withLedger(c *Config) {
	c.Breaker = breaker.Config{Dependency: "payments", Failures: 1, OpenFor: time.Second, HalfOpenCalls: 1}
	c.Dependencies = []Dependency{{Breaker: breaker.Config{Dependency: "ledger", Failures: 1, OpenFor: time.Second, HalfOpenCalls: 1}}}
}

// states are those of the breakers of payments and ledger.
func (w *workbench) states() string {
	return fmt.Sprint(w.p.deps[0].breaker.State(), " ", w.p.deps[1].breaker.State())
}

// A failure counts against the dependency that it names, and holds the pipeline, for every record needs all of them; the other
// breaker knows nothing of it. No attempt is used, and when the dependency is back the record is handled.
func TestAFailureCountsAgainstTheDependencyThatItNames(t *testing.T) {
	for name, tt := range map[string]struct {
		fails func(ctx context.Context) error
		want  string
	}{
		"none":           {func(context.Context) error { return errAway }, "open closed"},
		"the first":      {func(context.Context) error { return DependencyFailed("payments", errAway) }, "open closed"},
		"another":        {func(context.Context) error { return fmt.Errorf("book: %w", DependencyFailed("ledger", errAway)) }, "closed open"},
		"one of nowhere": {func(context.Context) error { return DependencyFailed("nowhere", errAway) }, "open closed"},
		"a call of it": {func(ctx context.Context) error {
			return Call(ctx, "ledger", func(context.Context) error { return errAway })
		}, "closed open"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				away, attempts := true, []int{}
				w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
					mu.Lock()
					attempts = append(attempts, r.Attempt())
					fails := away
					mu.Unlock()
					if fails {
						return tt.fails(ctx)
					}
					return nil
				}), withLedger)
				l := w.lane(0, 0)
				w.feed(l, "a", "b")
				synctest.Wait()
				equal(t, "breakers", w.states(), tt.want)
				equal(t, "paused", w.p.Stats().Paused[PauseBreaker], 1)
				pass(time.Minute)
				mu.Lock()
				away = false
				mu.Unlock()
				pass(10 * time.Second)
				equal(t, "breakers in the end", w.states(), "closed closed")
				equal(t, "watermark", w.watermark(l), 2)
				for _, n := range attempts {
					equal(t, "attempt", n, 1)
				}
				equal(t, "copies", len(w.produced()), 0)
			})
		})
	}
}

// While the breaker of a dependency is open Call does not call it. The record whose handler finds out stays without an
// attempt.
func TestCallIsRefusedWhileTheDependencyIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		called, refused := 0, 0
		away := true
		var mu sync.Mutex
		var w *workbench
		w = onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			mu.Lock()
			defer mu.Unlock()
			if away {
				w.p.deps[1].breaker.Force(breaker.Open) // after the handler began
				away = false
			}
			err := Call(ctx, "ledger", func(context.Context) error { called++; return nil })
			var e *RefusedError
			if errors.As(err, &e) {
				refused++
				equal(t, "refused", err.Error(), "ledger was not called: its breaker is open")
			}
			equal(t, "attempt", r.Attempt(), 1)
			return err
		}), withLedger)
		l := w.lane(0, 0)
		w.feed(l, "a")
		synctest.Wait()
		mu.Lock()
		if called != 0 || refused != 1 {
			t.Errorf("%d called and %d refused, want none and one", called, refused)
		}
		mu.Unlock()
		pass(10 * time.Second)
		synctest.Wait()
		equal(t, "called in the end", called, 1)
		equal(t, "watermark", w.watermark(l), 1)
		equal(t, "breakers", w.states(), "closed closed")
		equal(t, "failures without an attempt", int(w.p.Stats().FreeFailures), 1)
	})
}

// A handler's success is one of every dependency but those that it has called with Call: these know by themselves. So it is
// in chunks, one by one and in batches.
func TestASuccessIsOneOfEveryDependency(t *testing.T) {
	handle := func(ctx context.Context, key []byte) error {
		if !strings.HasPrefix(string(key), "calls") {
			return nil
		}
		for range 3 {
			if err := Call(ctx, "ledger", func(context.Context) error { return nil }); err != nil {
				return err
			}
		}
		return nil
	}
	for name, tt := range map[string]struct {
		handler Handler
		change  func(*Config)
		want    string // successes of payments and ledger
	}{
		"in order": {HandlerFunc(func(ctx context.Context, r *Record) error { return handle(ctx, r.Key) }), func(c *Config) { c.Ordering = ByPartition }, "4 6"},
		"side by side": {HandlerFunc(func(ctx context.Context, r *Record) error {
			<-time.After(time.Second)
			return handle(ctx, r.Key)
		}), func(c *Config) { c.Ordering = Unordered }, "4 6"},
		"in a batch": {BatchFunc(func(ctx context.Context, b *Batch) error { return handle(ctx, b.Records[1].Key) }, BatchOf(4, 0)), func(*Config) {}, "1 3"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onBench(t, tt.handler, withLedger, tt.change)
				l := w.lane(0, 0)
				w.feed(l, "a", "calls-1", "b", "c")
				pass(10 * time.Second)
				equal(t, "watermark", w.watermark(l), 4)
				got := fmt.Sprint(w.p.deps[0].breaker.Succeeded(), " ", w.p.deps[1].breaker.Succeeded())
				equal(t, "successes", got, tt.want)
			})
		})
	}
}

// A handler that panics within Call has said nothing of what it called.
func TestAPanicWithinCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			return Call(ctx, "ledger", func(context.Context) error { panic("oh") })
		}), withLedger)
		w.feed(w.lane(0, 0), "a")
		synctest.Wait()
		equal(t, "breakers", w.states(), "open closed")
	})
}

// Outside of a handler Call only calls; and what is not declared is told.
func TestCallOutsideAndUndeclared(t *testing.T) {
	if err := Call(t.Context(), "ledger", func(context.Context) error { return errAway }); !errors.Is(err, errAway) {
		t.Errorf("got %v, want the function's error", err)
	}
	if err := DependencyFailed("ledger", nil); err != nil {
		t.Errorf("no failure became %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		var got error
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			got = Call(ctx, "nowhere", func(context.Context) error { return nil })
			return nil
		}), withLedger)
		w.feed(w.lane(0, 0), "a")
		synctest.Wait()
		if got == nil || !strings.Contains(got.Error(), `the dependency "nowhere" is not declared: add it to Config.Dependencies`) {
			t.Errorf("got %v", got)
		}
	})
}

func TestDependenciesAreChecked(t *testing.T) {
	c := Config{Brokers: []string{"a:1"}, Group: "g", Topics: []string{"t"}, Handler: HandlerFunc(func(context.Context, *Record) error { return nil })}
	c.Dependencies = []Dependency{
		{}, {Breaker: breaker.Config{Dependency: "g"}}, {Breaker: breaker.Config{Dependency: "x"}, CountsAgainst: defaultCounts}, {Breaker: breaker.Config{Dependency: "x"}},
	}
	_, err := New(c)
	for _, want := range []string{"number 0 has no name", `"g" is there twice, or is that of Breaker`, `"x" is there twice`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	c.Dependencies = []Dependency{{Breaker: breaker.Config{Dependency: "x", Failures: -1}}}
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "Dependencies[0]:") {
		t.Errorf("got %v", err)
	}
}
