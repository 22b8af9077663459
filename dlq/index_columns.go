package dlq

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// columns are the fixed-width columns of a segment, one behind the other.
type columns struct {
	n                                                                                               int
	offsets, times, written, failed, ids, births, origins, keys, sizes, kinds, errorEnds, valueEnds []byte
	hidden                                                                                          []byte
}

const columnsWidth = 8 + 8 + 8 + 8 + 16 + 8 + 8 + 8 + 4 + 4 + 4 + 4 + 1

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
	return []columnPart{{&c.offsets, 8}, {&c.times, 8}, {&c.written, 8}, {&c.failed, 8}, {&c.ids, 16}, {&c.births, 8}, {&c.origins, 8}, {&c.keys, 8}, {&c.sizes, 4}, {&c.kinds, 4}, {&c.errorEnds, 4}, {&c.valueEnds, 4}, {&c.hidden, 1}}
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
func (c *columns) birth(i int) int64  { return int64(u64(c.births, i)) }
func (c *columns) fails(i int) int64  { return int64(u64(c.failed, i)) } // first, Unix ms
func (c *columns) kind(i int) uint32  { return u32(c.kinds, i) }

// own is what only entry i and its copies have; identity what those of a source that was made again may have too, and unborn by what a mark is of all of
// these that noted no birth.
func (c *columns) own(i int) stableID      { return c.identity(i).born(c.birth(i)) }
func (c *columns) unborn(i int) stableID   { return c.identity(i).born(noBirth) }
func (c *columns) identity(i int) stableID { return stableID(c.ids[i*16 : i*16+16]) }

// hides says whether any of these parts of entry i is hidden.
func (c *columns) hides(i int, parts hidden) bool { return hidden(c.hidden[i])&parts != 0 }

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

// segmentMark is what is known of the fate of an entry: 32 bytes.
type segmentMark struct {
	moments
	until  int64 // see settlement
	from   uint32
	times  uint16 // that it was replayed
	status Status
	none   bool // a purge took back what was known
	anew   bool // it took back what had not settled the entry, which is open by that: it stays, and nothing is known of it any more
	unborn bool // it is of a release that noted no birth
	copies bool // there are further records of the entry in the index
}

// What the last byte of a mark says.
const (
	markCopies  = 1 << iota // segmentMark.copies
	markRenewal             // moments.renewal
	markNone                // segmentMark.none
	markUnborn              // segmentMark.unborn
	markAnew                // segmentMark.anew
)

const segmentMarkSize = 8 + 8 + 8 + 4 + 2 + 1 + 1

func (m segmentMark) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(m.at))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.beside))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.until))
	b = binary.LittleEndian.AppendUint32(b, m.from)
	b = binary.LittleEndian.AppendUint16(b, m.times)
	says := byte(0)
	if m.copies {
		says |= markCopies
	}
	if m.renewal {
		says |= markRenewal
	}
	if m.none {
		says |= markNone
	}
	if m.unborn {
		says |= markUnborn
	}
	if m.anew {
		says |= markAnew
	}
	return append(b, byte(m.status), says)
}

// follows says whether a mark counts where another one of the entry is known, as [ledger.of] does. One that noted no birth and takes back takes back what it is like.
func (m segmentMark) follows(other segmentMark) bool {
	switch {
	case m.unborn && !other.unborn && (m.at == other.at || m.none && other.at > 0):
		return false
	case other.none && other.unborn && !m.unborn:
		return true
	}
	return m.at >= other.at
}

// takenBack is what a tombstone or a purge of then leaves of the mark of an entry, and anew says whether that was open all the same.
func (m segmentMark) takenBack(at int64, anew bool) segmentMark {
	return segmentMark{moments: moments{at: at}, none: !anew, anew: anew, copies: m.copies}
}

// copiesAt is segmentMarkOf(b, i).copies.
func copiesAt(b []byte, i int) bool { return b[i*segmentMarkSize+segmentMarkSize-1]&markCopies != 0 }

func segmentMarkOf(b []byte, i int) segmentMark {
	b = b[i*segmentMarkSize:][:segmentMarkSize]
	le := binary.LittleEndian
	return segmentMark{
		moments: moments{at: int64(le.Uint64(b)), beside: int64(le.Uint64(b[8:])), renewal: b[31]&markRenewal != 0},
		until:   int64(le.Uint64(b[16:])), from: le.Uint32(b[24:]), times: le.Uint16(b[28:]), status: min(Status(b[30]), statuses-1),
		copies: b[31]&markCopies != 0, none: b[31]&markNone != 0, unborn: b[31]&markUnborn != 0, anew: b[31]&markAnew != 0,
	}
}
