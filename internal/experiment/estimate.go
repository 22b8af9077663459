package experiment

import "math"

// Interval is an estimate and what it may be in truth.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// fewestClusters is how many clusters must have counts: their spread is what all intervals are made of.
const fewestClusters = 10

// estimate is a ratio of two sums over the clusters.
type estimate struct {
	value    float64
	variance float64
	freedom  float64 // degrees of it
	ok       bool
}

// ratio estimates the ratio of two sums. Its variance is that of cluster sampling (Cochran, Sampling Techniques, 1977, 6.4): clusters
// are independent, whatever the records of one have to do with each other.
func ratio(clusters []Cluster, over, under func(Cluster) float64) estimate {
	var above, below float64
	n := 0.0
	for _, c := range clusters {
		above, below = above+over(c), below+under(c)
		if c.ended() > 0 {
			n++
		}
	}
	if below == 0 || n < fewestClusters {
		return estimate{}
	}
	e := estimate{value: above / below, freedom: n - 1, ok: true}
	for _, c := range clusters {
		off := over(c) - e.value*under(c)
		e.variance += off * off
	}
	e.variance *= n / (n - 1) / (below * below)
	return e
}

// interval is the t interval at a quantile of the normal distribution.
func (e estimate) interval(z float64) *Interval {
	if !e.ok {
		return nil
	}
	h := student(z, e.freedom) * math.Sqrt(e.variance)
	return &Interval{Value: e.value, Low: max(e.value-h, 0), High: e.value + h}
}

// against compares two estimates of what is above 0: by how much e is larger, as a share of the other. It is Welch's interval, on the
// logarithms. half is half its width there.
func (e estimate) against(other estimate, z float64) (i *Interval, half float64) {
	if !e.ok || !other.ok || e.value <= 0 || other.value <= 0 {
		return nil, math.Inf(1)
	}
	a, b := e.variance/(e.value*e.value), other.variance/(other.value*other.value)
	freedom := min(e.freedom, other.freedom)
	if a+b > 0 {
		freedom = (a + b) * (a + b) / (a*a/e.freedom + b*b/other.freedom)
	}
	middle, half := math.Log(e.value/other.value), student(z, freedom)*math.Sqrt(a+b)
	return &Interval{Value: math.Expm1(middle), Low: math.Expm1(middle - half), High: math.Expm1(middle + half)}, half
}

// share is a part of some records, as many as are worth n independent ones.
type share struct {
	value, n, freedom float64
	ok                bool
}

// deadShare is the part of the records that are dead letters. n is smaller than their number where the records of a cluster share their fate
// (the design effect of Kish, Survey Sampling, 1965), as much so in one variant as in the one where it shows most.
func deadShare(v *Variant) (s share, effect float64) {
	e := ratio(v.Clusters, func(c Cluster) float64 { return float64(c.Dead) }, func(c Cluster) float64 { return float64(c.ended()) })
	s = share{value: e.value, n: float64(v.total().ended()), freedom: e.freedom, ok: e.ok}
	if !e.ok || e.value == 0 || e.value == 1 {
		return s, 1
	}
	return s, max(e.variance*s.n/(e.value*(1-e.value)), 1)
}

// interval is Wilson's (1927) for a share, with the t quantile of the clusters.
func (s share) interval(z, effect float64) *Interval {
	if !s.ok {
		return nil
	}
	n, t := s.n/effect, student(z, s.freedom)
	middle := (s.value + t*t/(2*n)) / (1 + t*t/n)
	half := t / (1 + t*t/n) * math.Sqrt(s.value*(1-s.value)/n+t*t/(4*n*n))
	return &Interval{Value: s.value, Low: max(middle-half, 0), High: min(middle+half, 1)}
}

// difference is by how much the first share is larger: Newcombe's (1998) hybrid of two of Wilson's intervals.
func difference(a, b *Interval) *Interval {
	if a == nil || b == nil {
		return nil
	}
	d := a.Value - b.Value
	return &Interval{Value: d, Low: d - math.Hypot(a.Value-a.Low, b.High-b.Value), High: d + math.Hypot(a.High-a.Value, b.Value-b.Low)}
}

// median is that of the bins, by the ranks that it may have in truth. mean is the estimate over the same records: by how much its variance is
// larger than that of independent records there are fewer of them.
func median(all []Bin, mean estimate, z float64) *Interval {
	var n, sum, squares float64
	for _, b := range all {
		middle := (b.From + b.To) / 2
		n += float64(b.Count)
		sum += float64(b.Count) * middle
		squares += float64(b.Count) * middle * middle
	}
	if n == 0 || !mean.ok {
		return nil
	}
	effect := 1.0
	if variance := squares/n - sum/n*sum/n; variance > 0 {
		effect = max(mean.variance*n/variance, 1)
	}
	half := student(z, mean.freedom) / 2 / math.Sqrt(n/effect)
	return &Interval{Value: quantile(all, n, 0.5), Low: quantile(all, n, 0.5-half), High: quantile(all, n, 0.5+half)}
}

// quantile is read from the bins, whose bounds grow by a factor.
func quantile(all []Bin, n, q float64) float64 {
	left := min(max(q, 0), 1) * n
	for _, b := range all {
		if count := float64(b.Count); left > count || count == 0 {
			left -= count
			continue
		}
		return b.From + (b.To-b.From)*left/float64(b.Count)
	}
	return all[len(all)-1].To
}

// normal is the quantile of the normal distribution for an interval that misses the truth with a chance.
func normal(miss float64) float64 { return math.Sqrt2 * math.Erfinv(1-miss) }

// student turns a quantile of the normal distribution into that of Student's t (Abramowitz and Stegun, 26.7.5).
func student(z, freedom float64) float64 {
	z2, n := z*z, freedom
	return z * (1 + (z2+1)/(4*n) + ((5*z2+16)*z2+3)/(96*n*n) + (((3*z2+19)*z2+17)*z2-15)/(384*n*n*n) +
		((((79*z2+776)*z2+1482)*z2-1920)*z2-945)/(92160*n*n*n*n))
}

// tightest is for how many records the intervals that may be looked at again and again are as tight as can be.
const tightest = 1000

// anytime is the quantile for an interval that with no more than that chance misses the truth ever, however often it is looked at while n
// grows: the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024).
func anytime(n, miss float64) float64 {
	log := -2 * math.Log(miss)
	x := n * (log + math.Log(log) + 1) / tightest
	return math.Sqrt((x + 1) / x * math.Log((x+1)/(miss*miss)))
}
