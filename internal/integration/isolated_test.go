package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// More records wait in the retry topics than the window holds, in more partitions than share it. Fresh records are
// handled all the same, and retries out of a shorter tier come back, long before the first of those that wait is due.
func TestWaitingRecordsStopNobody(t *testing.T) {
	t.Parallel()
	const partitions, waiting, fresh = 12, 10_000, 200
	b := setup(t, partitions)
	b.start(func(_ context.Context, r *consumer.Record) error {
		switch {
		case string(r.Value) == "waits":
			return consumer.RetryAfter(time.Hour, errBroken)
		case r.Attempt() == 1:
			return errBroken
		default:
			return nil
		}
	}, withoutBreaker, func(c *consumer.Config) {
		c.Retry = retrytopics.Policy{Tiers: []time.Duration{200 * time.Millisecond, time.Hour}, MaxRetries: 2}
		c.Window = consumer.Window{Records: 1000}
	})
	records := make([]*kgo.Record, waiting)
	for i := range records {
		records[i] = record(fmt.Sprint("key-", i), "waits")
	}
	b.produce(records...)
	b.calls.awaitCount(t, waiting)
	awaitRecords(t, waiting, b.tier("1h"))

	given := make([]*kgo.Record, fresh)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "fresh")
	}
	b.produce(given...)
	all := b.calls.awaitDone(t, fresh)
	b.settled(b.tier("200ms"))
	onceEach(t, all, given)
	neverEarly(t, all)
}
