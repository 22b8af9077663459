package consumer

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
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

// TestPartitionsOfOthersAreNotRead: a topic is forgotten, as one that was made again is, while the client asks where it was in it, and
// somebody else gets it. The client asks again when it is back in its group, and would read it beside its owner.
func TestPartitionsOfOthersAreNotRead(t *testing.T) {
	w := onBench(t, succeed)
	w.lane(0, 0)
	retry := w.lane(1, time.Second).topic
	where := func(parts map[string][]int32) map[string]map[int32]kgo.Offset {
		offsets := make(map[string]map[int32]kgo.Offset)
		for topic, ps := range parts {
			offsets[topic] = make(map[int32]kgo.Offset)
			for _, part := range ps {
				offsets[topic][part] = kgo.NewOffset().AtStart()
			}
		}
		return offsets
	}
	w.p.abandon([]string{retry})
	at, err := w.p.position(t.Context(), where(map[string][]int32{retry: {1}}))
	if err != nil || len(at) > 0 {
		t.Errorf("it reads %v, %v", at, err)
	}
	offsets := where(map[string][]int32{testTopic: {0, 1}, retry: {1}})
	w.p.disown(offsets)
	if _, own := offsets[testTopic][0]; !own || len(offsets) != 1 || len(offsets[testTopic]) != 1 {
		t.Errorf("of what it has and two of others it reads %v", offsets)
	}
	w.p.mayClaim() // forgotten by its group: what it had may turn out to be its own still
	offsets = where(map[string][]int32{testTopic: {0, 1}})
	w.p.disown(offsets)
	if _, kept := offsets[testTopic][0]; !kept || len(offsets[testTopic]) != 1 {
		t.Errorf("of what it has kept and one of others it reads %v", offsets)
	}
}

// TestAPartitionHasOneLane: of a topic that was made again the client names in one assignment all partitions, and those that it did
// not have before once more. A lane that nothing is fetched for would never be read, and its keys stay held.
func TestAPartitionHasOneLane(t *testing.T) {
	w := onBench(t, succeed)
	before := w.lane(0, 0)
	w.p.assigned(t.Context(), w.p.client, map[string][]int32{testTopic: {0, 1, 1}})
	equal(t, "lanes", w.p.intake.count.Load(), 2)
	if !before.closed || w.p.intake.lane(testTopic, 0) == before {
		t.Error("what was assigned anew goes on where it was")
	}
	for _, st := range w.p.allStrands() {
		equal(t, "lanes of a strand", len(st.lanes), 1)
	}
}
