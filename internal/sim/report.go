package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report is what [Check] found.
type Report struct {
	Violations []Violation
	// Exercised counts, for each promise, how often what it speaks of happened: a promise that was never put to the test
	// was not kept but idle.
	Exercised map[Promise]map[string]int
}

// Violation is a promise that was broken.
type Violation struct {
	Promise Promise
	Text    string
}

func (v Violation) String() string { return string(v.Promise) + ": " + v.Text }

// shownViolations bounds how many violations of one promise are kept: the first ones tell most.
const shownViolations = 10

func newReport() *Report { return &Report{Exercised: make(map[Promise]map[string]int)} }

// broken takes a violation down.
func (r *Report) broken(p Promise, format string, args ...any) {
	n := 0
	for _, v := range r.Violations {
		if v.Promise == p {
			n++
		}
	}
	if n < shownViolations {
		r.Violations = append(r.Violations, Violation{p, fmt.Sprintf(format, args...)})
	}
}

// count says that something happened that the promise speaks of.
func (r *Report) count(p Promise, what string, n int) {
	if r.Exercised[p] == nil {
		r.Exercised[p] = make(map[string]int)
	}
	r.Exercised[p][what] += n
}

// Add adds another run's report.
func (r *Report) Add(o *Report) {
	r.Violations = append(r.Violations, o.Violations...)
	for p, counts := range o.Exercised {
		for what, n := range counts {
			r.count(p, what, n)
		}
	}
}

// Broken reports whether a promise was broken.
func (r *Report) Broken(p Promise) bool {
	return slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Promise == p })
}

// Exercise returns a line for each promise: how often it was put to the test, and how.
func (r *Report) Exercise() string {
	var b strings.Builder
	for _, p := range Promises() {
		fmt.Fprintf(&b, "  %-16s", p)
		for _, what := range slices.Sorted(maps.Keys(r.Exercised[p])) {
			fmt.Fprintf(&b, " %s %d;", what, r.Exercised[p][what])
		}
		b.WriteString("\n")
	}
	return b.String()
}
