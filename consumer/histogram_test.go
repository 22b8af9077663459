package consumer

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestBucketIsTheFirstBoundNotBelow(t *testing.T) {
	durations := []time.Duration{-time.Second, 0, 1, time.Second, time.Minute, 9 * time.Hour, 10 * time.Hour, math.MaxInt64}
	for _, b := range bounds {
		durations = append(durations, b-1, b, b+1)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		durations = append(durations, time.Duration(math.Exp2(random.Float64()*62)))
	}
	for _, d := range durations {
		want := len(bounds)
		for i, b := range bounds {
			if d <= b {
				want = i
				break
			}
		}
		if got := bucket(d); got != want {
			t.Errorf("%v: got bucket %d, want %d", d, got, want)
		}
	}
}

// That whole doublings are exact lets bounds such as 1 s and 0.25 s be asked for by name.
func TestEveryEighthBoundIsAPowerOfTwo(t *testing.T) {
	for i := 0; i < len(boundSeconds); i += perDoubling {
		if mantissa, _ := math.Frexp(boundSeconds[i]); mantissa != 0.5 {
			t.Errorf("bound %d is %v", i, boundSeconds[i])
		}
	}
}

func TestWhatAWorkerCollectsIsCountedOnce(t *testing.T) {
	var h histogram
	var d durations
	for range 2 {
		d.add(time.Second, 3)
		d.add(time.Millisecond, 1)
		d.add(time.Minute, 2)
		h.merge(&d)
		h.merge(&d)
	}
	s := h.snapshot()
	if s.Total != 12 || s.Sum != 246.002 {
		t.Errorf("got %d durations that sum up to %v s, want 12 and 246.002", s.Total, s.Sum)
	}
	for took, want := range map[time.Duration]uint64{time.Second: 6, time.Millisecond: 2, time.Minute: 4} {
		if got := s.Counts[bucket(took)]; got != want {
			t.Errorf("%v: got %d, want %d", took, got, want)
		}
	}
}

func BenchmarkBucket(b *testing.B) {
	var d time.Duration
	for b.Loop() {
		d = (d*5 + 7919) & 0xfffffff
		bucket(d)
	}
}
