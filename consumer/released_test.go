package consumer

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/released"
)

// TestReleasedMetadata: what any release committed beside an offset is read as it was meant. The value of a sample is the metadata, its offset the
// one that was committed, its key the id of the topic.
func TestReleasedMetadata(t *testing.T) {
	var hung, alternating doneRuns
	hung.add(1, 1_000_000)
	for range 50 {
		alternating.add(1, 1)
	}
	tier := note{retry: true, delay: "10s", source: "orders", id: base64.RawURLEncoding.EncodeToString(someTopic[:])}
	var today []released.Sample
	for _, one := range []struct {
		name string
		note note
		done *doneRuns
	}{
		{"the first commit of a source", note{first: map[string]int32{"orders": 12, "clicks": 6}}, nil},
		{"a retry topic", tier, nil},
		{"a retry topic whose id is not known", note{retry: true, delay: "1m0s", source: "orders"}, nil},
		{"a park topic", note{retry: true, delay: "park", source: "orders", id: tier.id}, nil},
		{"a retry topic, with one open record below many", tier, &hung},
		{"a source, with one open record below many", note{first: map[string]int32{"orders": 12}}, &hung},
		{"every second record is done", note{}, &alternating},
	} {
		done := ""
		if one.done != nil {
			done = one.done.text(1042, someTopic, 3000)
		}
		today = append(today, released.Sample{Name: one.name, Record: &kgo.Record{Offset: 1042, Key: someTopic[:], Value: []byte(one.note.metadata(done))}})
	}
	released.Check(t, "metadata", today, func(r *kgo.Record) (map[string]any, error) {
		says := map[string]any{}
		n, isNote := parseNote(string(r.Value))
		if isNote {
			says["retry"], says["delay"], says["source"], says["id"], says["first"] = n.retry, n.delay, n.source, n.id, n.first
		}
		text := doneIn(string(r.Value))
		if text == "" {
			if !isNote {
				return nil, fmt.Errorf("%q is neither a note nor a map of done records", r.Value)
			}
			return says, nil
		}
		done, err := readDone(text, r.Offset, [16]byte(r.Key))
		var spans []string
		for _, s := range done {
			spans = append(spans, fmt.Sprintf("%d-%d", s.from, s.to))
		}
		says["done"] = spans
		return says, err
	})
}
