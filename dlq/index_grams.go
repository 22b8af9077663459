package dlq

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// The grams of a segment say where a text can be: a table of words, one for each hash of four letters in a row, with a bit for each
// sixty-fourth of the segment's entries in which they stand, in an error or in a value. Who looks for a text takes the words of all
// its grams together, and looks only into what is left. The words have checksums by the page, so that few of them are read.
const (
	gramSize   = 4
	gramBlocks = 64  // of a segment: the bits of a word
	gramPage   = 512 // words
	leastGrams = 6   // bits of a hash
	mostGrams  = 17
	gramFactor = 0x9E3779B1
)

// gramsOf are the grams of a text, not yet as long as those of a table.
func gramsOf(text []byte) []uint32 {
	var grams []uint32
	for i := 0; i+gramSize <= len(text); i++ {
		grams = append(grams, binary.LittleEndian.Uint32(text[i:])*gramFactor)
	}
	return grams
}

// entriesInBlock is how many entries share a bit.
func entriesInBlock(n int) int { return (n + gramBlocks - 1) / gramBlocks }

// gramBytes makes the table of a segment.
func (s *segment) gramBytes() []byte {
	size := min(max(bits.Len(uint((len(s.errors)+len(s.values))/gramBlocks)), leastGrams), mostGrams)
	words, shift, share := make([]uint64, 1<<size), 32-size, entriesInBlock(s.n)
	for i := range s.n {
		bit := uint64(1) << (i / share)
		for _, text := range [...][]byte{piece(s.errors, s.errorEnds, i), piece(s.values, s.valueEnds, i)} {
			for at := 0; at+gramSize <= len(text); at++ {
				words[binary.LittleEndian.Uint32(text[at:])*gramFactor>>shift] |= bit
			}
		}
	}
	b := make([]byte, 0, 8*len(words)+4*(len(words)/gramPage+1))
	for len(words) > 0 {
		page := words[:min(gramPage, len(words))]
		start := len(b)
		for _, word := range page {
			b = binary.LittleEndian.AppendUint64(b, word)
		}
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], indexSums))
		words = words[len(page):]
	}
	return b
}

// gramTable is a table as it is stored.
type gramTable struct {
	name  string
	bytes []byte
	size  int // bits of a hash
	page  int // bytes, without the checksum
}

func gramTableOf(name string, b []byte) (*gramTable, error) {
	for size := leastGrams; size <= mostGrams; size++ {
		pages := max((1<<size)/gramPage, 1)
		if len(b) == 8<<size+4*pages {
			return &gramTable{name, b, size, 8 << size / pages}, nil
		}
	}
	return nil, fmt.Errorf("%w: %s has %d bytes", ErrIndexDamaged, name, len(b))
}

// all are the blocks that hold every one of the grams.
func (t *gramTable) all(grams []uint32) (uint64, error) {
	blocks := uint64(math.MaxUint64)
	for _, gram := range grams {
		at := int(gram>>(32-t.size)) * 8
		page := t.bytes[at/t.page*(t.page+4):]
		if crc32.Checksum(page[:t.page], indexSums) != binary.LittleEndian.Uint32(page[t.page:]) {
			return 0, fmt.Errorf("%w: %s is not what was written", ErrIndexDamaged, t.name)
		}
		if blocks &= binary.LittleEndian.Uint64(page[at%t.page:]); blocks == 0 {
			break
		}
	}
	return blocks, nil
}

// gramQuery is what the grams are asked for: all of some texts, and all of one of several.
type gramQuery struct {
	all []uint32
	any [][]uint32
}

// newGramQuery is nil where the grams cannot say anything.
func newGramQuery(text []byte, match *textMatch) *gramQuery {
	q := &gramQuery{all: gramsOf(text)}
	if match != nil {
		for _, piece := range match.needed {
			q.all = append(q.all, gramsOf(piece)...)
		}
		for _, piece := range match.pieces {
			grams := gramsOf(piece)
			if len(grams) == 0 { // it is too short to be looked for
				q.any = nil
				break
			}
			q.any = append(q.any, grams)
		}
	}
	if len(q.all) == 0 && len(q.any) == 0 {
		return nil
	}
	return q
}

// blocks are those that may hold what is looked for.
func (q *gramQuery) blocks(t *gramTable) (uint64, error) {
	blocks, err := t.all(q.all)
	if err != nil || len(q.any) == 0 {
		return blocks, err
	}
	one := uint64(0)
	for _, grams := range q.any {
		found, err := t.all(grams)
		if err != nil {
			return 0, err
		}
		one |= found
	}
	return blocks & one, nil
}
