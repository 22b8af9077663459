package breaker

import (
	"errors"
	"fmt"
	"time"
)

// The defaults of [Config].
const (
	DefaultWindow        = 30 * time.Second
	DefaultMinimumCalls  = 20
	DefaultFailureRate   = 0.5
	DefaultSlowCall      = 5 * time.Second
	DefaultSlowRate      = 1.0
	DefaultOpenFor       = 30 * time.Second
	DefaultOpenMax       = 5 * time.Minute
	DefaultOpenJitter    = 0.25 // where waits grow
	DefaultHalfOpenCalls = 3
	DefaultHalfOpenFor   = 5 * time.Minute
	DefaultSlowStart     = 10 * time.Second
)

// Bounds that keep a breaker's memory small and its timers sane.
const (
	minWindow        = time.Millisecond
	maxWindowCalls   = 1_000_000 // a byte each
	maxHalfOpenCalls = 10_000

	maxOpenMultiplier = 100
)

// Config says when a breaker opens and how it closes again. The zero Config is a
// good one: every field is optional.
type Config struct {
	// Dependency names what is called. Breakers of one [Registry] that have one
	// name are one breaker. A Registry requires it, New does not.
	Dependency string

	// Mode is the state that the breaker begins in and that [Breaker.Auto] gives
	// back: Closed, which measures and is the default, or ForcedOpen, Disabled or
	// MetricsOnly, which it then stays in.
	Mode State

	// Disabled is another way to say Mode Disabled: a breaker that admits every
	// call. It goes on counting, so that a Snapshot shows what it would see.
	Disabled bool

	// Window is the stretch of time whose calls are judged. It moves in steps of
	// a thirtieth: a call is forgotten when it is 29 to 30 thirtieths old. At
	// least 1ms. Defaults to 30s.
	Window time.Duration

	// WindowCalls, if positive, judges the last so many calls instead, however
	// old they are; Window is not used then. At most 1,000,000.
	WindowCalls int

	// MinimumCalls is how many calls the window must have before a rate of it is
	// judged, and how many failures make a dead run (see the package comment).
	// At least 1, at most WindowCalls where that is set. Defaults to 20, or to
	// WindowCalls where that is less.
	MinimumCalls int

	// Failures, if positive, opens the breaker after so many failures in a row,
	// whatever MinimumCalls is. 0, the default, turns it off.
	Failures int

	// FailureRate is the part of the window's calls that must have failed, above
	// 0 and up to 1. Defaults to 0.5.
	FailureRate float64

	// SlowCall is how long a call may take before it is slow. Negative: no call
	// is slow. Defaults to 5s.
	SlowCall time.Duration

	// SlowRate is the part of the window's calls that must have been slow, above
	// 0 and up to 1. It holds for the probes too: where so many of them are slow,
	// the breaker opens again although they succeeded. Defaults to 1.0.
	SlowRate float64

	// OpenFor is how long the breaker stays open before it probes, positive.
	// Defaults to 30s.
	OpenFor time.Duration

	// OpenMultiplier makes the wait grow: each time that the breaker opens again
	// it stays open so many times longer, up to OpenMax. The next wait is OpenFor
	// again once the breaker has stayed closed for as long as it was last to be
	// open. 1 to 100. Defaults to 1: every wait is OpenFor.
	OpenMultiplier float64

	// OpenMax is the longest wait, before jitter. At least OpenFor. Defaults to 5m,
	// or to OpenFor where that is longer.
	OpenMax time.Duration

	// OpenJitter lengthens each wait by a random part of it, at most this one, so
	// that many processes do not probe at one moment. It never shortens one. Up to
	// 1; negative: none. Defaults to 0.25 where waits grow, and to none where not.
	OpenJitter float64

	// HalfOpenCalls is how many probes are admitted, and must succeed to close
	// the breaker. 1 to 10,000. Defaults to 3.
	HalfOpenCalls int

	// HalfOpenFor is how long probes may take, all of them together, from when the
	// first of them begins. Then those that are still out count as failures, and
	// what has ended decides, also when it is fewer than HalfOpenCalls. It should
	// be longer than a call may take. Negative: no limit. Defaults to 5m.
	HalfOpenFor time.Duration

	// SlowStart is how long callers take to come back to as many calls at once as
	// they make, after the dependency was away; the breaker itself admits every
	// call once it is closed. Package consumer follows it. Negative: they come back
	// at once. Defaults to 10s.
	SlowStart time.Duration
}

