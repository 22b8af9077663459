package sim

import (
	"cmp"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// Setup says what a world is made of. The zero value of a field is a sensible default.
type Setup struct {
	Brokers  int              // defaults to 1
	Sources  map[string]int32 // topics and their partitions; defaults to orders with 3
	Config   consumer.Config  // of every member; what the world itself must say is overwritten
	Batch    consumer.BatchSize
	Latency  [2]time.Duration // of every request of a member, between these
	Seed     uint64
	LogLevel slog.Level
	// Static makes static members: who joins gets the first instance id that nobody has.
	Static bool
	// MetadataLimit is what a commit's metadata may take, in bytes. Defaults to 4096, as brokers' do.
	MetadataLimit int
	// Prompt, see Terms. Defaults to 3 s; negative: not checked.
	Prompt time.Duration
}

func (s *Setup) complete() {
	if s.Brokers == 0 {
		s.Brokers = 1
	}
	if s.Sources == nil {
		s.Sources = map[string]int32{"orders": 3}
	}
	if s.Config.Group == "" {
		s.Config.Group = "g"
	}
	s.MetadataLimit = cmp.Or(s.MetadataLimit, 4096)
	if s.Prompt == 0 {
		s.Prompt = 3 * time.Second
	}
	if s.Config.Topics == nil {
		for t := range s.Sources {
			s.Config.Topics = append(s.Config.Topics, t)
		}
		slices.Sort(s.Config.Topics)
	}
}

// rebalanceTime is how long a change of members may disturb the others: heartbeats, two rounds of joining, and calls
// that are drained.
func (s *Setup) rebalanceTime() time.Duration { return 75 * time.Second }

// termsOf reads from a setup what the promises speak of. The defaults are the contract's, written down once more.
func termsOf(s Setup) Terms {
	c := s.Config
	t := Terms{
		Group: c.Group, Sources: c.Topics, Ordering: c.Ordering,
		Concurrency: cmp.Or(c.Concurrency, 64), Window: cmp.Or(c.Window.Records, 10000), HeaderLimit: cmp.Or(c.HeaderLimit, 4096),
		Policy: policyOf(c.Retry), Drain: cmp.Or(c.Drain, 30*time.Second), ExactlyOnce: c.Delivery == consumer.ExactlyOnceRouting, HoldKey: c.HoldKey, HoldDead: c.OnDeadLetter == consumer.HoldOnDeadLetter,
		Eager: c.GroupProtocol == consumer.Eager, Coordinated: c.GroupProtocol == consumer.NextGen, PutsOff: len(c.Limits) > 0 || c.Tenants != nil, Ranks: c.Priority != nil,
		Burst: cmp.Or(c.DeadLetters.Burst, 1000), PerSuccess: cmp.Or(c.DeadLetters.PerSuccess, consumer.DefaultPerSuccess), NoDeadLetters: c.DeadLetters.Disabled, Drops: c.DeadLetters.Drop, Prompt: max(s.Prompt, 0),
	}
	t.SlowHooks = len(c.Hooks) > 0
	if !c.Breaker.Disabled {
		t.BreakerCalls, t.BreakerRate = cmp.Or(c.Breaker.MinimumCalls, 20), cmp.Or(c.Breaker.FailureRate, 0.5)
		t.Probes, t.SlowStart = cmp.Or(c.Breaker.HalfOpenCalls, breaker.DefaultHalfOpenCalls), cmp.Or(c.Breaker.SlowStart, breaker.DefaultSlowStart)
		if c.Breaker.Failures > 0 {
			t.BreakerCalls, t.BreakerRate = min(t.BreakerCalls, c.Breaker.Failures), min(t.BreakerRate, 1)
		}
	}
	return t
}

// policyOf makes the model of a policy.
func policyOf(p retrytopics.Policy) Policy {
	tiers := p.Tiers
	if tiers == nil {
		tiers = []time.Duration{time.Second, 10 * time.Second, time.Minute}
	}
	out := Policy{InPlace: p.InPlace.Max, InPlaceDelay: cmp.Or(p.InPlace.Delay, 50*time.Millisecond)}
	out.Rule = ruleOf(p.Strategy, p, p.MaxRetries, tiers)
	for _, o := range p.Overrides {
		rule := ruleOf(p.Strategy, p, cmp.Or(o.MaxRetries, p.MaxRetries), tiers)
		if o.Strategy != nil {
			rule = ruleOf(o.Strategy, p, o.MaxRetries, tiers)
		}
		out.Overrides = append(out.Overrides, Override{Class: o.Class.String(), Rule: rule})
	}
	return out
}

// ruleOf works out a strategy's delays, without jitter: the least that is owed.
func ruleOf(s retrytopics.Strategy, p retrytopics.Policy, maxRetries int, tiers []time.Duration) (r Rule) {
	switch {
	case maxRetries > 0:
		r.MaxRetries = maxRetries
	case maxRetries < 0:
	case isTiered(s):
		r.MaxRetries = len(tiers) + p.InPlace.Max
	default:
		r.MaxRetries = 5 + p.InPlace.Max
	}
	longest := cmp.Or(p.MaxDelay, time.Minute)
	if isTiered(s) && p.MaxDelay == 0 {
		longest = max(longest, tiers[len(tiers)-1])
	}
	shortest := cmp.Or(p.MinDelay, min(100*time.Millisecond, tiers[0]))
	for n := range max(r.MaxRetries, 1) {
		var d time.Duration
		switch s := s.(type) {
		case nil, retrytopics.Tiered:
			d = tiers[min(n, len(tiers)-1)]
		case retrytopics.Fixed:
			d = cmp.Or(s.Wait, time.Second)
		case retrytopics.Exponential:
			initial, by := cmp.Or(s.Initial, time.Second), cmp.Or(s.Multiplier, 3)
			d = time.Duration(min(float64(initial)*math.Pow(by, float64(n)), float64(longest)))
		case retrytopics.Linear:
			initial, by := cmp.Or(s.Initial, time.Second), cmp.Or(s.Factor, 1.5)
			d = time.Duration(float64(initial) * (1 + by*float64(n)))
		case retrytopics.Immediate:
			shortest = 0
		}
		r.Delays = append(r.Delays, max(min(d, longest), shortest))
	}
	return r
}

func isTiered(s retrytopics.Strategy) bool {
	if s == nil {
		return true
	}
	_, ok := s.(retrytopics.Tiered)
	return ok
}

// tiers lists the delays of the world's retry topics as their names have them.
func (w *World) tiers() (names []string) {
	tiers := w.setup.Config.Retry.Tiers
	if tiers == nil {
		tiers = []time.Duration{time.Second, 10 * time.Second, time.Minute}
	}
	for _, d := range tiers {
		names = append(names, nameOf(d))
	}
	return names
}

// nameOf writes a delay as the contract does: 60s is 60s, and not 1m0s.
func nameOf(d time.Duration) string { return retrytopics.Canonical(d) }

// session is after what time the group gives a silent member up.
func (w *World) session() time.Duration {
	return cmp.Or(w.setup.Config.SessionTimeout, consumer.DefaultSessionTimeout)
}
