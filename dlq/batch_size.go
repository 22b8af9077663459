package dlq

import (
	"bytes"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	batchOverhead  = 61 // of a record batch without its records
	lengthOverhead = 1  // that a client counts beside it, at least, of what it holds against its own limit
)

// batchSizes tells how large the record batches of a client are.
type batchSizes struct {
	compressor kgo.Compressor // nil: nothing is compressed
	largest    int            // that the client sends, before compression
}

func batchSizesOf(client *kgo.Client) batchSizes {
	compressor, _ := client.OptValue(kgo.WithCompressor).(kgo.Compressor)
	return batchSizes{compressor, int(largest(client))}
}

// small says of a record that it is not too large, as nearly all are, without a closer look.
func (b batchSizes) small(r *kgo.Record, limit int) bool {
	return lengthOverhead+batchOverhead+sizeOf(r) <= min(limit, b.largest)
}

// tooLarge says whether the client does not send a record, or brokers with this limit do not take it: they measure the batch as it is sent, compressed. One
// that is refused among others goes alone, and so it is measured. A broker that compresses anew may find it too large all the same, and says so then.
func (b batchSizes) tooLarge(r *kgo.Record, limit int) bool {
	plain := inBatch(r)
	if lengthOverhead+batchOverhead+len(plain) > b.largest {
		return true
	}
	return batchOverhead+len(plain) > limit && batchOverhead+b.compressed(plain) > limit
}

// compressed is how many bytes the records of a batch are when they are sent.
func (b batchSizes) compressed(plain []byte) int {
	if b.compressor == nil {
		return len(plain)
	}
	made, _ := b.compressor.Compress(new(bytes.Buffer), plain)
	if made == nil { // it failed, and they are sent as they are
		return len(plain)
	}
	return min(len(made), len(plain))
}

// inBatch is a record as it stands in a batch of its own.
func inBatch(r *kgo.Record) []byte {
	in := kmsg.Record{Key: r.Key, Value: r.Value, Headers: make([]kmsg.Header, len(r.Headers))}
	for i, h := range r.Headers {
		in.Headers[i] = kmsg.Header{Key: h.Key, Value: h.Value}
	}
	const noLength = 1 // the byte of a length that is 0
	in.Length = int32(min(len(in.AppendTo(nil))-noLength, math.MaxInt32))
	return in.AppendTo(nil)
}