// WithDefaults returns the configuration with its zero fields replaced by their
// defaults.
func (c Config) WithDefaults() Config {
	if c.WindowCalls > 0 {
		c.Window = 0
	} else if c.Window == 0 {
		c.Window = DefaultWindow
	}
	if c.MinimumCalls == 0 {
		c.MinimumCalls = DefaultMinimumCalls
		if c.WindowCalls > 0 {
			c.MinimumCalls = min(DefaultMinimumCalls, c.WindowCalls)
		}
	}
	if c.FailureRate == 0 {
		c.FailureRate = DefaultFailureRate
	}
	if c.SlowCall == 0 {
		c.SlowCall = DefaultSlowCall
	}
	if c.SlowRate == 0 {
		c.SlowRate = DefaultSlowRate
	}
	if c.OpenFor == 0 {
		c.OpenFor = DefaultOpenFor
	}
	if c.OpenMultiplier == 0 {
		c.OpenMultiplier = 1
	}
	if c.OpenMax == 0 {
		c.OpenMax = max(DefaultOpenMax, c.OpenFor)
	}
	if c.OpenJitter == 0 {
		c.OpenJitter = -1
		if c.OpenMultiplier > 1 {
			c.OpenJitter = DefaultOpenJitter
		}
	}
	if c.HalfOpenCalls == 0 {
		c.HalfOpenCalls = DefaultHalfOpenCalls
	}
	if c.HalfOpenFor == 0 {
		c.HalfOpenFor = DefaultHalfOpenFor
	}
	if c.SlowStart == 0 {
		c.SlowStart = DefaultSlowStart
	}
	if c.Disabled && (c.Mode == Closed || c.Mode == Disabled) {
		c.Disabled, c.Mode = false, Disabled
	}
	return c
}

// Validate reports every field that is out of its bounds, each with what would
// be right. Zero fields are fine: they stand for the defaults.
func (c Config) Validate() error {
	c = c.WithDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("breaker: "+format, args...))
		}
	}
	check(c.WindowCalls >= 0 && c.WindowCalls <= maxWindowCalls,
		"WindowCalls is %d: give a number of calls from 1 to %d, or 0 for a window of time", c.WindowCalls, maxWindowCalls)
	check(c.WindowCalls > 0 || c.Window >= minWindow,
		"Window is %v: give at least %v", c.Window, minWindow)
	check(c.MinimumCalls >= 1,
		"MinimumCalls is %d: give at least 1", c.MinimumCalls)
	check(c.WindowCalls <= 0 || c.MinimumCalls <= c.WindowCalls,
		"MinimumCalls is %d, but a window of %d calls never has as many: give at most %d", c.MinimumCalls, c.WindowCalls, c.WindowCalls)
	check(c.Failures >= 0,
		"Failures is %d: give a number of failures in a row, or 0 to turn it off", c.Failures)
	check(c.FailureRate > 0 && c.FailureRate <= 1,
		"FailureRate is %v: give a part above 0 and up to 1", c.FailureRate)
	check(c.SlowRate > 0 && c.SlowRate <= 1,
		"SlowRate is %v: give a part above 0 and up to 1", c.SlowRate)
	check(c.OpenFor > 0,
		"OpenFor is %v: give a positive duration", c.OpenFor)
	check(c.OpenMultiplier >= 1 && c.OpenMultiplier <= maxOpenMultiplier,
		"OpenMultiplier is %v: give 1, for waits that do not grow, to %v", c.OpenMultiplier, maxOpenMultiplier)
	check(c.OpenMax >= c.OpenFor,
		"OpenMax is %v and below OpenFor, %v: give at least that", c.OpenMax, c.OpenFor)
	check(c.OpenJitter <= 1,
		"OpenJitter is %v: give a part up to 1, or a negative one for none", c.OpenJitter)
	check(c.Mode == Closed || c.Mode == ForcedOpen || c.Mode == Disabled || c.Mode == MetricsOnly,
		"Mode is %v: give Closed, ForcedOpen, Disabled or MetricsOnly", c.Mode)
	check(!c.Disabled,
		"Mode is %v, but Disabled is set: give one of them", c.Mode)
	check(c.HalfOpenCalls >= 1 && c.HalfOpenCalls <= maxHalfOpenCalls,
		"HalfOpenCalls is %d: give 1 to %d", c.HalfOpenCalls, maxHalfOpenCalls)
	return errors.Join(errs...)
}
