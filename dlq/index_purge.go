package dlq

import "slices"

// indexedPurge is a purge that was read.
type indexedPurge struct {
	purgeValue
	// Known: all marks that it took back were read before.
	Known bool
}

// purge takes out what purges deleted, of what the index keeps too, and what it cannot know the fate of any more since a purge took its mark back
// before that was read. All marks have been read. starts are where the partitions begin.
func (x *index) purge(u IndexUpdate, st *indexState, starts map[int32]int64) error {
	lost := 0
	var later []indexedPurge
	for _, p := range st.Purges {
		if !st.reaches(p.Ends, starts) { // copies that it saw may have to be read yet
			later = append(later, p)
			continue
		}
		n, err := st.purge(u, p)
		if err != nil {
			return err
		}
		lost += n
		st.Purged = true
	}
	if lost > 0 && x.Keep > 0 {
		x.warn("%d dead letters that the index kept are dropped: a purge by somebody who did not know that they are kept took back what the ledger said of them", lost)
	}
	st.Purges = later
	for partition, read := range st.Marks {
		read.Known = read.Next
		st.Marks[partition] = read
	}
	return nil
}

// reaches says whether the dead letters were read up to these ends, as far as there are any: what stands before the start of a partition is read no more.
func (st *indexState) reaches(ends, starts map[int32]int64) bool {
	for partition, end := range ends {
		read := starts[partition]
		if p := st.Letters[partition]; p != nil {
			read = max(read, p.Next)
		}
		if read < end {
			return false
		}
	}
	return true
}

// known says whether all marks were read up to these ends before the last catching up began.
func (st *indexState) known(ends map[int32]int64) bool {
	for partition, end := range ends {
		if st.Marks[partition].Known < end {
			return false
		}
	}
	return true
}

// fate is what a purge makes of an entry of an index.
type fate int

const (
	stays   fate = iota
	deleted      // and its mark taken back, if nothing of the entry is left in the topic
	dropped      // deleted, and its mark stands
	unknown      // dropped: it may have been dealt with, and that mark taken back, unread
)

// fate says what the purge makes of entry i.
func (p *indexedPurge) fate(partition int32, c *columns, i int, m segmentMark, status Status) fate {
	at, open := c.offset(i), slices.Contains(toBeDealtWith, status)
	switch {
	case at >= p.To[partition]:
		return stays
	case at >= p.From[partition], m.none:
		return deleted
	case int64(u64(c.written, i)) < p.Until && (p.Open || !open):
		if m.at < p.Forgot {
			return deleted
		}
		return dropped
	case open && !p.Known && c.time(i) < p.Forgot:
		return unknown
	}
	return stays
}

// purge takes out of all segments what a purge deleted, and returns of how many entries nothing is known.
func (st *indexState) purge(u IndexUpdate, p indexedPurge) (lost int, err error) {
	copied := make(map[stableID]segmentMark) // what is deleted and has copies
	for partition, letters := range st.Letters {
		var left []segmentRef
		for _, ref := range letters.Segments {
			if ref.First >= p.To[partition] {
				left = append(left, ref)
				continue
			}
			c, marks, err := marked(u, ref)
			if err != nil {
				return lost, err
			}
			gone := make([]bool, c.n)
			strays := make(map[stableID]segmentMark)
			for i := range c.n {
				id, m := c.own(i), segmentMarkOf(marks, i)
				f := p.fate(partition, &c, i, m, st.stands(&c, i, m))
				gone[i] = f != stays
				switch {
				case f == deleted && m.copies:
					copied[id] = segmentMark{moments: moments{at: p.At}, none: true}
				case (f == dropped || f == unknown) && m.at > strays[strayOf(&c, i, m)].at: // nothing that was read takes it back
					strays[strayOf(&c, i, m)] = m
				}
				if f == unknown {
					lost++
				}
			}
			rest := []segmentRef{ref}
			if slices.Contains(gone, true) {
				if rest, err = st.rewrite(u, ref, gone); err == nil {
					err = st.stray(u, strays)
				}
			}
			if err != nil {
				return lost, err
			}
			left = append(left, rest...)
		}
		letters.Segments = left
	}
	return lost, st.takeBack(u, p, copied)
}

// takeBack takes the marks back of what came to the topic after the purge, of whose entries it left nothing.
func (st *indexState) takeBack(u IndexUpdate, p indexedPurge, copied map[stableID]segmentMark) error {
	if len(copied) == 0 {
		return nil
	}
	for partition, letters := range st.Letters {
		for _, ref := range letters.Segments {
			if ref.First >= p.Ends[partition] {
				break
			}
			c, _, err := marked(u, ref)
			if err != nil {
				return err
			}
			for i := c.at(p.To[partition]); i < c.n && c.offset(i) < p.Ends[partition]; i++ {
				delete(copied, c.own(i)) // the purge has seen it
			}
		}
	}
	w := newIdentitySet(copied)
	return st.each(u, func(c *columns, i int) bool { return w.has(c.own(i)) }, func(c *columns, i int, m *segmentMark) {
		if m.at <= p.At && !m.anew {
			*m = m.takenBack(p.At, st.stands(c, i, *m) != m.status)
		}
	})
}

// rewrite stores a segment anew without some of its entries; without all of them, none.
func (st *indexState) rewrite(u IndexUpdate, ref segmentRef, gone []bool) ([]segmentRef, error) {
	var rest *segment
	if slices.Contains(gone, false) {
		s, err := readSegment(u, ref)
		if err != nil {
			return nil, err
		}
		if rest, err = s.without(ref, gone); err != nil {
			return nil, err
		}
	}
	if err := u.Delete(ref.names()...); err != nil || rest == nil {
		return nil, err
	}
	anew := rest.ref(st.nextSeq())
	return []segmentRef{anew}, rest.put(u, st, anew)
}

// without makes a segment of the entries that are not gone.
func (s *segment) without(ref segmentRef, gone []bool) (*segment, error) {
	rest := &segment{}
	records := &packs{name: ref.name(partRecords), ends: s.packEnd, bytes: s.packs, open: -1}
	for i := range s.n {
		if gone[i] {
			continue
		}
		record, valued, err := records.record(i)
		if err != nil {
			return nil, err
		}
		if valued {
			record.Value = append([]byte{}, piece(s.values, s.valueEnds, i)...)
		}
		rest.add(&indexedLetter{
			offset: s.offset(i), at: s.time(i), written: int64(u64(s.written, i)), failed: s.fails(i), id: s.identity(i), birth: s.birth(i), origin: u64(s.origins, i), key: u64(s.keys, i),
			size: u32(s.sizes, i), text: string(piece(s.errors, s.errorEnds, i)), record: record, hidden: hidden(s.hidden[i]),
		}, s.kind(i), s.marks[i])
	}
	return rest, nil
}

// marked reads the columns of a segment and its marks.
func marked(v IndexView, ref segmentRef) (c columns, marks []byte, err error) {
	got, err := v.Get(ref.name(partColumns), ref.name(partMarks))
	if err != nil {
		return c, nil, err
	}
	if c, err = columnsOf(ref.name(partColumns), got[0]); err != nil {
		return c, nil, err
	}
	marks, err = marksIn(ref, c.n, got[1])
	return c, marks, err
}
