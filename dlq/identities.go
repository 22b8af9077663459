package dlq

// identities is a set of them: 16 bytes in a table that is never more than three quarters full. Identities are hashes, so that they say
// themselves where they go. The zero value is empty.
type identities struct {
	table []Identity // its length is a power of two; the zero Identity: nothing
	n     int
}

const leastIdentities = 1024

// add puts one in and says whether it is new.
func (s *identities) add(id Identity) bool {
	if s.n >= len(s.table)/4*3 {
		s.grow()
	}
	slot := s.slot(id)
	if *slot == id {
		return false
	}
	*slot = id
	s.n++
	return true
}

func (s *identities) has(id Identity) bool { return s.n > 0 && *s.slot(id) == id }

// slot is where an identity is, or where it would go.
func (s *identities) slot(id Identity) *Identity {
	mask := uint64(len(s.table) - 1)
	for at := id[0] & mask; ; at = (at + 1) & mask {
		if slot := &s.table[at]; *slot == id || *slot == (Identity{}) {
			return slot
		}
	}
}

// expect makes room for so many more at a time, which is cheaper than to grow into it.
func (s *identities) expect(n int) {
	length := max(len(s.table), leastIdentities)
	for length/4*3 <= s.n+n {
		length *= 2
	}
	if length > len(s.table) {
		s.resize(length)
	}
}

func (s *identities) grow() { s.resize(max(2*len(s.table), leastIdentities)) }

// resize moves them to a table of another length.
func (s *identities) resize(length int) {
	old := s.table
	s.table = make([]Identity, length)
	for _, id := range old {
		if id != (Identity{}) {
			*s.slot(id) = id
		}
	}
}

func (s *identities) clear() {
	clear(s.table)
	s.n = 0
}
