package dlq

import (
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"strconv"
)

// segments are those that are made of what was read.
type segments struct {
	of     map[int32][]*segment
	placed map[stableID]place // the last one of the entry
}

type place struct {
	in *segment
	at int
}

func newSegments() *segments {
	return &segments{of: make(map[int32][]*segment), placed: make(map[stableID]place)}
}

func (m *segments) add(s *segment, l *indexedLetter, st *indexState) {
	var mark segmentMark
	if other, ok := m.placed[l.own()]; ok {
		other.in.marks[other.at].copies, mark.copies = true, true
	}
	n, ok := uint32(0), false
	if st.numbers != nil {
		n, ok = st.numbers[l.kind]
	}
	if !ok {
		n = st.kind(l.kind.cloned())
	}
	m.placed[l.own()] = place{s, s.n}
	s.add(l, n, mark)
}

// meet gives the new entries the marks that were there before them, and finds the copies among the old ones.
func (m *segments) meet(u IndexUpdate, st *indexState) error {
	if len(m.placed) == 0 {
		return nil
	}
	found := make(map[stableID]segmentMark)
	if st.Strays > 0 {
		err := st.strays(u, maps.Keys(m.placed), func(id stableID, mark segmentMark) { found[id] = mark })
		if err != nil {
			return err
		}
	}
	var unborn map[stableID][]stableID
	if st.Unborn {
		unborn = m.unborn()
		meet := func(id stableID, mark segmentMark) {
			if mark.unborn && !st.noted(mark) {
				m.meetUnborn(unborn[id.born(noBirth)], mark, found)
			}
		}
		err := st.strays(u, maps.Keys(unborn), func(id stableID, mark segmentMark) { meet(id.born(noBirth), mark) })
		if err == nil { // those that the version before stored
			err = st.strays(u, identitiesOf(unborn), meet)
		}
		if err != nil {
			return err
		}
	}
	w, b := newIdentitySet(m.placed), newIdentitySet(unborn)
	err := st.each(u, func(c *columns, i int) bool { return w.has(c.own(i)) || b.has(c.unborn(i)) }, func(c *columns, i int, old *segmentMark) {
		id := c.own(i)
		if old.unborn && !st.noted(*old) {
			m.meetUnborn(unborn[c.unborn(i)], *old, found)
		}
		if _, copied := m.placed[id]; !copied {
			return
		}
		old.copies = true
		if mark, ok := found[id]; !ok || old.follows(mark) {
			found[id] = *old
		}
		p := m.placed[id]
		p.in.marks[p.at].copies = true
	})
	if err != nil || len(found) == 0 {
		return err
	}
	for _, made := range m.of {
		for _, s := range made {
			for i := range s.n {
				if mark, ok := found[s.own(i)]; ok {
					mark.copies = mark.copies || s.marks[i].copies
					s.marks[i] = mark
				}
			}
		}
	}
	return nil
}

// unborn are the new entries, by what a mark of them is stored as that noted no birth.
func (m *segments) unborn() map[stableID][]stableID {
	entries := make(map[stableID][]stableID)
	for id, p := range m.placed {
		entries[p.in.unborn(p.at)] = append(entries[p.in.unborn(p.at)], id)
	}
	return entries
}

// identitiesOf are those of entries by what a mark of them is stored as that noted no birth.
func identitiesOf(unborn map[stableID][]stableID) iter.Seq[stableID] {
	return func(yield func(stableID) bool) {
		for id := range unborn {
			if !yield(id.born(noBirth)) { // of which twice is not at all
				return
			}
		}
	}
}

// noted says of a mark whose entry says no birth whether whoever wrote it noted births, which the version before did not keep apart.
func (st *indexState) noted(m segmentMark) bool {
	return !m.none && int(m.from) < len(st.from) && st.from[m.from].seen > 0
}

// meetUnborn adds to what was found a mark that noted no birth, where it holds for these new entries with its identity.
func (m *segments) meetUnborn(entries []stableID, mark segmentMark, found map[stableID]segmentMark) {
	mark.copies = false
	for _, own := range entries {
		p := m.placed[own]
		if !precedes(mark.at, p.in.birth(p.at), p.in.time(p.at)) && mark.follows(found[own]) {
			found[own] = mark
		}
	}
}

