package consumer

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// deadOrder knows, for each key of a strand, its dead letters that nobody has dealt with: which were neither replayed nor
// discarded. A record of the key that has a higher offset of origin follows them.
//
// It is plain data: the strand's mutex guards it. It takes some 150 bytes a dead letter, and some hundred a key. At its limit it
// forgets the last ones of keys that have several: what closes a key is the first. When all that it knows of such a key were dealt
// with, or when there are more keys than it may know, the topics have to be read once more.
type deadOrder struct {
	lines  map[uint64][]deadLetter        // of each key, by origin
	index  map[dlq.Identity]deadAddress   // of all that are remembered
	others map[dlq.Identity][]deadAddress // of those whose identity one in index has that was born at another time
	known  int                            // in lines

	limit    int                 // of these; 0: none
	several  map[uint64]struct{} // keys with more than one
	cuts     map[uint64]int64    // of each key that has more, the lowest origin of those
	lost     int                 // dead letters of keys that are not remembered at all
	unkept   int                 // dead letters that are not remembered, those that are lost too
	dealt    int                 // marks that were seen
	furthest int64               // origin of all there were
	outrun   bool                // a key of which more is not remembered has no other left
}

// clocksDiffer is how far apart the clocks of members, of brokers and of who replays are taken to be, as for marks.
const clocksDiffer = time.Minute

// deadLetter is one of them.
type deadLetter struct {
	origin int64
	died   int64 // Unix ms; of one that is on its way since when
	failed int64 // first, in Unix ms
	at     int64 // its offset, of several copies that of the last; below 0: none is written yet
	comes  bool  // one is on its way
	deadName
}

// settledBy reports whether a mark is about it. Nobody can have seen what is on its way.
func (d *deadLetter) settledBy(m dlq.Marked) bool {
	at := d.at
	if d.comes {
		at = math.MaxInt64
	}
	return m.Settles(at, d.failed)
}

// deadName tells a dead letter from all others: of a source topic that was deleted and made again there may be some with the identity that those of the topic
// before have, and they are open at the same time.
type deadName struct {
	id   dlq.Identity
	born int64 // Unix ms, see [dlq.BirthOf]
}

// nameOf is the name of the dead letter that a record with this state is, or would be.
func nameOf(s *retrytopics.State) deadName { return deadName{dlq.IdentityOf(s), dlq.BirthOf(s)} }

// deadAddress is where one stands in the lines.
type deadAddress struct {
	key    uint64
	origin int64
	born   int64
}

func newDeadOrder(limit int) *deadOrder {
	return &deadOrder{
		lines: make(map[uint64][]deadLetter), index: make(map[dlq.Identity]deadAddress), others: make(map[dlq.Identity][]deadAddress), limit: limit,
		several: make(map[uint64]struct{}), cuts: make(map[uint64]int64), furthest: -1,
	}
}

// cameAfter reports whether one that is on its way was made after a mark that is about it: of a release that did not say what it had seen, whose marks hold for
// whatever comes later. What that replayed is not on its way.
func (d *deadLetter) cameAfter(m dlq.Marked) bool {
	return d.comes && m.Seen == 0 && d.died-m.At > clocksDiffer.Milliseconds()
}

// put adds a dead letter. It may be known already: copies of one are one.
func (o *deadOrder) put(key uint64, d deadLetter) {
	if known := o.letter(d.deadName); known != nil {
		known.at, known.failed, known.comes = max(known.at, d.at), max(known.failed, d.failed), known.comes || d.comes // what settles the later one settles both
		return
	}
	o.furthest = max(o.furthest, d.origin)
	if cut, is := o.cuts[key]; is && d.origin >= cut {
		o.unkept++
		return
	}
	if o.limit > 0 && o.known >= o.limit && !o.makeRoom(key, d.origin) {
		o.unkept++
		return
	}
	at := deadAddress{key, d.origin, d.born}
	if _, shared := o.index[d.id]; shared {
		o.others[d.id] = append(o.others[d.id], at)
	} else {
		o.index[d.id] = at
	}
	o.known++
	line := o.lines[key]
	i, _ := findDead(line, d.origin+1)
	o.keep(key, slices.Insert(line, i, d))
}

// written says that the letter of one that was on its way is.
func (o *deadOrder) written(name deadName, offset int64) {
	if d := o.letter(name); d != nil {
		d.at, d.comes = max(d.at, offset), false
	}
}

// spare says that a letter that was on its way will not be: where another one is written its dead letter stays.
func (o *deadOrder) spare(name deadName) {
	if d := o.letter(name); d != nil && d.at >= 0 {
		d.comes = false
		return
	}
	o.remove(name)
}

