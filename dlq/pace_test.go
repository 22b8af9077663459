package dlq

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A pace is kept over records, and a transaction does not wait for the next one for long.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		perSec  float64
		records int
		takes   time.Duration
		batches int
	}{
		{"10 a minute: each by itself", 10.0 / 60, 4, 18 * time.Second, 3},
		{"10 a second: two in a transaction", 10, 31, 3 * time.Second, 14},
		{"1000 a second", 1000, 1009, time.Second, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				task := &task{pace: newPace(c.perSec)}
				batches := 0
				into := filling{began: began}
				cut := func() error {
					batches++
					into = filling{began: time.Now()}
					return nil
				}
				for range c.records {
					i := &item{work: true}
					if err := task.wait(t.Context(), i, into, cut); err != nil {
						t.Fatal(err)
					}
					into.records++
				}
				if took := time.Since(began).Round(time.Millisecond); took != c.takes {
					t.Errorf("took %v, want %v", took, c.takes)
				}
				if batches != c.batches {
					t.Errorf("%d transactions, want %d", batches, c.batches)
				}
			})
		})
	}
}

// A rate is reached within a hundredth, whatever it is, though timers ring late and the brokers keep the replay waiting now and then; and no second
// sees more than the rate and 10 ms of it.
func TestPaceIsTheRateThatWasAskedFor(t *testing.T) {
	t.Parallel()
	const seconds = 5
	for _, perSec := range []int{1, 10, 100, 1000, 10_000, 100_000} {
		t.Run(fmt.Sprint(perSec), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				task := &task{pace: newPace(float64(perSec))}
				into := filling{began: began}
				cut := func() error {
					time.Sleep(8 * time.Millisecond) // the brokers end a transaction
					into = filling{began: time.Now()}
					return nil
				}
				var at []time.Duration // of the entries
				for {
					asked := time.Now()
					if err := task.wait(t.Context(), &item{work: true}, into, cut); err != nil {
						t.Fatal(err)
					}
					if time.Since(asked) > 0 {
						time.Sleep(1100 * time.Microsecond) // a timer that rings late
					}
					if time.Since(began) >= seconds*time.Second {
						break
					}
					into.records++
					if at = append(at, time.Since(began)); into.full(batchRecords, time.Now()) {
						_ = cut()
					}
				}
				want := perSec * seconds
				if slack := max(want/100, 1); len(at) < want-slack || len(at) > want+slack {
					t.Errorf("%d entries in %d s, want %d", len(at), seconds, want)
				}
				first := 0
				for i := range at {
					for at[i]-at[first] >= time.Second {
						first++
					}
					if n := i - first + 1; n > perSec+max(perSec/100, 1) {
						t.Fatalf("%d entries in the second up to %v", n, at[i])
					}
				}
			})
		})
	}
}

// Who waits for the next turn of a slow replay does not wait for its end.
func TestPaceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		stopped := errors.New("stopped")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(stopped) })
		task := &task{pace: newPace(1.0 / 3600)}
		var err error
		for err == nil {
			err = task.wait(ctx, &item{work: true}, filling{}, nil)
		}
		if took := time.Since(began); !errors.Is(err, stopped) || took != time.Second {
			t.Errorf("%v after %v, want it stopped after a second", err, took)
		}
	})
}

// What is only marked does not use the pace up.
func TestPaceIsOfRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		task := &task{pace: newPace(1)}
		for range 10 {
			if err := task.wait(t.Context(), &item{}, filling{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v, want no time", took)
		}
	})
}
