package report

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
)

// one is a scenario of its own in these tests.
var one = harness.Scenario{Letter: "x", Name: "an example"}

// rounds are results of so many records in a second each.
func rounds(records ...int) (all []contract.Result) {
	for _, n := range records {
		all = append(all, contract.Result{Records: n, Seconds: 1, CPUSeconds: 2, PeakBytes: 3 << 20})
	}
	return all
}

// measured is what was measured of the scenario in one case.
func measured(all ...harness.Measured) *Results {
	for i := range all {
		all[i].Broker, all[i].Scenario, all[i].Case = "embedded", one.Letter, "a case"
	}
	return &Results{Rounds: 3, Measured: all}
}

// lines are the lines of the terminal's table below its title, a line's cells apart by two spaces.
func lines(t *testing.T, s harness.Scenario, r *Results) []string {
	t.Helper()
	var out strings.Builder
	if err := Table(&out, Runs{r}, []harness.Scenario{s}); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	var all []string
	for line := range strings.Lines(table) {
		all = append(all, regexp.MustCompile(" {2,}").ReplaceAllString(strings.TrimSpace(line), "  "))
	}
	return all
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A ratio says to whom, for there may be two that others are held against.
func TestARatioNamesWhomItIsOf(t *testing.T) {
	wantLines(t, lines(t, one, measured(
		harness.Measured{Contender: "a copy", Rounds: rounds(1000, 1000, 1000)},
		harness.Measured{Contender: "ours", Against: "a copy", Rounds: rounds(800, 850, 900)},
		harness.Measured{Contender: "a transaction", Rounds: rounds(500, 500, 500)},
		harness.Measured{Contender: "ours, once", Against: "a transaction", Rounds: rounds(250, 250, 250)},
	)),
		"records/s  ratio  CPU s/million  peak MiB  allocations each",
		"a copy  1,000  2,000  3",
		"ours  850  0.85 of a copy (0.80 to 0.90)  2,353  3",
		"a transaction  500  4,000  3",
		"ours, once  250  0.50 of a transaction (0.50 to 0.50)  8,000  3",
	)
}

// By how much ours is ahead of a peer stands beside it: both may be held against a third.
func TestAPeerIsToldHowFarBehindItIs(t *testing.T) {
	s := one
	s.Contenders = []harness.Contender{{Name: "the limit"}, {Name: "ours", Against: "the limit"}, {Name: "a peer", Against: "the limit", Behind: "ours"}}
	wantLines(t, lines(t, s, measured(
		harness.Measured{Contender: "the limit", Rounds: rounds(1000, 1000, 1000)},
		harness.Measured{Contender: "ours", Against: "the limit", Rounds: rounds(800, 850, 900)},
		harness.Measured{Contender: "a peer", Against: "the limit", Rounds: rounds(400, 500, 1000)},
	)),
		"records/s  ratio  ours ÷ it  CPU s/million  peak MiB  allocations each",
		"the limit  1,000  2,000  3",
		"ours  850  0.85 of the limit (0.80 to 0.90)  2,353  3",
		"a peer  500  0.50 of the limit (0.40 to 1.00)  1.70 (0.90 to 2.00)  4,000  3",
	)
}

// Who was left out is told with the reason, and so is whose ratio that takes away; what it measured before it failed is not shown.
func TestWhoIsLeftOutIsTold(t *testing.T) {
	failed := rounds(1000)
	failed[0].Figures = map[string]float64{"x s": 1}
	r := measured(
		harness.Measured{Contender: "franz-go", Left: strings.Repeat("more ", 100) + "a | and\n  the end", Rounds: failed},
		harness.Measured{Contender: "ours", Against: "franz-go", Rounds: rounds(800, 850, 900)},
		harness.Measured{Contender: "a peer", Against: "franz-go", Left: "there is no java"},
	)
	wantLines(t, lines(t, one, r),
		"records/s  ratio  CPU s/million  peak MiB  allocations each",
		"ours  850  no ratio: franz-go failed in a round  2,353  3",
		"franz-go  left out: …"+strings.Repeat("more ", 29)+"a / and the end",
		"a peer  left out: there is no java",
	)
}

// A round that ended at the limit of its scenario has handled less than the others: one such round is enough to be told.
func TestARoundThatWasCutOffIsTold(t *testing.T) {
	head := rounds(900_000, 900_000, 900_000)
	for i := range head {
		head[i].Head = 100_000
	}
	wantLines(t, lines(t, one, measured(
		harness.Measured{Contender: "with a head", Task: 1_000_000, Rounds: head},
		harness.Measured{Contender: "whole", Task: 3_000_000, Rounds: rounds(3_000_000, 3_000_000, 3_000_100)},
		harness.Measured{Contender: "once", Task: 3_000_000, Rounds: rounds(3_000_000, 850_000, 3_000_000)},
		harness.Measured{Contender: "not known", Rounds: rounds(1)},
	)),
		"records/s  ratio  CPU s/million  peak MiB  allocations each",
		"with a head  900,000  2.22  3",
		"whole  3,000,000  0.667  3",
		"once  3,000,000 (cut off: 850,000 of 3,000,000)  0.667  3",
		"not known  1  2,000,000  3",
	)
}

// Who allocates nothing is not taken for one whose allocations cannot be counted.
func TestNoAllocationsAreTold(t *testing.T) {
	none := rounds(1000, 1000, 1000)
	for i := range none {
		none[i].Counted = true
	}
	wantLines(t, lines(t, one, measured(harness.Measured{Contender: "none", Rounds: none}, harness.Measured{Contender: "not known", Rounds: rounds(1000)})),
		"records/s  ratio  CPU s/million  peak MiB  allocations each",
		"none  1,000  2,000  3  0.000",
		"not known  1,000  2,000  3",
	)
}

// Where a scenario is about another figure than the rate, costs for each of those that it counts say nothing.
func TestAScenarioOfAFigureHasColumnsThatSaySomething(t *testing.T) {
	all := rounds(1000, 1000, 1000)
	for i := range all {
		all[i].Allocations, all[i].Figures = 5000, map[string]float64{"flowing s": float64(i)}
	}
	s := one
	m := harness.Measured{Contender: "ours", Rounds: all}
	wantLines(t, lines(t, s, measured(m)), "records/s  ratio  CPU s/million  peak MiB  allocations each  flowing s", "ours  1,000  2,000  3  5.000  1")
	s.Unit, s.Plot = "partitions", "flowing s"
	wantLines(t, lines(t, s, measured(m)), "partitions/s  ratio  CPU s  peak MiB  flowing s", "ours  1,000  2.00  3  1")
}

// What the machine had left stands beside what is counted, where it is known, and what its host took where that is much; percentiles of a table are few.
func TestTheMachinesTimeIsTold(t *testing.T) {
	all := rounds(1000, 1000, 1000)
	for i := range all {
		all[i].Idle, all[i].Stolen = 0.1*float64(i+1), 0.001
		all[i].Figures = map[string]float64{"p50 ms": 0.04788, "p95 ms": 1, "p99 ms": 12.345, "p99.9 ms": 20, "x": 123456.7}
	}
	m := []harness.Measured{{Contender: "ours", Rounds: all}, {Contender: "a peer", Rounds: rounds(1000)}}
	wantLines(t, lines(t, one, measured(m...)),
		"records/s  ratio  CPU s/million  peak MiB  allocations each  machine idle  x  p50 ms  p99 ms",
		"ours  1,000  2,000  3  20 %  123,457  0.0479  12.3",
		"a peer  1,000  2,000  3",
	)
	for i := range all {
		all[i].Stolen = 0.25
	}
	wantLines(t, lines(t, one, measured(m[:1]...)),
		"records/s  ratio  CPU s/million  peak MiB  allocations each  machine idle  taken by its host  x  p50 ms  p99 ms",
		"ours  1,000  2,000  3  20 %  25 %  123,457  0.0479  12.3",
	)
}

// A ratio that two digits cannot tell from nothing is told as that, and one of thousands without digits behind the point.
func TestRatiosOfWhoOnlyWaits(t *testing.T) {
	s := one
	s.Contenders = []harness.Contender{{Name: "the limit"}, {Name: "ours", Against: "the limit"}, {Name: "a peer", Against: "the limit", Behind: "ours"}}
	wantLines(t, lines(t, s, measured(
		harness.Measured{Contender: "the limit", Rounds: rounds(1_000_000)},
		harness.Measured{Contender: "ours", Against: "the limit", Rounds: rounds(500_000)},
		harness.Measured{Contender: "a peer", Against: "the limit", Rounds: rounds(4)},
	)),
		"records/s  ratio  ours ÷ it  CPU s/million  peak MiB  allocations each",
		"the limit  1,000,000  2  3",
		"ours  500,000  0.50 of the limit (0.50 to 0.50)  4  3",
		"a peer  4  under 0.01 of the limit  125,000 (125,000 to 125,000)  500,000  3",
	)
}
