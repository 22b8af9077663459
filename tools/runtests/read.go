package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of what does not build, instead of Package
	Test       string
	Elapsed    float64
	Output     string
}

// reader turns events into counts, and into what a person reads: a line a package, and all that failing tests said.
type reader struct {
	w        io.Writer
	counts   *counts
	packages map[string]*running
	builds   map[string][]string // what the compiler said
}

// running is a package whose tests run.
type running struct {
	result
	said  map[string][]string // by test; "" is the package
	skips []string
}

func read(events io.Reader, w io.Writer) (*counts, error) {
	r := &reader{w, &counts{Packages: make(map[string]result)}, make(map[string]*running), make(map[string][]string)}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if err == io.EOF {
			return r.counts, nil
		}
		if err != nil {
			return r.counts, fmt.Errorf("reading go test's output: %w", err)
		}
	}
}

func (r *reader) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(r.w, "%s", line) // go test's own words, such as a wrong flag
		return
	}
	switch {
	case e.Action == "build-output":
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
	case e.Action == "build-fail":
		fmt.Fprint(r.w, strings.Join(r.builds[e.ImportPath], ""))
	case e.Package != "":
		r.packageEvent(e)
	}
}

func (r *reader) packageEvent(e event) {
	p := r.packages[e.Package]
	if p == nil {
		p = &running{said: make(map[string][]string)}
		r.packages[e.Package] = p
	}
	switch e.Action {
	case "output":
		p.said[e.Test] = append(p.said[e.Test], e.Output)
		if broker, ok := strings.CutPrefix(e.Output, ranOn); ok {
			p.Broker = strings.TrimSpace(broker)
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnd(e, p)
			return
		}
		r.testEnd(e, p)
	}
}

// ranOn begins the line by which kafkatest.Main says what the broker was.
const ranOn = "kafkatest: ran on "

func (r *reader) testEnd(e event, p *running) {
	if e.Action == "fail" {
		fmt.Fprint(r.w, strings.Join(p.said[e.Test], ""))
	}
	if e.Action == "skip" {
		p.skips = append(p.skips, fmt.Sprintf("  skipped %s: %s", e.Test, reason(p.said[e.Test])))
	}
	if !strings.Contains(e.Test, "/") {
		switch e.Action {
		case "pass":
			p.Passed++
		case "fail":
			p.Failed++
		case "skip":
			p.Skipped++
		}
	}
	delete(p.said, e.Test)
}

func (r *reader) packageEnd(e event, p *running) {
	if e.Action == "fail" {
		r.broken(e, p)
	}
	if p.result == (result{}) {
		return // no tests
	}
	r.counts.Packages[e.Package] = p.result
	on := ""
	if p.Broker != "" {
		on = ", on " + p.Broker
	}
	fmt.Fprintf(r.w, "%-4s %s  %s, %.1f s%s\n", e.Action, e.Package, p.total, e.Elapsed, on)
	for _, skip := range p.skips {
		fmt.Fprintln(r.w, skip)
	}
}

// broken tells of a package that failed what its tests have not told: it does not build, it crashed, it ran out of time.
func (r *reader) broken(e event, p *running) {
	tests := make([]string, 0, len(p.said))
	for test := range p.said {
		tests = append(tests, test)
	}
	slices.Sort(tests)
	for _, test := range tests {
		fmt.Fprint(r.w, strings.Join(p.said[test], ""))
	}
	if p.Failed == 0 {
		p.Failed = 1
	}
}

// reason finds in what a skipped test said the words that it gave to Skip.
func reason(said []string) string {
	for _, line := range said {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "no reason given"
}
