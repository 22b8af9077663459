package dlq

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sort"
	"strconv"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A segment is a run of entries of one partition, in the order of their offsets, in five parts: columns of what filters and
// counts look at, marks, which change, the texts of the errors, the values, and the rest of the records, packed. Each part is
// read only where it is needed: a count touches 20 bytes an entry.
const (
	partColumns = "c"
	partMarks   = "m"
	partErrors  = "e"
	partValues  = "v"
	partRecords = "r"

	segmentEntries = 4096    // a segment is full with
	segmentBytes   = 8 << 20 // or with so much of values and errors
	segmentSmall   = 1024    // one with fewer is put together with its like
	segmentsSmall  = 8       // when there are so many of them
	packEntries    = 64      // of which the records are compressed together
)

// stableID is an [Identity] that holds in every process.
type stableID [16]byte

func stableIdentity(id, group string, replays int, replay string) stableID {
	var room [256]byte
	buf := append(room[:0], id...)
	buf = append(append(append(buf, 0), group...), 0)
	sum := sha256.Sum256(append(binary.AppendVarint(buf, int64(replays)), replay...))
	return stableID(sum[:16])
}

// keyHash is never 0, which is that of no key.
func keyHash(key []byte) uint64 {
	if key == nil {
		return 0
	}
	sum := sha256.Sum256(key)
	return binary.LittleEndian.Uint64(sum[:]) | 1
}

func originHash(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.LittleEndian.Uint64(sum[:])
}

// columns are the fixed-width columns of a segment, one behind the other.
type columns struct {
	n                                                                               int
	offsets, times, written, ids, origins, keys, sizes, kinds, errorEnds, valueEnds []byte
}

const columnsWidth = 8 + 8 + 8 + 16 + 8 + 8 + 4 + 4 + 4 + 4

func columnsOf(name string, b []byte) (c columns, err error) {
	b, err = unsealed(name, b)
	if err != nil {
		return c, err
	}
	if len(b)%columnsWidth != 0 {
		return c, fmt.Errorf("%w: %s has %d bytes", ErrIndexDamaged, name, len(b))
	}
	c.n = len(b) / columnsWidth
	for _, part := range c.parts() {
		size := c.n * part.width
		*part.column, b = b[:size:size], b[size:]
	}
	return c, nil
}

type columnPart struct {
	column *[]byte
	width  int
}

func (c *columns) parts() []columnPart {
	return []columnPart{{&c.offsets, 8}, {&c.times, 8}, {&c.written, 8}, {&c.ids, 16}, {&c.origins, 8}, {&c.keys, 8}, {&c.sizes, 4}, {&c.kinds, 4}, {&c.errorEnds, 4}, {&c.valueEnds, 4}}
}

func (c *columns) bytes() []byte {
	b := make([]byte, 0, c.n*columnsWidth+4)
	for _, part := range c.parts() {
		b = append(b, *part.column...)
	}
	return sealed(b)
}

func u64(column []byte, i int) uint64 { return binary.LittleEndian.Uint64(column[i*8:]) }
func u32(column []byte, i int) uint32 { return binary.LittleEndian.Uint32(column[i*4:]) }

func (c *columns) offset(i int) int64 { return int64(u64(c.offsets, i)) }
func (c *columns) time(i int) int64   { return int64(u64(c.times, i)) } // of death, Unix ms
func (c *columns) id(i int) stableID  { return stableID(c.ids[i*16 : i*16+16]) }
func (c *columns) kind(i int) uint32  { return u32(c.kinds, i) }

// at is the first entry from an offset on.
func (c *columns) at(offset int64) int {
	return sort.Search(c.n, func(i int) bool { return c.offset(i) >= offset })
}

// piece is what belongs to entry i in an arena.
func piece(arena, ends []byte, i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = u32(ends, i-1)
	}
	to := u32(ends, i)
	if from > to || int(to) > len(arena) {
		return nil
	}
	return arena[from:to:to]
}

