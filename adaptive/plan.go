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
	// soonerWorth is what a second is worth that a record is served sooner than the configured strategy would have served it.
	soonerWorth = 0.05
	// aim is by how much more jitter than on average the configured retries after the first are taken to be made. What takes their place
	// has less jitter, so that it finds more records recovered and yet is not the last of them.
	aim = 1.18
	// lateFrom is from which factor on a recovery is later.
	lateFrom = 1.03
	// horizon is how far is looked ahead, in longest delays. A record that is given up counts as one that recovers then.
	horizon = 10.0 / 3
)

// ahead is how many retries are looked ahead: who has more left plans as if these were all.
const ahead = 8

// Ahead is how many delays of the configured strategy a plan looks at.
const Ahead = 32

// Limits are what a policy allows, and what it would do by itself. Make them once for a policy: plans are kept by them.
type Limits struct {
	// Min and Max bound a delay.
	Min, Max time.Duration
	// Jitter is the part of itself that an advised delay is longer by, on average, and ConfiguredJitter that of a configured one.
	Jitter, ConfiguredJitter float64
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

// plan says which delay is the cheapest after any time, for any number of retries left. It is made as far as it is asked for.
type plan struct {
	*grid
	survival survival
	fails    []float64 // the chance that a record still fails at a configured retry
	waits    []float64 // the sums of when records are served by them, in seconds

	steps [buckets + 1][]step             // to the grid's choices, where they are known
	left  [ahead + 1][buckets + 1]float64 // the cost to come after a failure, by retries left and where a bucket begins
	known [ahead + 1][buckets + 1]bool    // of left
}

// newPlan makes the plan for records that failed first when an outage was so many seconds old.
func newPlan(g *grid, s survival, older float64) *plan {
	p := &plan{grid: g, survival: s.since(older)}
	served, before := 0.0, 1.0
	for _, due := range g.due {
		fails := math.Exp(p.survival.at(due))
		served += (before - fails) * due
		p.fails, p.waits = append(p.fails, fails), append(p.waits, served)
		before = fails
	}
	return p
}

// toCome returns the cost to come after a failure at the start of a bucket, for a record that has so many retries left.
func (p *plan) toCome(left, bucket int) float64 {
	if p.known[left][bucket] {
		return p.left[left][bucket]
	}
	least := math.Inf(1)
	if left == 0 {
		least = p.late(math.Exp(p.survival[bucket]), p.given[bucket])
	} else {
		choices := p.choices[bucket]
		if p.steps[bucket] == nil {
			p.steps[bucket] = make([]step, len(choices))
			for i, to := range choices {
				p.steps[bucket][i] = p.step(p.survival[bucket], to)
			}
		}
		for i, s := range p.steps[bucket] {
			least = math.Min(least, p.cost(s, &choices[i], left))
		}
	}
	p.left[left][bucket], p.known[left][bucket] = least, true
	return least
}

// late returns what it costs that records which fail at one time are served at another, for those that the configured
// strategy would have served before it: by how many seconds they are later, and the price for it. still is the
// chance that a record fails at the first of the times.
func (p *plan) late(still float64, to place) float64 {
	if to.last < to.first {
		return 0
	}
	waited := (still-p.fails[to.first])*p.due[to.first] + p.waits[to.last] - p.waits[to.first]
	return ((still-p.fails[to.last])*(to.at+p.behind) - waited) / still
}

// sooner returns what it is worth that records are served at a time which the configured strategy would have served later: those that
// recover after its last retry before that. fails is the chance that they do not recover until then.
func (p *plan) sooner(still, fails float64, to place) float64 {
	next := to.last + 1
	if next >= len(p.due) || p.due[next] <= to.at {
		return 0
	}
	waiting := 1.0
	if to.last >= to.first {
		waiting = p.fails[to.last] / still
	}
	return soonerWorth * (p.due[next] - to.at) * (waiting - fails)
}

// step is an attempt after a delay, seen from a failure.
type step struct {
	late  float64 // what it costs that records wait for it, less what it is worth that they do not wait for longer
	fails float64 // the chance that it fails
}

func (p *plan) step(survival float64, to place) step {
	still := math.Exp(survival)
	at := p.survival[to.bucket] + to.behind*(p.survival[to.bucket+1]-p.survival[to.bucket])
	s := step{p.late(still, to), math.Exp(at - survival)}
	s.late -= p.sooner(still, s.fails, to)
	return s
}

// cost is what an attempt costs, and what comes after it if it fails, for a record that has so many retries left.
func (p *plan) cost(s step, to *place, left int) float64 {
	return p.price + s.late + s.fails*(p.toCome(left-1, to.bucket)*(1-to.behind)+p.toCome(left-1, to.bucket+1)*to.behind)
}

// choose picks the delay for a record that fails so many seconds after its first failure, and the chance that the next
// attempt succeeds.
func (p *plan) choose(at float64, left int) (delay, succeeds float64) {
	at = p.atDue(at)
	survival, best := p.survival.at(at), math.Inf(1)
	for d := range p.after(at) {
		to := p.place(at, at+d*p.stretch)
		s := p.step(survival, to)
		if cost := p.cost(s, &to, min(max(left, 1), ahead)); cost < best {
			best, delay, succeeds = cost, d, 1-s.fails
		}
	}
	return delay, succeeds
}
