package consumer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func familyOf(topic string) string { f, _, _ := strings.Cut(topic, "."); return f }

// TestBalancerKeepsASourceAndItsTiersTogether assigns random groups and checks that every partition has one member,
// that partitions of one number and family have the same one, that loads differ by one at most, and that a member that
// stays keeps what its part allows.
func TestBalancerKeepsASourceAndItsTiersTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := make(map[string]int32)
		for f := range rapid.IntRange(1, 3).Draw(t, "families") {
			source := int32(rapid.IntRange(1, 12).Draw(t, "partitions"))
			topics[fmt.Sprint("t", f)] = source
			for _, tier := range []string{"1s", "10s"} {
				topics[fmt.Sprintf("t%d.%s", f, tier)] = source + int32(rapid.IntRange(0, 2).Draw(t, "more"))
			}
		}
		c := &coPartitioned{family: familyOf}
		var before []map[string][]int32
		for round := range 3 {
			members := make([]balanceMember, rapid.IntRange(1, 5).Draw(t, "members"))
			for i := range members {
				members[i] = balanceMember{topics: make(map[string]bool), owned: make(map[string]map[int32]bool)}
				for topic := range topics {
					members[i].topics[topic] = true
				}
				if i < len(before) {
					for topic, ps := range before[i] {
						members[i].owned[topic] = make(map[int32]bool)
						for _, p := range ps {
							members[i].owned[topic][p] = true
						}
					}
				}
			}
			after := c.assign(members, topics)
			checkTogether(t, topics, after)
			if round > 0 && len(before) == len(after) && !sameAssignment(before, after) {
				t.Fatalf("nothing has changed but the assignment: %v, then %v", before, after)
			}
			before = after
		}
	})
}

func checkTogether(t *rapid.T, topics map[string]int32, out []map[string][]int32) {
	owner := make(map[string]int)
	least, most := 1<<30, 0
	for m, parts := range out {
		units := make(map[string]bool)
		for topic, ps := range parts {
			for _, p := range ps {
				part := fmt.Sprintf("%s/%d", topic, p)
				if _, twice := owner[part]; twice {
					t.Fatalf("%s has two members", part)
				}
				owner[part] = m
				units[fmt.Sprintf("%s/%d", familyOf(topic), p)] = true
			}
		}
		least, most = min(least, len(units)), max(most, len(units))
	}
	for topic, n := range topics {
		for p := range n {
			m, ok := owner[fmt.Sprintf("%s/%d", topic, p)]
			if !ok {
				t.Fatalf("%s/%d has no member", topic, p)
			}
			if p < topics[familyOf(topic)] && m != owner[fmt.Sprintf("%s/%d", familyOf(topic), p)] {
				t.Fatalf("%s/%d is apart from its source", topic, p)
			}
		}
	}
	if most-least > 1 {
		t.Fatalf("one member has %d units, another %d", most, least)
	}
}

func sameAssignment(a, b []map[string][]int32) bool {
	return slices.EqualFunc(a, b, func(x, y map[string][]int32) bool {
		return maps.EqualFunc(x, y, func(p, q []int32) bool {
			return slices.Equal(slices.Sorted(slices.Values(p)), slices.Sorted(slices.Values(q)))
		})
	})
}

// TestBalancerDuringARollout gives topics that only some members read to those.
func TestBalancerDuringARollout(t *testing.T) {
	c := &coPartitioned{family: familyOf}
	old := balanceMember{topics: map[string]bool{"t": true}, owned: map[string]map[int32]bool{"t": {0: true, 1: true}}}
	young := balanceMember{topics: map[string]bool{"t": true, "t.5s": true}}
	out := c.assign([]balanceMember{old, young}, map[string]int32{"t": 2, "t.5s": 2})
	if len(out[0]["t.5s"]) > 0 || len(out[1]["t.5s"]) != 2 {
		t.Fatalf("a member got a topic that it does not read: %v", out)
	}
	if len(out[0]["t"])+len(out[1]["t"]) != 2 {
		t.Fatalf("the source is not assigned once: %v", out)
	}
}

