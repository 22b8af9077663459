package adaptive

import (
	"math"
	"time"
)

// What is minimised, see the package's documentation. Chosen on the training seeds of internal/outages.
const (
	// DefaultAttemptCost is the price of an attempt.
	DefaultAttemptCost = 0.2
	// lateCost is the price of being later at all than the configured strategy would have been.
	lateCost = 1.0
	// early is by how much earlier than it is the configured strategy is taken to be, so that chance alone makes no recovery later.
	early = 0.97
	// lateFrom is from which factor on a recovery is later.
	lateFrom = 1.02
	// givenUp is the wait, in seconds, that a record counts for which is given up: somebody has to look at it.
	givenUp = 3600.0
)

const (
	// stepsPerDoubling is how fine the choice of delays is, beside those of the configured strategy.
	stepsPerDoubling = 4
	// ahead is how many retries are looked ahead: who has more left plans as if these were all.
	ahead = 8
)

// Ahead is how many delays of the configured strategy a plan looks at.
const Ahead = 32

// Limits are what a policy allows, and what it would do by itself. Make them once for a policy: plans are kept by them.
type Limits struct {
	// Min and Max bound a delay.
	Min, Max time.Duration
	// Jitter is the part of itself that a delay is longer by, on average.
	Jitter float64
	// Configured are the delays of the configured strategy, for one retry after the other, [Ahead] of them, also those
	// of retries that a record does not get.
	Configured []time.Duration
}

// plan says which delay is the cheapest after any time, for any number of retries left. It is immutable.
type plan struct {
	survival survival
	stretch  float64   // of delays, by jitter
	delays   []float64 // the choices in seconds, ascending
	least    float64
	price    float64 // of an attempt

	// The configured strategy: when its retries are due, and the chance that a record still fails then. Whoever recovers
	// between two of them is served by the latter. logs are the sums of the logarithms of when records are served, by
	// those due times.
	due, log []float64
	fails    []float64
	logs     []float64

	left [ahead + 1][buckets + 1]float64 // the cost to come after a failure, by retries left and where a bucket begins
}

func newPlan(h hazards, l *Limits, attemptCost float64) *plan {
	p := &plan{survival: h.survival(), stretch: 1 + l.Jitter, least: l.Min.Seconds(), price: attemptCost}
	longest := l.Max.Seconds()
	for d := p.least; d < longest; d *= math.Exp2(1.0 / stepsPerDoubling) {
		p.delays = append(p.delays, d)
	}
	p.delays = append(p.delays, longest)
	p.configured(l)

	steps := make([][]step, buckets+1)
	for i := range steps {
		at := start(i)
		p.left[0][i] = p.late(at, givenUp, math.Exp(p.survival[i]))
		for d := range p.choices(at) {
			steps[i] = append(steps[i], p.step(at, p.survival[i], d))
		}
	}
	for k := 1; k <= ahead; k++ {
		for i := range steps {
			p.left[k][i] = math.Inf(1)
			for _, s := range steps[i] {
				p.left[k][i] = math.Min(p.left[k][i], p.cost(s, k))
			}
		}
	}
	return p
}

// configured enters what the configured strategy would do.
func (p *plan) configured(l *Limits) {
	at, served, before := 0.0, 0.0, 1.0
	for _, d := range l.Configured {
		if at += d.Seconds() * p.stretch * early; at <= 0 || at >= givenUp {
			break
		}
		fails := math.Exp(p.survival.at(at))
		served += (before - fails) * math.Log(at)
		p.due, p.log = append(p.due, at), append(p.log, math.Log(at))
		p.fails, p.logs = append(p.fails, fails), append(p.logs, served)
		before = fails
	}
}

// choices yields the delays that may be chosen after a time: steps between the bounds, and those with which an attempt
// of the configured strategy is met.
func (p *plan) choices(at float64) func(func(float64) bool) {
	return func(yield func(float64) bool) {
		for _, d := range p.delays {
			if !yield(d) {
				return
			}
		}
		longest := p.delays[len(p.delays)-1]
		for _, due := range p.due {
			if d := (due - at) / p.stretch; d >= p.least && d <= longest && !yield(d) {
				return
			}
		}
	}
}

// late returns what it costs that records which fail at one time are served at another, for those that the configured
// strategy would have served before it: how much later they are, in proportion, and the price for it. still is the
// chance that a record fails at the first of the times.
func (p *plan) late(at, served, still float64) float64 {
	last := -1 // the last retry of the configured strategy that would have been earlier
	for i, due := range p.due {
		if due*lateFrom > served {
			break
		}
		last = i
	}
	if last < 0 || p.due[last] <= at {
		return 0
	}
	next := last // its first one after at
	for next > 0 && p.due[next-1] > at {
		next--
	}
	logs := (still-p.fails[next])*p.log[next] + p.logs[last] - p.logs[next]
	return ((still-p.fails[last])*(math.Log(served)+lateCost) - logs) / still
}

// step is an attempt after a delay, seen from a failure.
type step struct {
	late   float64 // what it costs that records wait for it
	fails  float64 // the chance that it fails
	bucket int     // which it falls into
	behind float64 // which part of it lies behind
}

func (p *plan) step(at, survival, delay float64) step {
	to := at + delay*p.stretch
	x := position(to)
	i := min(int(x), buckets-1)
	return step{p.late(at, to, math.Exp(survival)), math.Exp(p.survival.at(to) - survival), i, x - float64(i)}
}

// cost is what an attempt costs, and what comes after it if it fails, for a record that has so many retries left.
func (p *plan) cost(s step, left int) float64 {
	after := &p.left[left-1]
	return p.price + s.late + s.fails*(after[s.bucket]*(1-s.behind)+after[s.bucket+1]*s.behind)
}

// choose picks the delay for a record that fails so many seconds after its first failure, and the chance that the next
// attempt succeeds.
func (p *plan) choose(at float64, left int) (delay, succeeds float64) {
	survival, best := p.survival.at(at), math.Inf(1)
	for d := range p.choices(at) {
		s := p.step(at, survival, d)
		if cost := p.cost(s, min(max(left, 1), ahead)); cost < best {
			best, delay, succeeds = cost, d, 1-s.fails
		}
	}
	return delay, succeeds
}
