package dlq

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// gramSegment has entries of random texts.
func gramSegment(r *rand.Rand, n, size int) *segment {
	s := &segment{}
	text := func() []byte {
		b := make([]byte, r.IntN(size+1))
		for i := range b {
			b[i] = "abcdefgh0123 "[r.IntN(13)]
		}
		return b
	}
	for i := range n {
		s.add(&indexedLetter{offset: int64(i), text: string(text()), record: &kgo.Record{Value: text()}}, 0, segmentMark{})
	}
	return s
}

// whereIn is what the tables of a segment say.
func whereIn(t *testing.T, s *segment, q *gramQuery) whereabouts {
	t.Helper()
	if q == nil {
		return anywhere
	}
	names := q.tables(segmentRef{})
	w, err := q.find(names, [][]byte{q.table(s.errors, s.errorEnds, s.n), q.table(s.values, s.valueEnds, s.n)}[:len(names)])
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// The grams never leave out an entry that holds the text, and leave out most of those that do not.
func TestGramsFindEveryText(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for _, n := range []int{1, 63, 64, 65, 700, segmentEntries + 1} {
		s := gramSegment(r, n, 60)
		share, looked, held := entriesInBlock(n), 0, 0
		for range 200 {
			arena, ends := s.errors, s.errorEnds
			if r.IntN(2) == 0 {
				arena, ends = s.values, s.valueEnds
			}
			whole := piece(arena, ends, r.IntN(n))
			from := r.IntN(len(whole) + 1)
			text := whole[from : from+r.IntN(len(whole)-from+1)]
			queries := []*gramQuery{newGramQuery(text, nil), newGramQuery(nil, newTextMatch(regexp.MustCompile("("+string(text)+"|zzzz)")))}
			for kind, q := range queries {
				if q == nil {
					if len(text) >= twoLetters.size {
						t.Fatalf("%q is not looked for", text)
					}
					continue
				}
				w := whereIn(t, s, q)
				for i := range n {
					inError, inValue := bytes.Contains(piece(s.errors, s.errorEnds, i), text), bytes.Contains(piece(s.values, s.valueEnds, i), text)
					holds := inError || inValue && kind == 0 // an expression is looked for in errors
					at := func(blocks uint64) bool { return blocks>>(i/share)&1 == 1 }
					if holds && !at(w.entries) || inError && !at(w.errors) || inValue && !at(w.values) {
						t.Fatalf("%d entries: entry %d holds %q, which is not looked for there", n, i, text)
					}
					if len(text) >= 12 {
						held += map[bool]int{true: 1}[holds]
						looked += map[bool]int{true: 1}[at(w.entries)]
					}
				}
			}
		}
		if n > 4000 && looked > 20*share*held {
			t.Errorf("of %d entries %d were looked into for %d that hold the text", n, looked, held)
		}
	}
}

// Of an expression with several texts in it only blocks are looked into that hold all of them.
func TestGramsOfAllThatAnExpressionNeeds(t *testing.T) {
	s := &segment{}
	for i := range 1000 {
		text := []string{"search failed", "attempt 41234 of 9", "nothing"}[i%3]
		if i == 500 {
			text = "search failed in attempt 41234 of 9"
		}
		if i/entriesInBlock(1000) == 40 { // one of them only
			text = "search failed"
		}
		s.add(&indexedLetter{offset: int64(i), text: text, record: &kgo.Record{Value: []byte("v")}}, 0, segmentMark{})
	}
	for expression, want := range map[string]struct{ found, left bool }{
		`search.*attempt 41[0-9]{3} of`: {true, false}, `(search)+ .*(?:attempt){1,2}`: {true, false}, `search|attempt`: {true, true}, `search (attempt)?`: {true, true}, `search (attempt)*`: {true, true},
		`(?i)search attempt`: {true, true},
	} {
		blocks := whereIn(t, s, newGramQuery(nil, newTextMatch(regexp.MustCompile(expression)))).entries
		share := entriesInBlock(1000)
		if found, left := blocks>>(500/share)&1 == 1, blocks>>40&1 == 1; found != want.found || left != want.left {
			t.Errorf("%s: the block with the match is looked into: %t, one with half of it: %t", expression, found, left)
		}
	}
}

// What stands in errors only is not looked for in values, and the other way round.
func TestGramsOfErrorsAndValuesAreKeptApart(t *testing.T) {
	s := &segment{}
	for i := range 1000 {
		s.add(&indexedLetter{offset: int64(i), text: "payments failed", record: &kgo.Record{Value: []byte("a quick brown fox")}}, 0, segmentMark{})
	}
	full := uint64(math.MaxUint64) >> (gramBlocks - (1000+entriesInBlock(1000)-1)/entriesInBlock(1000))
	for text, want := range map[string]whereabouts{"payments": {full, full, 0}, "brown": {full, 0, full}, "green": {}, "pay": {full, full, 0}, "own": {full, 0, full}, "~~": {}, "y": anywhere} {
		if got := whereIn(t, s, newGramQuery([]byte(text), nil)); got != want {
			t.Errorf("%s: looked for in %x, want %x", text, got, want)
		}
	}
}

// A byte of a text, or of the table, that is not what was written is found by who reads it.
func TestArenasAndGramsAreChecked(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	s := gramSegment(r, 300, 60)
	stored := arenaBytes(s.values, s.valueEnds, s.n)
	for range 50 {
		spoilt := bytes.Clone(stored)
		at := r.IntN(len(spoilt))
		spoilt[at] ^= 1 << r.IntN(8)
		a, err := arenaOf("v", spoilt, s.valueEnds, s.n)
		if err == nil {
			_, err = a.whole()
		}
		if !errors.Is(err, ErrIndexDamaged) {
			t.Fatalf("byte %d of %d is changed, and the error is %v", at, len(spoilt), err)
		}
	}
	a, err := arenaOf("v", stored, s.valueEnds, s.n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.n {
		if got, err := a.text(i); err != nil || !bytes.Equal(got, piece(s.values, s.valueEnds, i)) {
			t.Fatalf("entry %d is read as %q: %v", i, got, err)
		}
	}
	for _, of := range []grams{fourLetters, twoLetters} {
		table := of.table(s.values, s.valueEnds, s.n)
		for i := range table {
			table[i] ^= 1
		}
		g, err := gramTableOf("g", table)
		if err == nil {
			_, err = g.all(of.of([]byte("0123")))
		}
		if !errors.Is(err, ErrIndexDamaged) {
			t.Fatal(fmt.Errorf("a changed table of %d letters is read: %w", of.size, err))
		}
	}
}

// What earlier releases summed in another way is not damaged, and what says which release wrote an index is summed so that they read it.
func TestSumsOfEarlierReleases(t *testing.T) {
	body := []byte("what was written")
	for name, b := range map[string][]byte{"now": sealed(bytes.Clone(body)), "before": sealedForAll(bytes.Clone(body))} {
		if got, err := unsealed(name, b); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for bit := range 8 * len(b) {
			b[bit/8] ^= 1 << (bit % 8)
			if _, err := unsealed(name, b); !errors.Is(err, ErrIndexDamaged) {
				t.Errorf("%s: bit %d is another one, and the error is %v", name, bit, err)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	if b := sealedForAll(bytes.Clone(body)); crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[len(body):]) {
		t.Error("earlier releases cannot read it")
	}
}
