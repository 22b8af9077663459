package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/bench/harness"
)

// Runs are what several runs measured, the first one first: of each scenario on each broker the last one's.
type Runs []*Results

// With returns the runs with a new one, which takes the place of what former ones measured of its scenarios on its brokers; of those that
// broke off, the former ones stay.
func (rs Runs) With(r *Results) (all Runs) {
	whole := r.without(r.broken)
	for _, former := range rs {
		if kept := former.without(whole.Measured); len(kept.Measured) > 0 {
			all = append(all, kept)
		}
	}
	if len(whole.Measured) > 0 {
		all = append(all, whole)
	}
	return all
}

// without returns the results without those of the scenarios on the brokers that others are of.
func (r *Results) without(others []harness.Measured) *Results {
	kept := *r
	kept.Measured = slices.DeleteFunc(slices.Clone(r.Measured), func(m harness.Measured) bool {
		return slices.ContainsFunc(others, func(n harness.Measured) bool { return n.Broker == m.Broker && n.Scenario == m.Scenario })
	})
	// Nor is it told of a broker of which nothing is left.
	kept.Brokers = slices.DeleteFunc(slices.Clone(r.Brokers), func(broker string) bool {
		name, _, _ := strings.Cut(broker, " (")
		return !slices.ContainsFunc(kept.Measured, func(m harness.Measured) bool { return m.Broker == name })
	})
	return &kept
}

// Read reads the runs that a JSON file has, none when there is no such file.
func Read(path string) (rs Runs, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &rs); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rs, nil
}

// Writable reports why a file cannot be written, be it there or not. It leaves it as it is.
func Writable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(path)) // an empty one would be no JSON
}

// Write writes the runs to a JSON file.
func (rs Runs) Write(path string) error {
	text, err := json.MarshalIndent(rs, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// section is one case of one scenario on one broker.
type section struct {
	run           *Results
	broker, title string
	rows          []row
	figures       []string // that its rows have, in order
}

type row struct {
	harness.Measured
	harness.Summary
	lost  bool            // whom it is held against is left out
	ahead harness.Summary // of who is to be ahead of it, whose ratio is that to this one
}

// shown are the rows that have figures.
func (s section) shown() []row {
	return slices.DeleteFunc(slices.Clone(s.rows), func(r row) bool { return r.Left != "" })
}

// sections returns what was measured of a scenario, the embedded broker first.
func (rs Runs) sections(s harness.Scenario) (all []section) {
	for _, r := range rs {
		all = r.sections(all, s)
	}
	slices.SortStableFunc(all, func(a, b section) int { return rank(a.broker) - rank(b.broker) })
	return all
}

func rank(broker string) int {
	if broker == harness.Embedded {
		return 0
	}
	return 1
}

// called is what a sentence calls a broker.
func called(broker string) string {
	if broker == harness.Embedded {
		return "the embedded broker"
	}
	return broker
}

func (r *Results) sections(all []section, s harness.Scenario) []section {
	for _, m := range r.Measured {
		if m.Scenario != s.Letter {
			continue
		}
		at := slices.IndexFunc(all, func(x section) bool { return x.broker == m.Broker && x.title == m.Case })
		if at < 0 {
			at = len(all)
			all = append(all, section{run: r, broker: m.Broker, title: m.Case})
		}
		base := r.find(m.Broker, m.Scenario, m.Case, m.Against)
		summary := harness.Summarize(m, base)
		one := row{Measured: m, Summary: summary, lost: base != nil && base.Left != ""}
		if ahead := r.find(m.Broker, m.Scenario, m.Case, s.Contender(m.Contender).Behind); ahead != nil {
			one.ahead = harness.Summarize(*ahead, &m)
		}
		all[at].rows = append(all[at].rows, one)
		if m.Left != "" {
			continue // what it measured before it failed is shown nowhere
		}
		for _, name := range figureNames(summary.Figures) {
			if !slices.Contains(all[at].figures, name) {
				all[at].figures = append(all[at].figures, name)
			}
		}
	}
	return all
}
