package integration_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// largest is Kafka's default of max.message.bytes: of a batch of records, compressed, with what Kafka puts around it.
const largest = 1048588

// A record that its source can only just hold gets through both tiers, to the dead letters and back, with all headers.
func TestLargestRecordTravels(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		value []byte
	}{
		// What a batch and a record of it have around the key and the value are some 80 bytes.
		{"as it is", noise(largest - 100)},
		// The limit is on what is sent, and the client counts before it compresses.
		{"after compression", make([]byte, 12<<20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 1)
			long := fmt.Errorf("a long story: %x", noise(4000))
			b.start(func(_ context.Context, r *consumer.Record) error {
				if r.Replays() == 0 {
					return long
				}
				return nil
			})
			give := record("key", string(tt.value))
			give.Topic = b.source
			b.produceLarge(give)

			b.calls.awaitCount(t, 3)
			b.settled()
			if got := len(b.letters()); got != 1 {
				t.Fatalf("there are %d dead letters, want 1", got)
			}
			b.replay(dlq.Replay{}, 1)
			all := b.calls.awaitCount(t, 4)
			b.settled()
			for _, x := range all {
				if sha256.Sum256(x.record.Value) != sha256.Sum256(tt.value) || string(x.record.Key) != "key" {
					t.Errorf("intact: attempt %d saw another key or value (%d bytes)", x.attempt, len(x.record.Value))
				}
			}
			if x := all[3]; x.err != nil || x.replays != 1 || len(x.record.History()) != 3 {
				t.Errorf("the call after the replay: error %v, replays %d, history of %d", x.err, x.replays, len(x.record.History()))
			}
		})
	}
}

// Many large records that fail together are more than one batch may hold. Their copies are written all the same.
func TestLargeRecordsFailTogether(t *testing.T) {
	t.Parallel()
	const records = 100
	b := setup(t, 1)
	m := b.start(failsUntil(2, errBroken), withoutBreaker)
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), string(noise(100_000)))
		given[i].Topic = b.source
	}
	b.produceLarge(given...)
	all := b.calls.awaitDone(t, records)
	b.settled()
	onceEach(t, all, given)
	neverEarly(t, all)
	if s := m.Stats(); s.RouteFailures > 0 {
		t.Errorf("%d copies were refused at first, want none", s.RouteFailures)
	}
}

// produceLarge produces records that the client's own limit would refuse.
func (b *bundle) produceLarge(records ...*kgo.Record) {
	b.t.Helper()
	client := kafkatest.Client(b.t, kgo.ProducerBatchMaxBytes(32<<20), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	for _, r := range records { // one at a time: a batch of several would be too large for the broker
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// noise is data that no compression makes smaller, the same each time.
func noise(size int) []byte {
	r := rand.NewChaCha8([32]byte{7})
	data := make([]byte, size)
	_, _ = r.Read(data) // never fails, it says
	return data
}
