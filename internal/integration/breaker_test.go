package integration_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// What the handler calls is down for longer than all retries take. The breaker opens and pauses the partitions: nothing
// of what waits is sent to the dead letters for it, and only a few calls reach what is down. When it is up again, all
// records are done.
func TestBreakerHoldsThroughAnOutage(t *testing.T) {
	t.Parallel()
	const records, concurrency, minimum = 200, 8, 10
	b := setup(t, 4)
	var up atomic.Bool
	states := make(states, 100)
	m := b.start(func(context.Context, *consumer.Record) error {
		if !up.Load() {
			return errBroken
		}
		return nil
	}, func(c *consumer.Config) {
		c.Concurrency = concurrency
		c.Breaker = breaker.Config{MinimumCalls: minimum, OpenFor: 500 * time.Millisecond, HalfOpenCalls: 2}
		c.Hooks = []consumer.Hook{states}
	})
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "value")
	}
	b.produce(given...)

	// 1.2 s and a quarter of jitter are all retries of the policy: the outage is longer.
	opened := 0
	for opened < 5 {
		if e := within(t, "breaker that opens", states); e.To == breaker.Open {
			opened++
		}
	}
	failed := b.calls.soFar()
	if most := minimum + concurrency + 2*opened; len(failed) > most {
		t.Errorf("%d calls were made while nothing could succeed, want %d to open it and %d probes each time, %d at most", len(failed), minimum, 2, most)
	}
	eventually(t, func() error {
		if s := m.Stats(); s.Paused[consumer.PauseBreaker] == 0 {
			return fmt.Errorf("the partitions are paused for %v, want for the breaker", s.Paused)
		}
		return nil
	})
	up.Store(true)
	all := b.calls.awaitDone(t, records)
	b.settled()
	onceEach(t, all, given)
	neverEarly(t, all)
	if letters := b.letters(); len(letters) > 0 {
		t.Errorf("%d records are dead for the outage, want none", len(letters))
	}
	if most := slices.MaxFunc(all, func(a, b call) int { return a.attempt - b.attempt }); most.attempt > 3 {
		t.Errorf("honest-attempts: %s was at attempt %d", most.id, most.attempt)
	}
}

// states is a hook that passes on how the breaker's state changes. Make it large enough.
type states chan breaker.Event

func (s states) OnBreaker(_ string, e breaker.Event) { s <- e }
