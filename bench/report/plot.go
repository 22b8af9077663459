package report

import (
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/bench/scenarios"
)

// What bars have room for, in points: a group of them with its title, and beside all groups the legend.
const (
	groupWidth  = 110
	legendWidth = 190
)

// figure is one plot of a scenario.
type figure struct {
	file   string
	title  string
	common string // what the names of its cases begin with, where the scenario has a plot for each of these
	parts  []section
}

// figures returns the plots of a scenario.
func figures(s harness.Scenario, parts []section) (all []figure) {
	if !s.Apart {
		return []figure{{file: fmt.Sprintf("performance-%s.svg", s.Letter), title: s.Name, parts: parts}}
	}
	for _, part := range parts {
		common, _, _ := strings.Cut(part.title, ", ")
		at := slices.IndexFunc(all, func(f figure) bool { return f.common == common })
		if at < 0 {
			at = len(all)
			file := fmt.Sprintf("performance-%s-%s.svg", s.Letter, strings.ReplaceAll(common, " ", "-"))
			all = append(all, figure{file: file, title: s.Name + ", " + common, common: common})
		}
		all[at].parts = append(all[at].parts, part)
	}
	return all
}

// draw writes a plot: the distribution of lateness where the scenario has one, else the figure that it is about or what each contender does a second.
func (f figure) draw(directory string, s harness.Scenario) error {
	p := plot.New()
	p.Title.Text, p.Title.Padding = f.title, vg.Points(6)
	p.Legend.Top, p.Legend.Padding = true, vg.Points(2)
	p.Add(plotter.NewGrid())
	var err error
	if slices.ContainsFunc(f.parts, func(part section) bool { return slices.Contains(part.figures, scenarios.PercentileFigure(50)) }) {
		err = distribution(p, f.parts)
	} else {
		err = bars(p, s, f.common, f.parts)
	}
	if err != nil {
		return err
	}
	return p.Save(vg.Points(float64(max(420, groupWidth*len(f.parts)+legendWidth))), vg.Points(260), filepath.Join(directory, f.file))
}

// bars draws a group of bars for each case, one for each contender that was measured there, its median with the range of its rounds: where one was left out is no bar, nor room
// for one, which would look like nothing a second.
func bars(p *plot.Plot, s harness.Scenario, common string, parts []section) error {
	value, label := func(r contract.Result) float64 { return float64(r.Records) / r.Seconds / 1000 }, "thousand "+unit(s)+" a second"
	if s.Plot != "" {
		value, label = func(r contract.Result) float64 { return r.Figures[s.Plot] }, s.Plot
	}
	drawn := func(part section) []row {
		return slices.DeleteFunc(part.shown(), func(r row) bool {
			_, has := r.Figures[s.Plot]
			return s.Plot != "" && !has
		})
	}
	var contenders, titles []string
	for _, part := range parts {
		titles = append(titles, fmt.Sprintf("%s\n%s", strings.TrimPrefix(part.title, common+", "), part.broker))
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
			var values []float64
			for _, round := range r.Rounds {
				values = append(values, value(round))
			}
			bar, err := plotter.NewBarChart(plotter.Values{harness.Median(values)}, width)
			if err != nil {
				return err
			}
			which := slices.Index(contenders, r.Contender)
			bar.XMin = float64(at)
			bar.Color = shade(which)
			bar.LineStyle.Width = 0
			bar.Offset = width * vg.Length(float64(i)-float64(len(rows)-1)/2)
			p.Add(bar, span{at: bar.XMin, offset: bar.Offset, least: slices.Min(values), most: slices.Max(values)})
			legend[which] = bar
		}
	}
	for i, name := range contenders {
		p.Legend.Add(name, legend[i])
	}
	p.NominalX(titles...)
	p.Y.Label.Text, p.Y.Tick.Marker = label, plainTicks{}
	p.Y.Min, p.Y.Max = 0, p.Y.Max*1.05 // what is highest ends below the title
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

// plainTicks has numbers as they are in the tables.
type plainTicks struct{}

// Ticks implements [plot.Ticker].
func (plainTicks) Ticks(least, most float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(least, most)
	for i, tick := range ticks {
		if tick.Label != "" { // else it is a small one
			ticks[i].Label = short(tick.Value)
		}
	}
	return ticks
}

// shade is the color of a contender: there are more of them than of one kind of colors.
func shade(i int) color.Color {
	all := append(slices.Clone(plotutil.SoftColors), plotutil.DarkColors...)
	return all[i%len(all)]
}

// span is from the least to the most of the rounds that a bar is the median of.
type span struct {
	at          float64
	offset      vg.Length // of the bar from there
	least, most float64
}

// Plot implements [plot.Plotter].
func (s span) Plot(c draw.Canvas, p *plot.Plot) {
	if s.least == s.most {
		return // there is one round, or nothing to tell
	}
	x, y := p.Transforms(&c)
	style := draw.LineStyle{Color: color.Black, Width: vg.Points(0.75)}
	const foot = 2 // points to each side
	middle, low, high := x(s.at)+s.offset, y(s.least), y(s.most)
	c.StrokeLine2(style, middle, low, middle, high)
	for _, end := range []vg.Length{low, high} {
		c.StrokeLine2(style, middle-foot, end, middle+foot, end)
	}
}

// DataRange implements [plot.DataRanger].
func (s span) DataRange() (xmin, xmax, ymin, ymax float64) { return s.at, s.at, s.least, s.most }
