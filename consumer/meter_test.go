package consumer

import (
	"testing"
	"time"
)

func TestBucketIsTheFirstBoundNotBelow(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 15 * time.Microsecond, 16 * time.Microsecond, 16*time.Microsecond + 1, 17 * time.Microsecond, 32 * time.Microsecond,
		33 * time.Microsecond, time.Millisecond, 1024 * time.Microsecond, 1025 * time.Microsecond, time.Second, time.Minute, 67108864 * time.Microsecond, time.Hour} {
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

func TestRecentRateForgetsAfterAMinute(t *testing.T) {
	var r recentRate
	if got := r.rate(time.Now()); got != 1 {
		t.Errorf("nothing has happened: got %v, want 1", got)
	}
	r.add(30, 10)
	if got := r.rate(time.Now()); got != 0.75 {
		t.Errorf("got %v, want 0.75", got)
	}
	if got := r.rate(time.Now().Add(2 * time.Minute)); got != 1 {
		t.Errorf("two minutes later: got %v, want 1", got)
	}
}
