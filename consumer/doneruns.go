package consumer

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/bits"
)

// doneRuns is the map of what is done above a commit: the lengths of runs of offsets, open and done by turns, from the
// committed offset on. It travels in the commit's metadata, so that whoever has the partition next does not handle again
// what is done. Lengths are Elias gamma codes (Elias, "Universal codeword sets", 1975): a run of 1 takes one bit, one
// of n 2*log2(n)+1, so that both one hung call below a million done records and every second record of a window fit.
type doneRuns struct {
	code []byte
	bits int
}

// add appends a run of open offsets and one of done ones, both at least 1.
func (r *doneRuns) add(open, done int64) {
	r.put(open)
	r.put(done)
}

func (r *doneRuns) put(n int64) {
	width := bits.Len64(uint64(n))
	r.grow(width - 1) // as many zeros
	for i := width - 1; i >= 0; i-- {
		r.grow(1)
		if n>>i&1 != 0 {
			r.code[(r.bits-1)/8] |= 0x80 >> ((r.bits - 1) % 8)
		}
	}
}

func (r *doneRuns) grow(n int) {
	r.bits += n
	for len(r.code)*8 < r.bits {
		r.code = append(r.code, 0)
	}
}

func (r *doneRuns) reset() { r.code, r.bits = r.code[:0], 0 }

// doneCodec is the version of the text: what begins otherwise is not read.
const doneCodec = "1:"

// text returns the map for a commit at an offset of a topic, in at most so many bytes: the highest runs are left out
// when they have no room, and their records would be handled again. It is "" when nothing is done above the commit.
//
// The text is the codec and base64 (URL alphabet, no padding) of a checksum and the codes. The checksum (CRC-32C, big
// endian) is taken over the topic's id, the offset (8 bytes, big endian) and the codes, so that a map that was copied to
// another offset, or belongs to a topic of the same name that is gone, is no map.
func (r *doneRuns) text(at int64, topic [16]byte, limit int) string {
	code := r.within(limit)
	if len(code) == 0 {
		return ""
	}
	raw := binary.BigEndian.AppendUint32(nil, doneSum(at, topic, code))
	return doneCodec + base64.RawURLEncoding.EncodeToString(append(raw, code...))
}

// within returns what of the codes the text has in so many bytes.
func (r *doneRuns) within(limit int) []byte {
	room := base64.RawURLEncoding.DecodedLen(max(limit-len(doneCodec), 0)) - crc32.Size
	if len(r.code) <= room {
		return r.code
	}
	return cutRuns(r.code, room)
}

// told returns the offset below which the text in so many bytes tells of everything that is done.
func (r *doneRuns) told(at int64, limit int) int64 {
	code := r.within(limit)
	if len(code) == len(r.code) {
		return math.MaxInt64
	}
	for p := range pairs(code) {
		at += p.open + p.done
	}
	return at
}

// cutRuns returns the longest beginning of whole pairs of runs that fits into so many bytes.
func cutRuns(code []byte, room int) []byte {
	var cut doneRuns
	whole := 0
	for pair := range pairs(code) {
		if cut.add(pair.open, pair.done); len(cut.code) > room {
			break
		}
		whole = cut.bits
	}
	cut.code = cut.code[:(whole+7)/8]
	if whole%8 != 0 {
		cut.code[len(cut.code)-1] &= 0xff << (8 - whole%8)
	}
	return cut.code
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func doneSum(at int64, topic [16]byte, code []byte) uint32 {
	var head [24]byte
	copy(head[:], topic[:])
	binary.BigEndian.PutUint64(head[16:], uint64(at))
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, code)
}

var errNotOurs = errors.New("it is no map of done records, or not the one of this offset and topic")

// readDone reads the text that [doneRuns.text] has written for a commit at an offset of a topic.
func readDone(text string, at int64, topic [16]byte) (done []span, err error) {
	if len(text) < len(doneCodec) || text[:len(doneCodec)] != doneCodec {
		return nil, errNotOurs
	}
	raw, err := base64.RawURLEncoding.DecodeString(text[len(doneCodec):])
	if err != nil || len(raw) < crc32.Size {
		return nil, errNotOurs
	}
	code := raw[crc32.Size:]
	if doneSum(at, topic, code) != binary.BigEndian.Uint32(raw) {
		return nil, errNotOurs
	}
	for p := range pairs(code) {
		from := at + p.open
		to := from + p.done
		if from < at || to < from { // beyond what an offset can be
			return nil, errNotOurs
		}
		done = append(done, span{from, to})
		at = to
	}
	return done, nil
}

type runPair struct{ open, done int64 }

// pairs reads the codes to their end, which is where less than a whole pair is left.
func pairs(code []byte) func(yield func(runPair) bool) {
	return func(yield func(runPair) bool) {
		at := 0
		for {
			open, a := run(code, at)
			done, b := run(code, a)
			if a < 0 || b < 0 || !yield(runPair{open, done}) {
				return
			}
			at = b
		}
	}
}

// run reads one code from a bit on and returns the bit behind it, or -1 when there is none.
func run(code []byte, at int) (n int64, next int) {
	end := len(code) * 8
	bit := func(i int) bool { return code[i/8]&(0x80>>(i%8)) != 0 }
	if at < 0 {
		return 0, -1
	}
	zeros := 0
	for ; at+zeros < end && !bit(at+zeros); zeros++ {
	}
	at += zeros
	if zeros > 62 || at+zeros >= end {
		return 0, -1
	}
	for i := range zeros + 1 {
		n <<= 1
		if bit(at + i) {
			n |= 1
		}
	}
	return n, at + zeros + 1
}
