package sim

import (
	"slices"
	"testing"
)

// TestACommitOfLessBeginsWithTheNewTopic has a retry topic deleted and made again, and commits that do not say of which one they are: one of more than the last one before is
// of the old topic still, but no longer when there was one of less.
func TestACommitOfLessBeginsWithTheNewTopic(t *testing.T) {
	p := newTape()
	p.commit("m1", tier, 6, 1)
	p.h.Deleted = []Deletion{{Topic: tier.Topic, As: tier.Topic + "#0", When: p.now()}}
	for _, offset := range []int64{7, 0, 16} {
		p.commit("m1", tier, offset, 2)
	}
	h := p.end()
	h.tellApart()
	var deleted []bool
	for _, c := range h.Commits {
		deleted = append(deleted, c.Partition.isDeleted())
	}
	if want := []bool{true, true, false, false}; !slices.Equal(deleted, want) {
		t.Errorf("commits of the deleted topic: %v, want %v", deleted, want)
	}
}
