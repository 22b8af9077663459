package chaos

import (
	"slices"
	"testing"
	"time"
)

// A seed makes one plan, and another seed another.
func TestPlanFollowsFromItsSeed(t *testing.T) {
	one := makePlan(1, 2*time.Minute)
	if !slices.Equal(one, makePlan(1, 2*time.Minute)) {
		t.Error("the same seed makes another plan the second time")
	}
	if slices.Equal(one, makePlan(2, 2*time.Minute)) {
		t.Error("another seed makes the same plan")
	}
}

// Two minutes have everything in them that there is to do; what is owed comes once, and begins with a restart of all
// members before any fault.
func TestPlanHasEverything(t *testing.T) {
	for seed := range uint64(20) {
		plan := makePlan(seed, 2*time.Minute)
		count := make(map[verb]int)
		for _, st := range plan {
			count[st.verb]++
			if st.owed && count[st.verb] > 1 {
				t.Errorf("seed %d: %s comes more than once", seed, st.verb)
			}
		}
		for _, v := range append([]verb{roll, growSource, tierAway, tierBack, remake}, deck...) {
			if count[v] == 0 {
				t.Errorf("seed %d: two minutes have no step %q", seed, v)
			}
		}
		if plan[0].verb != roll {
			t.Errorf("seed %d begins with %q, want %q", seed, plan[0].verb, roll)
		}
	}
}

// A step waits for the members, brokers and topics that another one has broken.
func TestStepsExcludeEachOther(t *testing.T) {
	for _, c := range []struct {
		under, next step
		begins      bool
	}{
		{step{verb: killMember, member: 0}, step{verb: pauseMember, member: 1}, true},
		{step{verb: killMember, member: 0}, step{verb: pauseMember, member: 0}, false},
		{step{verb: killMember, member: 0}, step{verb: killBroker}, true},
		{step{verb: killBroker, broker: 0}, step{verb: pauseBroker, broker: 1}, false},
		{step{verb: killBroker}, step{verb: growSource}, true},
		{step{verb: growSource}, step{verb: remake}, false},
		{step{verb: tierAway}, step{verb: killMember, member: 2}, false},
		{step{verb: tierAway}, step{verb: killBroker}, true},
		{step{verb: roll}, step{verb: killBroker}, false},
	} {
		var b busy
		if !b.take(c.under) {
			t.Fatalf("%s does not begin while nothing is under way", c.under.verb)
		}
		if got := b.take(c.next); got != c.begins {
			t.Errorf("during %s, %s begins: %v, want %v", c.under.verb, c.next.verb, got, c.begins)
		}
		b.free(c.under)
		if !c.begins && !b.take(c.next) {
			t.Errorf("after %s, %s does not begin", c.under.verb, c.next.verb)
		}
	}
}
