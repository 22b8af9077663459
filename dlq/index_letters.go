package dlq

import (
	"maps"
	"slices"
	"time"
)

// addLetters stores letters that were read, and takes out what has expired.
func (x *index) addLetters(u IndexUpdate, st *indexState, parts []readPart[indexedLetter], starts map[int32]int64) error {
	st.Keep = x.keepsFor(st)
	if err := st.dropExpired(u, starts, st.Keep); err != nil {
		return err
	}
	made := newSegments()
	byPartition := make(map[int32]*segment)
	for _, part := range parts {
		p := st.Letters[part.partition]
		if p == nil {
			p = &indexedPartition{From: part.from, Next: part.from}
			st.Letters[part.partition] = p
		}
		if p.Next > part.from || p.Next < part.from && part.from > starts[part.partition] {
			return ErrIndexMoved
		}
		p.Next = part.next
		for i := range part.items {
			l := &part.items[i]
			s := byPartition[part.partition]
			if s == nil || s.full() {
				s = &segment{}
				byPartition[part.partition] = s
				made.of[part.partition] = append(made.of[part.partition], s)
			}
			made.add(s, l, st)
		}
	}
	if err := made.meet(u, st); err != nil {
		return err
	}
	for _, partition := range slices.Sorted(maps.Keys(made.of)) {
		for _, s := range made.of[partition] {
			if err := st.append(u, partition, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// append stores a segment as the last one of its partition. Small ones are put together with it when they are many, or large enough.
func (st *indexState) append(u IndexUpdate, partition int32, s *segment) error {
	p := st.Letters[partition]
	s.pack()
	small, bytes := len(p.Segments), s.size()
	for small > 0 && p.Segments[small-1].small() && bytes < segmentBytes {
		small--
		bytes += p.Segments[small].Bytes
	}
	if tail := p.Segments[small:]; s.small() && (len(tail) >= segmentsSmall || bytes >= segmentBytes) {
		joined := &segment{}
		for _, ref := range tail {
			read, err := readSegment(u, ref)
			if err != nil {
				return err
			}
			joined.join(read)
			if err := u.Delete(ref.names()...); err != nil {
				return err
			}
		}
		joined.join(s)
		s, p.Segments = joined, p.Segments[:small]
	}
	ref := s.ref(st.nextSeq())
	p.Segments = append(p.Segments, ref)
	return s.put(u, st, ref)
}

// dropExpired takes out the segments whose entries the topic has lost and that are not kept.
func (st *indexState) dropExpired(u IndexUpdate, starts map[int32]int64, keep time.Duration) error {
	for partition, p := range st.Letters {
		for len(p.Segments) > 0 && p.Segments[0].expired(starts[partition], keep) {
			ref := p.Segments[0]
			c, marks, err := marked(u, ref)
			if err != nil {
				return err
			}
			strays := make(map[stableID]segmentMark)
			for i := range c.n {
				m := segmentMarkOf(marks, i)
				if id := strayOf(&c, i, m); m.at > strays[id].at {
					strays[id] = m
				}
			}
			if err := st.stray(u, strays); err != nil {
				return err
			}
			if err := u.Delete(ref.names()...); err != nil {
				return err
			}
			p.Segments = p.Segments[1:]
		}
	}
	return nil
}
