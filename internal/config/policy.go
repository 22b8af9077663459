package config

import (
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// origin tells which keys of a pipeline stand in the file.
type origin struct {
	path   string // pipelines[0]
	places map[string]Place
}

func (o origin) given(path string) bool {
	_, ok := o.places[o.path+"."+path]
	return ok
}

// Path returns the path of a key of this pipeline in the file, for [Config.At].
func (p *Pipeline) Path(key string) string { return join(p.path, key) }

// Names returns the templates of the pipeline's retry and dead-letter topics.
func (p *Pipeline) Names() retrytopics.Names {
	return retrytopics.Names{Group: p.Group, Retry: p.Retry.Topic, DLQ: p.DLQ.Topic}
}

// Policy returns the retry policy. What the file does not say is left to the policy's own defaults, as some of them
// depend on others.
func (p *Pipeline) Policy() retrytopics.Policy {
	r := p.Retry
	policy := retrytopics.Policy{
		Strategy:     strategyOf(r.Strategy, r.InitialDelay, r.Multiplier, r.BackoffFactor),
		AutoTiers:    r.AutoTiers,
		NoJitter:     !r.Jitter,
		TotalTimeout: r.TotalTimeout,
		InPlace:      retrytopics.InPlace{Max: r.InPlace.Max, Delay: r.InPlace.Delay},
	}
	if !r.AutoTiers {
		policy.Tiers = r.Tiers
	}
	if p.given("retry.max_retries") {
		policy.MaxRetries = retries(r.MaxRetries)
	}
	if p.given("retry.min_delay") {
		policy.MinDelay = r.MinDelay
	}
	if p.given("retry.max_delay") {
		policy.MaxDelay = r.MaxDelay
	}
	for _, o := range r.Overrides {
		policy.Overrides = append(policy.Overrides, o.override(r))
	}
	return policy
}

// override fills in what only some strategies need from the pipeline's policy.
func (o Override) override(r Retry) retrytopics.Override {
	out := retrytopics.Override{Status: o.Status, Topic: o.Topic, MinDelay: o.MinDelay, MaxDelay: o.MaxDelay, NoJitter: !o.Jitter}
	if o.Class != "" {
		out.Class, _ = classify.Parse(o.Class) // one of the names that keys.go allows
	}
	if o.MaxRetries >= 0 {
		out.MaxRetries = retries(o.MaxRetries)
	}
	if o.Strategy != "" || o.InitialDelay != 0 || o.Multiplier != 0 || o.BackoffFactor != 0 {
		out.Strategy = strategyOf(or(o.Strategy, r.Strategy), or(o.InitialDelay, r.InitialDelay), or(o.Multiplier, r.Multiplier), or(o.BackoffFactor, r.BackoffFactor))
		if o.Strategy == "" && o.MaxRetries < 0 {
			// The same strategy with other delays keeps the pipeline's count.
			out.MaxRetries = retries(r.MaxRetries)
		}
	}
	return out
}

// retries is a number of retries as a policy writes it, where 0 is the default.
func retries(n int) int {
	if n == 0 {
		return retrytopics.NoRetries
	}
	return n
}

func or[T comparable](v, otherwise T) T {
	if v == *new(T) {
		return otherwise
	}
	return v
}

func strategyOf(name string, initial time.Duration, multiplier, backoff float64) retrytopics.Strategy {
	switch name {
	case "exponential":
		return retrytopics.Exponential{Initial: initial, Multiplier: multiplier}
	case "linear":
		return retrytopics.Linear{Initial: initial, Factor: backoff}
	case "fixed":
		return retrytopics.Fixed{Wait: initial}
	case "immediate":
		return retrytopics.Immediate{}
	}
	return retrytopics.Tiered{}
}
