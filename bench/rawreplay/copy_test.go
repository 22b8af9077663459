package rawreplay

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// The copies of the raw loop have the headers that those of a replay have, but for the name, which is as long.
func TestCopyHasTheHeadersOfAReplay(t *testing.T) {
	t.Parallel()
	var w *writer
	for offset := range int64(12) {
		s := retrytopics.State{
			ID: retrytopics.FormatID("", "orders", 3, offset), Topic: "orders", Partition: 3, Offset: offset, Timestamp: time.UnixMilli(5), Group: "million",
			Attempt: 4, Class: classify.Network, Error: "refused", FirstFailed: time.UnixMilli(7), Reason: retrytopics.ReasonExhausted,
		}
		letter := dlq.Letter(&kgo.Record{Key: []byte("key"), Value: []byte("value")}, s, "million.orders.dlq", 0)
		if w == nil {
			var err error
			if w, err = newWriter("copies", letter); err != nil {
				t.Fatal(err)
			}
		}
		now := time.UnixMilli(1_763_900_000_000)
		copied, _ := w.of(letter, "copies", "marks", now)
		replayed := s.Replayed(now, "123456789012")
		want := replayed.AppendHeaders(nil, nil, 0)
		if len(copied.Headers) != len(want) {
			t.Fatalf("%d headers, want %d", len(copied.Headers), len(want))
		}
		for i, h := range copied.Headers {
			same := string(h.Value) == string(want[i].Value)
			if h.Key == retrytopics.HeaderReplay {
				same = len(h.Value) == len(want[i].Value)
			}
			if h.Key != want[i].Key || !same {
				t.Errorf("header %s=%q, want %s=%q", h.Key, h.Value, want[i].Key, want[i].Value)
			}
		}
	}
}
