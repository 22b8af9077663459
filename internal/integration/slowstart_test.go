package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// What the handler calls was away and comes back with room for a few calls at once, and more by and by. What has piled up
// meanwhile does not trip the breaker again.
func TestBacklogDoesNotTripTheBreakerAgain(t *testing.T) {
	t.Parallel()
	const records, concurrency, minimum = 2000, 64, 20
	b := setup(t, 8)
	var up atomic.Bool
	var back, flying atomic.Int64
	states := make(states, 1000)
	m := b.start(func(context.Context, *consumer.Record) error {
		defer flying.Add(-1)
		n := flying.Add(1)
		if !up.Load() {
			return errBroken
		}
		since := time.Since(time.Unix(0, back.Load()))
		if n > 8+int64(20*since.Seconds()) {
			return errors.New("no room")
		}
		<-time.After(10 * time.Millisecond) // its work
		return nil
	}, func(c *consumer.Config) {
		c.Concurrency = concurrency
		c.Breaker = breaker.Config{MinimumCalls: minimum, OpenFor: 500 * time.Millisecond, SlowStart: 5 * time.Second}
		c.Hooks = []consumer.Hook{states}
	})
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "value")
	}
	b.produce(given...)
	for opened := 0; opened < 4; {
		if e := within(t, "breaker that opens", states); e.To == breaker.Open {
			opened++
		}
	}
	back.Store(time.Now().UnixNano())
	up.Store(true)
	all := b.calls.awaitDone(t, records)
	b.settled()
	onceEach(t, all, given)
	if letters := b.letters(); len(letters) > 0 {
		t.Errorf("%d records are dead for the outage, want none", len(letters))
	}
	closed := false
	for len(states) > 0 {
		e := <-states
		closed = closed || e.To == breaker.Closed
		if closed && e.To == breaker.Open {
			t.Errorf("it tripped again: %v", e)
		}
	}
	m.mustBeReady(t)
}
