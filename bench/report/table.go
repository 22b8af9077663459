package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
)

// Table prints the results for a terminal.
func Table(out io.Writer, rs Runs, all []harness.Scenario) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, s := range all {
		for _, part := range rs.sections(s) {
			fmt.Fprintf(w, "\n(%s) %s: %s, on %s, medians of %d\n", s.Letter, s.Name, part.title, called(part.broker), part.run.Rounds)
			all := cells(s, part)
			for _, line := range all {
				if len(line) < len(all[0]) {
					fmt.Fprintf(w, "%s\n", strings.Join(line, "\t  ")) // with no tab at its end, a reason makes no column wider
					continue
				}
				fmt.Fprintf(w, "%s\t\n", strings.Join(line, "\t"))
			}
		}
	}
	return w.Flush()
}

// column is one of a table.
type column struct {
	head string
	cell func(row) string
}

// columns are those that say something of a scenario: where it is about another figure than the rate, what one of those that are counted
// costs is not asked, but what the round did.
func columns(s harness.Scenario, part section) []column {
	peak := column{"peak MiB", func(r row) string { return fmt.Sprintf("%.0f", r.PeakBytes/(1<<20)) }}
	all := []column{{"", func(r row) string { return r.Contender }}, {unit(s) + "/s", rate}, {"ratio", ratio}}
	for _, r := range part.shown() {
		if r.ahead.Ratio > 0 {
			all = append(all, column{s.Contender(r.Contender).Behind + " ÷ it", ahead})
			break
		}
	}
	if s.Plot != "" {
		all = append(all, column{"CPU s", func(r row) string { return fmt.Sprintf("%.2f", cpu(r)) }}, peak)
	} else {
		all = append(all, column{"CPU s/million", func(r row) string { return short(r.CPUPerMillion) }}, peak, column{"allocations each", allocations})
		if slices.ContainsFunc(part.shown(), func(r row) bool { return idle(r) > 0 }) {
			all = append(all, column{"machine idle", func(r row) string { return percent(idle(r)) }})
		}
		if slices.ContainsFunc(part.shown(), func(r row) bool { return stolen(r) >= 0.01 }) {
			all = append(all, column{"taken by its host", func(r row) string { return percent(stolen(r)) }})
		}
	}
	for _, name := range part.figures {
		if p, is := percentile(name); is && !slices.Contains(percentilesShown, p) {
			continue // the plot and the JSON have them
		}
		all = append(all, column{name, func(r row) string {
			value, ok := r.Figures[name]
			if !ok {
				return ""
			}
			return short(value)
		}})
	}
	return all
}

// percentilesShown are those of a table.
var percentilesShown = []float64{50, 90, 99}

// idle and stolen are shares of the machine's time, 0 where they are not known.
func idle(r row) float64   { return r.median(func(r contract.Result) float64 { return r.Idle }) }
func stolen(r row) float64 { return r.median(func(r contract.Result) float64 { return r.Stolen }) }

func percent(share float64) string {
	if share <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// short writes a number with three digits and all of those before the point, a whole one without others.
func short(n float64) string {
	switch size := math.Abs(n); {
	case size >= 99.95, n == math.Trunc(n):
		return thousands(n)
	case size >= 9.995:
		return fmt.Sprintf("%.1f", n)
	case size >= 0.9995:
		return fmt.Sprintf("%.2f", n)
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}

func unit(s harness.Scenario) string { return cmp.Or(s.Unit, "records") }

func cpu(r row) float64 { return r.median(func(r contract.Result) float64 { return r.CPUSeconds }) }

// median is that of what the rounds have of something.
func (r row) median(of func(contract.Result) float64) float64 {
	var all []float64
	for _, round := range r.Rounds {
		all = append(all, of(round))
	}
	return harness.Median(all)
}

func allocations(r row) string {
	if r.Allocations == 0 && !slices.ContainsFunc(r.Rounds, func(r contract.Result) bool { return r.Counted }) {
		return "" // they cannot be counted in all languages, and earlier runs did not say where they can
	}
	return fmt.Sprintf("%.3f", r.Allocations)
}

// cells are the lines of a table, its heads first; those of who is left out have two cells only, and come last.
func cells(s harness.Scenario, part section) (all [][]string) {
	var heads []string
	shown := columns(s, part)
	for _, c := range shown {
		heads = append(heads, c.head)
	}
	all = append(all, heads)
	for _, r := range part.shown() {
		var line []string
		for _, c := range shown {
			line = append(line, c.cell(r))
		}
		all = append(all, line)
	}
	for _, r := range part.rows {
		if r.Left != "" {
			all = append(all, []string{r.Contender, "left out: " + oneLine(r.Left)})
		}
	}
	return all
}

// rate tells of rounds that were cut off: theirs is the rate of a beginning.
func rate(r row) string {
	text, fewest := thousands(r.PerSecond), r.Task
	for _, round := range r.Rounds {
		fewest = min(fewest, round.Head+round.Records)
	}
	if fewest < r.Task {
		text += fmt.Sprintf(" (cut off: %s of %s)", thousands(float64(fewest)), thousands(float64(r.Task)))
	}
	return text
}

// ratio names whom a contender is held against: in some scenarios there are two of them.
func ratio(r row) string {
	if r.lost {
		return fmt.Sprintf("no ratio: %s failed in a round", r.Against)
	}
	if r.Ratio == 0 {
		return ""
	}
	if r.Most < 0.005 {
		return "under 0.01 of " + r.Against
	}
	return fmt.Sprintf("%.2f of %s (%.2f to %.2f)", r.Ratio, r.Against, r.Least, r.Most)
}

// ahead is by how much another one is ahead of a contender.
func ahead(r row) string {
	if r.ahead.Ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s to %s)", times(r.ahead.Ratio), times(r.ahead.Least), times(r.ahead.Most))
}

// times writes a ratio that may be large.
func times(ratio float64) string {
	if ratio < 10 {
		return fmt.Sprintf("%.2f", ratio)
	}
	return short(ratio)
}

// oneLine makes a cell of a reason. Of a long one, such as all that a program printed, it is the end: what came before it is how it was called.
func oneLine(reason string) string {
	const most = 160
	text := []rune(strings.ReplaceAll(strings.Join(strings.Fields(reason), " "), "|", "/")) // a bar would end the cell
	if len(text) <= most {
		return string(text)
	}
	return "…" + string(text[len(text)-most:])
}

// thousands writes a number with its thousands apart.
func thousands(n float64) string {
	digits := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// percentile is of which one a figure is, if it is of one.
func percentile(figure string) (p float64, is bool) {
	text, is := strings.CutPrefix(figure, "p")
	text, ms := strings.CutSuffix(text, " ms")
	p, err := strconv.ParseFloat(text, 64)
	return p, is && ms && err == nil
}

// figureNames are the names of figures, percentiles by their number.
func figureNames(figures map[string]float64) []string {
	number := func(name string) float64 {
		if p, is := percentile(name); is {
			return p
		}
		return -1
	}
	return slices.SortedFunc(maps.Keys(figures), func(a, b string) int {
		return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
	})
}
