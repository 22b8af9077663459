package dlq

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// partTally of a segment is what counts ask for, counted when its marks are stored: so that a count reads some hundred bytes of a segment
// instead of all its columns. It says of which marks it is; one that is of others, or not there, is not used.
const partTally = "t"

// segmentTally is what is counted in a segment. There is none of a segment with entries that have copies: which one is the first
// shows when all partitions are counted.
type segmentTally struct {
	marks          uint32 // checksum of the marks, of one that is to be stored
	oldest, newest int64  // Unix ms of death, of all entries
	lasts          int64  // Unix ms; the earliest time from which retention counts of what is to be dealt with
	groups         []tallyGroup
}

// tallyGroup is of entries of one kind and status.
type tallyGroup struct {
	kind           uint32
	status         Status
	entries, bytes int64
	anew           int64 // of the entries, see Stats.FailedAnew
	first, last    int64 // Unix ms of death
	example, key   int64 // offset of the last of those that died last, and the latest death in the segment up to it
	minutes        []minuteCount
}

type minuteCount struct{ minute, entries int64 }

// tallyOf counts a segment; ok is false where it has none.
func (st *indexState) tallyOf(c *columns, marks []segmentMark) (t segmentTally, ok bool) {
	t = segmentTally{oldest: math.MaxInt64, newest: math.MinInt64, lasts: math.MaxInt64}
	type kindStatus struct {
		kind   uint32
		status Status
	}
	at := make(map[kindStatus]int)
	for i := range c.n {
		m, died := marks[i], c.time(i)
		if m.copies {
			return t, false
		}
		status := st.stands(c, i, m)
		t.oldest, t.newest = min(t.oldest, died), max(t.newest, died)
		if slices.Contains(toBeDealtWith, status) {
			t.lasts = min(t.lasts, expires(c, i, m, 0))
		}
		id := kindStatus{c.kind(i), status}
		n, known := at[id]
		if !known {
			n = len(t.groups)
			at[id] = n
			t.groups = append(t.groups, tallyGroup{kind: id.kind, status: id.status, first: math.MaxInt64, last: math.MinInt64})
		}
		g := &t.groups[n]
		g.entries++
		g.bytes += int64(u32(c.sizes, i))
		if status != m.status {
			g.anew++
		}
		g.first = min(g.first, died)
		if died >= g.last {
			g.last, g.example, g.key = died, c.offset(i), t.newest
		}
		g.count(floorDiv(died, minuteMillis))
	}
	for i := range t.groups {
		t.groups[i].sort()
	}
	return t, true
}

func (g *tallyGroup) count(minute int64) {
	if n := len(g.minutes); n > 0 && g.minutes[n-1].minute == minute {
		g.minutes[n-1].entries++
		return
	}
	g.minutes = append(g.minutes, minuteCount{minute, 1})
}

// sort puts the minutes in order, each once.
func (g *tallyGroup) sort() {
	slices.SortFunc(g.minutes, func(a, b minuteCount) int { return cmp.Compare(a.minute, b.minute) })
	all := g.minutes[:0]
	for _, m := range g.minutes {
		if n := len(all); n > 0 && all[n-1].minute == m.minute {
			all[n-1].entries += m.entries
		} else {
			all = append(all, m)
		}
	}
	g.minutes = all
}

// putMarks stores the marks of a segment, and what is counted with them.
func (st *indexState) putMarks(u IndexUpdate, r segmentRef, c *columns, marks []segmentMark) error {
	t, ok := st.tallyOf(c, marks) // before anything is put where the columns may lie
	b := marksBytes(marks)
	t.marks = sumBehind(b)
	if err := u.Put(r.name(partMarks), b); err != nil {
		return err
	}
	if !ok {
		return u.Delete(r.name(partTally))
	}
	return u.Put(r.name(partTally), t.bytes())
}

// sumBehind is the checksum that stands behind sealed bytes; 0 where there are none.
func sumBehind(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(b[len(b)-4:])
}

