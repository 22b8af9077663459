package consumer

import (
	"testing"
	"time"
)

// TestLostPartitionsAreNotTakenUpAgain: a member that was forgotten by its group while it joined keeps its partitions in mind, as
// the client does. When the join fails, the client lets go of them, and others may have them: the next assignment is all there is.
func TestLostPartitionsAreNotTakenUpAgain(t *testing.T) {
	w := onBench(t, succeed)
	w.lane(0, 0)
	w.lane(1, 0)
	both := map[string][]int32{testTopic: {0, 1}}
	if w.p.mayClaim() {
		t.Fatal("a member without an id claims what it had")
	}
	equal(t, "lanes of a forgotten member", len(w.p.intake.all()), 0)
	w.p.lost(t.Context(), w.p.client, both)
	w.p.assigned(t.Context(), w.p.client, map[string][]int32{testTopic: {0}})
	if kept := w.p.regained(); kept != nil {
		t.Errorf("taken up again beside the assignment: %v", kept)
	}
	equal(t, "lanes", len(w.p.intake.all()), 1)
}

// TestKeptPartitionsAreTakenUpAgain: the client believes that it has them still when the group assigns them to it once more, and
// tells nobody.
func TestKeptPartitionsAreTakenUpAgain(t *testing.T) {
	w := onBench(t, succeed)
	w.lane(0, 0)
	w.lane(1, time.Second)
	w.p.mayClaim()
	w.p.assigned(t.Context(), w.p.client, nil)
	equal(t, "topics kept", len(w.p.regained()), 2)
	equal(t, "topics kept, asked again", len(w.p.regained()), 0)
}
