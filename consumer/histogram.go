package consumer

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram counts durations in seconds. Counts[i] are the observations of at most Bounds[i] and more than Bounds[i-1];
// the last of Counts, one longer than Bounds, those beyond. Bounds are 2^(k/8) for whole k, which is what Prometheus calls a
// native histogram of schema 3: a quantile read from it is off by less than 9 %. They are the same for all histograms and must not be changed.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
	Total  uint64
}

const (
	// perDoubling is how many bounds there are from one power of two of a second to the next.
	perDoubling = 8
	// shortest and longest are the logarithms of the first and the last bound: 7.6 microseconds and 9.1 hours.
	shortest, longest = -17, 15
)

var (
	// bounds are the upper bounds of the buckets, rounded down to what a duration can be.
	bounds [(longest-shortest)*perDoubling + 1]time.Duration
	// boundSeconds are the same in seconds.
	boundSeconds [len(bounds)]float64
	// firstBound is, by the number of bits of a duration, the first bound that may not be below it.
	firstBound [65]uint16
)

func init() {
	for i := range bounds {
		boundSeconds[i] = math.Exp2(shortest + float64(i)/perDoubling)
		bounds[i] = time.Duration(boundSeconds[i] * float64(time.Second))
	}
	at := 0
	for n := 1; n < len(firstBound); n++ {
		for least := uint64(1) << (n - 1); at < len(bounds) && uint64(bounds[at]) < least; {
			at++
		}
		firstBound[n] = uint16(at)
	}
}

// bucket returns the index of the first bound that is not below d; len(bounds) when there is none. It looks at the bounds of one
// doubling only.
func bucket(d time.Duration) int {
	if d <= bounds[0] {
		return 0
	}
	i := int(firstBound[bits.Len64(uint64(d))])
	for i < len(bounds) && bounds[i] < d {
		i++
	}
	return i
}

// durations collects the durations of calls in a worker's own memory, until they are counted at once.
type durations struct {
	counts    [len(bounds) + 1]uint32
	low, high int // what was counted is between these, while n is not 0
	sum       time.Duration
	n         uint64
}

// add notes that so many calls took so long each.
func (d *durations) add(took time.Duration, calls int) {
	i := bucket(took)
	if d.n == 0 {
		d.low, d.high = i, i
	}
	d.low, d.high = min(d.low, i), max(d.high, i)
	d.counts[i] += uint32(calls)
	d.sum += took * time.Duration(calls)
	d.n += uint64(calls)
}

// histogram is a histogram of durations that many goroutines count into.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	h.counts[bucket(d)].Add(1)
	h.sum.Add(int64(d))
}

// merge counts what a worker has collected, and empties it.
func (h *histogram) merge(d *durations) {
	if d.n == 0 {
		return
	}
	for i := d.low; i <= d.high; i++ {
		if n := d.counts[i]; n > 0 {
			h.counts[i].Add(uint64(n))
			d.counts[i] = 0
		}
	}
	h.sum.Add(int64(d.sum))
	d.sum, d.n = 0, 0
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Bounds: boundSeconds[:], Counts: make([]uint64, len(h.counts)), Sum: time.Duration(h.sum.Load()).Seconds()}
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
		s.Total += s.Counts[i]
	}
	return s
}
