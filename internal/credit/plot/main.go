// Command plot simulates dlq.admission and draws what its numbers trade off: how many dead letters a systemic failure leaves
// behind, and how often a pipeline holds that is well. From the root of the repository:
//
//	go run ./internal/credit/plot > docs/admission.svg
//
// The seeds are fixed: it draws the same picture each time.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	draw(out)
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "plot: cannot write the picture:", err)
		os.Exit(1)
	}
}

const (
	width, height = 460, 300 // of a panel, in user units
	left, top     = 60, 40
	right, bottom = 20, 50
)

// panel is one diagram.
type panel struct {
	title, y string
	ticks    []float64
	log      bool
	lines    []series
	keyX     int // where the names of the lines begin, where no line is
	keyY     int
}

// everySuccess refills the account with one success.
const everySuccess = 1000

func draw(w io.Writer) {
	panels := []panel{
		{
			title: "Dead letters until it holds, of 50,000 records (burst 1000)", y: "dead letters", log: true, keyX: 240, keyY: 200, ticks: []float64{1000, 3000, 10000, 30000},
			lines: []series{flood("per_success 1", 1000, 1), flood("per_success 4", 1000, 4), flood("one success refills", 1000, everySuccess)},
		},
		{
			title: "False holds: records die in stretches, all else is well", y: "pipelines of 100 that hold", keyX: 130, keyY: 120, ticks: []float64{0, 25, 50, 75, 100},
			lines: []series{
				falseHolds("stretches of 1000, burst 1000", 1000, 4, 1000), falseHolds("stretches of 100, burst 1000", 1000, 4, 100),
				falseHolds("stretches of 100, burst 100", 100, 4, 100),
			},
		},
	}
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#333">`+"\n", 2*width, height)
	fmt.Fprintf(w, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", 2*width, height)
	for i, p := range panels {
		fmt.Fprintf(w, `<g transform="translate(%d 0)">`+"\n", i*width)
		p.draw(w)
		fmt.Fprintln(w, "</g>")
	}
	fmt.Fprintln(w, "</svg>")
}

var colours = []string{"#1b6ca8", "#c8553d", "#5b8c5a"}

func (p panel) draw(w io.Writer) {
	fmt.Fprintf(w, `<text x="%d" y="20" font-size="12" font-weight="bold">%s</text>`+"\n", left, p.title)
	for _, tick := range p.ticks {
		fmt.Fprintf(w, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n", left, p.at(tick), width-right, left-6, p.at(tick)+4, tick)
	}
	for share := 0.0; share <= 1; share += 0.25 {
		fmt.Fprintf(w, `<text x="%.1f" y="%d" text-anchor="middle">%g %%</text>`+"\n", across(share), height-bottom+16, 100*share)
	}
	fmt.Fprintf(w, `<text x="%.1f" y="%d" text-anchor="middle">share of the records that die</text>`+"\n", across(0.5), height-bottom+34)
	fmt.Fprintf(w, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (height-bottom+top)/2, p.y)
	for i, line := range p.lines {
		var points []string
		for j, v := range line.values {
			points = append(points, fmt.Sprintf("%.1f,%.1f", across(float64(j)*step), p.at(v)))
		}
		fmt.Fprintf(w, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colours[i])
		y := p.keyY + 16*i
		fmt.Fprintf(w, `<path d="M%d %dh18" stroke="%s" stroke-width="2"/><text x="%d" y="%d">%s</text>`+"\n", p.keyX, y-4, colours[i], p.keyX+24, y, line.name)
	}
}

func across(share float64) float64 { return left + share*(width-left-right) }

// at is how far down a value stands.
func (p panel) at(v float64) float64 {
	lo, hi := p.ticks[0], p.ticks[len(p.ticks)-1]
	if p.log {
		lo, hi, v = math.Log(lo/10), math.Log(hi*2), math.Log(math.Max(v, lo/10))
	}
	return height - bottom - (v-lo)/(hi-lo)*(height-bottom-top)
}
