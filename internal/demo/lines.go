package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// printer prints plain lines: what happens as it happens, and the figures now and then.
type printer struct {
	out   io.Writer
	every time.Duration // between two lines of figures
	seen  int           // events that were printed
}

// print prints until ctx ends, and then what is left to be told.
func (p *printer) print(ctx context.Context, v *viewer) error {
	const events = 100 * time.Millisecond
	tick := time.NewTicker(min(events, p.every))
	defer tick.Stop()
	figures := time.Now()
	for {
		if err := p.events(v.feed); err != nil {
			return err
		}
		if time.Since(figures) >= p.every {
			figures = time.Now()
			if _, err := fmt.Fprintln(p.out, figuresLine(v.view())); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return p.events(v.feed)
		case <-tick.C:
		}
	}
}

// events prints what has happened since the last time.
func (p *printer) events(f *feed) error {
	news, total := f.since(p.seen)
	p.seen = total
	for _, e := range news {
		mark := "  "
		if e.loud {
			mark = "* "
		}
		if _, err := fmt.Fprintf(p.out, "%6.1fs %s%s\n", e.at.Seconds(), mark, e.text); err != nil {
			return err
		}
	}
	return nil
}

// figuresLine is a view on one line.
func figuresLine(v view) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6.1fs   in %d (%.0f/s), waiting %d, in flight %d, done %d (%.0f/s)",
		v.elapsed.Seconds(), v.in, v.inRate, v.waiting, v.inFlight, v.done, v.doneRate)
	for _, t := range v.tiers {
		fmt.Fprintf(&b, ", %s %d", t.name, t.count)
	}
	fmt.Fprintf(&b, ", dead letters %d, breaker %s", v.dead, stateWords(v.breaker.state))
	return b.String()
}
