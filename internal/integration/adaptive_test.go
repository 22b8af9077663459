package integration_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// Delays that are learned travel over the tiers as all do: no attempt is early and nothing is lost, and the pipeline says
// what it has learned.
func TestLearnedDelaysTravelOverTheTiers(t *testing.T) {
	t.Parallel()
	const records = 60
	longest := quick.Tiers[len(quick.Tiers)-1]
	b := setup(t, 3)
	m := b.start(failsUntil(2, errBroken), withoutBreaker, func(c *consumer.Config) {
		c.Retry.Adaptive, c.Retry.MaxDelay = true, longest
		c.Adaptive.Minimum = 1
	})
	var given []*kgo.Record
	for round := range 3 { // the later ones wait for as long as the earlier ones have taught
		for i := range records {
			given = append(given, record(fmt.Sprintf("key-%d-%d", round, i), "value"))
		}
		b.produce(given[round*records:]...)
		b.calls.awaitDone(t, (round+1)*records)
	}
	all := b.calls.awaitDone(t, 3*records)
	b.settled()
	onceEach(t, all, given)
	neverEarly(t, all)

	lessons := m.Stats().Lessons
	if len(lessons) != 1 {
		t.Fatalf("got %d lessons, want one, about the one class of failure: %+v", len(lessons), lessons)
	}
	if l := lessons[0]; l.Observations < 1 || l.Last.Delay < m.Schedule().Tiers()[0]/2 || l.Last.Delay > longest {
		t.Errorf("learned %+v; want an advice between the shortest delay and the longest", l)
	}
}

// What a process has learned stands in the control topic: the next one knows it before it has handled anything.
func TestWhatWasLearnedOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	const records = 30
	b := setup(t, 1)
	learning := func(c *consumer.Config) {
		c.Retry.Adaptive, c.Adaptive.Minimum = true, 1
		c.Breaker.MinimumCalls = 100_000 // so many fail that it would open
	}
	before := b.fleetMember(failsUntil(2, errBroken), learning)
	for i := range records {
		b.produce(record(fmt.Sprint("key-", i), "value"))
	}
	b.calls.awaitDone(t, records)
	eventually(t, func() error {
		if lessons := before.Stats().Lessons; len(lessons) != 1 || lessons[0].Kept.IsZero() {
			return fmt.Errorf("what is known is not kept: %+v", lessons)
		}
		return nil
	})
	known := before.Stats().Lessons[0]
	before.stop()
	before.leave()

	after := b.fleetMember(succeeds, learning)
	lessons := after.Stats().Lessons
	if len(lessons) != 1 || lessons[0].Key != known.Key || lessons[0].Observations < 0.9*known.Observations/1.05 || lessons[0].Kept.IsZero() {
		t.Fatalf("the next process knows %+v, want %+v", lessons, known)
	}
	if s := after.fleet.Status(); s.Counts.Ignored > 0 {
		t.Errorf("%d records of the control topic were ignored", s.Counts.Ignored)
	}
}
