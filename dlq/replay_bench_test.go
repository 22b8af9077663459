package dlq

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// benchLetters are dead letters as `make deadletters` has them.
func benchLetters(n int) []*kgo.Record {
	records := make([]*kgo.Record, n)
	at := time.UnixMilli(1_700_000_000_000)
	for i := range records {
		s := retrytopics.State{
			ID: retrytopics.FormatID("", "orders", int32(i%12), int64(i/12)), Topic: "orders", Partition: int32(i % 12), Offset: int64(i / 12), Timestamp: at,
			Group: "million", Attempt: 4, Class: classify.Network, Error: fmt.Sprintf("*net.OpError: dial tcp 10.1.2.%d:8443: payments: connection refused", i%250),
			FirstFailed: at, Reason: retrytopics.ReasonExhausted,
		}
		r := Letter(&kgo.Record{Key: fmt.Appendf(nil, "customer-%d", i), Value: make([]byte, 300)}, s, "million.orders.dlq", 4096)
		r.Offset, r.Timestamp = int64(i/12), at
		records[i] = r
	}
	return records
}

// What a replay does with an entry between its fetch and its batch.
func BenchmarkReplayedEntry(b *testing.B) {
	const tier = "million.orders.retry-1s"
	q := &Queue{topic: "million.orders.dlq", group: "million", tier: func(string) string { return tier }, batch: batchRecords}
	sel, err := Filter{}.compile(kadm.TopicID{})
	if err != nil {
		b.Fatal(err)
	}
	t := &task{
		survey: &survey{queue: q, sel: sel, ledger: newLedger()},
		writer: &writer{queue: q, ledger: q.Ledger(), keys: keysOf(kadm.TopicID{}), self: Writer{Run: "20251123-121320-5f1c", By: "somebody@host", Task: "20251123-121320-5f1c"}},
	}
	router := newRouter(q, OwnTier, editor{})
	router.task, router.destinations[tier] = "20251123-121320-5f1c", destinationTopic{partitions: 12}
	d := &replayDecision{Replay: Replay{MaxReplays: DefaultMaxReplays}, router: router, task: t}
	letters := benchLetters(20_000)
	var records []*kgo.Record
	var summary Summary
	ctx := b.Context()
	const page = 1000
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += page {
		if len(records) == 0 {
			records, t.survey.ledger = letters, newLedger()
		}
		const n = page
		entries := make([]Entry, n)
		for i, r := range records[:n] {
			entries[i] = entryOf(r, kadm.TopicID{})
		}
		items := make([]*item, 0, n)
		for i := range entries {
			t.survey.met(&entries[i], func(e *Entry) bool {
				one, err := d.decide(ctx, e, time.Now(), &summary)
				if err != nil || one == nil {
					b.Fatal(one, err)
				}
				items = append(items, one)
				return true
			})
		}
		records = records[n:]
	}
}
