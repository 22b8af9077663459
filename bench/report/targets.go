package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/bench/scenarios"
)

// target is what a scenario is to come to.
type target struct {
	letter string
	what   string
	want   string
	// of returns what it came to on one broker, false where that was not measured.
	of func(parts []section) (outcome, bool)
}

// outcome is a value beside its bound.
type outcome struct {
	value, bound float64
	atMost       bool    // the bound is the most that the value may be; else it is the least
	text         string  // how the value is told. "": as it is
	best         float64 // of the rounds; 0: not known
}

func (o outcome) String() string {
	text := o.text
	if text == "" {
		text = fmt.Sprintf("%.2f", o.value)
	}
	short := o.bound - o.value
	if o.atMost {
		short = -short
	}
	switch {
	case short < 0 && -short < 0.005:
		return fmt.Sprintf("%s, met by %.3f", text, -short)
	case short <= 0:
		return text + ", met"
	}
	digits := 2
	for digits < 6 && short < math.Pow10(-digits) { // by so little that it would look like nothing
		digits++
	}
	text = fmt.Sprintf("%s, **missed by %.*f**", text, digits, short)
	if o.best >= o.bound && !o.atMost {
		text += ", within the range of the rounds"
	}
	return text
}

// The contenders that targets are about, as the scenarios name them.
const (
	ours     = "Redeliver"
	oursOnce = "Redeliver, exactly once"
)

// targets are those that the pipeline was built for.
func targets() (all []target) {
	for _, c := range []struct {
		name  string
		bound float64
		want  string
	}{
		{"100 B, 1 partition", 0.95, "0.95 of franz-go"}, {"100 B, 12 partitions", 0.95, "0.95 of franz-go"}, {"100 B, 128 partitions", 0.95, "0.95 of franz-go"},
		{"1024 B, 1 partition", 1, "1.0 of franz-go"}, {"1024 B, 12 partitions", 1, "1.0 of franz-go"}, {"1024 B, 128 partitions", 1, "1.0 of franz-go"},
	} {
		all = append(all, target{"a", c.name, c.want, ratioOf(c.name, ours, c.bound)})
	}
	all = append(all,
		target{"a", "allocations a record above the client's own", "0.1 at most", allocationsAbove(0.1)},
		target{"a", "beside the closest peer", "ahead of it", closestPeer},
		target{"b", "at least once", "0.85 of a raw copy", ratioOf("", ours, 0.85)},
		target{"b", "exactly once", "0.85 of a raw transactional copy of equal batches", ratioOf("", oursOnce, 0.85)},
	)
	for _, name := range []string{"calls of 1ms", "calls of 10ms"} {
		all = append(all,
			target{"d", name, "within a tenth of the ideal", figureOf(name, ours, "of the ideal", 0.9, false, "%.2f of it")},
			target{"d", name + ", beside partition order", "30 times", timesOf(name, ours, 30)},
			target{"d", name + ", beside Parallel Consumer", "ahead of it", beside(name, "parallel-consumer")},
		)
	}
	half := "50 % of the slots busy"
	return append(all,
		target{"f", "lateness at half the load, median", "2 ms at most", figureOf(half, ours, scenarios.PercentileFigure(50), 2, true, "%.1f ms")},
		target{"f", "lateness at half the load, p99", "20 ms at most", figureOf(half, ours, scenarios.PercentileFigure(99), 20, true, "%.1f ms")},
		target{"f", "retries that start early, at any load", "none", earliest},
		target{"g", "memory above the process beside which nothing waits, idle", "64 MiB at most", memoryAbove(64)},
		target{"g", "the same while fresh records come", "64 MiB at most", peakAbove(64)},
		target{"g", "fresh records beside the backlog", "0.95 of those beside nothing", ratioOf("", "Redeliver, a backlog waits", 0.95)},
		target{"h", "a thousand partitions flow", "3 s after joining at most", figureOf("", ours, "flowing s", 3, true, "%.2f s")},
		target{"h", "the same with KIP-848", "3 s after joining at most", figureOf("", "Redeliver, KIP-848", "flowing s", 3, true, "%.2f s")},
	)
}

// find returns a contender's row of the first case of that name, "" for any.
func find(parts []section, name, contender string) (row, bool) {
	for _, part := range parts {
		for _, r := range part.shown() {
			if r.Contender == contender && (name == "" || part.title == name) {
				return r, true
			}
		}
	}
	return row{}, false
}

func ratioOf(name, contender string, bound float64) func([]section) (outcome, bool) {
	return func(parts []section) (outcome, bool) {
		r, ok := find(parts, name, contender)
		return outcome{value: r.Ratio, bound: bound, text: ranged(r.Summary, "%.2f"), best: r.Most}, ok && r.Ratio > 0
	}
}

