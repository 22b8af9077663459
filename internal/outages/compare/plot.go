package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/redeliver/redeliver/internal/outages"
)

// The panels of the plot: one for each kind, side by side in two rows.
const (
	panelWidth, panelHeight = 440, 250
	left, top               = 46, 34
	inner, tall             = panelWidth - left - 16, panelHeight - top - 40
	shortest, longest       = 0.1, 1000.0 // seconds
)

var colours = map[string]string{"fixed": "#b0b0b0", "exponential": "#d1495b", "adaptive": "#00798c", "optimum": "#222222"}

// plot draws which share of the failed records has recovered after which time.
func plot(all map[outages.Kind]map[string]*outages.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", 2*panelWidth, 2*panelHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", 2*panelWidth, 2*panelHeight)
	for i, kind := range outages.Kinds() {
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n", i%2*panelWidth, i/2*panelHeight)
		panel(&b, kind, all[kind])
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func panel(b *strings.Builder, kind outages.Kind, results map[string]*outages.Result) {
	fmt.Fprintf(b, `<text x="%d" y="16" font-weight="bold">%s: recovered after</text>`+"\n", left, kind)
	for _, s := range []float64{0.1, 1, 10, 100, 1000} {
		x := across(s)
		fmt.Fprintf(b, `<path d="M%.1f %d V%d" stroke="#e5e5e5"/><text x="%.1f" y="%d" text-anchor="middle">%gs</text>`+"\n", x, top, top+tall, x, top+tall+16, s)
	}
	for _, share := range []float64{0, 0.25, 0.5, 0.75, 1} {
		y := up(share)
		fmt.Fprintf(b, `<path d="M%d %.1f H%d" stroke="#e5e5e5"/><text x="%d" y="%.1f" text-anchor="end">%.0f%%</text>`+"\n", left, y, left+inner, left-6, y+4, 100*share)
	}
	for i, c := range outages.Contenders() {
		r := results[c.Name]
		var path strings.Builder
		for step := range 161 {
			s := shortest * math.Pow(longest/shortest, float64(step)/160)
			fmt.Fprintf(&path, "%c%.1f %.1f ", "ML"[min(step, 1)], across(s), up(recovered(r, time.Duration(s*float64(time.Second)))))
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.8"/>`+"\n", strings.TrimSpace(path.String()), colours[c.Name])
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s, %.2f wasted</text>`+"\n", left+8, top+14+14*i, colours[c.Name], c.Name, float64(r.Wasted)/float64(r.Records))
	}
}

// recovered is the share of the failed records that has recovered within a time.
func recovered(r *outages.Result, within time.Duration) float64 {
	n := 0
	for _, w := range r.Waits {
		if w <= within {
			n++
		}
	}
	return float64(n) / float64(r.Records)
}

func across(seconds float64) float64 {
	return left + inner*math.Log(seconds/shortest)/math.Log(longest/shortest)
}

func up(share float64) float64 { return top + tall*(1-share) }
