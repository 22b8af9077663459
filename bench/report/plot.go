package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/bench/scenarios"
)

// What bars have room for, in points: a group of them with its title, and beside all groups the legend.
const (
	groupWidth  = 110
	legendWidth = 190
)

// draw writes the plot of a scenario: the distribution of lateness where it has one, else the figure that it is about or what each contender does a second.
func draw(path string, s harness.Scenario, parts []section) error {
	p := plot.New()
	p.Title.Text = s.Name
	p.Legend.Top, p.Legend.Padding = true, vg.Points(2)
	p.Add(plotter.NewGrid())
	var err error
	if slices.ContainsFunc(parts, func(part section) bool { return slices.Contains(part.figures, scenarios.PercentileFigure(50)) }) {
		err = distribution(p, parts)
	} else {
		err = bars(p, s, parts)
	}
	if err != nil {
		return err
	}
	return p.Save(vg.Points(float64(max(420, groupWidth*len(parts)+legendWidth))), vg.Points(260), path)
}

// bars draws a group of bars for each case, one for each contender that was measured there: where one was left out is no bar, nor room
// for one, which would look like nothing a second.
func bars(p *plot.Plot, s harness.Scenario, parts []section) error {
	value, label := func(r row) float64 { return r.PerSecond / 1000 }, "thousand "+unit(s)+" a second"
	if s.Plot != "" {
		value, label = func(r row) float64 { return r.Figures[s.Plot] }, s.Plot
	}
	drawn := func(part section) []row {
		return slices.DeleteFunc(part.shown(), func(r row) bool {
			_, has := r.Figures[s.Plot]
			return s.Plot != "" && !has
		})
	}
	var contenders, titles []string
	for _, part := range parts {
		titles = append(titles, fmt.Sprintf("%s\n%s", part.title, part.broker))
		for _, r := range drawn(part) {
			if !slices.Contains(contenders, r.Contender) {
				contenders = append(contenders, r.Contender)
			}
		}
	}
	width := vg.Points(min(14, 0.7*groupWidth/float64(max(len(contenders), 1))))
	legend := make([]*plotter.BarChart, len(contenders))
	for at, part := range parts {
		rows := drawn(part)
		for i, r := range rows {
			bar, err := plotter.NewBarChart(plotter.Values{value(r)}, width)
			if err != nil {
				return err
			}
			color := slices.Index(contenders, r.Contender)
			bar.XMin = float64(at)
			bar.Color = plotutil.Color(color)
			bar.LineStyle.Width = 0
			bar.Offset = width * vg.Length(float64(i)-float64(len(rows)-1)/2)
			p.Add(bar)
			legend[color] = bar
		}
	}
	for i, name := range contenders {
		p.Legend.Add(name, legend[i])
	}
	p.NominalX(titles...)
	p.Y.Label.Text = label
	p.Y.Min = 0
	p.X.Min, p.X.Max = -0.5, float64(len(parts))-0.5+float64(legendWidth)/groupWidth
	return nil
}

// distribution draws which share of the retries started how late at most.
func distribution(p *plot.Plot, parts []section) error {
	for i, part := range parts {
		shown := part.shown()
		if len(shown) == 0 {
			continue
		}
		figures := shown[0].Figures
		var points plotter.XYs
		for _, share := range scenarios.Percentiles {
			points = append(points, plotter.XY{X: max(figures[scenarios.PercentileFigure(share)], 0.01), Y: share})
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(part.title+", "+part.broker, line)
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Label.Text, p.Y.Label.Text = "ms late", "% of the retries"
	p.Legend.Left = true // where few are that early
	return nil
}
