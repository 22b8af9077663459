package sim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// NewPlan makes a plan from a seed.
func NewPlan(seed uint64) *Plan {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 20261126))}
	p := &Plan{Seed: seed, Members: 1 + g.IntN(3), Lasts: time.Duration(60+g.IntN(240)) * time.Second, grown: make(map[string][]growth)}
	switch n := g.IntN(100); {
	case n < 12:
		p.Temper = Calm
	case n < 45:
		p.Temper = Gentle
	default:
		p.Temper = Wild
	}
	p.Setup, p.keys = g.setup(seed), pick(g, 3, 20, 200)
	if own := (&generator{Rand: rand.New(rand.NewPCG(seed, 20261128))}); own.chance(0.25) {
		p.Setup.Config.Hooks = []consumer.Hook{slowToHear(own.between(time.Millisecond, 20*time.Millisecond))}
	}
	p.Events = g.events(p)
	p.Records = g.load(p)
	if p.Temper == Calm {
		(&generator{Rand: rand.New(rand.NewPCG(seed, 20261129))}).quiet(p)
	}
	if p.Setup.Config.Delivery == consumer.ExactlyOnceRouting {
		p.Setup.MetadataLimit = pick(&generator{Rand: rand.New(rand.NewPCG(seed, 20261130))}, 0, 0, 1, 40, 64, 120)
	}
	return p
}

// slowToHear is a hook that takes so long with each failure: until it is through nothing is decided about the record.
type slowToHear time.Duration

func (h slowToHear) OnFailed(consumer.Failed) { time.Sleep(time.Duration(h)) }

// generator draws plans.
type generator struct{ *rand.Rand }

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func (g *generator) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(g.Int64N(int64(hi-lo)+1))
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// sources lists the plan's sources in an order that does not change.
func (p *Plan) sources() []string { return slices.Sorted(maps.Keys(p.Setup.Sources)) }

func (g *generator) setup(seed uint64) Setup {
	s := Setup{Seed: seed, Brokers: 1 + g.IntN(3), Sources: map[string]int32{"orders": int32(1 + g.IntN(5))}, Static: g.chance(0.15)}
	if g.chance(0.3) {
		s.Sources["clicks"] = int32(1 + g.IntN(4))
	}
	s.Latency = [2]time.Duration{50 * time.Microsecond, 500 * time.Microsecond}
	if g.chance(0.5) {
		s.Latency = [2]time.Duration{0, pick[time.Duration](g, 2, 10, 40) * time.Millisecond}
	}
	s.Config = consumer.Config{
		Group:         "g",
		GroupProtocol: pick(g, consumer.Classic, consumer.Classic, consumer.Classic, consumer.Eager, consumer.NextGen),
		Ordering:      pick(g, consumer.ByKey, consumer.ByKey, consumer.ByKey, consumer.ByPartition, consumer.Unordered),
		Concurrency:   pick(g, 1, 2, 4, 16, 64, 64),
		OnDataLoss:    consumer.SkipDataLoss, // kfake tells of losses that are none when a leader moves
	}
	c := &s.Config
	if g.chance(0.33) {
		c.Delivery = consumer.ExactlyOnceRouting
	} else {
		s.MetadataLimit = pick(g, 0, 0, 40, 40, 64)
	}
	c.Window.Records = pick(g, 30, 300, 10000, 10000)
	c.HeaderLimit = pick(g, 0, 0, 2048)
	c.HandlerTimeout = pick[time.Duration](g, 0, 5*time.Second, 12*time.Second)
	if s.Static || g.chance(0.5) {
		// The fake broker gives up a member that waits for others to join for longer than a session, as no real broker does:
		// nobody may take so long to give partitions up.
		c.SessionTimeout, c.HandlerTimeout, c.Drain = 12*time.Second, 5*time.Second, 7*time.Second
	}
	if c.GroupProtocol == consumer.NextGen {
		c.SessionTimeout = 0 // the brokers' own
	}
	if g.chance(0.15) {
		s.Batch = consumer.BatchOf(2+g.IntN(15), pick[time.Duration](g, 0, 50*time.Millisecond, 500*time.Millisecond))
	}
	if g.chance(0.4) {
		c.Breaker.Disabled = true
	} else {
		// What is done behind a record that stays, as records may while the breaker is not closed, counts against the window:
		// in a small one nothing else would be left to succeed.
		c.Window.Records = max(c.Window.Records, 10000)
		c.Breaker.MinimumCalls, c.Breaker.OpenFor = pick(g, 0, 5, 10), pick[time.Duration](g, 0, 5*time.Second)
	}
	switch n := g.IntN(100); {
	case n < 5:
		c.DeadLetters = consumer.DeadLetters{Disabled: true, Drop: true}
	case n < 15:
		c.DeadLetters.Burst = pick(g, 1, 5, 20)
	}
	c.Retry = g.policy()
	return s
}

func (g *generator) policy() retrytopics.Policy {
	p := retrytopics.Policy{NoJitter: g.chance(0.3), MaxRetries: pick(g, 0, 0, 1, 2, 5), Strategy: g.strategy()}
	switch g.IntN(5) {
	case 0:
		p.Tiers = []time.Duration{time.Second, 10 * time.Second}
	case 1:
		p.Tiers = []time.Duration{200 * time.Millisecond, 2 * time.Second, 15 * time.Second}
	}
	if g.chance(0.2) {
		p.InPlace = retrytopics.InPlace{Max: 1 + g.IntN(3)}
		if p.MaxRetries > 0 {
			p.MaxRetries += p.InPlace.Max
		}
	}
	if g.chance(0.3) {
		p.Overrides = []retrytopics.Override{{Class: classify.RateLimited, Strategy: retrytopics.Fixed{Wait: 10 * time.Second}, MaxRetries: 4}}
		if g.chance(0.5) {
			p.Overrides = append(p.Overrides, retrytopics.Override{Class: classify.Validation, Strategy: retrytopics.Fixed{Wait: 2 * time.Second}, MaxRetries: 1})
		}
	}
	return p
}

func (g *generator) strategy() retrytopics.Strategy {
	switch g.IntN(8) {
	case 0:
		return retrytopics.Exponential{}
	case 1:
		return retrytopics.Linear{Initial: 2 * time.Second}
	case 2:
		return retrytopics.Fixed{Wait: pick(g, 27*time.Second, 3*time.Second, 15*time.Second)}
	case 3:
		return retrytopics.Immediate{}
	}
	return nil
}

// change draws how the retry policy changes while records wait in its tiers: one tier less, or one more, or another strategy.
func (g *generator) change(p *Plan) func(*consumer.Config) {
	tiers := p.Setup.Config.Retry.Tiers
	if tiers == nil {
		tiers = []time.Duration{time.Second, 10 * time.Second, time.Minute}
	}
	strategy, retries := g.strategy(), pick(g, 1, 3, 6)
	var changed []time.Duration
	switch g.IntN(3) {
	case 0:
		gone := g.IntN(len(tiers))
		changed = slices.Delete(slices.Clone(tiers), gone, gone+1)
	case 1:
		changed = append(slices.Clone(tiers), 2*tiers[len(tiers)-1])
	default:
		changed = []time.Duration{3 * time.Second, 20 * time.Second}
	}
	return func(c *consumer.Config) {
		c.Retry.Tiers, c.Retry.Strategy, c.Retry.MaxRetries = changed, strategy, retries+c.Retry.InPlace.Max
	}
}
