package dlq_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// Promise intact: key, value and user headers of a dead letter are those of its origin, byte for byte.
func TestLetterCarriesTheRecordUnchanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		key, value []byte
		headers    []kgo.RecordHeader
	}{
		{"ordinary", []byte("k"), []byte("v"), []kgo.RecordHeader{{Key: "a", Value: []byte("1")}}},
		{"null key and value", nil, nil, nil},
		{"empty key and value", []byte{}, []byte{}, nil},
		{"bytes that are no text", []byte{0, 0xff}, []byte{0xc3, 0x28}, []kgo.RecordHeader{{Key: "b", Value: []byte{0xff}}}},
		{"headers that repeat, in their order", nil, nil, []kgo.RecordHeader{
			{Key: "x", Value: []byte("2")}, {Key: "a", Value: nil}, {Key: "x", Value: []byte("1")}, {Key: "x", Value: []byte{}},
		}},
		{"job headers", nil, nil, []kgo.RecordHeader{{Key: retrytopics.HeaderJobTenant, Value: []byte("acme")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			state := death(2, 7)
			state.Due, state.HopDue = time.UnixMilli(1), time.UnixMilli(2)
			old := append([]kgo.RecordHeader{{Key: retrytopics.HeaderAttempt, Value: []byte("1")}}, c.headers...)
			before := time.Now()
			r := dlq.Letter(&kgo.Record{Key: c.key, Value: c.value, Headers: old, Timestamp: time.UnixMilli(5)}, state, dead, 0)

			equal(t, "topic", r.Topic, dead)
			equal(t, "partition", r.Partition, 2)
			sameBytes(t, "key", r.Key, c.key)
			sameBytes(t, "value", r.Value, c.value)
			user := retrytopics.UserHeaders(r.Headers)
			equal(t, "number of user headers", len(user), len(c.headers))
			for i, h := range user {
				equal(t, "name of a header", h.Key, c.headers[i].Key)
				sameBytes(t, "header "+h.Key, h.Value, c.headers[i].Value)
			}
			if r.Timestamp.Before(before) {
				t.Errorf("timestamp %v: want the time of death, for retention deletes by it", r.Timestamp)
			}
			decoded, err := retrytopics.Decode(r)
			if err != nil {
				t.Errorf("headers: %v", err)
			}
			equal(t, "id", decoded.ID, "orders/2/7")
			equal(t, "reason", decoded.Reason, retrytopics.ReasonExhausted)
			equal(t, "attempt", decoded.Attempt, 4)
			equal(t, "due", decoded.Due.IsZero() && decoded.HopDue.IsZero(), true)
		})
	}
}
