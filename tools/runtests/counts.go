package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// total is how many tests ended how.
type total struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

func (t total) String() string {
	if t.Skipped == 0 {
		return fmt.Sprintf("%d passed, %d failed", t.Passed, t.Failed)
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.Passed, t.Failed, t.Skipped)
}

func (t *total) add(o total) {
	t.Passed += o.Passed
	t.Failed += o.Failed
	t.Skipped += o.Skipped
}

// result is what a package's tests came to.
type result struct {
	total
	Broker string `json:"broker,omitempty"` // that they ran on; empty: none
}

// counts is what a run came to.
type counts struct {
	Label    string            `json:"label"`
	Packages map[string]result `json:"packages"`
}

func (c *counts) total() total {
	var t total
	for _, p := range c.Packages {
		t.add(p.total)
	}
	return t
}

// sumUp prints what brokers the runs had and, on the last line, their sum.
func sumUp(w io.Writer, paths []string) error {
	var all total
	brokers := make(map[string]int)
	for _, path := range paths {
		c, err := load(path)
		if err != nil {
			return err
		}
		all.add(c.total())
		for _, p := range c.Packages {
			if p.Broker != "" {
				brokers[p.Broker] += p.Passed
			}
		}
	}
	var on []string
	for _, broker := range slices.Sorted(maps.Keys(brokers)) {
		on = append(on, fmt.Sprintf("%s (%d tests)", broker, brokers[broker]))
	}
	if len(on) == 0 {
		on = []string{"none"}
	}
	fmt.Fprintf(w, "integration tests ran on: %s\n%s\n", strings.Join(on, "; "), all)
	if all.Failed > 0 {
		return errors.New("tests failed")
	}
	return nil
}

// compareFiles checks that every package whose tests had a broker in the first run passed at least as many in the second,
// and says what ran there.
func compareFiles(w io.Writer, paths []string) error {
	if len(paths) != 2 {
		return errors.New("-compare takes two files")
	}
	embedded, err := load(paths[0])
	if err != nil {
		return err
	}
	real, err := load(paths[1])
	if err != nil {
		return err
	}
	return compare(w, embedded, real)
}

func compare(w io.Writer, embedded, real *counts) error {
	var errs []error
	brokers := make(map[string]int)
	for _, p := range real.Packages {
		if p.Broker != "" {
			brokers[p.Broker] += p.Passed
		}
	}
	suite := 0
	for _, name := range slices.Sorted(maps.Keys(embedded.Packages)) {
		want, got := embedded.Packages[name], real.Packages[name]
		if want.Broker == "" {
			continue
		}
		suite += want.Passed
		if got.Passed < want.Passed {
			errs = append(errs, fmt.Errorf("%s: %d tests passed on %q, fewer than the %d on %s", name, got.Passed, got.Broker, want.Passed, want.Broker))
		}
	}
	if suite == 0 {
		errs = append(errs, errors.New("no test of the first run had a broker"))
	}
	for _, broker := range slices.Sorted(maps.Keys(brokers)) {
		fmt.Fprintf(w, "%s: %d integration tests passed (the embedded suite has %d)\n", broker, brokers[broker], suite)
	}
	return errors.Join(errs...)
}

func load(path string) (*counts, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := new(counts)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
