package consumer

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// TestDelaysInTheLaneGrow has a policy whose delays are all below the shortest tier: they are waited out in the lane, and grow
// there as they would over topics.
func TestDelaysInTheLaneGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			if at = append(at, time.Since(start)); len(at) == 4 {
				return nil
			}
			return errAway
		}), func(c *Config) {
			c.Retry.Strategy = retrytopics.Exponential{Initial: 100 * time.Millisecond, Multiplier: 2}
			c.Retry.Tiers = []time.Duration{time.Hour}
			c.Retry.MaxDelay = time.Minute
		})
		l := w.lane(0, 0)
		w.feed(l, "a")
		pass(10 * time.Second)
		want := []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond}
		if !slices.Equal(at, want) {
			t.Errorf("attempts at %v, want %v", at, want)
		}
	})
}