func (t *segmentTally) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, t.marks)
	for _, n := range []int64{t.oldest, t.newest, t.lasts, int64(len(t.groups))} {
		b = binary.AppendVarint(b, n)
	}
	for i := range t.groups {
		g := &t.groups[i]
		for _, n := range []int64{int64(g.kind), int64(g.status), g.entries, g.bytes, g.anew, g.first, g.last, g.example, g.key, int64(len(g.minutes))} {
			b = binary.AppendVarint(b, n)
		}
		before := int64(0)
		for _, m := range g.minutes {
			b = binary.AppendVarint(binary.AppendVarint(b, m.minute-before), m.entries)
			before = m.minute
		}
	}
	return sealed(b)
}

// tallyIn returns what is stored of the tally of a segment, behind the checksum of its marks; nil where there is none that is of its marks.
func tallyIn(v IndexView, r segmentRef) ([]byte, error) {
	got, err := v.Get(r.name(partTally), r.name(partMarks))
	if err != nil || got[0] == nil {
		return nil, err
	}
	b, err := unsealed(r.name(partTally), got[0])
	if err != nil {
		return nil, err
	}
	if len(b) <= 4 {
		return nil, fmt.Errorf("%w: %s is cut off", ErrIndexDamaged, r.name(partTally))
	}
	if binary.LittleEndian.Uint32(b) != sumBehind(got[1]) {
		return nil, nil
	}
	return b[4:], nil
}

// readTally reads the tally of a segment; ok is false where there is none that is of its marks.
func readTally(v IndexView, r segmentRef) (t segmentTally, ok bool, err error) {
	b, err := tallyIn(v, r)
	if b == nil {
		return t, false, err
	}
	damaged := fmt.Errorf("%w: %s is cut off", ErrIndexDamaged, r.name(partTally))
	next := func() int64 {
		n, size := binary.Varint(b)
		if size <= 0 {
			err, size = damaged, 0
		}
		b = b[size:]
		return n
	}
	t.oldest, t.newest, t.lasts = next(), next(), next()
	for range next() {
		g := tallyGroup{
			kind: uint32(next()), status: min(Status(next()), statuses-1), entries: next(), bytes: next(), anew: next(), first: next(), last: next(), example: next(), key: next(),
		}
		minute := int64(0)
		for range next() {
			minute += next()
			if g.minutes = append(g.minutes, minuteCount{minute, next()}); err != nil {
				return t, false, err
			}
		}
		if err != nil {
			return t, false, err
		}
		t.groups = append(t.groups, g)
	}
	return t, err == nil, err
}

// countTally counts a segment by its tally. ok is false where that does not do: the entries have to be looked at.
func (iq *indexQuery) countTally(v IndexView, ref segmentRef, part span, at int64, wanted [statuses]bool, kinds []bool, x expiry, latest *int64, t *tally) (ok bool, err error) {
	s := iq.sel
	switch {
	case at > ref.First, ref.Last >= part.to, ref.First < iq.starts[part.partition], // a part of it only
		s.Key != nil, s.positions != nil, iq.error != nil, iq.text != nil, !s.ExpiringBefore.IsZero():
		return false, nil
	}
	counted, ok, err := readTally(v, ref)
	if err != nil || !ok {
		return false, err
	}
	if counted.oldest < iq.since || counted.newest >= iq.until {
		return false, nil
	}
	if x.retention >= 0 && counted.lasts != math.MaxInt64 && counted.lasts+x.retention.Milliseconds() < x.soon && ref.First < x.young[part.partition] {
		return false, nil // some expire
	}
	for i := range counted.groups {
		g := &counted.groups[i]
		if int(g.kind) >= len(kinds) || !kinds[g.kind] {
			continue
		}
		if t.byStatus[g.status] += g.entries; wanted[g.status] {
			t.addGroup(g, max(*latest, g.key), part.partition)
		}
	}
	*latest = max(*latest, counted.newest)
	return true, nil
}

// addGroup counts entries as add does each of them.
func (t *tally) addGroup(g *tallyGroup, key int64, partition int32) {
	k := t.kind(g.kind)
	t.entries += g.entries
	t.anew += g.anew
	t.bytes += g.bytes
	t.oldest, t.newest = min(t.oldest, g.first), max(t.newest, g.last)
	k.entries += g.entries
	k.first = min(k.first, g.first)
	k.died(g.last, exampleEntry{key, position{partition, g.example}})
	for _, m := range g.minutes {
		k.byMinute.add(m.minute, m.entries)
		t.byHour[floorDiv(m.minute, hourMinutes)] += m.entries
	}
}
