package retrytopics

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Compile checks the policy, fills in the defaults and makes a [Schedule] of
// it. Its error joins one [*FieldError] for everything that is wrong.
func (p Policy) Compile() (*Schedule, error) {
	c := compiler{policy: p}
	c.compile()
	c.experiment()
	if len(c.problems) > 0 {
		return nil, errors.Join(c.problems...)
	}
	return &c.schedule, nil
}

// compile compiles the policy without its experiment.
func (c *compiler) compile() {
	c.tiersAndBounds()
	c.inPlace()
	c.base()
	c.overrides()
	if len(c.problems) == 0 && c.policy.AutoTiers {
		c.autoTiers()
	}
}

type compiler struct {
	policy   Policy
	schedule Schedule
	min, max time.Duration
	problems []error
}

func (c *compiler) wrong(field, format string, args ...any) {
	c.problems = append(c.problems, fieldErrorf(field, format, args...))
}

func (c *compiler) tiersAndBounds() {
	p := c.policy
	tiers := slices.Clone(p.Tiers)
	if p.AutoTiers && len(tiers) > 0 {
		c.wrong("tiers", "either name the tiers or let them be made from the strategy (auto), not both")
	}
	if len(tiers) > maxTiers {
		c.wrong("tiers", "%d tiers are too many, at most %d: every tier is a topic for each source", len(tiers), maxTiers)
	}
	for i, tier := range tiers {
		field := fmt.Sprintf("tiers[%d]", i)
		switch {
		case tier < time.Millisecond || tier%time.Millisecond != 0:
			c.wrong(field, "%v is no tier: want a whole number of milliseconds, at least 1ms", tier)
		case tier > maxTier:
			c.wrong(field, "%s is too long, at most 30 days (720h)", Canonical(tier))
		case i > 0 && tier <= tiers[i-1]:
			c.wrong(field, "tiers ascend: %s comes after %s", Canonical(tier), Canonical(tiers[i-1]))
		}
	}
	if len(tiers) == 0 {
		tiers = DefaultTiers()
	}
	c.schedule.tiers = tiers
	c.bounds()
}

func (c *compiler) bounds() {
	p, tiers := c.policy, c.schedule.tiers
	shortest, longestTier := tiers[0], tiers[len(tiers)-1]
	_, isTiered := orDefault[Strategy](p.Strategy, Tiered{}).(Tiered)
	c.min, c.max = p.MinDelay, p.MaxDelay
	switch {
	case p.MinDelay < 0:
		c.wrong("min_delay", "%v is negative", p.MinDelay)
	case p.MinDelay == 0:
		c.min = min(DefaultMinDelay, shortest)
	case isTiered && p.MinDelay > shortest:
		c.wrong("min_delay", "%s is above the shortest tier, %s: no record would wait that tier alone; lower it or leave the tier out", Canonical(p.MinDelay), Canonical(shortest))
	}
	switch {
	case p.MaxDelay < 0:
		c.wrong("max_delay", "%v is negative", p.MaxDelay)
	case p.MaxDelay > maxTier:
		c.wrong("max_delay", "%s is too long, at most 30 days (720h)", Canonical(p.MaxDelay))
	case p.MaxDelay == 0:
		c.max = DefaultMaxDelay
		if isTiered {
			c.max = max(c.max, longestTier)
		}
	case isTiered && p.MaxDelay < longestTier:
		c.wrong("max_delay", "%s is below the longest tier, %s: that tier would never be waited; raise it or leave the tier out", Canonical(p.MaxDelay), Canonical(longestTier))
	}
	if c.max > 0 && c.min > c.max {
		c.wrong("min_delay", "%s is above max_delay, %s", Canonical(c.min), Canonical(c.max))
	}
	if p.TotalTimeout < 0 {
		c.wrong("total_timeout", "%v is negative; 0 means no limit", p.TotalTimeout)
	}
}

