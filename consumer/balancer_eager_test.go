package consumer

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestEagerMemberWantsBackWhatItHad gives two members a group's partitions by the eager balancer, and lets them join again: each
// gets what it had, although an eager member has nothing when it joins. A third one takes its part of both.
func TestEagerMemberWantsBackWhatItHad(t *testing.T) {
	topics := map[string]int32{"t": 6, "t.1s": 6}
	names := []string{"t", "t.1s"}
	member := func() *coPartitioned {
		return newBalancer(Eager, familyOf, func() bool { return true }).(*coPartitioned)
	}
	balance := func(generation int32, members ...*coPartitioned) (out []map[string][]int32) {
		t.Helper()
		var joined []kmsg.JoinGroupResponseMember
		for i, m := range members {
			j := kmsg.NewJoinGroupResponseMember()
			j.MemberID, j.ProtocolMetadata = string(rune('a'+i)), m.JoinGroupMetadata(names, nil, generation-1)
			joined = append(joined, j)
		}
		b, _, err := members[0].MemberBalancer(joined)
		if err != nil {
			t.Fatal(err)
		}
		into, err := b.(kgo.GroupMemberBalancerOrError).BalanceOrError(topics)
		if err != nil {
			t.Fatal(err)
		}
		plan := into.IntoSyncAssignment()
		if len(plan) != len(members) {
			t.Fatalf("%d members have an assignment, want %d", len(plan), len(members))
		}
		for i, m := range members {
			at := slices.IndexFunc(plan, func(a kmsg.SyncGroupRequestGroupAssignment) bool { return a.MemberID == joined[i].MemberID })
			parts, err := m.ParseSyncAssignment(plan[at].MemberAssignment)
			if err != nil {
				t.Fatal(err)
			}
			if !sameAssignment([]map[string][]int32{{"t": parts["t"]}}, []map[string][]int32{{"t": parts["t.1s"]}}) {
				t.Errorf("a member has %v of the source and %v of its tier", parts["t"], parts["t.1s"])
			}
			out = append(out, parts)
		}
		return out
	}
	one, two, three := member(), member(), member()
	first := balance(1, two) // who has all of it before the other comes
	if len(first[0]["t"]) != 6 {
		t.Fatalf("one member alone has %v", first[0])
	}
	before := balance(2, one, two)
	if len(before[0]["t"]) != 3 || len(before[1]["t"]) != 3 {
		t.Errorf("two members have %v and %v", before[0], before[1])
	}
	after := balance(3, two, one) // in another order, as new ids would have it
	if !sameAssignment(before, []map[string][]int32{after[1], after[0]}) {
		t.Errorf("nothing has changed but the assignment: %v, then %v", before, after)
	}
	if all := balance(4, one, two, three); len(all[2]["t"]) != 2 { // at once: nobody waits for a second round
		t.Errorf("the third member has %v", all[2])
	}
	if one.IsCooperative() || one.ProtocolName() == newBalancer(Classic, nil, nil).ProtocolName() {
		t.Error("the eager balancer is taken for the cooperative one")
	}
}