// segmentMark is what is known of the fate of an entry: 22 bytes.
type segmentMark struct {
	at      int64 // Unix ms; 0: nothing
	renewed int64 // Unix ms; 0: it was not
	from    uint32
	status  Status
	copies  bool // there are further records with this identity in the index
}

const segmentMarkSize = 8 + 8 + 4 + 1 + 1

func (m segmentMark) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(m.at))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.renewed))
	b = binary.LittleEndian.AppendUint32(b, m.from)
	copies := byte(0)
	if m.copies {
		copies = 1
	}
	return append(b, byte(m.status), copies)
}

func segmentMarkOf(b []byte, i int) segmentMark {
	b = b[i*segmentMarkSize:][:segmentMarkSize]
	le := binary.LittleEndian
	return segmentMark{at: int64(le.Uint64(b)), renewed: int64(le.Uint64(b[8:])), from: le.Uint32(b[16:]), status: min(Status(b[20]), statuses-1), copies: b[21] == 1}
}

// segmentRef names a segment and says what it holds.
type segmentRef struct {
	Seq         uint64
	Count       int
	First, Last int64 // offsets
	Newest      int64 // Unix ms
}

func (s segmentRef) name(part string) string { return part + strconv.FormatUint(s.Seq, 36) }

func (s segmentRef) names() []string {
	return []string{s.name(partColumns), s.name(partMarks), s.name(partErrors), s.name(partValues), s.name(partRecords)}
}

// segment is one that is made, or read whole.
type segment struct {
	columns
	marks   []segmentMark
	errors  []byte
	values  []byte
	packs   []byte // the records, packEntries at a time
	packEnd []packEnd

	pending []byte // of the pack that is not full
	since   int    // entries in it
}

// packEnd says up to which entry and byte a pack goes.
type packEnd struct{ entries, bytes uint32 }

const packEndSize = 8

// letterOf is an entry on its way into a segment.
type indexedLetter struct {
	offset      int64
	at, written int64 // Unix ms of death, and of the record
	id          stableID
	origin, key uint64
	size        uint32
	kind        kind
	text        string // of the error
	record      *kgo.Record
}

// add appends an entry. Its kind has a number by then.
func (s *segment) add(l *indexedLetter, kind uint32, m segmentMark) {
	le := binary.LittleEndian
	s.offsets = le.AppendUint64(s.offsets, uint64(l.offset))
	s.times = le.AppendUint64(s.times, uint64(l.at))
	s.written = le.AppendUint64(s.written, uint64(l.written))
	s.ids = append(s.ids, l.id[:]...)
	s.origins = le.AppendUint64(s.origins, l.origin)
	s.keys = le.AppendUint64(s.keys, l.key)
	s.sizes = le.AppendUint32(s.sizes, l.size)
	s.kinds = le.AppendUint32(s.kinds, kind)
	s.errors = append(s.errors, l.text...)
	s.errorEnds = le.AppendUint32(s.errorEnds, uint32(len(s.errors)))
	s.values = append(s.values, l.record.Value...)
	s.valueEnds = le.AppendUint32(s.valueEnds, uint32(len(s.values)))
	s.marks = append(s.marks, m)
	s.n++
	s.pending = packRecord(s.pending, l.record)
	if s.since++; s.since == packEntries {
		s.pack()
	}
}

func (s *segment) pack() {
	if s.since == 0 {
		return
	}
	s.packs = append(s.packs, sealed(s2.Encode(nil, s.pending))...)
	s.packEnd = append(s.packEnd, packEnd{uint32(s.n), uint32(len(s.packs))})
	s.pending, s.since = s.pending[:0], 0
}

func (s *segment) full() bool {
	return s.n >= segmentEntries || len(s.errors)+len(s.values) >= segmentBytes
}

func (s *segment) ref(seq uint64) segmentRef {
	r := segmentRef{Seq: seq, Count: s.n, First: s.offset(0), Last: s.offset(s.n - 1)}
	for i := range s.n {
		r.Newest = max(r.Newest, s.time(i))
	}
	return r
}

