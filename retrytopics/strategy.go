package retrytopics

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// A Strategy turns the number of a retry into the delay before it.
//
// Delay must be pure and safe for concurrent use: it is called for every
// failed record and, for [Schedule.Timetable] and automatic tiers, with
// failures that never happened. What it returns is brought within the
// policy's bounds and then lengthened by jitter.
type Strategy interface {
	// Delay returns how long to wait before the given retry; retry counts
	// from 1. Tries on the spot are not among the retries counted here.
	Delay(retry int, f Failed) time.Duration
	// String names the strategy and its settings for people.
	String() string
}

// Failed is what a [Strategy] and an [Override] may know about a failed
// attempt.
type Failed struct {
	Class      classify.Class // None is treated as Transient
	Status     int            // HTTP status, 0: none
	Attempt    int            // attempts made so far, this one included
	RetryAfter time.Duration  // asked for by the failure itself, 0: nothing asked
	Job        classify.Job   // of the record
}

// Defaults of the strategies.
const (
	DefaultInitialDelay  = time.Second
	DefaultMultiplier    = 3.0
	DefaultBackoffFactor = 1.5
)

// Tiered waits one tier after the other: with the default tiers 1s, 10s, 60s.
// Beyond the tiers the last one repeats. The tiers are the policy's; a Tiered
// that is asked outside a [Schedule] answers with [DefaultTiers].
type Tiered struct{}

// Delay implements [Strategy].
func (Tiered) Delay(retry int, f Failed) time.Duration {
	return tiered(DefaultTiers()).Delay(retry, f)
}

// String implements [Strategy].
func (Tiered) String() string { return "tiered" }

// tiered is Tiered bound to the tiers of a policy.
type tiered []time.Duration

func (t tiered) Delay(retry int, _ Failed) time.Duration {
	return t[min(max(retry, 1), len(t))-1]
}

func (t tiered) String() string { return "tiered" }

// Exponential multiplies the delay from retry to retry: with the defaults
// 1s, 3s, 9s, 27s, 60s (the policy's MaxDelay).
type Exponential struct {
	// Initial is the delay before the first retry. Defaults to 1s.
	Initial time.Duration
	// Multiplier is at least 1. Defaults to 3.
	Multiplier float64
	// Max bounds this strategy's delays. Defaults to the policy's MaxDelay.
	Max time.Duration
}

// Delay implements [Strategy].
func (e Exponential) Delay(retry int, _ Failed) time.Duration {
	initial, multiplier := orDefault(e.Initial, DefaultInitialDelay), orDefault(e.Multiplier, DefaultMultiplier)
	return capped(float64(initial)*math.Pow(multiplier, float64(max(retry, 1)-1)), e.Max)
}

// String implements [Strategy].
func (e Exponential) String() string {
	return fmt.Sprintf("exponential from %s by %s", Canonical(orDefault(e.Initial, DefaultInitialDelay)), factorText(orDefault(e.Multiplier, DefaultMultiplier)))
}

// Linear adds the same from retry to retry: Factor times Initial. With the
// defaults 1s, 2.5s, 4s, 5.5s.
type Linear struct {
	// Initial is the delay before the first retry. Defaults to 1s.
	Initial time.Duration
	// Factor says how many times Initial is added each time. It is positive.
	// Defaults to 1.5.
	Factor float64
	// Max bounds this strategy's delays. Defaults to the policy's MaxDelay.
	Max time.Duration
}

// Delay implements [Strategy].
func (l Linear) Delay(retry int, _ Failed) time.Duration {
	initial, factor := orDefault(l.Initial, DefaultInitialDelay), orDefault(l.Factor, DefaultBackoffFactor)
	return capped(float64(initial)*(1+factor*float64(max(retry, 1)-1)), l.Max)
}

// String implements [Strategy].
func (l Linear) String() string {
	initial, factor := orDefault(l.Initial, DefaultInitialDelay), orDefault(l.Factor, DefaultBackoffFactor)
	return fmt.Sprintf("linear from %s plus %s", Canonical(initial), Canonical(capped(float64(initial)*factor, 0)))
}

// Fixed waits the same time before every retry.
type Fixed struct {
	// Delay before every retry. Defaults to 1s.
	Wait time.Duration
}

// Delay implements [Strategy].
func (f Fixed) Delay(int, Failed) time.Duration { return orDefault(f.Wait, DefaultInitialDelay) }

// String implements [Strategy].
func (f Fixed) String() string { return "fixed " + Canonical(orDefault(f.Wait, DefaultInitialDelay)) }

// Immediate retries at once. The policy's MinDelay does not hold for it.
type Immediate struct{}

// Delay implements [Strategy].
func (Immediate) Delay(int, Failed) time.Duration { return 0 }

// String implements [Strategy].
func (Immediate) String() string { return "immediate" }

// Custom is a function as a [Strategy]. It must be pure and safe for
// concurrent use.
type Custom func(retry int, f Failed) time.Duration

// Delay implements [Strategy].
func (c Custom) Delay(retry int, f Failed) time.Duration { return c(retry, f) }

// String implements [Strategy].
func (Custom) String() string { return "custom" }

// longest is the longest duration that float arithmetic may end in: doubling
// it or adding jitter must not overflow.
const longest = time.Duration(math.MaxInt64 / 4)

// capped turns a delay computed in floating point into one within [0, limit];
// a limit of 0 is none.
func capped(d float64, limit time.Duration) time.Duration {
	if limit <= 0 {
		limit = longest
	}
	if math.IsNaN(d) || d >= float64(limit) {
		return limit
	}
	return max(time.Duration(d), 0)
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func factorText(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