func (c *compiler) inPlace() {
	in := c.policy.InPlace
	if in.Max < 0 || in.Max > maxInPlace {
		c.wrong("in_place.max", "%d is out of range, 0 to %d", in.Max, maxInPlace)
	}
	if in.Delay < 0 || in.Delay > DefaultMaxDelay {
		c.wrong("in_place.delay", "%v is out of range, 0 to 60s: a longer wait belongs on a tier", in.Delay)
	}
	in.Delay = orDefault(in.Delay, DefaultInPlaceDelay)
	c.schedule.inPlace = in
}

func (c *compiler) base() {
	p := c.policy
	strategy := c.bind("", orDefault[Strategy](p.Strategy, Tiered{}))
	c.schedule.base = rule{
		strategy:   strategy,
		immediate:  isImmediate(strategy),
		maxRetries: c.maxRetries("max_retries", p.MaxRetries, strategy),
		min:        c.min,
		max:        c.max,
		total:      p.TotalTimeout,
		jitter:     !p.NoJitter,
		adaptive:   p.Adaptive,
	}
	c.strategy("", strategy, c.max)
	if c.policy.MaxRetries == NoRetries && p.InPlace.Max > 0 {
		c.wrong("in_place.max", "tries on the spot are retries, and max_retries allows none")
	}
}

func (c *compiler) overrides() {
	seen := map[string]int{}
	c.schedule.overrides = slices.Clone(c.policy.Overrides)
	for i, o := range c.policy.Overrides {
		at := fmt.Sprintf("overrides[%d].", i)
		name := o.Name()
		if name == "" {
			c.wrong(at[:len(at)-1], "matches nothing by itself: set class, status, topic, or job_type, user, project or tenant")
		} else if j, dup := seen[name]; dup {
			c.wrong(at[:len(at)-1], "never applies: overrides[%d] matches the same (%s) and comes first", j, name)
		} else if j := shadowedBy(c.policy.Overrides[:i], o); j >= 0 {
			c.wrong(at[:len(at)-1], "never applies: overrides[%d] (%s) matches all of %s and comes first; put the narrower one first", j, c.policy.Overrides[j].Name(), name)
		} else {
			seen[name] = i
		}
		if o.Class > classify.Authentication {
			c.wrong(at+"class", "%d is no class", o.Class)
		}
		c.job(at, o.Job)
		if len(name) > maxCountName {
			c.wrong(at[:len(at)-1], "is too long to be counted by, %d bytes of at most %d: name fewer statuses, or whole hundreds like 5xx", len(name), maxCountName)
		}
		c.schedule.rules = append(c.schedule.rules, c.override(at, o))
	}
}

// shadowedBy finds an earlier override that matches all that o matches.
func shadowedBy(earlier []Override, o Override) int {
	return slices.IndexFunc(earlier, func(e Override) bool { return e.Name() != "" && e.covers(o) })
}

// job checks values that become a part of an override's name in a header.
func (c *compiler) job(at string, j classify.Job) {
	for _, field := range [...]struct{ name, value string }{
		{"job_type", j.Type}, {"user", j.User}, {"project", j.Project}, {"tenant", j.Tenant},
	} {
		if !printable(field.value) || strings.ContainsAny(field.value, ",=") || len(field.value) > maxJobName {
			c.wrong(at+field.name, "%q cannot be counted by: want at most %d printable bytes without ',' and '='", cutText(field.value, 80), maxJobName)
		}
	}
}

func (c *compiler) override(at string, o Override) rule {
	r := c.schedule.base
	r.name = o.Name()
	r.always = (o.Class != classify.None || !o.Status.Empty()) && o.MaxRetries != NoRetries
	r.min, r.max = orDefault(o.MinDelay, r.min), orDefault(o.MaxDelay, r.max)
	r.jitter = r.jitter && !o.NoJitter
	if o.Strategy != nil {
		r.adaptive = false
		r.strategy = c.bind(at, o.Strategy)
		r.immediate = isImmediate(r.strategy)
		if _, ok := r.strategy.(tiered); ok && o.MaxDelay == 0 {
			r.max = max(r.max, c.schedule.tiers[len(c.schedule.tiers)-1])
		}
	}
	if o.Strategy != nil || o.MaxRetries != 0 {
		r.maxRetries = c.maxRetries(at+"max_retries", o.MaxRetries, r.strategy)
	}
	if o.TotalTimeout != 0 {
		r.total = max(o.TotalTimeout, 0)
	}
	if o.MinDelay < 0 {
		c.wrong(at+"min_delay", "%v is negative", o.MinDelay)
	}
	if o.MaxDelay < 0 || o.MaxDelay > maxTier {
		c.wrong(at+"max_delay", "%v is out of range, 0 to 30 days (720h)", o.MaxDelay)
	} else if r.min > r.max {
		c.wrong(at+"min_delay", "%s is above max_delay, %s", Canonical(r.min), Canonical(r.max))
	}
	if o.Strategy != nil || o.MaxDelay > 0 {
		c.strategy(at, r.strategy, r.max)
	}
	return r
}

