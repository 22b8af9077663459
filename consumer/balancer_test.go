package consumer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

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
