package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/redeliver/redeliver/bench/harness"
)

// Table prints the results for a terminal.
func Table(out io.Writer, rs Runs, all []harness.Scenario) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, s := range all {
		for _, part := range rs.sections(s) {
			fmt.Fprintf(w, "\n(%s) %s: %s, on %s, medians of %d\n", s.Letter, s.Name, part.title, part.broker, part.run.Rounds)
			for _, cells := range append([][]string{heads(s, part)}, cellsOf(part)...) {
				fmt.Fprintf(w, "%s\t\n", strings.Join(cells, "\t"))
			}
		}
	}
	return w.Flush()
}

// heads are the names of the columns.
func heads(s harness.Scenario, part section) []string {
	unit := cmp.Or(s.Unit, "records")
	return append([]string{"", unit + "/s", "ratio", "CPU s/million", "peak MiB", "allocations"}, part.figures...)
}

// cellsOf are the rows of a table.
func cellsOf(part section) (all [][]string) {
	for _, r := range part.rows {
		allocations := ""
		if r.Allocations > 0 {
			allocations = fmt.Sprintf("%.3f", r.Allocations)
		}
		cells := []string{r.Contender, thousands(r.PerSecond), ratio(r), fmt.Sprintf("%.2f", r.CPUPerMillion), fmt.Sprintf("%.0f", r.PeakBytes/(1<<20)), allocations}
		for _, name := range part.figures {
			text := ""
			if value, ok := r.Figures[name]; ok {
				text = strconv.FormatFloat(value, 'g', 4, 64)
			}
			cells = append(cells, text)
		}
		all = append(all, cells)
	}
	return all
}

// ratio names whom a contender is held against: in some scenarios there are two of them.
func ratio(r row) string {
	if r.Ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f of %s (%.2f to %.2f)", r.Ratio, r.Against, r.Least, r.Most)
}

// thousands writes a number with its thousands apart.
func thousands(n float64) string {
	digits := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// figureNames are the names of figures, percentiles by their number.
func figureNames(figures map[string]float64) []string {
	number := func(name string) float64 {
		n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(name, "p"), " ms"), 64)
		if err != nil {
			return -1
		}
		return n
	}
	return slices.SortedFunc(maps.Keys(figures), func(a, b string) int {
		return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
	})
}
