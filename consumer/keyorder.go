package consumer

import (
	"cmp"
	"slices"
)

// keyOrder knows, for each key of a strand, the records of it that were put off and are not settled: those that wait in a
// retry topic or in the park topic, and those on their way there. A record of the key runs only while none of them has a
// lower offset of origin. Keys are 64-bit hashes; two keys of one hash wait for each other.
//
// It is plain data: the strand's mutex guards it. It takes 16 bytes a record, and some hundred a key.
type keyOrder struct {
	lines map[uint64][]deferred // of each key, by offset
	size  int                   // records
	// stranded counts the keys whose first record stands in the park partition and was not read from there: nothing of the
	// key can run until it is.
	stranded int
}

// deferred is one record that was put off.
type deferred struct {
	offset int64 // of its origin
	where  whereabouts
}

// whereabouts says where the newest copy of a record is.
type whereabouts uint8

const (
	inTier whereabouts = iota // in a retry topic, or on its way there
	inPark                    // in the park topic, or on its way there
	inLane                    // read from there, and in this process
)

func newKeyOrder() *keyOrder { return &keyOrder{lines: make(map[uint64][]deferred)} }

// put says where a record is that was put off. It may be known already.
func (o *keyOrder) put(key uint64, offset int64, where whereabouts) {
	line := o.lines[key]
	before := strandedAt(line)
	i, known := find(line, offset)
	if known {
		line[i].where = where
	} else {
		line = slices.Insert(line, i, deferred{offset, where})
		o.size++
	}
	o.keep(key, line, before)
}

// remove says that a record is settled, or not put off any more. It reports whether it was known.
func (o *keyOrder) remove(key uint64, offset int64) bool {
	line := o.lines[key]
	i, known := find(line, offset)
	if !known {
		return false
	}
	before := strandedAt(line)
	if i == 0 {
		line = line[1:] // most often; what is behind it may be long
	} else {
		line = slices.Delete(line, i, i+1)
	}
	o.size--
	o.keep(key, line, before)
	return true
}

func (o *keyOrder) keep(key uint64, line []deferred, before int) {
	o.stranded += strandedAt(line) - before
	if len(line) == 0 {
		delete(o.lines, key)
		return
	}
	o.lines[key] = line
}

// blocks reports whether a record of the key with a lower offset was put off and is not settled.
func (o *keyOrder) blocks(key uint64, offset int64) bool {
	line := o.lines[key]
	return len(line) > 0 && line[0].offset < offset
}

// idle reports whether nothing is put off.
func (o *keyOrder) idle() bool { return o.size == 0 }

// strandedAt is 1 when the first of a line was not read from the park partition.
func strandedAt(line []deferred) int {
	if len(line) > 0 && line[0].where == inPark {
		return 1
	}
	return 0
}

func find(line []deferred, offset int64) (i int, known bool) {
	return slices.BinarySearchFunc(line, offset, func(d deferred, offset int64) int { return cmp.Compare(d.offset, offset) })
}
