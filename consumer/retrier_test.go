package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

var errAway = errors.New("away")

func retrier(t *testing.T, c RetrierConfig) *Retrier {
	t.Helper()
	if c.Breakers == nil {
		c.Breakers = breaker.NewRegistry()
		t.Cleanup(c.Breakers.Close)
	}
	c.Policy.NoJitter = true
	r, err := NewRetrier("payments", c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRetrierWaitsAsThePolicySays notes when each attempt of a call that always fails begins.
func TestRetrierWaitsAsThePolicySays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy retrytopics.Policy
		err    error
		want   []time.Duration
		reason retrytopics.Reason
	}{
		{name: "tiered", err: errAway, want: []time.Duration{0, time.Second, 11 * time.Second, 71 * time.Second}, reason: retrytopics.ReasonExhausted},
		{name: "exponential", policy: retrytopics.Policy{Strategy: retrytopics.Exponential{Initial: 100 * time.Millisecond, Multiplier: 3}, MaxRetries: 3}, err: errAway,
			want: []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond, 1300 * time.Millisecond}, reason: retrytopics.ReasonExhausted},
		{name: "on the spot first", policy: retrytopics.Policy{InPlace: retrytopics.InPlace{Max: 2, Delay: 50 * time.Millisecond}}, err: errAway,
			want: []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond, 1100 * time.Millisecond, 11100 * time.Millisecond, 71100 * time.Millisecond}, reason: retrytopics.ReasonExhausted},
		{name: "not retriable", err: classify.Mark(errAway, classify.Validation), want: []time.Duration{0}, reason: retrytopics.ReasonNotRetriable},
		{name: "asked for", err: DeadLetter(errAway), want: []time.Duration{0}, reason: retrytopics.ReasonRequested},
		{name: "total time-out", policy: retrytopics.Policy{TotalTimeout: 5 * time.Second}, err: errAway, want: []time.Duration{0, time.Second, 11 * time.Second}, reason: retrytopics.ReasonTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := retrier(t, RetrierConfig{Policy: tt.policy})
				start := time.Now()
				var at []time.Duration
				err := r.Do(t.Context(), func(context.Context) error {
					at = append(at, time.Since(start))
					return tt.err
				})
				var gaveUp *GaveUpError
				if !errors.As(err, &gaveUp) || !errors.Is(err, errAway) {
					t.Fatalf("got %v, want a GaveUpError of the last error", err)
				}
				if !slices.Equal(at, tt.want) {
					t.Errorf("attempts at %v, want %v", at, tt.want)
				}
				equal(t, "reason", gaveUp.Reason, tt.reason)
				equal(t, "attempts", gaveUp.Attempts, len(tt.want))
				equal(t, "history", len(gaveUp.History), len(tt.want))
			})
		})
	}
}

// TestRetrierSteering has the errors that decide on the spot end a call or put it off.
func TestRetrierSteering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retrier(t, RetrierConfig{})
		if err := r.Do(t.Context(), func(context.Context) error { return Drop("superseded") }); err != nil {
			t.Errorf("dropped: got %v, want nil", err)
		}
		start, calls := time.Now(), 0
		err := r.Do(t.Context(), func(context.Context) error {
			if calls++; calls <= 10 {
				return Snooze(time.Minute)
			}
			return nil
		})
		if err != nil || time.Since(start) != 10*time.Minute {
			t.Errorf("ten snoozes of a minute: got %v after %v", err, time.Since(start))
		}
		start, calls = time.Now(), 0
		err = r.Do(t.Context(), func(context.Context) error {
			if calls++; calls == 1 {
				return RetryAfter(42*time.Second, errAway)
			}
			return nil
		})
		if err != nil || time.Since(start) != 42*time.Second {
			t.Errorf("retry after 42 s: got %v after %v", err, time.Since(start))
		}
		err = r.Do(t.Context(), func(context.Context) error { panic("no") })
		var panicked *PanicError
		if !errors.As(err, &panicked) {
			t.Errorf("a panic: got %v, want a PanicError", err)
		}
	})
}

