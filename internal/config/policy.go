package config

import (
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
	policy := p.Retry.policy(func(key string) bool { return p.given("retry." + key) })
	policy.Experiment = p.experiment()
	return policy
}

// policy is the policy without its experiment; given tells which keys of it stand in the file.
func (r Retry) policy(given func(key string) bool) retrytopics.Policy {
	policy := retrytopics.Policy{
		Strategy:     r.Delays.strategy(),
		AutoTiers:    r.AutoTiers,
		NoJitter:     !r.Jitter,
		TotalTimeout: r.TotalTimeout,
		Adaptive:     r.Adaptive.Enabled,
		InPlace:      retrytopics.InPlace{Max: r.InPlace.Max, Delay: r.InPlace.Delay},
	}
	if !r.AutoTiers {
		policy.Tiers = r.Tiers
	}
	if given("max_retries") {
		policy.MaxRetries = retries(r.MaxRetries)
	}
	if given("min_delay") {
		policy.MinDelay = r.MinDelay
	}
	if given("max_delay") {
		policy.MaxDelay = r.MaxDelay
	}
	for _, o := range r.Overrides {
		policy.Overrides = append(policy.Overrides, o.override(r))
	}
	return policy
}

// override fills in what only some strategies need from the pipeline's policy.
func (o Override) override(r Retry) retrytopics.Override {
	out := retrytopics.Override{Status: o.Status, Topic: o.Topic, Job: o.Job, MinDelay: o.MinDelay, MaxDelay: o.MaxDelay, NoJitter: !o.Jitter}
	if o.Class != "" {
		out.Class, _ = classify.Parse(o.Class) // one of the names that keys.go allows
	}
	if o.MaxRetries >= 0 {
		out.MaxRetries = retries(o.MaxRetries)
	}
	switch {
	case o.TotalTimeout == 0:
		out.TotalTimeout = -1 // none
	case o.TotalTimeout > 0:
		out.TotalTimeout = o.TotalTimeout
	}
	if o.Strategy != "" || o.Custom != "" || o.InitialDelay != 0 || o.Multiplier != 0 || o.BackoffFactor != 0 {
		out.Strategy = Delays{
			Strategy: or(o.Strategy, r.Strategy), Custom: or(o.Custom, r.Custom), InitialDelay: or(o.InitialDelay, r.InitialDelay),
			Multiplier: or(o.Multiplier, r.Multiplier), BackoffFactor: or(o.BackoffFactor, r.BackoffFactor),
		}.strategy()
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

// strategy returns what the settings name. The rules have refused a custom one that nobody registered.
func (d Delays) strategy() retrytopics.Strategy {
	switch d.Strategy {
	case "exponential":
		return retrytopics.Exponential{Initial: d.InitialDelay, Multiplier: d.Multiplier}
	case "linear":
		return retrytopics.Linear{Initial: d.InitialDelay, Factor: d.BackoffFactor}
	case "fixed":
		return retrytopics.Fixed{Wait: d.InitialDelay}
	case "immediate":
		return retrytopics.Immediate{}
	case "custom":
		if s, ok := retrytopics.Registered(d.Custom, retrytopics.Parameters{Initial: d.InitialDelay, Multiplier: d.Multiplier, BackoffFactor: d.BackoffFactor}); ok {
			return s
		}
	}
	return retrytopics.Tiered{}
}
