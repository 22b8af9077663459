package dlq

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// rawRecord is a record as it stands in a batch.
func rawRecord(delta int32, key, value []byte, headers ...kgo.RecordHeader) []byte {
	body := kbin.AppendInt8(nil, 0)
	body = kbin.AppendVarint(kbin.AppendVarlong(body, int64(delta)*7), delta)
	body = kbin.AppendVarintBytes(kbin.AppendVarintBytes(body, key), value)
	body = kbin.AppendVarint(body, int32(len(headers)))
	for _, h := range headers {
		body = kbin.AppendVarintBytes(kbin.AppendVarintString(body, h.Key), h.Value)
	}
	return append(kbin.AppendVarint(nil, int32(len(body))), body...)
}

// rawBatch is a batch with a sum that is right.
func rawBatch(first int64, last, count int32, attributes uint16, records []byte) []byte {
	b := make([]byte, batchHead, batchHead+len(records))
	b = append(b, records...)
	binary.BigEndian.PutUint64(b, uint64(first))
	binary.BigEndian.PutUint32(b[batchLengthAt:], uint32(len(b)-batchEpochAt))
	binary.BigEndian.PutUint32(b[batchEpochAt:], 3)
	b[batchMagicAt] = 2
	binary.BigEndian.PutUint16(b[batchAttributesAt:], attributes)
	binary.BigEndian.PutUint32(b[batchLastAt:], uint32(last))
	binary.BigEndian.PutUint64(b[batchFirstTimeAt:], 1_700_000_000_000)
	binary.BigEndian.PutUint64(b[batchMaxTimeAt:], 1_700_000_009_000)
	binary.BigEndian.PutUint64(b[batchProducerAt:], 41)
	binary.BigEndian.PutUint16(b[batchEpochOfItAt:], 2)
	binary.BigEndian.PutUint32(b[batchRecordCountAt:], uint32(count))
	binary.BigEndian.PutUint32(b[batchSumAt:], crc32.Checksum(b[batchAttributesAt:], batchSum))
	return b
}

// The names of headers are made once: of all that a dead letter of ours has, and where one has a header more than the one before.
func TestNamesOfHeadersAreMadeOnce(t *testing.T) {
	var records []byte
	const n = 200
	for i := range int32(n) {
		s := retrytopics.State{
			ID: "orders/1/2", Topic: "orders", Partition: 1, Offset: 2, Timestamp: time.UnixMilli(5), Group: "million", Attempt: 4, Replays: int(i % 2), Class: classify.Network,
			Dependency: "stock", Error: "refused", FirstFailed: time.UnixMilli(7), Reason: retrytopics.ReasonExhausted,
		}
		letter := Letter(&kgo.Record{Headers: []kgo.RecordHeader{{Key: "source", Value: []byte("1")}}[:i/2%2]}, s, "dead", 0)
		records = append(records, rawRecord(i, []byte("key"), nil, letter.Headers...)...)
	}
	in := rawBatch(0, n-1, n, 0, records)
	reader := &batchReader{topic: "dead", decompress: kgo.DefaultDecompressor(), room: new(room)}
	got := testing.AllocsPerRun(10, func() {
		reader.room.free()
		if _, _, ok := reader.read(in, 0); !ok {
			t.Error("the batch cannot be read")
		}
	})
	if got > n/4 { // some names fall together, where they moved
		t.Errorf("%v allocations for %d records, all of which have the same headers but for two", got, n)
	}
}

// What is read of a batch is what kgo reads, or it is left to kgo.
func FuzzBatch(f *testing.F) {
	headers := []kgo.RecordHeader{{Key: "redeliver-id", Value: []byte("orders/1/2")}, {Key: "", Value: nil}, {Key: "null"}, {Key: "redeliver-id", Value: []byte{}}}
	three := append(append(rawRecord(0, []byte("key"), nil), rawRecord(1, nil, []byte("value"), headers...)...), rawRecord(2, []byte{}, []byte{}, headers[:1]...)...)
	compressor, err := kgo.DefaultCompressor(kgo.SnappyCompression())
	if err != nil {
		f.Fatal(err)
	}
	small, codec := compressor.Compress(new(bytes.Buffer), three)
	f.Add(three, int64(10), int32(2), int32(3), uint16(0), int64(0))
	f.Add(three, int64(10), int32(2), int32(3), uint16(attributesTransactional|attributesAppendTime), int64(11))
	f.Add(three, int64(10), int32(9), int32(3), uint16(0), int64(30)) // compacted
	f.Add(three, int64(10), int32(2), int32(4), uint16(0), int64(0))  // one is missing
	f.Add(small, int64(10), int32(2), int32(3), uint16(codec), int64(0))
	f.Add(three, int64(10), int32(2), int32(3), uint16(0x40), int64(0)) // the time is that of a tombstone's end
	f.Add([]byte{}, int64(10), int32(2), int32(0), uint16(0), int64(0))
	f.Add(rawRecord(0, []byte{0, 0, 0, 1}, []byte{0, 0}), int64(10), int32(0), int32(1), uint16(attributesControl|attributesTransactional), int64(0))
	f.Fuzz(func(t *testing.T, records []byte, first int64, last, count int32, attributes uint16, from int64) {
		if count > 1<<16 || first < 0 || from < 0 || first > 1<<60 {
			return
		}
		in := rawBatch(first, last, count, attributes, records)
		in = append(in, rawBatch(first+int64(max(last, 0))+1, 2, 3, 0, three)...)
		in = append(in, in[:30]...) // the broker sent a part of it
		reader := &batchReader{topic: "dead", partition: 7, decompress: kgo.DefaultDecompressor(), room: new(room)}
		for range 2 { // the second time into the same memory
			reader.room.free()
			got, next, ok := reader.read(in, from)
			if !ok {
				return
			}
			opts := kgo.ProcessFetchPartitionOpts{Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: "dead", Partition: 7}
			want, wantNext := kgo.ProcessFetchPartition(opts, &kmsg.FetchResponseTopicPartition{Partition: 7, RecordBatches: in}, kgo.DefaultDecompressor(), nil)
			if want.Err != nil || wantNext != next || len(want.Records) != len(got) {
				t.Fatalf("%d records up to %d, kgo says %d up to %d, %v", len(got), next, len(want.Records), wantNext, want.Err)
			}
			for i, r := range got {
				if !reflect.DeepEqual(*r, *want.Records[i]) {
					t.Fatalf("record %d:\n%+v\nkgo says\n%+v", i, *r, *want.Records[i])
				}
			}
		}
	})
}
