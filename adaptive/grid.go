package adaptive

import "math"

// stepsPerDoubling is how fine the choice of delays is, beside those of the configured strategy.
const stepsPerDoubling = 4

// grid is what of the plans for a policy does not depend on what is known. It is immutable.
type grid struct {
	stretch float64   // of delays, by jitter
	delays  []float64 // the choices in seconds, ascending
	price   float64   // of an attempt, in seconds of waiting
	behind  float64   // the price of being late at all, likewise

	// When the retries of the configured strategy are made without jitter (had), and when they are taken to be made, with the
	// jitter that there is on average (due), in seconds. Whoever recovers between two of them is served by the latter.
	had, due []float64

	choices [buckets + 1][]place // where an attempt may be made after a failure at the start of each bucket
	given   [buckets + 1]place   // where giving up then counts
}

// place is a time as it is seen from an earlier one.
type place struct {
	at     float64 // in seconds
	bucket int     // that it falls into
	behind float64 // the part of the bucket that lies behind
	// The retries of the configured strategy: the last one that is earlier than it, and the first of them after the earlier time;
	// last is less than first when there is none between the two.
	first, last int
}

// newGrid makes the grid of a policy.
func newGrid(l *Limits, attemptCost float64) *grid {
	unit := l.unit().Seconds()
	g := &grid{stretch: 1 + l.Jitter, price: attemptCost * unit, behind: lateCost * unit}
	longest := l.Max.Seconds()
	for d := l.Min.Seconds(); d < longest; d *= math.Exp2(1.0 / stepsPerDoubling) {
		g.delays = append(g.delays, d)
	}
	g.delays = append(g.delays, longest)
	had := 0.0
	for i, d := range l.Configured {
		had += d.Seconds()
		jitter := l.ConfiguredJitter
		if i > 0 { // with the first, short blips would last longer
			jitter *= aim
		}
		due := had * (1 + jitter)
		if due <= 0 || due >= horizon*longest {
			break
		}
		g.had, g.due = append(g.had, had), append(g.due, due)
	}
	for i := range g.choices {
		at := start(i)
		g.given[i] = g.place(at, horizon*longest)
		for d := range g.after(at) {
			g.choices[i] = append(g.choices[i], g.place(at, at+d*g.stretch))
		}
	}
	return g
}

// after yields the delays that may be chosen after a time: steps between the bounds, and those with which an attempt
// of the configured strategy is met.
func (g *grid) after(at float64) func(func(float64) bool) {
	return func(yield func(float64) bool) {
		for _, d := range g.delays {
			if !yield(d) {
				return
			}
		}
		least, longest := g.delays[0], g.delays[len(g.delays)-1]
		for _, due := range g.due {
			if d := (due - at) / g.stretch; d >= least && d <= longest && !yield(d) {
				return
			}
		}
	}
}

// place returns a time as it is seen from an earlier one, both in seconds.
func (g *grid) place(from, to float64) place {
	x := position(to)
	i := min(int(x), buckets-1)
	p := place{at: to, bucket: i, behind: x - float64(i)}
	for p.first < len(g.due) && g.due[p.first] <= from {
		p.first++
	}
	for p.last = p.first; p.last < len(g.due) && g.due[p.last]*lateFrom <= to; {
		p.last++
	}
	p.last--
	return p
}

// atDue returns when a record that fails at a time would have failed with the jitter that there is on average. One that had a
// configured retry somewhat sooner than that has had it, and is not tried once more for it.
func (g *grid) atDue(at float64) float64 {
	for i, due := range g.due {
		if g.had[i] <= at && at < due {
			return due
		}
	}
	return at
}
