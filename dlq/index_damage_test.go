package dlq

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kept is a store of an index in memory.
type kept map[string][]byte

func (k kept) Get(names ...string) (values [][]byte, err error) {
	for _, name := range names {
		values = append(values, k[name])
	}
	return values, nil
}

func (k kept) Put(name string, value []byte) error { k[name] = value; return nil }

func (k kept) Delete(names ...string) error {
	for _, name := range names {
		delete(k, name)
	}
	return nil
}

// damagedEntries are more than two packs have.
const damagedEntries = 2*packEntries + 3

// writtenSegment stores a segment, and returns what it consists of.
func writtenSegment(t testing.TB) (kept, segmentRef) {
	s, store := &segment{}, make(kept)
	for i := range damagedEntries {
		r := &kgo.Record{Key: fmt.Append(nil, "key-", i), Value: fmt.Append(nil, "value-", i), Headers: []kgo.RecordHeader{{Key: "h", Value: fmt.Append(nil, i)}}}
		s.add(&indexedLetter{offset: int64(i), text: "refused", record: r}, 0, segmentMark{})
	}
	ref := s.ref(1)
	if err := s.put(store, &indexState{}, ref); err != nil {
		t.Fatal(err)
	}
	return store, ref
}

// told reads a segment: its records, or why it cannot be read.
func told(v IndexView, ref segmentRef) (keys []string, err error) {
	s, err := readSegment(v, ref)
	if err != nil {
		return nil, err
	}
	p := &packs{name: "r", ends: s.packEnd, bytes: s.packs, open: -1}
	for i := range s.n {
		r, _, err := p.record(i)
		if err != nil {
			return nil, err
		}
		keys = append(keys, fmt.Sprintf("%s %s %s %d", r.Key, r.Headers[0].Key, r.Headers[0].Value, s.offset(i)))
	}
	return keys, nil
}

// FuzzDamagedSegment: of a segment of which bytes are others than were written, or are missing, nothing else is told than what was written. It may come
// over the network.
func FuzzDamagedSegment(f *testing.F) {
	store, ref := writtenSegment(f)
	want, err := told(store, ref)
	if err != nil || len(want) != damagedEntries {
		f.Fatalf("%d records, %v", len(want), err)
	}
	f.Add(uint8(4), uint16(4), uint8(1), uint16(0))
	f.Add(uint8(4), uint16(0), uint8(255), uint16(0))
	f.Add(uint8(0), uint16(9), uint8(128), uint16(3))
	f.Fuzz(func(t *testing.T, part uint8, at uint16, bits uint8, short uint16) {
		store, ref := writtenSegment(t)
		names := ref.names()
		name := names[int(part)%len(names)]
		b := store[name]
		if len(b) == 0 {
			return
		}
		b[int(at)%len(b)] ^= bits
		store[name] = b[:len(b)-min(int(short), len(b))]
		got, err := told(store, ref)
		if err != nil {
			if !errors.Is(err, ErrIndexDamaged) {
				t.Fatalf("%s: %v", name, err)
			}
			return
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("part %s: entry %d is told as %q, and was %q", name, i, got[i], want[i])
			}
		}
	})
}

// TestEveryBitOfTheTableOfPacksIsMissed changes each bit of where the packs of a segment end.
func TestEveryBitOfTheTableOfPacksIsMissed(t *testing.T) {
	store, ref := writtenSegment(t)
	records := store[ref.name(partRecords)]
	for at := range 4 + 3*packEndSize + 4 {
		for bit := range 8 {
			records[at] ^= 1 << bit
			if _, err := told(store, ref); !errors.Is(err, ErrIndexDamaged) {
				t.Errorf("byte %d, bit %d: %v", at, bit, err)
			}
			records[at] ^= 1 << bit
		}
	}
}
