package dlq

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A text is found where it stands, and nowhere else.
func TestTextFinder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 1))
	for range 50_000 {
		letters := []string{"ab", "dog nz", "e0\"", "\x00\xff~é"}[r.IntN(4)]
		text, want := make([]byte, r.IntN(40)), make([]byte, r.IntN(5))
		for _, b := range [][]byte{text, want} {
			for i := range b {
				b[i] = letters[r.IntN(len(letters))]
			}
		}
		if got := newTextFinder(string(want)).in(text); got != bytes.Contains(text, want) {
			t.Fatalf("%q in %q: %t", want, text, got)
		}
	}
}
