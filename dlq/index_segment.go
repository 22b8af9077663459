package dlq

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A segment is a run of entries of one partition, in the order of their offsets, in ten parts: columns of what filters and
// counts look at, marks, which change, the texts of the errors, the values, the rest of the records, packed, where which letters
// stand in the texts, and what is counted of all of them. Each part is read only where it is needed.
const (
	partColumns = "c"
	partMarks   = "m"
	partErrors  = "e"
	partValues  = "v"
	partRecords = "r"

	partErrorGrams = "g"
	partValueGrams = "w"
	partErrorPairs = "p"
	partValuePairs = "q"

	segmentEntries    = 4096             // a segment is full with
	segmentBytes      = 8 << 20          // or with so much of values, errors and records
	segmentSmall      = 1024             // one with fewer is put together with its like
	segmentSmallBytes = segmentBytes / 4 // where it has less of those, too
	segmentsSmall     = 8                // when there are so many of them, or they make a full one
	packEntries       = 64               // of which the records are compressed together
	packBytes         = 1 << 20          // fewer where they are as large
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

// own is what only the letter and its copies have.
func (l *indexedLetter) own() stableID { return l.id.born(l.birth) }

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

// segmentRef names a segment and says what it holds.
type segmentRef struct {
	Seq         uint64
	Count       int
	Bytes       int   // of values, errors and records; 0: it is not known
	First, Last int64 // offsets
	Newest      int64 // Unix ms
	Hidden      bool  // it has entries with hidden texts
}

func (s segmentRef) name(part string) string { return part + strconv.FormatUint(s.Seq, 36) }

func (s segmentRef) names() []string {
	return []string{s.name(partColumns), s.name(partMarks), s.name(partErrors), s.name(partValues), s.name(partRecords), s.name(partErrorGrams), s.name(partValueGrams), s.name(partErrorPairs), s.name(partValuePairs), s.name(partTally)}
}

// nextSeq is the number of the next segment. One is left out, whose marks would be named as what says all about the index is: "m" and 19198 in base 36.
func (st *indexState) nextSeq() uint64 {
	for {
		st.Seq++
		names := segmentRef{Seq: st.Seq}.names()
		if !slices.ContainsFunc(names, func(name string) bool { return name == nameMeta || name == nameKinds || name == nameFrom }) {
			return st.Seq
		}
	}
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

// indexedLetter is an entry on its way into a segment.
type indexedLetter struct {
	offset      int64
	at, written int64 // Unix ms of death, and of the record
	failed      int64 // Unix ms, see Entry.failedFirst
	id          stableID
	birth       int64
	origin, key uint64
	size        uint32
	kind        kind
	text        string // of the error
	record      *kgo.Record
	hidden      hidden
}

// add appends an entry. Its kind has a number by then.
func (s *segment) add(l *indexedLetter, kind uint32, m segmentMark) {
	le := binary.LittleEndian
	s.offsets = le.AppendUint64(s.offsets, uint64(l.offset))
	s.times = le.AppendUint64(s.times, uint64(l.at))
	s.written = le.AppendUint64(s.written, uint64(l.written))
	s.failed = le.AppendUint64(s.failed, uint64(l.failed))
	s.ids = append(s.ids, l.id[:]...)
	s.births = le.AppendUint64(s.births, uint64(l.birth))
	s.origins = le.AppendUint64(s.origins, l.origin)
	s.keys = le.AppendUint64(s.keys, l.key)
	s.sizes = le.AppendUint32(s.sizes, l.size)
	s.kinds = le.AppendUint32(s.kinds, kind)
	s.hidden = append(s.hidden, byte(l.hidden))
	s.errors = append(s.errors, l.text...)
	s.errorEnds = le.AppendUint32(s.errorEnds, uint32(len(s.errors)))
	s.values = append(s.values, l.record.Value...)
	s.valueEnds = le.AppendUint32(s.valueEnds, uint32(len(s.values)))
	s.marks = append(s.marks, m)
	s.n++
	s.pending = packRecord(s.pending, l.record)
	if s.since++; s.since == packEntries || len(s.pending) >= packBytes {
		s.pack()
	}
}

func (s *segment) full() bool {
	return s.n >= segmentEntries || s.size() >= segmentBytes
}

// size is what the segment takes with what may be large.
func (s *segment) size() int {
	return len(s.errors) + len(s.values) + len(s.packs) + len(s.pending)
}

// small says whether a segment may be put together with others, for which it is written anew.
func (s *segment) small() bool { return s.n < segmentSmall && s.size() < segmentSmallBytes }

func (r *segmentRef) small() bool {
	return r.Count < segmentSmall && r.Bytes > 0 && r.Bytes < segmentSmallBytes
}

func (s *segment) ref(seq uint64) segmentRef {
	r := segmentRef{Seq: seq, Count: s.n, Bytes: s.size(), First: s.offset(0), Last: s.offset(s.n - 1)}
	for i := range s.n {
		r.Newest = max(r.Newest, s.time(i))
		r.Hidden = r.Hidden || s.hides(i, hiddenValue|hiddenError)
	}
	return r
}

// put stores the segment under the name of the reference.
func (s *segment) put(u IndexUpdate, st *indexState, r segmentRef) error {
	s.pack()
	records := binary.LittleEndian.AppendUint32(nil, uint32(len(s.packEnd)))
	for _, end := range s.packEnd {
		records = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(records, end.entries), end.bytes)
	}
	records = append(sealed(records), s.packs...)
	for _, part := range []struct {
		name  string
		bytes []byte
	}{
		{partColumns, s.columns.bytes()}, {partErrors, arenaBytes(s.errors, s.errorEnds, s.n)},
		{partValues, arenaBytes(s.values, s.valueEnds, s.n)}, {partRecords, records},
		{partErrorGrams, fourLetters.table(s.errors, s.errorEnds, s.n)}, {partValueGrams, fourLetters.table(s.values, s.valueEnds, s.n)},
		{partErrorPairs, twoLetters.table(s.errors, s.errorEnds, s.n)}, {partValuePairs, twoLetters.table(s.values, s.valueEnds, s.n)},
	} {
		if err := u.Put(r.name(part.name), part.bytes); err != nil {
			return err
		}
	}
	return st.putMarks(u, r, &s.columns, s.marks)
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
	for _, part := range []struct {
		name   string
		bytes  []byte
		ends   []byte
		wholly *[]byte
	}{{partErrors, got[2], s.errorEnds, &s.errors}, {partValues, got[3], s.valueEnds, &s.values}} {
		texts, err := arenaOf(r.name(part.name), part.bytes, part.ends, s.n)
		if err != nil {
			return nil, err
		}
		if *part.wholly, err = texts.whole(); err != nil {
			return nil, err
		}
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
