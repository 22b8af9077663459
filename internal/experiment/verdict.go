package experiment

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Report is what the counts say.
type Report struct {
	Results     []Result     `json:"results"`
	Comparisons []Comparison `json:"comparisons"` // of each variant with the first
	Notes       []string     `json:"notes,omitempty"`
}

// Result is what became of a variant's records. Intervals hold the truth with a chance of 95 %, for who looks once; they are nil while too little is
// known.
type Result struct {
	Variant   string    `json:"variant"`
	Weight    float64   `json:"weight"`
	JobTypes  []string  `json:"job_types,omitempty"`
	Failed    uint64    `json:"failed"`
	Waiting   uint64    `json:"waiting"` // for their end
	Succeeded uint64    `json:"succeeded"`
	Dead      uint64    `json:"dead"`
	Other     uint64    `json:"other"`
	Attempts  *Interval `json:"attempts_per_success"`
	Mean      *Interval `json:"mean_seconds"` // from the first failure to the success
	Median    *Interval `json:"median_seconds"`
	DeadShare *Interval `json:"dead_share"`
}

// Outcome is what a comparison comes to.
type Outcome string

// The outcomes.
const (
	Better  Outcome = "better"  // in something, and worse in nothing
	Worse   Outcome = "worse"   // in something, and better in nothing
	Mixed   Outcome = "mixed"   // better in something, worse in something else
	Alike   Outcome = "alike"   // differences are smaller than they matter
	Unknown Outcome = "unknown" // not yet
)

// Comparison compares a variant with the first. All three intervals together, and those of the other variants, hold the truth with a chance of
// 95 %, however often they are looked at.
type Comparison struct {
	Variant  string    `json:"variant"`
	With     string    `json:"with"`
	Outcome  Outcome   `json:"outcome"`
	Verdict  string    `json:"verdict"`
	Attempts *Interval `json:"attempts_more"` // 0.1: 10 % more attempts per success
	Time     *Interval `json:"time_longer"`   // 0.1: 10 % longer to success, on average
	Dead     *Interval `json:"dead_more"`     // 0.01: a percentage point more dead letters
}

const (
	// miss is the chance of all intervals of an experiment together to miss the truth.
	miss = 0.05
	// matters is the difference that is looked for.
	matters = 0.10
	// fewest is how many records of each variant must have come to their end before there is a verdict.
	fewest = 100
	// mostWaiting is the part of the records that may wait: those that come to their end first are not like those that wait.
	mostWaiting = 0.05
	measures    = 3
)

// Judge says what the counts say.
func Judge(c Counts) Report {
	var r Report
	for i := range c.Variants {
		result, note := resultOf(&c.Variants[i])
		r.Results = append(r.Results, result)
		if note != "" {
			r.Notes = append(r.Notes, note)
		}
	}
	for i := 1; i < len(c.Variants); i++ {
		r.Comparisons = append(r.Comparisons, c.compare(i, r.Results))
	}
	return r
}

func attemptsOf(v *Variant) estimate {
	return ratio(v.Clusters, func(c Cluster) float64 { return float64(c.Attempts) }, func(c Cluster) float64 { return float64(c.Succeeded) })
}

func timeOf(v *Variant) estimate {
	return ratio(v.Clusters, func(c Cluster) float64 { return c.Seconds }, func(c Cluster) float64 { return float64(c.Succeeded) })
}

func resultOf(v *Variant) (r Result, note string) {
	t, z := v.total(), normal(miss)
	r = Result{Variant: v.Variant, Weight: v.Weight, JobTypes: v.JobTypes, Failed: v.Failed, Succeeded: t.Succeeded, Dead: t.Dead, Other: t.Other}
	if ended := t.ended(); ended <= v.Failed {
		r.Waiting = v.Failed - ended
	} else {
		note = fmt.Sprintf("%s: more records came to their end than failed first: others failed in processes that were not asked, or that ended", v.Variant)
	}
	mean := timeOf(v)
	r.Attempts, r.Mean, r.Median = attemptsOf(v).interval(z), mean.interval(z), median(v.Recovery, mean, z)
	dead, effect := deadShare(v)
	r.DeadShare = dead.interval(z, effect)
	return r, note
}

