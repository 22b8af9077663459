package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/experiment"
	"github.com/redeliver/redeliver/retrytopics"
)

// Records are retried as their variants say, over the tiers of both, and each is counted where it belongs.
func TestVariantsAreRetriedAsTheySay(t *testing.T) {
	t.Parallel()
	const records = 60
	b := setup(t, 3)
	m := b.start(failsUntil(3, errBroken), withoutBreaker, func(c *consumer.Config) {
		policy := c.Retry
		short, long := policy, policy
		short.MaxRetries = 1 // dies of it: the third attempt is the first that succeeds
		long.Tiers, long.MaxRetries = []time.Duration{300 * time.Millisecond}, 3
		c.Retry.Experiment = &retrytopics.Experiment{Name: "tries", Variants: []retrytopics.Variant{{Name: "short", Policy: short}, {Name: "long", Policy: long}}}
	})
	var given []*kgo.Record
	dying := map[string]bool{}
	for i := range records {
		r := record(fmt.Sprintf("key-%d", i), "value")
		given = append(given, r)
		dying[string(r.Key)] = m.Schedule().Assign(r.Key, "", classify.Job{}) == "tries/short"
	}
	b.produce(given...)
	var want []*kgo.Record
	for _, r := range given {
		if dying[string(r.Key)] {
			want = append(want, r)
		}
	}
	b.calls.awaitDone(t, records-len(want))
	b.settled(b.tier("300ms"))

	letters := b.letters()
	if len(letters) != len(want) || len(want) == 0 || len(want) == records {
		t.Fatalf("%d dead letters, want %d", len(letters), len(want))
	}
	for _, r := range letters {
		s, err := retrytopics.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if !dying[string(r.Key)] || s.Variant != "tries/short" || s.Attempt != 2 {
			t.Errorf("dead letter of %s: variant %s, %d attempts", r.Key, s.Variant, s.Attempt)
		}
	}
	counts, _ := experiment.Of(m.Stats())
	results := experiment.Judge(counts).Results
	dead, done := uint64(len(want)), uint64(records-len(want))
	for i, want := range []experiment.Result{{Variant: "short", Failed: dead, Dead: dead}, {Variant: "long", Failed: done, Succeeded: done}} {
		got := results[i]
		if got.Failed != want.Failed || got.Dead != want.Dead || got.Succeeded != want.Succeeded || got.Waiting != 0 {
			t.Errorf("%s: got %+v", want.Variant, got)
		}
	}
	if a := results[1].Attempts; a == nil || a.Value != 3 {
		t.Errorf("attempts per success: got %v, want 3", a)
	}
}
