package dlq

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// The grams of a segment say where a text can be: a table of words, one for each hash of some letters in a row, with a bit for each
// sixty-fourth of the segment's entries in which they stand; one table for the errors and one for the values, as what many errors
// say stands in no value. Who looks for a text takes the words of all its grams together, and looks only into what is left. The
// words have checksums by the page, so that few of them are read.
const (
	gramBlocks = 64  // of a segment: the bits of a word
	gramPage   = 512 // words
	leastGrams = 6   // bits of a hash
	mostGrams  = 17
	gramFactor = 0x9E3779B1
)

// grams are those of one length, with tables of their own.
type grams struct {
	size           int // letters
	most           int // bits of a hash
	errors, values string
}

// Texts that are too short for four letters in a row have two: they stand in so many texts that they are worth a small table only, and are asked for nothing else.
var (
	fourLetters = grams{4, mostGrams, partErrorGrams, partValueGrams}
	twoLetters  = grams{2, 12, partErrorPairs, partValuePairs}
)

// at is the gram of a text that begins at a place, not yet as long as those of a table.
func (g grams) at(text []byte, i int) uint32 {
	if g.size == 2 {
		return uint32(binary.LittleEndian.Uint16(text[i:])) * gramFactor
	}
	return binary.LittleEndian.Uint32(text[i:]) * gramFactor
}

// of are the grams of a text.
func (g grams) of(text []byte) []uint32 {
	var all []uint32
	for i := 0; i+g.size <= len(text); i++ {
		all = append(all, g.at(text, i))
	}
	return all
}

// entriesInBlock is how many entries share a bit.
func entriesInBlock(n int) int { return (n + gramBlocks - 1) / gramBlocks }

// table makes that of the texts of n entries.
func (g grams) table(texts, ends []byte, n int) []byte {
	size := min(max(bits.Len(uint(len(texts)/gramBlocks)), leastGrams), g.most)
	words, shift, share := make([]uint64, 1<<size), 32-size, entriesInBlock(n)
	for i := range n {
		bit, text := uint64(1)<<(i/share), piece(texts, ends, i)
		for at := 0; at+g.size <= len(text); at++ {
			words[g.at(text, at)>>shift] |= bit
		}
	}
	b := make([]byte, 0, 8*len(words)+4*(len(words)/gramPage+1))
	for len(words) > 0 {
		page := words[:min(gramPage, len(words))]
		start := len(b)
		for _, word := range page {
			b = binary.LittleEndian.AppendUint64(b, word)
		}
		b = binary.LittleEndian.AppendUint32(b, sumOf(b[start:]))
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
		if !hasSum(page[:t.page], binary.LittleEndian.Uint32(page[t.page:])) {
			return 0, fmt.Errorf("%w: %s is not what was written", ErrIndexDamaged, t.name)
		}
		if blocks &= binary.LittleEndian.Uint64(page[at%t.page:]); blocks == 0 {
			break
		}
	}
	return blocks, nil
}

// gramQuery is what the grams are asked for: all of a text, in an error or in a value, and in an error all of what an expression
// needs and all of one of several.
type gramQuery struct {
	grams
	text []uint32
	all  []uint32
	any  [][]uint32
}

// newGramQuery is nil where no grams can say anything.
func newGramQuery(text []byte, match *textMatch) *gramQuery {
	if q := fourLetters.query(text, match); q != nil {
		return q
	}
	return twoLetters.query(text, match)
}

// query is nil where these grams cannot say anything.
func (g grams) query(text []byte, match *textMatch) *gramQuery {
	q := &gramQuery{grams: g, text: g.of(text)}
	if match != nil {
		for _, piece := range match.needed {
			q.all = append(q.all, g.of(piece)...)
		}
		for _, piece := range match.pieces {
			grams := g.of(piece)
			if len(grams) == 0 { // it is too short to be looked for
				q.any = nil
				break
			}
			q.any = append(q.any, grams)
		}
	}
	if len(q.text) == 0 && len(q.all) == 0 && len(q.any) == 0 {
		return nil
	}
	return q
}

// whereabouts are the blocks of a segment that may hold what is looked for, and those in whose errors and in whose values the text may be.
type whereabouts struct{ entries, errors, values uint64 }

var anywhere = whereabouts{math.MaxUint64, math.MaxUint64, math.MaxUint64}

// tables are the parts of a segment that the query reads.
func (q *gramQuery) tables(ref segmentRef) []string {
	if len(q.text) == 0 {
		return []string{ref.name(q.errors)}
	}
	return []string{ref.name(q.errors), ref.name(q.values)}
}

// find asks the tables.
func (q *gramQuery) find(names []string, parts [][]byte) (w whereabouts, err error) {
	errors, err := gramTableOf(names[0], parts[0])
	if err != nil {
		return w, err
	}
	w = anywhere
	if len(q.text) > 0 {
		values, err := gramTableOf(names[1], parts[1])
		if err != nil {
			return w, err
		}
		if w.errors, err = errors.all(q.text); err != nil {
			return w, err
		}
		if w.values, err = values.all(q.text); err != nil {
			return w, err
		}
		w.entries = w.errors | w.values
	}
	blocks, err := errors.all(q.all)
	if err != nil {
		return w, err
	}
	if len(q.any) > 0 {
		one := uint64(0)
		for _, grams := range q.any {
			found, err := errors.all(grams)
			if err != nil {
				return w, err
			}
			one |= found
		}
		blocks &= one
	}
	w.entries &= blocks
	return w, nil
}
