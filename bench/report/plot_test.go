package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/bench/scenarios"
)

// plotted draws a scenario, and returns the SVG.
func plotted(t *testing.T, s harness.Scenario, r *Results) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plot.svg")
	if err := draw(file, s, Runs{r}.sections(s)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Who was left out in all cases is not in a plot, where it would look like nothing a second: as if only the others had taken part.
func TestAPlotHasNoBarOfWhoIsLeftOut(t *testing.T) {
	ours := harness.Measured{Contender: "ours", Rounds: rounds(800)}
	peer := harness.Measured{Contender: "a peer", Left: "there is no java"}
	with, without := plotted(t, one, measured(ours, peer)), plotted(t, one, measured(ours))
	if with != without {
		t.Errorf("who is left out changes the plot:\n%s\nwithout:\n%s", with, without)
	}
	if !strings.Contains(with, ">ours<") {
		t.Error("who was measured is not named")
	}
}

func TestAPlotIsDrawnWhereNobodyIsLeft(t *testing.T) {
	peer := harness.Measured{Contender: "a peer", Left: "there is no java"}
	plotted(t, one, measured(peer))
	late := harness.Measured{Contender: "ours", Rounds: rounds(800)}
	late.Rounds[0].Figures = map[string]float64{scenarios.PercentileFigure(50): 1}
	r := measured(peer, late)
	r.Measured[0].Case = "another case"
	if svg := plotted(t, one, r); !strings.Contains(svg, "ms late") || strings.Contains(svg, "another case") {
		t.Error("the distribution of the case that was measured is not what is drawn")
	}
}

// A plot draws what its scenario is about: twice the rate changes nothing where that is another figure, twice the figure does.
func TestAPlotDrawsTheFigureThatItsScenarioIsAbout(t *testing.T) {
	s := one
	s.Unit, s.Plot = "partitions", "flowing s"
	with := func(rate int, flowing float64) string {
		m := harness.Measured{Contender: "ours", Rounds: rounds(rate)}
		m.Rounds[0].Figures = map[string]float64{s.Plot: flowing}
		return plotted(t, s, measured(m))
	}
	svg := with(1000, 2)
	if !strings.Contains(svg, ">flowing s<") || strings.Contains(svg, "a second<") {
		t.Error("the axis is not that of the figure")
	}
	if svg != with(2000, 2) || svg == with(1000, 4) {
		t.Error("the bars are not those of the figure")
	}
	without := harness.Measured{Contender: "a peer", Rounds: rounds(1000)}
	ours := harness.Measured{Contender: "ours", Rounds: rounds(1000)}
	ours.Rounds[0].Figures = map[string]float64{s.Plot: 2}
	if strings.Contains(plotted(t, s, measured(ours, without)), ">a peer<") {
		t.Error("who has no such figure has a bar of nothing")
	}
	s.Plot = ""
	if svg := with(1000, 2); !strings.Contains(svg, ">thousand partitions a second<") {
		t.Error("the axis of a rate does not say of what")
	}
}
