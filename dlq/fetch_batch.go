package dlq

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
)

// batchReader reads the record batches of a fetch as kgo does, with one allocation for the records of a batch, one for their headers, and none for
// the headers' names, which are the same on most records: kgo makes a string of each. It is not safe for concurrent use.
type batchReader struct {
	topic      string
	partition  int32
	decompress kgo.Decompressor
	names      map[string]string // of headers that were met
	placed     [32]string        // and by where they stood on the record before
	room       *room             // for what is read
}

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (b *batchReader) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte {
	return b.room.spare()
}

// PutDecompressBytes implements kgo.PoolDecompressBytes. It gets what could not be filled.
func (b *batchReader) PutDecompressBytes([]byte) {}

// The head of a record batch of version 2, by the offsets of its fields.
const (
	batchLengthAt      = 8  // of what follows the field
	batchEpochAt       = 12 // of the leader
	batchMagicAt       = 16
	batchSumAt         = 17
	batchAttributesAt  = 21 // the first field that the sum covers
	batchLastAt        = 23 // offset, from the first one
	batchFirstTimeAt   = 27
	batchMaxTimeAt     = 35
	batchProducerAt    = 43
	batchEpochOfItAt   = 51
	batchRecordCountAt = 57
	batchHead          = 61

	attributesCodec         = 0x07
	attributesAppendTime    = 0x08
	attributesTransactional = 0x10
	attributesControl       = 0x20
	attributesKnown         = attributesCodec | attributesAppendTime | attributesTransactional | attributesControl
)

var batchSum = crc32.MakeTable(crc32.Castagnoli)

// read returns the records from an offset on, and the offset behind the last batch, without the markers of transactions. It reads nothing, and ok is
// false, where a batch is none of version 2 or not as it should be: kgo knows what to say of that. No batch may be of an aborted transaction.
func (b *batchReader) read(in []byte, from int64) (records []*kgo.Record, next int64, ok bool) {
	next = from
	for len(in) > batchMagicAt {
		length := int64(int32(binary.BigEndian.Uint32(in[batchLengthAt:]))) + batchEpochAt
		if length < batchHead || in[batchMagicAt] != 2 {
			return nil, from, false
		}
		if int64(len(in)) < length {
			break // the broker sent a part of it
		}
		attributes := binary.BigEndian.Uint16(in[batchAttributesAt:])
		if attributes&^attributesKnown != 0 {
			return nil, from, false
		}
		batch := in[:length]
		in = in[length:]
		if crc32.Checksum(batch[batchAttributesAt:], batchSum) != binary.BigEndian.Uint32(batch[batchSumAt:]) {
			return nil, from, false
		}
		first := int64(binary.BigEndian.Uint64(batch))
		last := first + int64(int32(binary.BigEndian.Uint32(batch[batchLastAt:])))
		if first < 0 || last < first {
			return nil, from, false
		}
		if last < next {
			continue
		}
		if attributes&attributesControl == 0 {
			if records, ok = b.batch(records, batch, first, last, next); !ok {
				return nil, from, false
			}
		}
		next = last + 1
	}
	b.room.pointers = records
	return records, next, true
}

// batch appends the records of a batch whose offsets are not below from.
func (b *batchReader) batch(records []*kgo.Record, batch []byte, first, last, from int64) ([]*kgo.Record, bool) {
	attributes := binary.BigEndian.Uint16(batch[batchAttributesAt:])
	raw := batch[batchHead:]
	codec := kgo.CompressionCodecType(attributes & attributesCodec)
	if codec != kgo.CodecNone {
		var err error
		if raw, err = b.decompress.Decompress(raw, codec); err != nil {
			return nil, false
		}
		b.room.filled = append(b.room.filled, raw[:0])
	}
	count := int64(int32(binary.BigEndian.Uint32(batch[batchRecordCountAt:])))
	if count < 0 || count > int64(len(raw)) {
		return nil, false
	}
	of := kgo.Record{
		Topic: b.topic, Partition: b.partition,
		Attrs:         kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Codec: codec, TimestampType: int8(attributes & attributesAppendTime), Transactional: attributes&attributesTransactional != 0}),
		ProducerEpoch: int16(binary.BigEndian.Uint16(batch[batchEpochOfItAt:])),
		ProducerID:    int64(binary.BigEndian.Uint64(batch[batchProducerAt:])),
		LeaderEpoch:   int32(binary.BigEndian.Uint32(batch[batchEpochAt:])),
	}
	base := int64(binary.BigEndian.Uint64(batch[batchFirstTimeAt:]))
	appended := int64(binary.BigEndian.Uint64(batch[batchMaxTimeAt:]))
	all := b.room.records.take(int(count), 1)
	if records == nil {
		records = slices.Grow(b.room.pointers[:0], int(count))
	}
	least := first
	for i := range all {
		length, used := kbin.Varint(raw)
		if used <= 0 || length < 0 || len(raw)-used < int(length) {
			return nil, false
		}
		in := kbin.Reader{Src: raw[used : used+int(length)]}
		raw = raw[used+int(length):]
		r := &all[i]
		*r = of
		in.Int8() // attributes, which have no meaning yet
		sinceBase := in.Varlong()
		r.Offset = first + int64(in.Varint())
		r.Key, r.Value = in.VarintBytes(), in.VarintBytes()
		r.Headers = b.readHeaders(&in, len(all)-i)
		if !in.Ok() || r.Offset < least || r.Offset > last {
			return nil, false
		}
		least = r.Offset + 1
		if attributes&attributesAppendTime == 0 {
			r.Timestamp = time.UnixMilli(base + sinceBase)
		} else {
			r.Timestamp = time.UnixMilli(appended)
		}
		if r.Offset >= from {
			records = append(records, r)
		}
	}
	return records, true
}

// readHeaders reads the headers of a record; so many records, it among them, are likely to have as many each.
func (b *batchReader) readHeaders(in *kbin.Reader, alike int) []kgo.RecordHeader {
	n := int(in.VarintArrayLen())
	if n <= 0 {
		return nil
	}
	headers := b.room.headers.take(n, min(alike, headersAlike))
	for i := range headers {
		headers[i] = kgo.RecordHeader{Key: b.name(i, in.VarintBytes()), Value: in.VarintBytes()}
	}
	return headers
}

// headersAlike bounds for how many records room is made at a time, before it is known what headers they have.
const headersAlike = 256

// name returns the name of a header as a string, one that was made before if there is one: most often that of the header which stood in its place on the
// record before, else one that was met elsewhere.
func (b *batchReader) name(at int, name []byte) string {
	if len(name) == 0 {
		return ""
	}
	placed := &b.placed[at%len(b.placed)]
	if *placed == string(name) {
		return *placed
	}
	if len(name) > nameLongest {
		return string(name)
	}
	met, known := b.names[string(name)]
	if !known {
		if len(b.names) >= namesMost || b.names == nil {
			b.names = make(map[string]string)
		}
		met = string(name)
		b.names[met] = met
	}
	*placed = met
	return met
}

// Names that are kept: anybody may have headers whose names are no two the same, and as long as records may be.
const (
	namesMost   = 256
	nameLongest = 256 // bytes
)
