package consumer

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
)

// Dependency is something that handlers call beside the dependency of [Config.Breaker], and that has a breaker of its own.
type Dependency struct {
	// Breaker watches it. Its Dependency, the name, is required.
	Breaker breaker.Config
	// CountsAgainst are the classes that count as its failures. Defaults to those of [Config.CountsAgainst].
	CountsAgainst []classify.Class
	// Parts watches it part by part, see [Parts]. Defaults to as a whole.
	Parts Parts
}

// maxDependencies bounds how many dependencies a pipeline has, that of [Config.Breaker] included.
const maxDependencies = 16

// dependency is what a pipeline knows of one of its dependencies. Every record is taken to need all of them.
type dependency struct {
	name    string
	index   int
	breaker *breaker.Breaker // of the whole; where it is watched by part it is in MetricsOnly
	counts  [int(classify.Authentication) + 1]bool
	parts   *parts // nil: it is watched as a whole
}

func newDependency(r *breaker.Registry, index int, c breaker.Config, counts []classify.Class, by Parts) (*dependency, error) {
	d := &dependency{name: c.Dependency, index: index}
	var err error
	if by.By != nil {
		if d.parts, err = newParts(r, c, by); err != nil {
			return nil, err
		}
		if c.WithDefaults().Mode == breaker.Closed {
			c.Mode = breaker.MetricsOnly
		}
	}
	if d.breaker, err = r.Get(c); err != nil {
		return nil, err
	}
	for _, class := range counts {
		d.counts[class] = true
	}
	return d, nil
}

// dependencies are those of a pipeline, that of Config.Breaker first.
func (c *Config) dependencies(r *breaker.Registry) (all []*dependency, err error) {
	first, err := newDependency(r, 0, c.Breaker, c.CountsAgainst, c.Parts)
	if err != nil {
		return nil, fmt.Errorf("consumer: Breaker: %w", err)
	}
	all = append(all, first)
	for i, d := range c.Dependencies {
		counts := d.CountsAgainst
		if counts == nil {
			counts = c.CountsAgainst
		}
		one, err := newDependency(r, i+1, d.Breaker, counts, d.Parts)
		if err != nil {
			return nil, fmt.Errorf("consumer: Dependencies[%d]: %w", i, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// dependency returns the one of that name, nil if none is declared.
func (p *Pipeline) dependency(name string) *dependency {
	if i := slices.IndexFunc(p.deps, func(d *dependency) bool { return d.name == name }); i >= 0 {
		return p.deps[i]
	}
	return nil
}

// accused returns the dependency that a failure counts against, if its class counts: the one that it names, else the first.
func (p *Pipeline) accused(f *failedCall) *dependency {
	if f.of == nil {
		return p.deps[0]
	}
	if d := p.dependency(f.of.Dependency); d != nil {
		return d
	}
	p.undeclared(f.of.Dependency)
	return p.deps[0]
}

// strangeNames are the dependencies that failures have named and nobody has declared: each is told of once.
type strangeNames struct {
	mu    sync.Mutex
	names []string
}

const maxStrangeNames = 100

// undeclared tells once that nobody knows a dependency.
func (p *Pipeline) undeclared(name string) {
	p.strange.mu.Lock()
	known := slices.Contains(p.strange.names, name) || len(p.strange.names) >= maxStrangeNames
	if !known {
		p.strange.names = append(p.strange.names, name)
	}
	p.strange.mu.Unlock()
	if !known {
		p.log.Warn("a failure names a dependency that is not declared: it counts against the pipeline's own", "pipeline", p.cfg.Name, "dependency", name,
			"remedy", "declare it in breakers:, or in Config.Dependencies")
	}
}

// follow subscribes to all breakers, and returns what ends that.
func (p *Pipeline) follow() (end func()) {
	var ends []func()
	for _, d := range p.deps {
		ends = append(ends, d.breaker.Subscribe(p.onBreaker), d.breaker.WhenFree(p.wakeAll))
		if d.parts != nil {
			ends = append(ends, d.parts.family.Subscribe(func(e breaker.Event) { p.onPart(d.name, e) }))
		}
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// recordSuccess ends a call that succeeded: so has every dependency done that the call did not speak for by itself.
func (p *Pipeline) recordSuccess(permit callPermit, took time.Duration) {
	for i, d := range p.deps {
		if permit.spoken(i) {
			d.breaker.Cancel(permit.of(i))
		} else {
			d.breaker.Record(permit.of(i), breaker.Success, took)
		}
	}
}

// successes records calls of one permit that succeeded one after the other. spoken counts for each dependency those that
// spoke for it themselves.
func (p *Pipeline) successes(good, slow int, spoken *[maxDependencies]int) {
	for i, d := range p.deps {
		if i > 0 {
			slow = 0 // what is slow is told by the first one's measure
		}
		d.breaker.Successes(good-spoken[i], slow)
	}
}

// cancel gives a permit back to all dependencies.
func (g *gate) cancel(p callPermit) {
	for i, b := range g.breakers {
		b.Cancel(p.of(i))
	}
}

// recordFailure ends a call that failed, and returns the state after that of the breaker of the dependency that it counts
// against.
func (p *Pipeline) recordFailure(e *entry, f *failedCall, began, now time.Time, permit callPermit) (after breaker.State) {
	if p.interrupted(e.lane, now) {
		p.gate.cancel(permit)
		return breaker.Closed
	}
	d, against, took := p.accused(f), p.speaksAgainst(f), now.Sub(began)
	for i, other := range p.deps {
		switch {
		case permit.spoken(i):
			other.breaker.Cancel(permit.of(i))
		case other == d && against:
			after = d.breaker.Record(permit.of(i), p.outcomeOf(e), took)
		default:
			other.breaker.Record(permit.of(i), breaker.Ignored, took)
		}
	}
	if f.of != nil && f.of.recorded {
		after = f.of.after
	}
	return after
}

// outcomeOf is what a failure of an entry's call is to a breaker.
func (p *Pipeline) outcomeOf(e *entry) breaker.Outcome {
	if e.failedBefore() {
		return breaker.FailureAgain
	}
	p.slots.falter()
	return breaker.Failure
}

// recordBatch ends a batch call. For a breaker it is one call, which failed when at least that share of its records failed in
// a way that speaks against the dependency at which the breaker opens. It returns the states of the breakers after that.
func (p *Pipeline) recordBatch(entries []*entry, errs []error, fails []failedCall, began, now time.Time, permit callPermit) (after [maxDependencies]breaker.State) {
	if p.interrupted(entries[0].lane, now) {
		p.gate.cancel(permit)
		return after
	}
	good, took := slices.Contains(errs, nil), now.Sub(began)
	for i, d := range p.deps {
		against, outcome := 0, breaker.FailureAgain
		for j, err := range errs {
			if err == nil || !p.speaksAgainst(&fails[j]) || p.accused(&fails[j]) != d {
				continue
			}
			against++
			if !entries[j].failedBefore() {
				outcome = breaker.Failure
			}
		}
		switch {
		case permit.spoken(i):
			d.breaker.Cancel(permit.of(i))
			after[i] = d.breaker.State()
		case against > 0 && float64(against) >= d.breaker.Config().FailureRate*float64(len(errs)):
			after[i] = d.breaker.Record(permit.of(i), outcome, took)
			if outcome == breaker.Failure {
				p.slots.falter()
			}
		case good:
			d.breaker.Record(permit.of(i), breaker.Success, took)
		default:
			d.breaker.Record(permit.of(i), breaker.Ignored, took)
		}
	}
	return after
}
