package harness

import (
	"testing"

	"github.com/redeliver/redeliver/bench/contract"
)

func TestMedianIsOfTheValuesAndRatiosAreRoundByRound(t *testing.T) {
	rounds := func(seconds ...float64) (all []contract.Result) {
		for _, s := range seconds {
			all = append(all, contract.Result{Records: 100, Seconds: s, CPUSeconds: s, Figures: map[string]float64{"x": s, "most x": s}})
		}
		return all
	}
	base := Measured{Rounds: rounds(1, 4, 2)}
	s := Summarize(Measured{Rounds: rounds(2, 4, 8)}, &base)
	// The machine was slow in the second round for both: the ratio says so, the quotient of the medians would not.
	if s.Ratio != 0.5 || s.Least != 0.25 || s.Most != 1 {
		t.Errorf("ratio %v (%v to %v), want 0.5 (0.25 to 1)", s.Ratio, s.Least, s.Most)
	}
	if s.PerSecond != 25 || s.CPUPerMillion != 40_000 || s.Figures["x"] != 4 {
		t.Errorf("got %v a second, %v s CPU per million, figure %v; want 25, 40000, 4", s.PerSecond, s.CPUPerMillion, s.Figures["x"])
	}
	if s.Figures["most x"] != 8 {
		t.Errorf("the worst of the rounds is %v, want 8", s.Figures["most x"])
	}
	if alone := Summarize(base, nil); alone.Ratio != 0 {
		t.Errorf("ratio %v of who is held against nobody, want none", alone.Ratio)
	}
}

// A figure that a round does not have, as one that was cut off, is no zero.
func TestAFigureIsOfAllRounds(t *testing.T) {
	s := Summarize(Measured{Rounds: []contract.Result{
		{Records: 1, Seconds: 1, Figures: map[string]float64{"done": 3, "late": 1}}, {Records: 1, Seconds: 1, Figures: map[string]float64{"late": 2}}, {Records: 1, Seconds: 1, Figures: map[string]float64{"done": 5, "late": 3}},
	}}, nil)
	if _, told := s.Figures["done"]; told || s.Figures["late"] != 2 {
		t.Errorf("got %v, want the figure of all three rounds only", s.Figures)
	}
}
