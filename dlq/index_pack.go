package dlq

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// packEnd says up to which entry and byte a pack goes.
type packEnd struct{ entries, bytes uint32 }

const packEndSize = 8

func (s *segment) pack() {
	if s.since == 0 {
		return
	}
	s.packs = append(s.packs, sealed(s2.Encode(nil, s.pending))...)
	s.packEnd = append(s.packEnd, packEnd{uint32(s.n), uint32(len(s.packs))})
	s.pending, s.since = s.pending[:0], 0
}

// packs are the packed records of a segment.
type packs struct {
	name  string
	ends  []packEnd
	bytes []byte

	open  int // the pack that raw is of; -1: none
	raw   []byte
	where []int // in raw, of each of its records
	first int
}

func packsOf(r segmentRef, b []byte) (*packs, error) {
	p := &packs{name: r.name(partRecords), open: -1}
	damaged := fmt.Errorf("%w: %s is cut short", ErrIndexDamaged, p.name)
	if len(b) < 4 {
		return nil, damaged
	}
	n := int(binary.LittleEndian.Uint32(b))
	size := 4 + n*packEndSize + 4 // with its number and its checksum
	if len(b) < size {
		return nil, damaged
	}
	table, err := unsealed(p.name, b[:size])
	if err != nil {
		return nil, err
	}
	for ends := table[4:]; len(ends) > 0; ends = ends[packEndSize:] {
		p.ends = append(p.ends, packEnd{binary.LittleEndian.Uint32(ends), binary.LittleEndian.Uint32(ends[4:])})
	}
	p.bytes = b[size:]
	if n > 0 && int(p.ends[n-1].bytes) != len(p.bytes) {
		return nil, damaged
	}
	return p, nil
}

// record unpacks what is packed of the record of entry i, which is all but its value.
func (p *packs) record(i int) (*kgo.Record, bool, error) {
	n := sort.Search(len(p.ends), func(n int) bool { return int(p.ends[n].entries) > i })
	if n == len(p.ends) {
		return nil, false, fmt.Errorf("%w: %s has no entry %d", ErrIndexDamaged, p.name, i)
	}
	if n != p.open {
		var from packEnd
		if n > 0 {
			from = p.ends[n-1]
		}
		if from.bytes > p.ends[n].bytes || int(p.ends[n].bytes) > len(p.bytes) {
			return nil, false, fmt.Errorf("%w: %s is out of order", ErrIndexDamaged, p.name)
		}
		packed, err := unsealed(p.name, p.bytes[from.bytes:p.ends[n].bytes])
		if err != nil {
			return nil, false, err
		}
		if p.raw, err = s2.Decode(nil, packed); err != nil { // the records keep it alive
			return nil, false, fmt.Errorf("%w: %s: %w", ErrIndexDamaged, p.name, err)
		}
		p.open, p.first, p.where = n, int(from.entries), p.where[:0]
		for at := 0; at < len(p.raw); {
			size, w := binary.Uvarint(p.raw[at:])
			p.where = append(p.where, at+w)
			at += w + int(size)
		}
	}
	if i-p.first >= len(p.where) {
		return nil, false, fmt.Errorf("%w: %s has no entry %d", ErrIndexDamaged, p.name, i)
	}
	r, valued := unpackRecord(p.raw[p.where[i-p.first]:])
	return r, valued, nil
}

// What a byte of a packed record says.
const (
	packValued     = 1 << iota // it has a value, which is not nil
	packAppendTime             // its timestamp is that of the brokers
)

// packRecord appends a record without its value, and how long it is before it.
func packRecord(b []byte, r *kgo.Record) []byte {
	body := appendBytes(nil, r.Key)
	is := byte(0)
	if r.Value != nil {
		is |= packValued
	}
	if r.Attrs.TimestampType() == 1 {
		is |= packAppendTime
	}
	body = append(body, is)
	body = binary.AppendUvarint(body, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		body = appendBytes(appendBytes(body, []byte(h.Key)), h.Value)
	}
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

// appendBytes appends bytes with their length and one more before them, 0 for nil.
func appendBytes(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(v))+1), v...)
}

func takeBytes(b []byte) (v, rest []byte) {
	n, w := binary.Uvarint(b)
	if b = b[w:]; n == 0 {
		return nil, b
	}
	return b[: n-1 : n-1], b[n-1:]
}

// unpackRecord reads what packRecord wrote, which has passed its checksum.
func unpackRecord(b []byte) (r *kgo.Record, valued bool) {
	r = &kgo.Record{}
	r.Key, b = takeBytes(b)
	is, b := b[0], b[1:]
	if is&packAppendTime != 0 {
		r.Attrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: 1})
	}
	n, w := binary.Uvarint(b)
	b = b[w:]
	if n > 0 {
		r.Headers = make([]kgo.RecordHeader, n)
	}
	for i := range r.Headers {
		var name []byte
		name, b = takeBytes(b)
		r.Headers[i].Key = string(name)
		r.Headers[i].Value, b = takeBytes(b)
	}
	return r, is&packValued != 0
}