// put stores the segment under the name of the reference.
func (s *segment) put(u IndexUpdate, r segmentRef) error {
	s.pack()
	records := binary.LittleEndian.AppendUint32(nil, uint32(len(s.packEnd)))
	for _, end := range s.packEnd {
		records = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(records, end.entries), end.bytes)
	}
	records = append(records, s.packs...)
	for _, part := range []struct {
		name  string
		bytes []byte
	}{
		{partColumns, s.columns.bytes()}, {partMarks, marksBytes(s.marks)}, {partErrors, sealed(s.errors)}, {partValues, sealed(s.values)}, {partRecords, records},
	} {
		if err := u.Put(r.name(part.name), part.bytes); err != nil {
			return err
		}
	}
	return nil
}

func marksBytes(marks []segmentMark) []byte {
	b := make([]byte, 0, len(marks)*segmentMarkSize+4)
	for _, m := range marks {
		b = m.append(b)
	}
	return sealed(b)
}

// readSegment reads one whole.
func readSegment(v IndexView, r segmentRef) (*segment, error) {
	got, err := v.Get(r.names()...)
	if err != nil {
		return nil, err
	}
	s := &segment{}
	if s.columns, err = columnsOf(r.name(partColumns), got[0]); err != nil {
		return nil, err
	}
	marks, err := marksIn(r, s.n, got[1])
	if err != nil {
		return nil, err
	}
	for i := range s.n {
		s.marks = append(s.marks, segmentMarkOf(marks, i))
	}
	if s.errors, err = unsealed(r.name(partErrors), got[2]); err != nil {
		return nil, err
	}
	if s.values, err = unsealed(r.name(partValues), got[3]); err != nil {
		return nil, err
	}
	packs, err := packsOf(r, got[4])
	if err != nil {
		return nil, err
	}
	s.packEnd, s.packs = packs.ends, packs.bytes
	return s, nil
}

func marksIn(r segmentRef, n int, b []byte) ([]byte, error) {
	marks, err := unsealed(r.name(partMarks), b)
	if err == nil && len(marks) != n*segmentMarkSize {
		err = fmt.Errorf("%w: %s has %d bytes", ErrIndexDamaged, r.name(partMarks), len(marks))
	}
	return marks, err
}

// join appends another segment of the same partition.
func (s *segment) join(o *segment) {
	s.pack()
	errors, values, entries, packed := uint32(len(s.errors)), uint32(len(s.values)), uint32(s.n), uint32(len(s.packs))
	own, others := s.parts(), o.parts()
	for i := range own {
		*own[i].column = append((*own[i].column)[:len(*own[i].column):len(*own[i].column)], *others[i].column...)
	}
	for i := s.n; i < s.n+o.n; i++ {
		binary.LittleEndian.PutUint32(s.errorEnds[i*4:], u32(s.errorEnds, i)+errors)
		binary.LittleEndian.PutUint32(s.valueEnds[i*4:], u32(s.valueEnds, i)+values)
	}
	s.n += o.n
	s.marks = append(s.marks, o.marks...)
	s.errors = append(s.errors[:errors:errors], o.errors...)
	s.values = append(s.values[:values:values], o.values...)
	s.packs = append(s.packs[:packed:packed], o.packs...)
	for _, end := range o.packEnd {
		s.packEnd = append(s.packEnd, packEnd{end.entries + entries, end.bytes + packed})
	}
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
	if b = b[4:]; len(b) < n*packEndSize {
		return nil, damaged
	}
	for i := range n {
		p.ends = append(p.ends, packEnd{binary.LittleEndian.Uint32(b[i*packEndSize:]), binary.LittleEndian.Uint32(b[i*packEndSize+4:])})
	}
	p.bytes = b[n*packEndSize:]
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

// packRecord appends a record without its value, and how long it is before it.
func packRecord(b []byte, r *kgo.Record) []byte {
	body := appendBytes(nil, r.Key)
	valued := byte(0)
	if r.Value != nil {
		valued = 1
	}
	body = append(body, valued)
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
	valued, b = b[0] == 1, b[1:]
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
	return r, valued
}
