package integration_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// How late attempts begin, start minus due, on real time. The figures are printed, not judged: they are the machine's
// as much as ours. That no attempt is early is judged.
//
// It is not parallel, so that the machine is as idle as others let it be.
func TestLatenessOfAttempts(t *testing.T) {
	const partitions, records = 6, 300
	b := setup(t, partitions)
	b.start(failsUntil(3, errBroken), withoutBreaker, func(c *consumer.Config) {
		c.ClientOptions = nil // as a user has it
	})
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "value")
	}
	// A few at a time, so that due times are spread as failures are.
	for chunk := range slices.Chunk(given, 10) {
		b.produce(chunk...)
	}
	all := b.calls.awaitDone(t, records)
	neverEarly(t, all)
	onceEach(t, all, given)
	b.settled()

	for i, tier := range []string{"200ms", "1s"} {
		attempt := i + 2
		var late []time.Duration
		for _, x := range all {
			if x.attempt == attempt {
				late = append(late, x.late())
			}
		}
		slices.Sort(late)
		if len(late) != records {
			t.Fatalf("%d attempts out of tier %s, want %d", len(late), tier, records)
		}
		t.Logf("lateness of %d attempts out of tier %s: median %v, p99 %v, most %v",
			len(late), tier, late[len(late)/2], late[len(late)*99/100], late[len(late)-1])
	}
}