func timesOf(name, contender string, bound float64) func([]section) (outcome, bool) {
	return func(parts []section) (outcome, bool) {
		r, ok := find(parts, name, contender)
		return outcome{value: r.Ratio, bound: bound, text: fmt.Sprintf("%.0f times", r.Ratio)}, ok && r.Ratio > 0
	}
}

func beside(name, peer string) func([]section) (outcome, bool) {
	return func(parts []section) (outcome, bool) {
		r, ok := find(parts, name, peer)
		return outcome{value: r.ahead.Ratio, bound: 1, text: ranged(r.ahead, "%.2f") + " of it", best: r.ahead.Most}, ok && r.ahead.Ratio > 0
	}
}

func figureOf(name, contender, figure string, bound float64, atMost bool, format string) func([]section) (outcome, bool) {
	return func(parts []section) (outcome, bool) {
		r, _ := find(parts, name, contender)
		value, ok := r.Figures[figure]
		return outcome{value: value, bound: bound, atMost: atMost, text: fmt.Sprintf(format, value)}, ok
	}
}

// closestPeer is the peer that comes closest, of all cases.
func closestPeer(parts []section) (closest outcome, ok bool) {
	for _, part := range parts {
		for _, r := range part.shown() {
			if by := r.ahead.Ratio; by > 0 && (!ok || by < closest.value) {
				closest, ok = outcome{value: by, bound: 1, text: fmt.Sprintf("%s of %s at %s", ranged(r.ahead, "%.2f"), r.Contender, part.title), best: r.ahead.Most}, true
			}
		}
	}
	return closest, ok
}

// allocationsAbove is by how many the pipeline's allocations are above the client's own at most, of all cases.
func allocationsAbove(bound float64) func([]section) (outcome, bool) {
	return func(parts []section) (outcome, bool) {
		var all []float64
		for _, part := range parts {
			one, ok := find([]section{part}, "", ours)
			limit, also := find([]section{part}, "", one.Against)
			if ok && also {
				all = append(all, one.Allocations-limit.Allocations)
			}
		}
		if len(all) == 0 {
			return outcome{}, false
		}
		return outcome{value: slices.Max(all), bound: bound, atMost: true, text: fmt.Sprintf("%.2f to %.2f", slices.Min(all), slices.Max(all))}, true
	}
}

// earliest is how many retries started early, of all cases.
func earliest(parts []section) (outcome, bool) {
	early, measured := 0.0, false
	for _, part := range parts {
		for _, r := range part.shown() {
			n, ok := r.Figures["most early"]
			early, measured = early+n, measured || ok
		}
	}
	return outcome{value: early, atMost: true, text: fmt.Sprintf("%.0f", early)}, measured
}

// memoryAbove is how much more memory the process has had beside a backlog than beside none, before fresh records came.
func memoryAbove(bound float64) func([]section) (outcome, bool) {
	const idle = "idle MiB"
	return func(parts []section) (outcome, bool) {
		full, ok := find(parts, "", "Redeliver, a backlog waits")
		empty, also := find(parts, "", full.Against)
		above := full.Figures[idle] - empty.Figures[idle]
		return outcome{value: above, bound: bound, atMost: true, text: fmt.Sprintf("%.0f MiB", above)}, ok && also
	}
}

// peakAbove is how much more memory the process has had beside a backlog than beside none, with fresh records.
func peakAbove(bound float64) func([]section) (outcome, bool) {
	return func(parts []section) (outcome, bool) {
		full, ok := find(parts, "", "Redeliver, a backlog waits")
		empty, also := find(parts, "", full.Against)
		above := (full.PeakBytes - empty.PeakBytes) / (1 << 20)
		return outcome{value: above, bound: bound, atMost: true, text: fmt.Sprintf("%.0f MiB", above)}, ok && also
	}
}

// ranged tells a ratio with the range of its rounds.
func ranged(s harness.Summary, format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.Ratio, s.Least, s.Most)
}

// targetTable writes the targets beside what they came to, a column for each broker.
func targetTable(rs Runs, all []harness.Scenario) string {
	byLetter := make(map[string][]section)
	var brokers []string
	for _, s := range all {
		byLetter[s.Letter] = rs.sections(s)
		for _, part := range byLetter[s.Letter] {
			if !slices.Contains(brokers, part.broker) {
				brokers = append(brokers, part.broker)
			}
		}
	}
	slices.SortFunc(brokers, func(a, b string) int { return rank(a) - rank(b) })
	var b strings.Builder
	b.WriteString("| | wanted |")
	for _, broker := range brokers {
		fmt.Fprintf(&b, " on %s |", called(broker))
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(brokers)) + "\n")
	for _, t := range targets() {
		fmt.Fprintf(&b, "| (%s) %s | %s |", t.letter, t.what, t.want)
		for _, broker := range brokers {
			parts := slices.DeleteFunc(slices.Clone(byLetter[t.letter]), func(part section) bool { return part.broker != broker })
			text := "not measured"
			if o, ok := t.of(parts); ok {
				text = o.String()
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	return b.String()
}
