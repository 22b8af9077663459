package sim

import "fmt"

// A family is a kind of plans.
type family struct {
	plan func(seed uint64) *Plan
	// whole says that its plans have every trait and every kind of fault that there is, and put every promise to the test.
	whole bool
	// demands are counters of promises that it is for: they must not stay at zero when many of its plans are run.
	demands map[Promise][]string
}

var families = map[string]family{
	"random": {plan: NewPlan, whole: true},
	"held": {plan: NewHeldPlan, demands: map[Promise][]string{
		Ordered: {"records parked", "parked records moved", "records held behind another"},
	}},
	"closed": {plan: NewClosedPlan, demands: map[Promise][]string{
		Ordered: {"records parked", "records held behind another", "records dead behind another", "keys open in the end", "dead letters beyond memory"},
	}},
	"fair": {plan: NewFairPlan, demands: map[Promise][]string{
		HonestAttempts: {"records put off before their first attempt"}, Isolated: {"waits bounded", "waits bounded of what was put off"}, Ordered: {"calls one after the other", "records held behind another"},
	}},
	"paused": {plan: NewPausedPlan, demands: map[Promise][]string{Fenced: {"handovers"}, Isolated: {"prompt attempts"}}},
}

// leastFaults is how many faults the median run of a family must have had.
const leastFaults = 10

// missing lists what the plans of the family ought to have put to the test and have not.
func (f family) missing(t *Tally) (missing []string) {
	if f.whole {
		missing = t.Missing()
	}
	if n := t.Median(); n < leastFaults {
		missing = append(missing, fmt.Sprintf("%d faults in the median seed, it had %d", leastFaults, n))
	}
	for _, p := range Promises() {
		for _, what := range f.demands[p] {
			if t.Report.Exercised[p][what] == 0 {
				missing = append(missing, fmt.Sprintf("%s: %s", p, what))
			}
		}
	}
	return missing
}
