// Package report prints what was measured: as JSON, as a table, and as a page with plots.
package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/bench/harness"
)

// Results are what one run measured, and on what.
type Results struct {
	At       time.Time          `json:"at"`
	Command  string             `json:"command"` // the arguments of the run that are not the defaults
	Rounds   int                `json:"rounds"`
	Scale    float64            `json:"scale"`
	Machine  string             `json:"machine"`
	Versions map[string]string  `json:"versions"`
	Brokers  []string           `json:"brokers"`
	Measured []harness.Measured `json:"measured"`

	broken []harness.Measured // of scenarios that broke off
}

// Add adds what was measured of a scenario on a broker. What broke off before the last of the scenario's cases is in the table, and is not
// recorded: it would look like all that there is to measure.
func (r *Results) Add(measured []harness.Measured, cases []harness.Case) {
	r.Measured = append(r.Measured, measured...)
	last := cases[len(cases)-1].Name
	if !slices.ContainsFunc(measured, func(m harness.Measured) bool { return m.Case == last }) {
		r.broken = append(r.broken, measured...)
	}
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
		if revision := commit(info.Settings); revision != "" {
			r.Versions["commit"] = revision
		}
	}
	return r
}

// commit returns what the program was built of, "" where that is not known.
func commit(settings []debug.BuildSetting) string {
	revision, changes := "", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changes = "+changes"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + changes
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

func (r *Results) find(broker, scenario, title, contender string) *harness.Measured {
	for i, m := range r.Measured {
		if m.Broker == broker && m.Scenario == scenario && m.Case == title && m.Contender == contender {
			return &r.Measured[i]
		}
	}
	return nil
}
