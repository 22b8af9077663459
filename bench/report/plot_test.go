package report

import (
	"image/color"
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
	directory := t.TempDir()
	all := figures(s, Runs{r}.sections(s))
	if len(all) != 1 {
		t.Fatalf("got %d plots, want one", len(all))
	}
	if err := all[0].draw(directory, s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(directory, all[0].file))
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

// A scenario of many cases has a plot for each size of record, whose titles do not say it again.
func TestAScenarioOfManyCasesHasSeveralPlots(t *testing.T) {
	s := one
	s.Apart = true
	r := &Results{Rounds: 1}
	for _, title := range []string{"100 B, 1 partition", "100 B, 12 partitions", "1024 B, 1 partition"} {
		r.Measured = append(r.Measured, harness.Measured{Broker: "embedded", Scenario: s.Letter, Case: title, Contender: "ours", Rounds: rounds(1000)})
	}
	directory := t.TempDir()
	former := filepath.Join(directory, "performance-x.svg")
	if err := os.WriteFile(former, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := page(directory, Runs{r}, []harness.Scenario{s})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(former); err == nil {
		t.Error("the plot that showed all of it before is still there")
	}
	for file, want := range map[string]struct{ title, has, not string }{
		"performance-x-100-B.svg":  {"an example, 100 B", ">12 partitions<", ">100 B, 12 partitions<"},
		"performance-x-1024-B.svg": {"an example, 1024 B", ">1 partition<", ">12 partitions<"},
	} {
		svg, err := os.ReadFile(filepath.Join(directory, file))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(svg); !strings.Contains(got, want.has) || strings.Contains(got, want.not) || !strings.Contains(got, ">"+want.title+"<") {
			t.Errorf("%s is not the plot of its cases", file)
		}
		if !strings.Contains(text, "!["+want.title+"]("+file+")") {
			t.Errorf("the page does not show %s:\n%s", file, text)
		}
	}
}

// How far the rounds are apart can be seen.
func TestAPlotHasTheRangeOfTheRounds(t *testing.T) {
	svg := func(records ...int) string {
		return plotted(t, one, measured(harness.Measured{Contender: "ours", Rounds: rounds(records...)}))
	}
	if svg(900, 1000, 1000) == svg(500, 1000, 1000) {
		t.Error("two contenders with the same median and another range look alike")
	}
	if with, without := svg(900, 1000, 1000), svg(1000); strings.Count(with, "<path") != strings.Count(without, "<path")+3 {
		t.Error("the range is not a line with two feet, which one round has not")
	}
}

func TestNoTwoContendersHaveOneColor(t *testing.T) {
	seen := make(map[color.Color]int)
	for i := range 12 { // ten in (b)
		if was, there := seen[shade(i)]; there {
			t.Errorf("contenders %d and %d have the same color", was, i)
		}
		seen[shade(i)] = i
	}
}

// The axis has its numbers as the tables have them: thousands apart, and no digits that say nothing.
func TestAnAxisHasShortNumbers(t *testing.T) {
	svg := plotted(t, one, measured(harness.Measured{Contender: "ours", Rounds: rounds(8_000_000)}))
	if !strings.Contains(svg, ">8,000<") && !strings.Contains(svg, ">5,000<") && !strings.Contains(svg, ">4,000<") {
		t.Errorf("there are no thousands in\n%s", svg)
	}
	if strings.Contains(svg, ".00<") || strings.Contains(svg, "000.0<") {
		t.Errorf("there are digits that say nothing in\n%s", svg)
	}
}
