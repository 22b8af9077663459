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
	rate   = 2.0 // records a second

	blipGap     = 30 * time.Second // between the end of one and the start of the next, on average
	blipMedian  = 800 * time.Millisecond
	blipSpread  = 0.8 // of the logarithm
	blipLongest = 10 * time.Second
	blipNetwork = 0.7

	longGap      = time.Hour
	longShortest = 30 * time.Second
	longLongest  = 10 * time.Minute
	longNetwork  = 0.2

	busyGap     = 30 * time.Minute // between times in which a quota is used up minute after minute
	busyMinutes = 3                // on average
	quotaWindow = time.Minute
	quotaLeast  = 0.3 // the part of a minute that the quota lasts for at least
)

// Generate makes the trace of a kind and a seed.
func Generate(kind Kind, seed uint64) *Trace {
	g := generator{rand.New(rand.NewPCG(seed, 0x6f757461676573))}
	t := &Trace{Kind: kind, Seed: seed}
	if kind == Blips || kind == Mixed {
		t.Outages = append(t.Outages, g.blips()...)
	}
	if kind == Long || kind == Mixed {
		t.Outages = append(t.Outages, g.long()...)
	}
	if kind == Limits || kind == Mixed {
		t.Outages = append(t.Outages, g.limits()...)
	}
	slices.SortStableFunc(t.Outages, func(a, b Outage) int { return cmp.Compare(a.Start, b.Start) })
	t.Arrivals = g.arrivals()
	return t
}

type generator struct{ *rand.Rand }

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

// limits uses up the quota of some minutes in a row, each time at another moment.
func (g generator) limits() (all []Outage) {
	lasts := func() time.Duration {
		return time.Duration(1+math.Floor(g.ExpFloat64()*busyMinutes)) * quotaWindow
	}
	g.spells(busyGap, lasts, func(start, end time.Duration) {
		for at := start.Truncate(quotaWindow); at < end.Truncate(quotaWindow); at += quotaWindow {
			used := at + time.Duration(g.between(quotaLeast, 1)*float64(quotaWindow))
			all = append(all, Outage{Start: used, End: at + quotaWindow, Share: 1, Limited: true})
		}
	})
	return all
}

// arrivals is a Poisson process.
func (g generator) arrivals() (all []time.Duration) {
	for at := time.Duration(0); ; {
		at += time.Duration(g.ExpFloat64() / rate * float64(time.Second))
		if at >= length {
			return all
		}
		all = append(all, at)
	}
}

func (g generator) between(lo, hi float64) float64 { return lo + (hi-lo)*g.Float64() }
