package dlq

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// A record that comes out of the index is read as it was in the topic: also a dead letter of Kafka Connect, whose time says when it was born where the brokers
// have not set it.
func TestPackedRecordsSayWhoseTheirTimeIs(t *testing.T) {
	for _, c := range []struct {
		of    int8
		birth int64
	}{{0, 5000}, {1, 0}} {
		r := &kgo.Record{Timestamp: time.UnixMilli(5000), Attrs: kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: c.of, Codec: kgo.CodecZstd})}
		for _, h := range [][2]string{{"topic", "orders"}, {"partition", "0"}, {"offset", "7"}} {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "__connect.errors." + h[0], Value: []byte(h[1])})
		}
		b := packRecord(nil, r)
		_, width := binary.Uvarint(b) // of its length
		packed, valued := unpackRecord(b[width:])
		packed.Timestamp = r.Timestamp
		e := entryOf(packed, [16]byte{1})
		if e.Dialect != retrytopics.Connect || BirthOf(&e.State) != c.birth || valued {
			t.Errorf("time of type %d: %q born %d, value %t, want %d", c.of, e.Dialect, BirthOf(&e.State), valued, c.birth)
		}
	}
}
