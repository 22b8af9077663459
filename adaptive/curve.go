package adaptive

import (
	"iter"
	"math"
	"time"
)

// The buckets of a curve: three for each doubling of the time since the outage began, from firstBound on, to a day.
const (
	buckets     = 64
	firstBound  = 50 * time.Millisecond
	perDoubling = 3
)

// The prior says that four in ten outages which have lasted for some time end before that time has passed once more, and
// weighs less than one record: it knows no scale of time, and gives way to the first observations.
const (
	priorHazard = 0.16 // in each bucket
	priorWeight = 0.25
)

// bounds say where each bucket ends, in seconds. Bucket 0 begins at 0.
var bounds = func() (all [buckets]float64) {
	for i := range all {
		all[i] = firstBound.Seconds() * math.Exp2(float64(i)/perDoubling)
	}
	return all
}()

// curve is what was seen of when records recover: in each bucket of time since their first failure so many were waiting, and
// so many of them recovered. Its zero value has seen nothing.
type curve struct {
	waited    [buckets]float64 // records, those that waited through part of the bucket as such a part
	recovered [buckets]float64
	weight    float64 // of the observations
}

// fade lets everything count less.
func (c *curve) fade(factor float64) {
	for i := range c.waited {
		c.waited[i] *= factor
		c.recovered[i] *= factor
	}
	c.weight *= factor
}

// failed takes note that a record which failed at from still failed at to. Both are times since its outage began.
func (c *curve) failed(from, to time.Duration, weight float64) {
	c.weight += weight
	for i, part := range parts(from, to) {
		c.waited[i] += weight * part
	}
}

// succeeded takes note that a record which failed at from succeeded at to. When it recovered nobody saw: that is spread
// over the time between as the hazards have it that were known before. It is one step of expectation maximisation for
// interval-censored survival times (Turnbull 1976).
func (c *curve) succeeded(from, to time.Duration, weight float64, known *hazards) {
	c.weight += weight
	total := 1.0
	for i, part := range parts(from, to) {
		total *= math.Exp(-known[i] * part)
	}
	if total = 1 - total; total <= 0 {
		return
	}
	left := 1.0
	for i, part := range parts(from, to) {
		after := left * math.Exp(-known[i]*part)
		share := (left - after) / total
		c.recovered[i] += weight * share
		// Who recovers later waits through the whole of this part, who recovers in it through half of it.
		c.waited[i] += weight * part * ((after-1+total)/total + share/2)
		left = after
	}
}

// hazards are the rates at which records recover, by bucket: the chance that a record waits through a part of
// bucket i is exp(-part*hazard).
type hazards [buckets]float64

// over blends what was seen with hazards known before, which weigh as much as so many records.
func (c *curve) over(known func(i int) float64, weight float64) (h hazards) {
	for i := range h {
		h[i] = (c.recovered[i] + weight*known(i)) / (c.waited[i] + weight)
	}
	return h
}

// parts yields the buckets between two times, and which part of each lies between them.
func parts(from, to time.Duration) iter.Seq2[int, float64] {
	return func(yield func(int, float64) bool) {
		a, b := position(from.Seconds()), position(to.Seconds())
		for i := int(a); i < buckets && float64(i) < b; i++ {
			part := math.Min(b, float64(i+1)) - math.Max(a, float64(i))
			if part > 0 && !yield(i, part) {
				return
			}
		}
	}
}

// position is a time in seconds on the scale of the buckets: linear in the first, logarithmic beyond it.
func position(seconds float64) float64 {
	if seconds <= bounds[0] {
		return math.Max(seconds, 0) / bounds[0]
	}
	return math.Min(1+perDoubling*math.Log2(seconds/bounds[0]), buckets)
}

// start is where a bucket begins, in seconds; buckets is the end of the last.
func start(bucket int) float64 {
	if bucket == 0 {
		return 0
	}
	return bounds[bucket-1]
}

// survival is, for the bounds between the buckets, the logarithm of the chance that a record still fails.
type survival [buckets + 1]float64

func (h *hazards) survival() (s survival) {
	for i, rate := range h {
		s[i+1] = s[i] - rate
	}
	return s
}

// since is the curve of what still fails after so many seconds, from then on.
func (s *survival) since(seconds float64) (later survival) {
	if seconds == 0 {
		return *s
	}
	from := s.at(seconds)
	for i := range later {
		later[i] = s.at(seconds+start(i)) - from
	}
	return later
}

// at returns the logarithm at a time in seconds.
func (s *survival) at(seconds float64) float64 {
	x := position(seconds)
	i := min(int(x), buckets-1)
	return s[i] + (x-float64(i))*(s[i+1]-s[i])
}
