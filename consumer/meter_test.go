package consumer

import (
	"testing"
	"time"
)

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
