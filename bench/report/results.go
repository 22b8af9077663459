// Package report prints what was measured: as JSON, as a table, and as a page with plots.
package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/bench/harness"
)

// Results are all that a run measured, and on what.
type Results struct {
	At       time.Time          `json:"at"`
	Command  string             `json:"command"` // the arguments of the run
	Rounds   int                `json:"rounds"`
	Scale    float64            `json:"scale"`
	Machine  string             `json:"machine"`
	Versions map[string]string  `json:"versions"`
	Brokers  []string           `json:"brokers"`
	Measured []harness.Measured `json:"measured"`
}

// New begins results, with what the machine says of itself.
func New(rounds int, scale float64, command string) *Results {
	r := &Results{At: time.Now().UTC().Truncate(time.Second), Command: command, Rounds: rounds, Scale: scale, Machine: machine(), Versions: map[string]string{"Go": runtime.Version()}}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if strings.HasPrefix(m.Path, "github.com/twmb/franz-go") {
				r.Versions[strings.TrimPrefix(m.Path, "github.com/twmb/")] = m.Version
			}
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				r.Versions["commit"] = s.Value[:min(len(s.Value), 12)]
			}
		}
	}
	return r
}

func machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer func() { _ = f.Close() }() // it was only read
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model)
}

// Write writes the results to a JSON file.
func (r *Results) Write(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read reads what Write wrote.
func Read(path string) (*Results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// section is one case of one scenario on one broker.
type section struct {
	broker, title string
	rows          []row
	figures       []string // that its rows have, in order
}

type row struct {
	contender string
	harness.Summary
}

// sections returns what was measured of a scenario.
func (r *Results) sections(s harness.Scenario) (all []section) {
	for _, m := range r.Measured {
		if m.Scenario != s.Letter {
			continue
		}
		at := slices.IndexFunc(all, func(x section) bool { return x.broker == m.Broker && x.title == m.Case })
		if at < 0 {
			at = len(all)
			all = append(all, section{broker: m.Broker, title: m.Case})
		}
		summary := harness.Summarize(m, r.find(m.Broker, m.Scenario, m.Case, m.Against))
		all[at].rows = append(all[at].rows, row{m.Contender, summary})
		for _, name := range figureNames(summary.Figures) {
			if !slices.Contains(all[at].figures, name) {
				all[at].figures = append(all[at].figures, name)
			}
		}
	}
	return all
}

func (r *Results) find(broker, scenario, title, contender string) *harness.Measured {
	for i, m := range r.Measured {
		if m.Broker == broker && m.Scenario == scenario && m.Case == title && m.Contender == contender {
			return &r.Measured[i]
		}
	}
	return nil
}
