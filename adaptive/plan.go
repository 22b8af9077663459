package adaptive

import (
	"math"
	"time"
)

// What is minimised, see the package's documentation. Chosen on the training seeds of internal/outages.
const (
	// DefaultAttemptCost is the price of an attempt, in first delays of the configured strategy.
	DefaultAttemptCost = 0.25
	// lateCost is the price of being later at all than the configured strategy would have been, likewise.
	lateCost = 1.5
	// early is by how much earlier than they are the configured retries after the first are taken to be, so that chance
	// alone makes few recoveries later.
	early = 0.99
	// lateFrom is from which factor on a recovery is later.
	lateFrom = 1.03
	// horizon is how far is looked ahead, in longest delays. A record that is given up counts as one that recovers then.
	horizon = 10.0 / 3
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

// unit is what prices are counted in: the first delay of the configured strategy.
func (l *Limits) unit() time.Duration {
	if len(l.Configured) == 0 {
		return max(l.Min, time.Millisecond)
	}
	return max(l.Configured[0], l.Min, time.Millisecond)
}

// plan says which delay is the cheapest after any time, for any number of retries left. It is immutable.
type plan struct {
	survival survival
	stretch  float64   // of delays, by jitter
	delays   []float64 // the choices in seconds, ascending
	least    float64
	price    float64 // of an attempt, in seconds of waiting
	behind   float64 // the price of being late at all, likewise

	// The configured strategy: when its retries are made without jitter (had), when they are with the jitter that there is on
	// average (due), and the chance that a record still fails then. Whoever recovers between two of them is served by the latter. waits are the sums of when records are
	// served, by those due times, in seconds.
	had   []float64
	due   []float64
	fails []float64
	waits []float64

	left [ahead + 1][buckets + 1]float64 // the cost to come after a failure, by retries left and where a bucket begins
}

// newPlan makes the plan for records that failed first when an outage was so many seconds old.
func newPlan(s survival, older float64, l *Limits, attemptCost float64) *plan {
	unit := l.unit().Seconds()
	p := &plan{survival: s.since(older), stretch: 1 + l.Jitter, least: l.Min.Seconds(), price: attemptCost * unit, behind: lateCost * unit}
	longest := l.Max.Seconds()
	for d := p.least; d < longest; d *= math.Exp2(1.0 / stepsPerDoubling) {
		p.delays = append(p.delays, d)
	}
	p.delays = append(p.delays, longest)
	p.configured(l)

	steps := make([][]step, buckets+1)
	for i := range steps {
		at := start(i)
		p.left[0][i] = p.late(at, horizon*longest, math.Exp(p.survival[i]))
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
	had, served, before := 0.0, 0.0, 1.0
	for i, d := range l.Configured {
		sooner := early
		if i == 0 {
			sooner = 1 // or short blips would cost more attempts
		}
		had += d.Seconds() * sooner
		due := had * p.stretch
		if due <= 0 || due >= horizon*l.Max.Seconds() {
			break
		}
		fails := math.Exp(p.survival.at(due))
		served += (before - fails) * due
		p.had, p.due = append(p.had, had), append(p.due, due)
		p.fails, p.waits = append(p.fails, fails), append(p.waits, served)
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
// strategy would have served before it: by how many seconds they are later, and the price for it. still is the
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
	waited := (still-p.fails[next])*p.due[next] + p.waits[last] - p.waits[next]
	return ((still-p.fails[last])*(served+p.behind) - waited) / still
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
	at = p.atDue(at)
	survival, best := p.survival.at(at), math.Inf(1)
	for d := range p.choices(at) {
		s := p.step(at, survival, d)
		if cost := p.cost(s, min(max(left, 1), ahead)); cost < best {
			best, delay, succeeds = cost, d, 1-s.fails
		}
	}
	return delay, succeeds
}

// atDue returns when a record that fails at a time would have failed with the jitter that there is on average. One that had a
// configured retry somewhat sooner than that has had it, and is not tried once more for it.
func (p *plan) atDue(at float64) float64 {
	for i, due := range p.due {
		if p.had[i] <= at && at < due {
			return due
		}
	}
	return at
}