// TestRetrierHearsItsContext ends the context while Do calls, sleeps, and waits for the breaker.
func TestRetrierHearsItsContext(t *testing.T) {
	for _, tt := range []struct {
		name string
		open bool
		f    func(ctx context.Context) error
		last error // that it tells of beside the context's
	}{
		{"in a call", false, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil},
		{"in a call whose error does not say so", false, func(ctx context.Context) error { <-ctx.Done(); return errAway }, errAway},
		{"between two calls", false, func(context.Context) error { return RetryAfter(time.Hour, errAway) }, errAway},
		{"while the breaker is open", true, func(context.Context) error { return nil }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := retrier(t, RetrierConfig{})
				if tt.open {
					r.Breaker().Force(breaker.ForcedOpen)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				err := r.Do(ctx, tt.f)
				equal(t, "ended after", time.Since(start), 10*time.Second)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's error", err)
				}
				if tt.last != nil && !errors.Is(err, tt.last) {
					t.Errorf("got %v, which says nothing of the last attempt", err)
				}
			})
		})
	}
}

// TestRetrierIsNotLeftBehindHalfOpen has a probe say nothing of the dependency, so that its permit is free again without a
// change of state: those who wait for one get it.
func TestRetrierIsNotLeftBehindHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retrier(t, RetrierConfig{Breaker: breaker.Config{HalfOpenCalls: 1, OpenFor: time.Minute}})
		r.Breaker().Force(breaker.Open)
		type result struct {
			err   error
			after time.Duration
		}
		start := time.Now()
		results := make(chan result, 2)
		ended := 0
		for i := range 2 {
			go func() {
				err := r.Do(t.Context(), func(context.Context) error {
					time.Sleep(time.Second)
					if ended++; ended == 1 {
						return classify.Mark(fmt.Errorf("record %d is wrong", i), classify.Validation)
					}
					return nil
				})
				results <- result{err, time.Since(start)}
			}()
		}
		if first := <-results; first.err == nil {
			t.Fatalf("the first probe succeeded: %+v", first)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		select {
		case second := <-results:
			if second.err != nil || second.after > 2*time.Minute {
				t.Fatalf("the second call: %+v", second)
			}
		case <-ctx.Done():
			t.Error("the second call waits for ever, half-open with a permit to spare")
			r.Breaker().Force(breaker.Closed)
			<-results
		}
	})
}

// TestRetrierAndTheBreaker lets a dependency be away for a while: no attempt is used while the breaker is not closed.
func TestRetrierAndTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retrier(t, RetrierConfig{Breaker: breaker.Config{Failures: 2, OpenFor: 10 * time.Second, HalfOpenCalls: 1}})
		back := time.Now().Add(5 * time.Minute)
		calls := 0
		err := r.Do(t.Context(), func(context.Context) error {
			calls++
			if time.Now().Before(back) {
				return errAway
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if late := time.Since(back); late > 10*time.Second {
			t.Errorf("done %v after the dependency was back", late)
		}
		if calls > 2+int(5*time.Minute/(10*time.Second))+1 {
			t.Errorf("%d calls in five minutes: more than one a probe", calls)
		}
		equal(t, "state", r.Breaker().State(), breaker.Closed)
	})
}

// TestRetrierGivesUpOnAPoisonCall has one call fail whatever the dependency's state, beside others that succeed: it must
// not be the eternal probe.
func TestRetrierGivesUpOnAPoisonCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retrier(t, RetrierConfig{Breaker: breaker.Config{Failures: 1, OpenFor: time.Second, HalfOpenCalls: 1}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for ctx.Err() == nil {
				_ = r.Do(ctx, func(context.Context) error { return nil })
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}()
		err := r.Do(ctx, func(context.Context) error { return errAway })
		cancel()
		<-stop
		var gaveUp *GaveUpError
		if !errors.As(err, &gaveUp) {
			t.Errorf("after an hour: got %v, want a GaveUpError", err)
		}
	})
}
