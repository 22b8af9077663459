package breaker

import "time"

// A Snapshot is what a breaker knows at one moment.
type Snapshot struct {
	Dependency string
	State      State
	Since      time.Time // of the state
	Why        string    // it came to the state
	OpenUntil  time.Time // when an open breaker probes; zero in other states
	Suspected  bool      // it is open on suspicion, see [Breaker.Suspected]
	Would      State     // where a breaker would stand that is only for metrics; else Closed
	Mode       State     // see [Config.Mode]

	// Of the window, which an open breaker lets run out.
	Calls       int
	Failures    int
	Slow        int
	FailureRate float64 // 0 to 1
	SlowRate    float64 // 0 to 1

	ConsecutiveFailures int    // since the last success; as they were when the breaker opened
	Opened              uint64 // how often the breaker opened, also again after probing
	OpenedInARow        int    // of these, since it last stayed closed, see [Config.OpenMultiplier]
	Succeeded           uint64 // see [Breaker.Succeeded]

	// Of the half-open state; zero in others.
	ProbesInFlight  int // permits that are out
	ProbesSucceeded int
}

// Snapshot returns what the breaker knows now.
func (b *Breaker) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.window.totals(b.now())
	s := Snapshot{
		Dependency:          b.config.Dependency,
		State:               b.State(),
		Since:               b.since,
		Why:                 b.why,
		OpenUntil:           b.openUntil,
		Suspected:           b.Suspected(),
		Calls:               seen.calls,
		Failures:            seen.failures,
		Slow:                seen.slow,
		FailureRate:         rate(seen.failures, seen.calls),
		SlowRate:            rate(seen.slow, seen.calls),
		ConsecutiveFailures: b.consecutive,
		Opened:              b.opened,
		OpenedInARow:        b.waits.inARow,
		Would:               b.would.state,
		Mode:                b.config.Mode,
		Succeeded:           b.succeeded.Load(),
	}
	if s.State == HalfOpen {
		s.ProbesInFlight = len(b.probes.out)
		s.ProbesSucceeded = b.probes.succeeded
	}
	return s
}