// each calls f with the marks of stored entries that are wanted, and stores what f changes.
func (st *indexState) each(u IndexUpdate, wanted func(*columns, int) bool, f func(*columns, int, *segmentMark)) error {
	for _, p := range st.Letters {
		for _, ref := range p.Segments {
			got, err := u.Get(ref.name(partColumns), ref.name(partMarks))
			if err != nil {
				return err
			}
			c, err := columnsOf(ref.name(partColumns), got[0])
			if err != nil {
				return err
			}
			var marks []segmentMark
			for i := range c.n {
				if !wanted(&c, i) {
					continue
				}
				if marks == nil {
					stored, err := marksIn(ref, c.n, got[1])
					if err != nil {
						return err
					}
					marks = make([]segmentMark, c.n)
					for i := range marks {
						marks[i] = segmentMarkOf(stored, i)
					}
				}
				f(&c, i, &marks[i])
			}
			if marks != nil {
				if err := st.putMarks(u, ref, &c, marks); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// identitySet answers quickly for what is not in it.
type identitySet struct {
	bits  []uint64
	exact func(stableID) bool
}

const identityBits = 1 << 20

func newIdentitySet(wanted any) *identitySet {
	s := &identitySet{bits: make([]uint64, identityBits/64)}
	note := func(id stableID) {
		n := binary.LittleEndian.Uint32(id[:]) % identityBits
		s.bits[n/64] |= 1 << (n % 64)
	}
	switch m := wanted.(type) {
	case map[stableID]place:
		for id := range m {
			note(id)
		}
		s.exact = func(id stableID) bool { _, ok := m[id]; return ok }
	case map[stableID][]stableID:
		for id := range m {
			note(id)
		}
		s.exact = func(id stableID) bool { _, ok := m[id]; return ok }
	case map[stableID]segmentMark:
		for id := range m {
			note(id)
		}
		s.exact = func(id stableID) bool { _, ok := m[id]; return ok }
	}
	return s
}

func (s *identitySet) has(id stableID) bool {
	n := binary.LittleEndian.Uint32(id[:]) % identityBits
	return s.bits[n/64]&(1<<(n%64)) != 0 && s.exact(id)
}

// addMarks stores marks: with their entries, and for themselves where there are none.
func (st *indexState) addMarks(u IndexUpdate, marks map[stableID]segmentMark) error {
	met := make(map[stableID]bool, len(marks))
	takenBack := make(map[stableID]bool) // of entries that have a copy here; what is stored of copies that went holds no more either
	w := newIdentitySet(marks)
	err := st.each(u, func(c *columns, i int) bool { return w.has(c.own(i)) || w.has(c.unborn(i)) }, func(c *columns, i int, old *segmentMark) {
		set := func(id stableID) {
			met[id] = true
			mark := marks[id]
			if !mark.follows(*old) {
				return
			}
			if mark.none {
				if takenBack[c.own(i)] = true; mark.unborn {
					takenBack[c.unborn(i)] = true
				}
				if old.anew || st.stands(c, i, *old) != old.status { // it is open by what came after the mark that is taken back
					*old = old.takenBack(mark.at, true)
					return
				}
			}
			mark.copies = old.copies
			*old = mark
		}
		own, unborn := c.own(i), c.unborn(i)
		if w.has(own) {
			set(own)
		}
		// One that noted no birth counts with each entry that it holds for, and is stored by itself for those that come later.
		if mark, is := marks[unborn]; is && !precedes(mark.at, c.birth(i), c.time(i)) {
			set(unborn)
		}
	})
	if err != nil {
		return err
	}
	if st.Strays > 0 {
		for id := range takenBack {
			if err := u.Delete(st.strayName(id)); err != nil {
				return err
			}
		}
	}
	for id := range met {
		if !marks[id].unborn { // which holds for what comes later with that identity, too
			delete(marks, id)
		}
	}
	return st.stray(u, marks)
}

// strayOf is by what the mark of entry i is stored when the entry goes: where it noted no birth what takes it back notes none either.
func strayOf(c *columns, i int, m segmentMark) stableID {
	if m.unborn {
		return c.unborn(i)
	}
	return c.own(i)
}

// stray stores marks without entries, unless later ones are known.
func (st *indexState) stray(u IndexUpdate, marks map[stableID]segmentMark) error {
	if st.Strays > 0 {
		err := st.strays(u, maps.Keys(marks), func(id stableID, old segmentMark) {
			if old.at > marks[id].at {
				delete(marks, id)
			}
		})
		if err != nil {
			return err
		}
	}
	for id, mark := range marks {
		if mark.at == 0 {
			continue
		}
		if mark.none || mark.anew { // nothing is known, as where there is no mark
			if st.Strays > 0 {
				if err := u.Delete(st.strayName(id)); err != nil {
					return err
				}
			}
			continue
		}
		mark.copies = false
		if err := u.Put(st.strayName(id), sealed(mark.append(nil))); err != nil {
			return err
		}
		st.Strays++
		st.Unborn = st.Unborn || mark.unborn
	}
	return nil
}

func (st *indexState) strayName(id stableID) string {
	return "s" + strconv.FormatUint(st.MarksEpoch, 36) + "." + string(id[:])
}

// strays calls f with the marks that are stored without entries.
func (st *indexState) strays(v IndexView, ids iter.Seq[stableID], f func(stableID, segmentMark)) error {
	const atOnce = 1000
	var asked []stableID
	ask := func() error {
		names := make([]string, len(asked))
		for i, id := range asked {
			names[i] = st.strayName(id)
		}
		got, err := v.Get(names...)
		if err != nil {
			return err
		}
		for i, b := range got {
			if b == nil {
				continue
			}
			body, err := unsealed("a mark", b)
			if err != nil {
				return err
			}
			if len(body) != segmentMarkSize {
				return fmt.Errorf("%w: a mark has %d bytes", ErrIndexDamaged, len(body))
			}
			f(asked[i], segmentMarkOf(body, 0))
		}
		asked = asked[:0]
		return nil
	}
	var all []stableID
	for id := range ids { // f may change what they come from
		all = append(all, id)
	}
	for _, id := range all {
		if asked = append(asked, id); len(asked) == atOnce {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	return ask()
}
