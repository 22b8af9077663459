package dlq

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
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
		{"1000 a second", 1000, 1001, time.Second, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				task := &task{pace: rate.NewLimiter(rate.Limit(c.perSec), 1)}
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

// What is only marked does not use the pace up.
func TestPaceIsOfRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		task := &task{pace: rate.NewLimiter(1, 1)}
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
