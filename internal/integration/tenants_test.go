package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// A tenant stands with many records, more than the window holds, in front of those of two others in every partition. The others
// are done while most of it still waits; then all of it is handled too, each record once and none as if it had failed.
func TestANoisyTenantDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	const noisy, quiet, partitions = 6000, 50, 4
	b := setup(t, partitions)
	of := func(r *kgo.Record, tenant string) *kgo.Record {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "redeliver-tenant", Value: []byte(tenant)})
		return r
	}
	b.start(func(ctx context.Context, _ *consumer.Record) error {
		select { // a call takes its time, so that the slots are short
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
		return ctx.Err()
	}, withoutBreaker, func(c *consumer.Config) {
		c.Tenants, c.Concurrency, c.Window = &consumer.Tenants{}, 16, consumer.Window{Records: 1000}
	})
	var known []*kgo.Record // the tenants are known
	for i := range 40 {
		known = append(known, of(record(fmt.Sprint("known-", i), "known"), []string{"noisy", "quiet-0", "quiet-1"}[i%3]))
	}
	b.produce(known...)
	b.calls.awaitDone(t, len(known))

	given := make([]*kgo.Record, 0, noisy+2*quiet)
	for i := range noisy {
		given = append(given, of(record(fmt.Sprint("noisy-", i), "noisy"), "noisy"))
	}
	for i := range 2 * quiet {
		given = append(given, of(record(fmt.Sprint("quiet-", i), "quiet"), fmt.Sprint("quiet-", i%2)))
	}
	b.produce(given...)
	count := func(all []call, value string) (n int) {
		for _, c := range all {
			if string(c.record.Value) == value {
				n++
			}
		}
		return n
	}
	sofar := b.calls.await(t, "all calls of the quiet tenants", func(all []call) bool { return count(all, "quiet") == 2*quiet })
	before := count(sofar, "noisy")
	t.Logf("%d of %d records of the noisy tenant were handled before all of the others", before, noisy)
	if before > noisy*5/6 {
		t.Errorf("isolated: %d of %d records of the tenant that stood in front were handled first", before, noisy)
	}
	all := b.calls.awaitDone(t, len(known)+len(given))
	b.settled(b.tiers()...)
	onceEach(t, all, append(known, given...))
	neverEarly(t, all)
	for _, c := range all {
		if c.attempt != 1 {
			t.Fatalf("honest-attempts: %s was called as attempt %d", c.id, c.attempt)
		}
	}
}
