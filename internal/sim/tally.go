package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Tally adds runs up: what was put to the test, and what was not.
type Tally struct {
	Runs    int
	Virtual time.Duration
	Report  *Report
	Faults  map[string]int
	Traits  map[string]int // of the plans

	perRun []int // faults
}

// NewTally returns an empty one.
func NewTally() *Tally {
	return &Tally{Report: newReport(), Faults: make(map[string]int), Traits: make(map[string]int)}
}

// Add adds a run of a plan.
func (t *Tally) Add(p *Plan, r *Report, faults map[string]int, virtual time.Duration) {
	for _, name := range p.Traits() {
		t.Traits[name]++
	}
	t.Runs++
	t.Virtual += virtual
	t.Report.Add(r)
	sum := 0
	for kind, n := range faults {
		t.Faults[kind] += n
		sum += n
	}
	t.perRun = append(t.perRun, sum)
}

// Median is how many faults the median run had.
func (t *Tally) Median() int {
	if len(t.perRun) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.perRun))
	return sorted[len(sorted)/2]
}

// String says what was run, how often each kind of fault was injected, and how often each promise was put to the test.
func (t *Tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %.1f simulated hours, %d faults in the median seed\nplans:", t.Runs, t.Virtual.Hours(), t.Median())
	for _, trait := range traits {
		fmt.Fprintf(&b, " %s %d;", trait.name, t.Traits[trait.name])
	}
	b.WriteString("\nfaults:")
	for _, kind := range slices.Sorted(maps.Keys(t.Faults)) {
		fmt.Fprintf(&b, " %s %d;", kind, t.Faults[kind])
	}
	fmt.Fprintf(&b, "\n%s", t.Report.Exercise())
	return b.String()
}

// Missing lists what ought to have been put to the test and was not: traits of plans, kinds of faults, and counters of
// promises.
func (t *Tally) Missing() (missing []string) {
	for _, trait := range traits {
		if t.Traits[trait.name] == 0 {
			missing = append(missing, "plans with "+trait.name)
		}
	}
	for _, kind := range FaultKinds() {
		if t.Faults[kind] == 0 {
			missing = append(missing, "the fault "+kind)
		}
	}
	for _, p := range Promises() {
		for _, what := range exercises[p] {
			if t.Report.Exercised[p][what] == 0 {
				missing = append(missing, fmt.Sprintf("%s: %s", p, what))
			}
		}
	}
	return missing
}

// exercises are the counters that must not stay at zero when many plans are run.
var exercises = map[Promise][]string{
	NoLoss:     {"commits passing a record", "copies durable before the commit", "records handled", "records dead", "records dropped", "records skipped"},
	NeverEarly: {"attempts from a tier", "delays by policy", "hops", "snoozes"},
	HonestAttempts: {
		"calls numbered", "calls failed", "calls snoozed", "calls buried", "calls dropped", "calls interrupted", "dead letters accounted for",
		"failures that are free", "failures that may be free", "tries in histories",
	},
	Intact:   {"calls compared", "copies compared", "null keys", "null values", "several headers"},
	StableID: {"calls", "copies"},
	OwnLane:  {"copies", "copies of another group"},
	Fenced:   {"commits", "calls from the commit on", "handovers", "members given up by the group"},
	Ordered:  {"calls one after the other", "fresh records in offset order"},
	Isolated: {"prompt attempts", "prompt beside a long call"},
	Bounded: {
		"members", "repeats", "copies written once", "records routed once",
		"upsets: crash", "upsets: cut off", "upsets: evicted", "upsets: expelled", "upsets: overrun", "upsets: unmapped", "upsets: unsaved",
	},
	ReplayedOnce: {"dead letters replayed", "replays completed", "replays killed"},
}
