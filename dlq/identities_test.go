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