// FuzzBalance: whatever another member says of itself when it joins, the partitions are divided, each to one member that
// reads its topic, or it is said that they cannot be.
func FuzzBalance(f *testing.F) {
	topics := map[string]int32{"a": 3, "a.1s": 3, "a.10s": 4, "b": 2}
	balancer := func(p GroupProtocol) kgo.GroupBalancer {
		return newBalancer(p, familyOf, func() bool { return true })
	}
	f.Add(balancer(Classic).JoinGroupMetadata([]string{"a", "a.1s", "a.10s"}, map[string][]int32{"a": {0, 1, 2}, "a.10s": {3}}, 7), int32(7))
	f.Add(balancer(Classic).JoinGroupMetadata([]string{"b"}, map[string][]int32{"b": {0, 1, 1, -1, 1 << 30}, "c": {0}}, -1), int32(8))
	f.Add(balancer(Eager).JoinGroupMetadata([]string{"b", "b"}, nil, 0), int32(0))
	f.Add([]byte{0, 1, 0x7f, 0xff, 0xff, 0xff}, int32(1)) // two thousand million topics
	f.Add([]byte{}, int32(0))
	f.Fuzz(func(t *testing.T, metadata []byte, generation int32) {
		for _, protocol := range []GroupProtocol{Classic, Eager} {
			b := balancer(protocol)
			ours := kmsg.JoinGroupResponseMember{MemberID: "ours", ProtocolMetadata: b.JoinGroupMetadata([]string{"a", "a.1s", "a.10s"}, map[string][]int32{"a": {0}}, generation)}
			other := kmsg.JoinGroupResponseMember{MemberID: "other", ProtocolMetadata: metadata}
			members, _, err := b.MemberBalancer([]kmsg.JoinGroupResponseMember{ours, other})
			if err != nil {
				continue
			}
			plan, err := members.(kgo.GroupMemberBalancerOrError).BalanceOrError(topics)
			if err != nil {
				t.Fatalf("%q stops a rebalance: %v", metadata, err)
			}
			checkDivided(t, b, topics, plan.IntoSyncAssignment())
		}
	})
}

// checkDivided expects each partition to be given once at most, and by an eager balancer all those that are read.
func checkDivided(t *testing.T, b kgo.GroupBalancer, topics map[string]int32, assignments []kmsg.SyncGroupRequestGroupAssignment) {
	t.Helper()
	given := make(map[string]map[int32]string)
	for _, a := range assignments {
		parts, err := b.ParseSyncAssignment(a.MemberAssignment)
		if err != nil {
			t.Fatalf("%s cannot read its assignment: %v", a.MemberID, err)
		}
		for topic, ps := range parts {
			if given[topic] == nil {
				given[topic] = make(map[int32]string)
			}
			for _, p := range ps {
				if had := given[topic][p]; had != "" || p < 0 || p >= topics[topic] {
					t.Fatalf("%s/%d is given to %q and %q", topic, p, a.MemberID, had)
				}
				given[topic][p] = a.MemberID
			}
		}
	}
	for _, topic := range []string{"a", "a.1s", "a.10s"} {
		if !b.IsCooperative() && len(given[topic]) != int(topics[topic]) {
			t.Fatalf("%d of %d partitions of %s are given", len(given[topic]), topics[topic], topic)
		}
	}
}

// FuzzSyncAssignment: whatever the leader assigns, a member takes it as partitions, or says that it cannot; an eager one
// claims again what it was given, and not more.
func FuzzSyncAssignment(f *testing.F) {
	var assignment kmsg.ConsumerMemberAssignment
	assignment.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "a", Partitions: []int32{0, 1}}, {Topic: "a.1s", Partitions: nil}}
	f.Add(assignment.AppendTo(nil))
	f.Add([]byte{0, 0, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, text []byte) {
		b := newBalancer(Eager, familyOf, func() bool { return true })
		parts, err := b.ParseSyncAssignment(text)
		if err != nil {
			return
		}
		var meta kmsg.ConsumerMemberMetadata
		if err := meta.ReadFrom(b.JoinGroupMetadata([]string{"a"}, nil, 1)); err != nil {
			t.Fatalf("what is claimed cannot be read: %v", err)
		}
		claimed := make(map[string][]int32)
		for _, o := range meta.OwnedPartitions {
			claimed[o.Topic] = o.Partitions
		}
		for topic, ps := range parts {
			if !slices.Equal(slices.Sorted(slices.Values(ps)), slices.Sorted(slices.Values(claimed[topic]))) {
				t.Fatalf("%s: given %v, claimed %v", topic, ps, claimed[topic])
			}
		}
		if len(claimed) > len(parts) {
			t.Fatalf("given %v, claimed %v", parts, claimed)
		}
	})
}
