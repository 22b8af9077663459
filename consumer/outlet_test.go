package consumer

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// TestACopyThatGotSlimmerGivesItsRoomBack makes copies smaller while they are under way, as a refusal for their size does:
// what they took of their partition's room is free again when they come back, and all others follow.
func TestACopyThatGotSlimmerGivesItsRoomBack(t *testing.T) {
	o := newOutlets()
	large := func() *route {
		return &route{record: &kgo.Record{Topic: "t"}, size: outletBytes, entry: &entry{state: &retrytopics.State{}}}
	}
	first, second := large(), large()
	if !o.enter(first) || o.enter(second) {
		t.Fatal("the partition has room for one large copy")
	}
	first.size = 10
	next := o.leave(first)
	if len(next) != 1 || next[0] != second {
		t.Fatalf("%d copies follow, want the second", len(next))
	}
	second.size = 10
	o.leave(second)
	if third := large(); !o.enter(third) {
		t.Error("the room of copies that came back is not free")
	}
	late := o.of(first).moved.Add(2 * routeStall)
	if held, copies := o.stalled(late); len(held) != 1 || copies != 1 {
		t.Errorf("%d partitions with %d copies stall, want the one with the third copy", len(held), copies)
	}
	if told := o.untold(late); len(told) != 1 {
		t.Errorf("%d partitions are told of, want the one", len(told))
	}
	if told := o.untold(late.Add(routeStall)); len(told) != 0 {
		t.Errorf("%d partitions are told of again at once, want none", len(told))
	}
	if told := o.untold(late.Add(2 * routeStall)); len(told) != 1 {
		t.Errorf("%d partitions are told of again after as long, want the one", len(told))
	}
}
