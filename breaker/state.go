package breaker

import (
	"fmt"
	"time"
)

// A State is where a breaker stands.
type State uint8

// The states. The first three follow from measuring; the others are set with
// [Breaker.Force] or by [Config.Mode].
const (
	Closed      State = iota // the dependency is well: every call is admitted
	Open                     // it is not: no call is admitted until OpenFor is over
	HalfOpen                 // a few calls are admitted to find out
	ForcedOpen               // no call is admitted, whatever is measured
	Disabled                 // every call is admitted, whatever is measured
	MetricsOnly              // every call is admitted, and the breaker tells what it would have done
)

var stateNames = [...]string{
	Closed:     "closed",
	Open:       "open",
	HalfOpen:   "half_open",
	ForcedOpen: "forced_open",
	Disabled:   "disabled",

	MetricsOnly: "metrics_only",
}

// States returns all states, in the order of their values.
func States() []State {
	return []State{Closed, Open, HalfOpen, ForcedOpen, Disabled, MetricsOnly}
}

// String returns the name as it stands in metrics: "closed", "open",
// "half_open", "forced_open", "disabled", "metrics_only".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Admits reports whether every call is admitted in the state.
func (s State) Admits() bool { return s == Closed || s == Disabled || s == MetricsOnly }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) {
	if int(s) >= len(stateNames) {
		return nil, fmt.Errorf("cannot write %v: it is no state of a breaker", s)
	}
	return []byte(stateNames[s]), nil
}

// UnmarshalText reads what MarshalText wrote. On an error the state is left as
// it was.
func (s *State) UnmarshalText(text []byte) error {
	for _, known := range States() {
		if stateNames[known] == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("unknown breaker state %q: the states are %v", text, States())
}

// An Outcome is how a call ended, as far as it says something of the dependency.
type Outcome uint8

// The outcomes. A value that is none of them is taken for Ignored.
const (
	Success Outcome = iota // the dependency did its work
	Failure                // it did not
	Ignored                // the call says nothing of the dependency; it gives its permit back

	// FailureAgain is a failure of a call whose like has failed before, as that of a record that is retried. Records that
	// fail whatever the dependency's state come back together, and would look like the dependency's death, see the package
	// comment.
	FailureAgain
)

// An Event is a change of state.
type Event struct {
	Dependency string
	From, To   State
	Adopted    bool // others had come to it before, see [Breaker.Adopt]
	Would      bool // it only would have changed: the breaker is in MetricsOnly
	At         time.Time
	Why        string // for people: "failure rate 55% of 40 calls, the limit is 50%"
}

// String tells the event in one line.
func (e Event) String() string {
	if e.Would {
		return fmt.Sprintf("breaker %q: would go from %v to %v: %s", e.Dependency, e.From, e.To, e.Why)
	}
	return fmt.Sprintf("breaker %q: %v to %v: %s", e.Dependency, e.From, e.To, e.Why)
}
