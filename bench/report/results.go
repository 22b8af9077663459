// Package report prints what was measured: as JSON, as a table, and as a page with plots.
package report

import (
	"cmp"
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

// commitKey names among the versions what the program itself was built of.
const commitKey = "commit"

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
			r.Versions[commitKey] = revision
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

// machine is what Linux says of itself; elsewhere less of it is known.
func machine() string {
	read := func(path string) string {
		text, _ := os.ReadFile(path) // what is not there is not told
		return string(text)
	}
	return describe(read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"))
}

// describe says what machine it is, by what the kernel tells of its processor, its memory and itself.
func describe(cpus, memory, kernel string) string {
	all := []string{runtime.GOOS + "/" + runtime.GOARCH, fmt.Sprintf("%d cores", runtime.NumCPU()), cmp.Or(value(cpus, "model name"), "unknown processor")}
	var kib float64
	if n, _ := fmt.Sscanf(value(memory, "MemTotal"), "%f kB", &kib); n == 1 {
		all = append(all, fmt.Sprintf("%.1f GiB", kib/(1<<20)))
	}
	if kernel = strings.TrimSpace(kernel); kernel != "" {
		all = append(all, "kernel "+kernel)
	}
	return strings.Join(all, ", ")
}

// value is that of the first line with such a name.
func value(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (r *Results) find(broker, scenario, title, contender string) *harness.Measured {
	for i, m := range r.Measured {
		if m.Broker == broker && m.Scenario == scenario && m.Case == title && m.Contender == contender {
			return &r.Measured[i]
		}
	}
	return nil
}
