package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/bench/harness"
)

const pageName = "performance.md"

// place is a part of the page that is written by a run, between two marks.
type place struct{ begin, end string }

var (
	targetsPlace = place{"<!-- targets: make bench -->\n", "<!-- end of targets -->\n"}
	resultsPlace = place{"<!-- results: make bench -->\n", "<!-- end of results -->\n"}
)

// Page writes the targets and the tables between their marks of performance.md in a directory, and the plots beside it.
func Page(directory string, rs Runs, all []harness.Scenario) error {
	text, err := page(directory, rs, all)
	if err != nil {
		return err
	}
	path := filepath.Join(directory, pageName)
	return errors.Join(targetsPlace.insert(path, targetTable(rs, all)), resultsPlace.insert(path, text))
}

// PageWritable reports why Page could not write to a directory.
func PageWritable(directory string) error {
	path := filepath.Join(directory, pageName)
	for _, one := range []place{targetsPlace, resultsPlace} {
		if _, _, err := one.around(path); err != nil {
			return err
		}
	}
	return Writable(path)
}

func page(directory string, rs Runs, all []harness.Scenario) (string, error) {
	var b strings.Builder
	b.WriteString("All figures are medians of the rounds; a ratio is the median of the ratios round by round, with their range. CPU is seconds of a core, and allocations are objects on the heap, where a language can count them. " +
		"\"cut off\": the scenario's limit ended a round before all records were handled, of which the fewest that a round came to are told. \"Left out\" is who could not be run, or failed in a round. \"Machine idle\" is the share of both cores' time, the broker's too, in which they had nothing to do.\n")
	for _, s := range all {
		parts := rs.sections(s)
		if len(parts) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### (%s) %s\n\n%s\n", s.Letter, s.Name, s.About)
		if err := forget(directory, s); err != nil {
			return "", err
		}
		for _, f := range figures(s, parts) {
			if err := f.draw(directory, s); err != nil {
				return "", fmt.Errorf("plot of scenario %s: %w", s.Letter, err)
			}
			fmt.Fprintf(&b, "\n![%s](%s)\n", f.title, f.file)
		}
		if s.Apart {
			b.WriteString(grid(parts))
		}
		for _, part := range parts {
			fmt.Fprintf(&b, "\n%s, on %s:\n\n", part.title, called(part.broker))
			all := cells(s, part)
			fmt.Fprintf(&b, "| %s |\n|---|%s\n", strings.Join(all[0], " | "), strings.Repeat("--:|", len(all[0])-1))
			for _, line := range all[1:] {
				fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
			}
		}
	}
	b.WriteString("\n### What was measured when, and on what\n\n")
	for i, on := range rs.settings() {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s\n\n| measured | when | interleaved rounds | commit | in `bench` |\n|---|---|--:|---|---|\n", on)
		for _, r := range on.runs {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | `%s` |\n", r.what(), r.At.Format("2006-01-02"), r.size(), r.Versions[commitKey], r.shell())
		}
	}
	return b.String(), nil
}

// grid has the ratios of all cases of a scenario side by side, a table a broker.
func grid(parts []section) string {
	var b strings.Builder
	for len(parts) > 0 {
		broker := parts[0].broker
		n := 1
		for n < len(parts) && parts[n].broker == broker {
			n++
		}
		of := parts[:n]
		parts = parts[n:]
		var contenders []string
		limit := ""
		for _, part := range of {
			for _, r := range part.shown() {
				if r.Ratio > 0 && !slices.Contains(contenders, r.Contender) {
					contenders, limit = append(contenders, r.Contender), r.Against
				}
			}
		}
		fmt.Fprintf(&b, "\nRates by that of %s, on %s:\n\n| |", limit, called(broker))
		for _, part := range of {
			fmt.Fprintf(&b, " %s |", part.title)
		}
		b.WriteString("\n|---|" + strings.Repeat("--:|", n) + "\n")
		for _, contender := range contenders {
			fmt.Fprintf(&b, "| %s |", contender)
			for _, part := range of {
				text := ""
				if r, ok := find([]section{part}, "", contender); ok && r.Ratio > 0 {
					text = fmt.Sprintf("%.2f", r.Ratio)
				}
				fmt.Fprintf(&b, " %s |", text)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// forget removes the plots of a scenario, which may have been others before.
func forget(directory string, s harness.Scenario) error {
	former, err := filepath.Glob(filepath.Join(directory, "performance-"+s.Letter+"-*.svg"))
	if err != nil {
		return err
	}
	for _, file := range append(former, filepath.Join(directory, "performance-"+s.Letter+".svg")) {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// what says of which scenarios on which brokers a run's results are.
func (r *Results) what() string {
	var all []string
	for _, m := range r.Measured {
		if one := fmt.Sprintf("(%s) on %s", m.Scenario, called(m.Broker)); !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return strings.Join(all, ", ")
}

// size is how many rounds a run had, and of what size where that is not the full one.
func (r *Results) size() string {
	if r.Scale != 1 {
		return fmt.Sprintf("%d of %g of the full size", r.Rounds, r.Scale)
	}
	return fmt.Sprint(r.Rounds)
}

// shell is the command as it is pasted; which addresses a broker had is nobody's business.
func (r *Results) shell() string {
	command := strings.TrimSpace("go run . " + r.Command)
	if slices.ContainsFunc(r.Measured, func(m harness.Measured) bool { return m.Broker != harness.Embedded }) {
		command = "REDELIVER_TEST_BROKERS=host:port " + command
	}
	return command
}

// insert puts a text in its place on a page.
func (p place) insert(path, written string) error {
	before, after, err := p.around(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(before+p.begin+written+p.end+after), 0o644)
}

// around returns what a page has before and after the marks of a place.
func (p place) around(path string) (before, after string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	before, rest, found := strings.Cut(string(text), p.begin)
	_, after, closed := strings.Cut(rest, p.end)
	if !found || !closed {
		return "", "", fmt.Errorf("%s: marks are missing: %s and %s", path, strings.TrimSpace(p.begin), strings.TrimSpace(p.end))
	}
	return before, after, nil
}
