package retrytopics_test

import (
	"math"
	"testing"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

func TestStrategies(t *testing.T) {
	for _, tt := range []struct {
		strategy retrytopics.Strategy
		name     string
		delays   string // before retry 1, 2, 3 ...
	}{
		{retrytopics.Tiered{}, "tiered", "1s 10s 60s 60s 60s"},
		{retrytopics.Exponential{}, "exponential from 1s by 3", "1s 3s 9s 27s 81s"},
		{retrytopics.Exponential{Initial: 200 * time.Millisecond, Multiplier: 1.5, Max: 500 * time.Millisecond}, "exponential from 200ms by 1.5", "200ms 300ms 450ms 500ms"},
		{retrytopics.Linear{}, "linear from 1s plus 1500ms", "1s 2.5s 4s 5.5s"},
		{retrytopics.Linear{Initial: 10 * time.Second, Factor: 1, Max: 25 * time.Second}, "linear from 10s plus 10s", "10s 20s 25s 25s"},
		{retrytopics.Fixed{}, "fixed 1s", "1s 1s 1s"},
		{retrytopics.Fixed{Wait: 90 * time.Second}, "fixed 90s", "90s 90s"},
		{retrytopics.Immediate{}, "immediate", "0s 0s"},
		{retrytopics.Custom(func(retry int, f retrytopics.Failed) time.Duration {
			return time.Duration(retry*f.Status) * time.Millisecond
		}), "custom", "503ms 1006ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			equal(t, tt.strategy.String(), tt.name)
			for i, want := range durations(t, tt.delays) {
				equal(t, tt.strategy.Delay(i+1, retrytopics.Failed{Status: 503}), want)
			}
		})
	}
}

// However often it is retried, a delay neither overflows nor goes negative.
func TestStrategiesDoNotOverflow(t *testing.T) {
	for _, s := range []retrytopics.Strategy{
		retrytopics.Exponential{},
		retrytopics.Exponential{Multiplier: 1000},
		retrytopics.Linear{Initial: math.MaxInt64 / 2, Factor: 1000},
		retrytopics.Linear{},
	} {
		was := time.Duration(0)
		for _, retry := range []int{-1, 0, 1, 2, 10, 100, 1_000, 1_000_000, math.MaxInt} {
			got := s.Delay(retry, retrytopics.Failed{})
			if got < was || got > math.MaxInt64/4 {
				t.Fatalf("%s, retry %d: got %v after %v", s, retry, got, was)
			}
			was = got
		}
	}
}
