package outages

import (
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Kind says what happens in a [Trace].
type Kind string

// The kinds.
const (
	Blips  Kind = "blips"  // about a second long, some of the calls fail
	Long   Kind = "long"   // half a minute to ten minutes, some of the records fail
	Limits Kind = "limits" // a quota by the minute, shared with others, that is used up before the minute is over
	Mixed  Kind = "mixed"  // all of them
)

// Kinds returns all of them, in the order in which they are reported.
func Kinds() []Kind { return []Kind{Blips, Long, Limits, Mixed} }

// Trace is half a day of a dependency: when records come to be handled, and when calls fail. Times count from its
// beginning. What fails does not depend on what is tried: a trace has the same first failures for every policy, and says
// nothing about retries that make an outage worse.
type Trace struct {
	Kind     Kind
	Seed     uint64
	Arrivals []time.Duration // ascending
	Outages  []Outage        // ascending by Start
}

// Outage is a time in which calls fail.
type Outage struct {
	Start, End time.Duration
	// Share of the calls that fail, or of the records whose calls fail.
	Share float64
	// ByRecord says that a record which is hit is hit until the end, as when the shard is away that it needs. Otherwise
	// each call has its own luck, as with one bad replica behind a balancer.
	ByRecord bool
	// Limited says that the failures are of class rate_limited.
	Limited bool
	// Network is the share of the other failures that are of class network; the rest is transient.
	Network float64
}

// dependency answers the calls of one run over a trace.
type dependency struct {
	*Trace
	next int   // of Outages: the first that has not begun
	open []int // of Outages: those that have begun and may not have ended
}

// call answers the attempt of a record, counted from 1: classify.None is success. Calls come in the order of time.
func (d *dependency) call(at time.Duration, record, attempt int) classify.Class {
	for d.next < len(d.Outages) && d.Outages[d.next].Start <= at {
		d.open = append(d.open, d.next)
		d.next++
	}
	kept := d.open[:0]
	failed := classify.None
	for _, i := range d.open {
		if d.Outages[i].End <= at {
			continue
		}
		kept = append(kept, i)
		if failed == classify.None && d.hits(i, record, attempt) {
			failed = d.class(i, record, attempt)
		}
	}
	d.open = kept
	return failed
}

// hits reports whether a call that is made during an outage fails by it.
func (t *Trace) hits(outage, record, attempt int) bool {
	o := &t.Outages[outage]
	if o.ByRecord {
		attempt = 0
	}
	return t.chance(outage, record, attempt, 1) < o.Share
}

func (t *Trace) class(outage, record, attempt int) classify.Class {
	switch o := &t.Outages[outage]; {
	case o.Limited:
		return classify.RateLimited
	case t.chance(outage, record, attempt, 2) < o.Network:
		return classify.Network
	}
	return classify.Transient
}

// chance is uniform in [0,1) and depends on its arguments alone, so that one policy's luck is another's.
func (t *Trace) chance(parts ...int) float64 {
	h := t.Seed
	for _, p := range parts {
		h = mix(h ^ uint64(p))
	}
	return float64(h>>11) / (1 << 53)
}

// mix is the step of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
