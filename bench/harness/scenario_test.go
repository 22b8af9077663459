package harness

import (
	"math"
	"testing"
	"time"
)

// A small run has small limits, or one slow contender makes it take as long as a measurement; a large one has none that are larger.
func TestLimitsAreScaled(t *testing.T) {
	for _, test := range []struct {
		full  time.Duration
		scale float64
		want  time.Duration
	}{
		{20 * time.Second, 1, 20 * time.Second},
		{20 * time.Second, 0.5, 10 * time.Second},
		{20 * time.Second, 0.01, leastLimit},
		{time.Millisecond, 0.01, time.Millisecond},
		{20 * time.Second, 10, 20 * time.Second},
	} {
		if got := Limit(test.full, test.scale); got != test.want {
			t.Errorf("%v at %v: got %v, want %v", test.full, test.scale, got, test.want)
		}
	}
}

func TestRecordsAreScaled(t *testing.T) {
	for _, test := range []struct {
		n     int
		scale float64
		least int
		want  int
	}{
		{1000, 1, 10, 1000}, {1000, 0.5, 10, 500}, {1000, 0.001, 10, 10}, {1000, 1e300, 10, math.MaxInt32}, {1000, math.Inf(1), 10, math.MaxInt32},
	} {
		if got := Scaled(test.n, test.scale, test.least); got != test.want {
			t.Errorf("%d at %v: got %d, want %d", test.n, test.scale, got, test.want)
		}
	}
}
