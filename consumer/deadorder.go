package consumer

import (
	"cmp"
	"slices"

	"github.com/redeliver/redeliver/dlq"
)

// deadOrder knows, for each key of a strand, its dead letters that nobody has dealt with: which were neither replayed nor
// discarded. A record of the key that has a higher offset of origin follows them.
//
// It is plain data: the strand's mutex guards it. It takes some 150 bytes a dead letter, and some hundred a key.
type deadOrder struct {
	lines map[uint64][]deadLetter      // of each key, by origin
	index map[dlq.Identity]deadAddress // of all
}

// deadLetter is one of them.
type deadLetter struct {
	origin int64
	died   int64 // Unix ms
	id     dlq.Identity
}

// deadAddress is where one stands in the lines.
type deadAddress struct {
	key    uint64
	origin int64
}

func newDeadOrder() *deadOrder {
	return &deadOrder{lines: make(map[uint64][]deadLetter), index: make(map[dlq.Identity]deadAddress)}
}

// put adds a dead letter. It may be known already: copies of one are one.
func (o *deadOrder) put(key uint64, d deadLetter) {
	if _, known := o.index[d.id]; known {
		return
	}
	o.index[d.id] = deadAddress{key, d.origin}
	line := o.lines[key]
	i, _ := findDead(line, d.origin+1)
	o.lines[key] = slices.Insert(line, i, d)
}

// remove says that a dead letter was dealt with. It reports where it stood, and whether it was known.
func (o *deadOrder) remove(id dlq.Identity) (at deadAddress, known bool) {
	at, known = o.index[id]
	if !known {
		return at, false
	}
	delete(o.index, id)
	line := o.lines[at.key]
	i, _ := findDead(line, at.origin)
	for line[i].id != id {
		i++
	}
	if i == 0 {
		line = line[1:] // most often; what is behind it may be long
	} else {
		line = slices.Delete(line, i, i+1)
	}
	if len(line) == 0 {
		delete(o.lines, at.key)
	} else {
		o.lines[at.key] = line
	}
	return at, true
}

// closes reports whether a record of the key with a lower offset is dead and was not dealt with.
func (o *deadOrder) closes(key uint64, offset int64) bool {
	line := o.lines[key]
	return len(line) > 0 && line[0].origin < offset
}

// idle reports whether there is none.
func (o *deadOrder) idle() bool { return len(o.index) == 0 }

func (o *deadOrder) size() int { return len(o.index) }

// oldest is when the first of those died that keys stand behind, in Unix ms; 0: there is none.
func (o *deadOrder) oldest() (at int64) {
	for _, line := range o.lines {
		if at == 0 || line[0].died < at {
			at = line[0].died
		}
	}
	return at
}

func findDead(line []deadLetter, origin int64) (i int, known bool) {
	return slices.BinarySearchFunc(line, origin, func(d deadLetter, origin int64) int { return cmp.Compare(d.origin, origin) })
}
