package integration_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// A member that is told to stop in the middle of its work ends the calls that are under way, in all of its partitions at
// the same time, and commits them: it is gone within the drain time, and who comes next repeats nothing.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	const partitions, records, concurrency = 12, 1200, 200
	b := setup(t, partitions)
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "value")
	}
	b.produce(given...)
	limits := func(c *consumer.Config) {
		c.HandlerTimeout, c.Drain = 2*time.Second, 3*time.Second
		c.Concurrency = concurrency
	}
	one := b.start(works(500*time.Millisecond, failsUntil(2, errBroken)), named("one"), limits, withoutBreaker)
	b.calls.awaitCount(t, records/4)

	stopping := time.Now()
	one.stop()
	if took := time.Since(stopping); took > 3*time.Second {
		t.Errorf("the member took %v to stop, with a drain time of 3s and calls of 500ms", took)
	}
	made := b.calls.soFar()
	if len(made) == 2*records {
		t.Fatal("there was nothing left to do: the stop was not under load")
	}
	begun := slices.DeleteFunc(made, func(x call) bool { return x.began.Before(stopping) })
	if len(begun) > concurrency {
		t.Errorf("%d calls began after the member was told to stop: want what closes gaps at most, %d", len(begun), concurrency)
	}
	b.start(failsUntil(2, errBroken), named("two"), withoutBreaker)
	b.calls.awaitDone(t, records)
	b.settled()
	all := b.calls.soFar()
	onceEach(t, all, given)
	attemptsOnce(t, all)
	neverEarly(t, all)
}

// What was not begun when a member is told to stop, while others after it are done, would have to be committed with a
// hole. It is done before the end, or put off by a copy, so that nothing is repeated.
func TestStopLeavesNoHoles(t *testing.T) {
	t.Parallel()
	t.Run("behind its key", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		running, release := make(chan struct{}, 1), make(chan struct{})
		one := b.start(func(ctx context.Context, r *consumer.Record) error {
			if string(r.Value) != "blocks" {
				return nil
			}
			running <- struct{}{}
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, named("one"))
		given := []*kgo.Record{record("a", "blocks"), record("a", "behind"), record("b", "done")}
		b.produce(given...)
		within(t, "call of the first record", running)
		b.calls.awaitDone(t, 1)
		stopped := make(chan struct{})
		go func() { defer close(stopped); one.stop() }()
		awaitDraining(t, one)
		close(release)
		within(t, "end of the member", stopped)

		b.start(succeeds, named("two"))
		b.calls.awaitDone(t, len(given))
		b.settled()
		onceEach(t, b.calls.soFar(), given)
	})
	t.Run("not due yet", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		tiers := func(c *consumer.Config) {
			c.Retry = retrytopics.Policy{Tiers: []time.Duration{2 * time.Second}, MaxRetries: 3}
		}
		handle := func(_ context.Context, r *consumer.Record) error {
			switch {
			case r.Attempt() > 1:
				return nil
			case string(r.Value) == "later":
				return consumer.RetryAfter(3900*time.Millisecond, errBroken)
			default:
				return consumer.RetryAfter(2*time.Second, errBroken)
			}
		}
		routed := make(routes, 10)
		one := b.start(handle, named("one"), tiers, func(c *consumer.Config) { c.Hooks = []consumer.Hook{routed} })
		given := []*kgo.Record{record("a", "later"), record("b", "sooner")}
		for _, r := range given {
			b.produce(r)
			within(t, "copy in the tier", routed)
		}
		all := b.calls.awaitDone(t, 1)
		if got := string(all[2].record.Value); got != "sooner" {
			t.Fatalf("%q is done first, want sooner", got)
		}
		one.stop()
		b.start(handle, named("two"), tiers)
		all = b.calls.awaitDone(t, len(given))
		b.settled(b.tier("2s"))
		onceEach(t, b.calls.soFar(), given)
		attemptsOnce(t, b.calls.soFar())
		neverEarly(t, all)
	})
}

// awaitDraining waits until the member has begun to stop.
func awaitDraining(t testing.TB, m *member) {
	t.Helper()
	eventually(t, func() error {
		if phase := m.Stats().Phase; phase != consumer.Draining {
			return fmt.Errorf("the member is %v, want draining", phase)
		}
		return nil
	})
}

// A handler that ends neither in time nor when it is told to does not keep its member from stopping. Its record is
// handled by who comes next, and its late end commits nothing.
func TestHandlerThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	running, release := make(chan struct{}, 1), make(chan struct{})
	t.Cleanup(func() { close(release) })
	one := b.start(func(_ context.Context, r *consumer.Record) error {
		if string(r.Value) == "hangs" {
			running <- struct{}{}
			<-release
		}
		return nil
	}, named("one"), func(c *consumer.Config) { c.HandlerTimeout, c.Drain = 100*time.Millisecond, 300*time.Millisecond })
	given := []*kgo.Record{record("a", "fine"), record("b", "hangs"), record("c", "after")}
	b.produce(given...)
	within(t, "call that hangs", running)
	one.stop()

	b.start(succeeds, named("two"))
	b.calls.awaitDone(t, len(given))
	b.settled()
	for _, x := range b.calls.of(id(given[1])) {
		if x.member != "two" || x.attempt != 1 {
			t.Errorf("%s was handled by %s at attempt %d, want two at attempt 1", x.id, x.member, x.attempt)
		}
	}
}
