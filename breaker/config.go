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
	DefaultHalfOpenCalls = 3
)

// Bounds that keep a breaker's memory small and its timers sane.
const (
	minWindow        = time.Millisecond
	maxWindowCalls   = 1_000_000 // a byte each
	maxHalfOpenCalls = 10_000
)

// Config says when a breaker opens and how it closes again. The zero Config is a
// good one: every field is optional.
type Config struct {
	// Dependency names what is called. Breakers of one [Registry] that have one
	// name are one breaker. A Registry requires it, New does not.
	Dependency string

	// Disabled makes a breaker that admits every call. It goes on counting, so
	// that a Snapshot shows what it would see.
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

	// HalfOpenCalls is how many probes are admitted, and must succeed to close
	// the breaker. 1 to 10,000. Defaults to 3.
	HalfOpenCalls int
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
	if c.HalfOpenCalls == 0 {
		c.HalfOpenCalls = DefaultHalfOpenCalls
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
	check(c.HalfOpenCalls >= 1 && c.HalfOpenCalls <= maxHalfOpenCalls,
		"HalfOpenCalls is %d: give 1 to %d", c.HalfOpenCalls, maxHalfOpenCalls)
	return errors.Join(errs...)
}
