package harness

import (
	"slices"
	"strings"

	"github.com/redeliver/redeliver/bench/contract"
)

// worst begins the names of figures of which no median tells: one round is enough that something happened in.
const worst = "most "

// middle returns what a figure of several rounds comes to: their median, or of the worst ones the most.
func middle(name string) func([]float64) float64 {
	if strings.HasPrefix(name, worst) {
		return slices.Max[[]float64]
	}
	return Median
}

func (m Measured) values(of func(contract.Result) float64) (all []float64) {
	for _, r := range m.Rounds {
		all = append(all, of(r))
	}
	return all
}

// Summary is what the rounds of a contender come to: medians, each by itself, but for figures named "most ...", of which it has the most.
type Summary struct {
	PerSecond     float64
	CPUPerMillion float64 // seconds of a core for a million
	PeakBytes     float64
	Allocations   float64            // objects each
	Figures       map[string]float64 // that every round has
	// Ratio is the median of the ratios round by round to the contender that this one is held against, Least and Most their
	// range. 0: there is none.
	Ratio, Least, Most float64
}

// Median returns the middle of values, the upper one of two.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func perSecond(r contract.Result) float64 { return float64(r.Records) / r.Seconds }

func has(r contract.Result, figure string) bool {
	_, ok := r.Figures[figure]
	return ok
}

// Summarize returns the medians of m's rounds. base is what it is held against, or nil.
func Summarize(m Measured, base *Measured) Summary {
	pick := func(f func(contract.Result) float64) float64 { return Median(m.values(f)) }
	s := Summary{
		PerSecond:     pick(perSecond),
		CPUPerMillion: pick(func(r contract.Result) float64 { return r.CPUSeconds / float64(r.Records) * 1e6 }),
		PeakBytes:     pick(func(r contract.Result) float64 { return float64(r.PeakBytes) }),
		Allocations:   pick(func(r contract.Result) float64 { return r.Allocations / float64(r.Records) }),
		Figures:       make(map[string]float64),
	}
	for _, r := range m.Rounds {
		for name := range r.Figures {
			if !slices.ContainsFunc(m.Rounds, func(r contract.Result) bool { return !has(r, name) }) {
				s.Figures[name] = middle(name)(m.values(func(r contract.Result) float64 { return r.Figures[name] }))
			}
		}
	}
	if base == nil {
		return s
	}
	var ratios []float64
	for i := range min(len(m.Rounds), len(base.Rounds)) {
		ratios = append(ratios, perSecond(m.Rounds[i])/perSecond(base.Rounds[i]))
	}
	if len(ratios) > 0 {
		s.Ratio, s.Least, s.Most = Median(ratios), slices.Min(ratios), slices.Max(ratios)
	}
	return s
}
