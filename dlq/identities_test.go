package dlq

import (
	"math/rand/v2"
	"testing"
)

// A set of identities says of each whether it is new, as a map would, however they fall together.
func TestIdentities(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s identities
	for round := range 3 {
		want := make(map[Identity]bool)
		for range 20_000 {
			id := Identity{r.Uint64N(4096) << (16 * r.IntN(3)), r.Uint64N(8) | 1} // many of one place
			if got := s.add(id); got == want[id] {
				t.Fatalf("round %d: %v is new: %v, and the map says %v", round, id, got, !want[id])
			}
			want[id] = true
		}
		if s.n != len(want) {
			t.Fatalf("round %d: %d identities, want %d", round, s.n, len(want))
		}
		s.clear()
	}
}

// Room for those that are expected is made once, and those that were there stay.
func TestExpectedIdentities(t *testing.T) {
	for _, n := range []int{0, 1, leastIdentities / 4 * 3, 50_000} {
		var s identities
		was := Identity{7, 7}
		s.add(was)
		s.expect(n)
		room := &s.table[0]
		for i := range n {
			s.add(Identity{uint64(i) * 0x9e3779b97f4a7c15, 9})
		}
		if room != &s.table[0] {
			t.Errorf("%d expected: the table was made again for them", n)
		}
		if s.n != n+1 || s.add(was) {
			t.Errorf("%d expected: %d in it, and the first one is new: %v", n, s.n, s.n != n+1)
		}
	}
}
