package outages

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// What a trace is made of. The numbers are guesses at a service that is used over a network, made before any policy was
// measured on them.
const (
	length = 12 * time.Hour
	rate   = 2.0 // records a second, without bursts

	blipGap      = time.Minute // between the end of one and the start of the next, on average
	blipMedian   = 800 * time.Millisecond
	blipSpread   = 0.8 // of the logarithm
	blipLongest  = 10 * time.Second
	blipNetwork  = 0.7
	longGap      = 45 * time.Minute
	longShortest = 30 * time.Second
	longLongest  = 10 * time.Minute
	longNetwork  = 0.2

	quota         = 300 // calls in a minute
	burstGap      = time.Hour
	burstShortest = time.Minute
	burstLongest  = 4 * time.Minute
	burstLeast    = 2.0 // times the rate
	burstMost     = 5.0
)

// Generate makes the trace of a kind and a seed.
func Generate(kind Kind, seed uint64) *Trace {
	g := generator{rand.New(rand.NewPCG(seed, 0x6f757461676573))}
	t := &Trace{Kind: kind, Seed: seed}
	var bursts []burst
	if kind == Blips || kind == Mixed {
		t.Outages = append(t.Outages, g.blips()...)
	}
	if kind == Long || kind == Mixed {
		t.Outages = append(t.Outages, g.long()...)
	}
	if kind == Limits || kind == Mixed {
		t.Quota = quota
		bursts = g.bursts()
	}
	slices.SortStableFunc(t.Outages, func(a, b Outage) int { return cmp.Compare(a.Start, b.Start) })
	t.Arrivals = g.arrivals(bursts)
	return t
}

type generator struct{ *rand.Rand }

// burst is a time of more records.
type burst struct {
	start, end time.Duration
	times      float64
}

// spells lays spells of time one after the other, with exponential gaps between them.
func (g generator) spells(gap time.Duration, lasts func() time.Duration, add func(start, end time.Duration)) {
	at := time.Duration(0)
	for {
		at += time.Duration(g.ExpFloat64() * float64(gap))
		end := at + lasts()
		if end >= length {
			return
		}
		add(at, end)
		at = end
	}
}

func (g generator) blips() (all []Outage) {
	lasts := func() time.Duration {
		return min(time.Duration(float64(blipMedian)*math.Exp(blipSpread*g.NormFloat64())), blipLongest)
	}
	g.spells(blipGap, lasts, func(start, end time.Duration) {
		all = append(all, Outage{Start: start, End: end, Share: g.between(0.3, 1), Network: blipNetwork})
	})
	return all
}

func (g generator) long() (all []Outage) {
	lasts := func() time.Duration {
		return time.Duration(math.Exp(g.between(math.Log(float64(longShortest)), math.Log(float64(longLongest)))))
	}
	g.spells(longGap, lasts, func(start, end time.Duration) {
		all = append(all, Outage{Start: start, End: end, Share: g.between(0.2, 1), ByRecord: true, Network: longNetwork})
	})
	return all
}

func (g generator) bursts() (all []burst) {
	lasts := func() time.Duration {
		return time.Duration(g.between(float64(burstShortest), float64(burstLongest)))
	}
	g.spells(burstGap, lasts, func(start, end time.Duration) {
		all = append(all, burst{start, end, g.between(burstLeast, burstMost)})
	})
	return all
}

// arrivals is a Poisson process whose rate is higher during bursts, by thinning.
func (g generator) arrivals(bursts []burst) (all []time.Duration) {
	at, next := time.Duration(0), 0
	for {
		at += time.Duration(g.ExpFloat64() / (rate * burstMost) * float64(time.Second))
		if at >= length {
			return all
		}
		for next < len(bursts) && bursts[next].end <= at {
			next++
		}
		times := 1.0
		if next < len(bursts) && bursts[next].start <= at {
			times = bursts[next].times
		}
		if g.Float64()*burstMost < times {
			all = append(all, at)
		}
	}
}

func (g generator) between(lo, hi float64) float64 { return lo + (hi-lo)*g.Float64() }
