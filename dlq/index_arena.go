package dlq

import (
	"encoding/binary"
	"fmt"
)

// arenaBlock is of how many entries the texts have a checksum of their own: who wants a few reads a few.
const arenaBlock = 64

// arena is the texts of a segment's entries, one behind the other, and the checksums of its blocks behind them.
type arena struct {
	name  string
	n     int    // entries
	ends  []byte // the column that says where each ends
	bytes []byte // nil: it is not needed
	sums  []byte
	block int // that was checked last; -1: none
}

// arenaBytes are the texts with the checksums of their blocks.
func arenaBytes(texts, ends []byte, n int) []byte {
	b := append(make([]byte, 0, len(texts)+4*(n/arenaBlock+1)), texts...)
	for from := 0; from < n; from += arenaBlock {
		start, end := blockOf(ends, n, from/arenaBlock)
		b = binary.LittleEndian.AppendUint32(b, sumOf(texts[start:end]))
	}
	return b
}

// blockOf is where the texts of a block begin and end.
func blockOf(ends []byte, n, block int) (from, to uint32) {
	if block > 0 {
		from = u32(ends, block*arenaBlock-1)
	}
	return from, u32(ends, min((block+1)*arenaBlock, n)-1)
}

func arenaOf(name string, b, ends []byte, n int) (*arena, error) {
	blocks, size := (n+arenaBlock-1)/arenaBlock, 0
	if n > 0 {
		size = int(u32(ends, n-1))
	}
	if b == nil || len(b) != size+4*blocks {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrIndexDamaged, name, len(b))
	}
	return &arena{name: name, n: n, ends: ends, bytes: b[:size:size], sums: b[size:], block: -1}, nil
}

// text is that of entry i.
func (a *arena) text(i int) ([]byte, error) {
	if block := i / arenaBlock; block != a.block {
		from, to := blockOf(a.ends, a.n, block)
		if from > to || int(to) > len(a.bytes) || !hasSum(a.bytes[from:to], u32(a.sums, block)) {
			return nil, fmt.Errorf("%w: %s is not what was written", ErrIndexDamaged, a.name)
		}
		a.block = block
	}
	from := uint32(0)
	if i > 0 {
		from = u32(a.ends, i-1)
	}
	to := u32(a.ends, i)
	if from > to || int(to) > len(a.bytes) {
		return nil, fmt.Errorf("%w: %s is out of order", ErrIndexDamaged, a.name)
	}
	return a.bytes[from:to:to], nil
}

// whole are all texts.
func (a *arena) whole() ([]byte, error) {
	for i := 0; i < a.n; i += arenaBlock {
		if _, err := a.text(i); err != nil {
			return nil, err
		}
	}
	return a.bytes, nil
}