// putBack says that the copy of a replay was read, which has this state, and was there at a time: what it had been was dealt with, unless that failed anew, more
// than clocks may differ later. It reports whether it was.
func (o *deadOrder) putBack(s *retrytopics.State, there time.Time) bool {
	died := before(s)
	if !s.FirstFailed.IsZero() {
		there = s.FirstFailed
	}
	if d := o.letter(died); d != nil && d.failed-there.UnixMilli() > clocksDiffer.Milliseconds() {
		return false
	}
	o.remove(died)
	return true
}

// makeRoom forgets another dead letter than that of a key with this origin, or says that it is the one to be forgotten.
func (o *deadOrder) makeRoom(key uint64, origin int64) bool {
	line := o.lines[key]
	if len(line) > 0 {
		if origin >= line[len(line)-1].origin {
			o.cuts[key] = origin
			return false
		}
		o.shorten(key)
		return true
	}
	for other := range o.several {
		o.shorten(other)
		return true
	}
	o.lost++
	return false
}

// shorten forgets the last one of a key.
func (o *deadOrder) shorten(key uint64) {
	line := o.lines[key]
	last := line[len(line)-1]
	o.strike(last.deadName)
	o.cuts[key] = last.origin
	o.unkept++
	o.keep(key, line[:len(line)-1])
}

// keep is what is known of a key from now on.
func (o *deadOrder) keep(key uint64, line []deadLetter) {
	if len(line) == 0 {
		delete(o.lines, key)
	} else {
		o.lines[key] = line
	}
	if len(line) > 1 {
		o.several[key] = struct{}{}
	} else {
		delete(o.several, key)
	}
}

// find says where a dead letter stands.
func (o *deadOrder) find(name deadName) (at deadAddress, known bool) {
	at, known = o.index[name.id]
	if known && at.born != name.born {
		i := slices.IndexFunc(o.others[name.id], func(other deadAddress) bool { return other.born == name.born })
		if i < 0 {
			return at, false
		}
		at = o.others[name.id][i]
	}
	return at, known
}

// letter is a dead letter as it is known; nil: it is not.
func (o *deadOrder) letter(name deadName) *deadLetter {
	at, known := o.find(name)
	if !known {
		return nil
	}
	return &o.lines[at.key][o.at(name, at)]
}

// strike takes one out of the index.
func (o *deadOrder) strike(name deadName) {
	o.known--
	others := o.others[name.id]
	switch {
	case len(others) == 0:
		delete(o.index, name.id)
		return
	case o.index[name.id].born == name.born:
		o.index[name.id], others = others[0], others[1:]
	default:
		others = slices.DeleteFunc(others, func(other deadAddress) bool { return other.born == name.born })
	}
	if len(others) == 0 {
		delete(o.others, name.id)
	} else {
		o.others[name.id] = others
	}
}

// at is the place in its key's line of one that is known.
func (o *deadOrder) at(name deadName, a deadAddress) (i int) {
	line := o.lines[a.key]
	i, _ = findDead(line, a.origin)
	for line[i].deadName != name {
		i++
	}
	return i
}

// marked are those that a mark settles: of one that does not say when its letter was born there may be several.
func (o *deadOrder) marked(m dlq.Marked) (names []deadName) {
	first, known := o.index[m.Identity]
	if !known {
		return nil
	}
	for _, at := range append([]deadAddress{first}, o.others[m.Identity]...) {
		name := deadName{m.Identity, at.born}
		if d := o.letter(name); m.Holds(d.born, d.died) && d.settledBy(m) {
			names = append(names, name)
		}
	}
	return names
}

// remove says that a dead letter was dealt with. It reports where it stood, and whether it was known.
func (o *deadOrder) remove(name deadName) (at deadAddress, known bool) {
	at, known = o.find(name)
	if !known {
		return at, false
	}
	o.strike(name)
	line, i := o.lines[at.key], o.at(name, at)
	if i == 0 {
		line = line[1:] // most often; what is behind it may be long
	} else {
		line = slices.Delete(line, i, i+1)
	}
	o.keep(at.key, line)
	if _, more := o.cuts[at.key]; more && len(line) == 0 {
		o.outrun = true
	}
	return at, true
}

// closes reports whether a record of the key with a lower offset is dead and was not dealt with.
func (o *deadOrder) closes(key uint64, offset int64) bool {
	if line := o.lines[key]; len(line) > 0 && line[0].origin < offset {
		return true
	}
	if len(o.cuts) == 0 {
		return false
	}
	cut, more := o.cuts[key]
	return more && cut < offset
}

// outdated reports whether so much was dealt with that the topics are to be read once more: of a key nothing is known but that there is
// more, or a quarter may be free, or is, where there were more keys than can be known. The limit may be another one than at first.
func (o *deadOrder) outdated() bool {
	return o.outrun || o.lost > 0 && (4*o.dealt >= o.limit || 4*o.known <= 3*o.limit)
}

// idle reports whether there is none.
func (o *deadOrder) idle() bool { return o.known == 0 && o.unkept == 0 }

// size is how many are remembered.
func (o *deadOrder) size() int { return o.known }

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
