package contract

import (
	"sync"
	"testing"
	"time"
)

// TestWaitTakesAsLongAsItIsTold has many wait at once, each twice, for timers are used again.
func TestWaitTakesAsLongAsItIsTold(t *testing.T) {
	var wg sync.WaitGroup
	for _, d := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond} {
		for range 16 {
			wg.Go(func() {
				for range 2 {
					began := time.Now()
					if err := Wait(d); err != nil {
						t.Error(err)
					}
					if took := time.Since(began); took < d {
						t.Errorf("took %v, want %v at least", took, d)
					}
				}
			})
		}
	}
	wg.Wait()
}