// bind gives Tiered its tiers.
func (c *compiler) bind(at string, s Strategy) Strategy {
	switch s := s.(type) {
	case Tiered:
		return tiered(c.schedule.tiers)
	case Custom:
		if s == nil {
			c.wrong(at+"strategy", "Custom needs a function, got nil")
			return Immediate{}
		}
	}
	return s
}

// strategy checks a strategy's own settings.
func (c *compiler) strategy(at string, s Strategy, bound time.Duration) {
	var initial, limit time.Duration
	switch s := s.(type) {
	case Exponential:
		initial, limit = s.Initial, s.Max
		if s.Multiplier != 0 && !(s.Multiplier >= 1 && s.Multiplier <= 1000) {
			c.wrong(at+"multiplier", "%s is out of range, 1 to 1000", factorText(s.Multiplier))
		}
	case Linear:
		initial, limit = s.Initial, s.Max
		if s.Factor != 0 && !(s.Factor > 0 && s.Factor <= 1000) {
			c.wrong(at+"backoff_factor", "%s is out of range, above 0 to 1000", factorText(s.Factor))
		}
	case Fixed:
		initial = s.Wait
	default:
		return
	}
	if limit < 0 {
		c.wrong(at+"max_delay", "%v is negative", limit)
	} else if limit > 0 {
		bound = min(bound, limit)
	}
	initial = orDefault(initial, DefaultInitialDelay)
	if initial < 0 {
		c.wrong(at+"initial_delay", "%v is negative; for no delay use the strategy immediate", initial)
	} else if bound > 0 && initial > bound {
		c.wrong(at+"initial_delay", "%s is above max_delay, %s: raise max_delay", Canonical(initial), Canonical(bound))
	}
}

func (c *compiler) maxRetries(field string, n int, s Strategy) int {
	switch {
	case n == NoRetries:
		return 0
	case n < 0 || n > maxMaxRetries:
		c.wrong(field, "%d is out of range, 0 to %d", n, maxMaxRetries)
		return 0
	case n > 0:
		return n
	}
	inPlace := max(c.schedule.inPlace.Max, 0)
	if t, ok := s.(tiered); ok {
		return len(t) + inPlace
	}
	return DefaultMaxRetries + inPlace
}

func isImmediate(s Strategy) bool {
	_, ok := s.(Immediate)
	return ok
}

// autoTiers makes a tier of every delay that a rule can ask for. What is
// random or asked for by the failure travels over them like any other delay.
func (c *compiler) autoTiers() {
	s := &c.schedule
	var delays []time.Duration
	collect := func(r rule, f Failed) {
		for retry := 1; retry <= r.maxRetries; retry++ {
			f.Attempt = retry
			delays = append(delays, r.plain(retry, f))
		}
	}
	collect(s.base, Failed{Class: classify.Transient})
	for i, o := range s.overrides {
		collect(s.rules[i], o.example())
	}
	slices.Sort(delays)
	delays = slices.Compact(delays)
	delays = slices.DeleteFunc(delays, func(d time.Duration) bool { return d <= 0 || d >= math.MaxInt64/4 })
	if len(delays) > maxTiers {
		c.wrong("tiers", "auto would make %d tiers, at most %d: every tier is a topic for each source; name the tiers, or lower max_delay or max_retries", len(delays), maxTiers)
		return
	}
	if len(delays) == 0 {
		// A replay needs a tier to come back through, whatever the strategy.
		delays = DefaultTiers()[:1]
	}
	s.tiers = delays
}
