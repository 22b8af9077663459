package integration_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Dead letters that the retention of their topic would take are carried forward, once each, while what was dealt with is purged; and
// all of them come back to work once.
func TestDeadLettersOutliveTheirRetention(t *testing.T) {
	t.Parallel()
	const records = 40
	b := setup(t, 2)
	b.start(func(_ context.Context, r *consumer.Record) error {
		if r.Replays() > 0 {
			return nil
		}
		return classify.Mark(errBroken, classify.Permanent)
	}, withoutBreaker)
	var given []*kgo.Record
	for i := range records {
		given = append(given, &kgo.Record{Partition: int32(i % 2), Key: []byte(fmt.Sprint("key-", i)), Value: []byte(fmt.Sprint("value-", i))})
	}
	b.produceTo(given...)
	b.calls.awaitCount(t, records)
	b.settled()
	admin := kadm.NewClient(kafkatest.Client(t))
	hour := "3600000"
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &hour}}, b.dlq()); err != nil {
		t.Fatal(err)
	}
	q := b.queue()
	var x dlq.Expiry
	for x.Entries == 0 { // each broker learns of it at a moment of its own
		var err error
		if x, err = q.Expiry(t.Context(), 2*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if x.Retention != time.Hour || x.Entries != records {
		t.Fatalf("expiring: %+v; want all %d within two hours", x, records)
	}
	// The first two of each partition, which are any two: they died side by side.
	var letters []dlq.Entry
	for e, err := range q.Entries(t.Context(), dlq.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, e)
	}
	slices.SortFunc(letters, func(a, b dlq.Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	died := make(map[int32][]string)
	for _, e := range letters {
		died[e.Partition] = append(died[e.Partition], e.State.ID)
	}
	b.replay(dlq.Replay{Filter: dlq.Filter{IDs: []string{died[0][0], died[1][0]}}}, 2)
	renewed, err := q.Renew(t.Context(), dlq.Renew{Filter: dlq.Filter{IDs: []string{died[0][1], died[1][1]}}})
	if err != nil || renewed.Done != 2 {
		t.Fatalf("renewed: %+v, %v", renewed, err)
	}
	purged, err := q.Purge(t.Context(), dlq.Purge{Before: time.Now()})
	if err != nil || purged.Records != 4 || purged.Marks != 2 || len(purged.Kept) != 2 {
		t.Fatalf("purged: %+v, %v; want the two that were replayed and the two that were renewed, up to the next one of each partition", purged, err)
	}
	stats, err := q.Stats(t.Context(), dlq.Filter{})
	if err != nil || stats.Entries != records-2 {
		t.Fatalf("entries left: %+v, %v", stats, err)
	}
	b.replay(dlq.Replay{}, records-2)
	all := b.calls.awaitDone(t, records)
	b.settled()
	onceEach(t, all, given)
}