// compare compares variant i with the first.
func (c *Counts) compare(i int, results []Result) Comparison {
	first, other := &c.Variants[0], &c.Variants[i]
	out := Comparison{Variant: other.Variant, With: first.Variant, Outcome: Unknown}
	n := min(first.total().ended(), other.total().ended())
	if n < fewest {
		out.Verdict = fmt.Sprintf("nothing can be told yet: of %s %s came to their end, and at least %d must of each", behind(first, other).Variant, records(n), fewest)
		return out
	}
	for _, r := range []Result{results[0], results[i]} {
		if float64(r.Waiting) > mostWaiting*float64(r.Failed) {
			out.Verdict = fmt.Sprintf("nothing can be told yet: %s of %s of %s still wait, and what comes to its end first is not like what waits", thousands(float64(r.Waiting)), records(r.Failed), r.Variant)
			return out
		}
	}
	z := anytime(float64(n), miss/float64(measures*(len(c.Variants)-1)))
	var halves [2]float64
	out.Attempts, halves[0] = attemptsOf(other).against(attemptsOf(first), z)
	out.Time, halves[1] = timeOf(other).against(timeOf(first), z)
	a, effectA := deadShare(first)
	b, effectB := deadShare(other)
	effect := max(effectA, effectB)
	out.Dead = difference(b.interval(z, effect), a.interval(z, effect))
	if out.Dead == nil {
		out.Verdict = fmt.Sprintf("nothing can be told yet: the records have too few keys, fewer than some %d", fewestClusters)
		return out
	}
	out.decide(c.By, 2*float64(n), halves)
	return out
}

func behind(a, b *Variant) *Variant {
	if a.total().ended() <= b.total().ended() {
		return a
	}
	return b
}

// decide says what the intervals come to. n is the number of records, halves are half the widths of attempts and time.
func (c *Comparison) decide(by string, n float64, halves [2]float64) {
	var better, worse []string
	note := func(i *Interval, verb, unit, less, more string) {
		switch {
		case i == nil:
		case i.High < 0:
			better = append(better, verb+" "+between(-i.High, -i.Low, unit)+" "+less)
		case i.Low > 0:
			worse = append(worse, verb+" "+between(i.Low, i.High, unit)+" "+more)
		}
	}
	note(c.Attempts, "needs", "%", "fewer attempts per success", "more attempts per success")
	note(c.Time, "takes", "%", "less time to succeed", "longer to succeed")
	note(c.Dead, "has", "points", "fewer dead letters", "more dead letters")
	advice := func(text string) string {
		if by != "key" {
			return "; its records are of other job types, which may be why"
		}
		return text
	}
	switch {
	case len(better) > 0 && len(worse) > 0:
		c.Outcome = Mixed
		c.Verdict = c.Variant + " " + list(better) + ", but " + list(worse) + advice(": which counts more is for you to say")
	case len(better) > 0:
		c.Outcome = Better
		c.Verdict = c.Variant + " " + list(better) + advice("; go with "+c.Variant)
	case len(worse) > 0:
		c.Outcome = Worse
		c.Verdict = c.Variant + " " + list(worse) + advice("; stay with "+c.With)
	default:
		c.undecided(n, halves)
	}
}

// undecided says how many more failures it would take to tell a difference that matters, or that there is none.
func (c *Comparison) undecided(n float64, halves [2]float64) {
	within := func(i *Interval) bool { return i != nil && i.Low > -matters && i.High < matters }
	if within(c.Attempts) && within(c.Time) {
		c.Outcome = Alike
		c.Verdict = fmt.Sprintf("%s and %s do not differ by %.0f %% in attempts or time: keep which you like", c.Variant, c.With, 100*matters)
		return
	}
	worst := max(halves[0], halves[1]) / math.Log1p(matters)
	more := n * (worst*worst - 1)
	switch {
	case math.IsInf(more, 1):
		c.Verdict = "no difference can be told yet: there are no successes of one of them"
	case more <= 0:
		c.Verdict = fmt.Sprintf("no difference can be told yet, and one of %.0f %% should have shown: more failures tell a smaller one", 100*matters)
	default:
		c.Verdict = fmt.Sprintf("no difference can be told yet: for one of %.0f %% some %s more failures are needed", 100*matters, thousands(rounded(more)))
	}
}

// between writes two shares: "12 % to 31 %".
func between(low, high float64, unit string) string {
	if unit == "%" {
		return percents(low) + " to " + percents(high)
	}
	return fmt.Sprintf("%.1f to %.1f percentage points", 100*low, 100*high)
}

func percents(share float64) string {
	if share < 0.01 {
		return fmt.Sprintf("%.1f %%", 100*share)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

func list(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

func records(n uint64) string {
	if n == 1 {
		return "1 record"
	}
	return thousands(float64(n)) + " records"
}

// rounded leaves one digit that says something, and none of tens.
func rounded(n float64) float64 {
	unit := max(math.Pow(10, math.Floor(math.Log10(n))), 10)
	return math.Ceil(n/unit) * unit
}

// thousands writes a whole number with commas.
func thousands(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
