package sim

import "time"

// Policy is the simulation's own model of a retry policy: what a failed attempt is owed at least. It is written from the
// contract, not from the engine, and it is deliberately slow and simple.
type Policy struct {
	Rule
	Overrides    []Override
	InPlace      int
	InPlaceDelay time.Duration
}

// Rule gives the delays and the number of retries.
type Rule struct {
	Delays     []time.Duration // before the first retry, the second, ...; the last repeats
	MaxRetries int
}

// Override is a rule for the failures of one class, with a count of its own.
type Override struct {
	Class string
	Rule
}

// Fault is one counted failure of a record.
type Fault struct {
	Class string
	Asked time.Duration // 0: nothing
	Steer bool          // the handler itself asked for the retry

	member string // that made the call
}

// retriable are the classes that are retried without being asked.
var retriable = map[string]bool{"transient": true, "rate_limited": true, "network": true, "system": true}

// Owed says what a record is owed after its failures, oldest first: another attempt no earlier than delay after the last
// failure, or the dead letters with a reason.
func (p *Policy) Owed(failures []Fault) (delay time.Duration, reason string) {
	last := failures[len(failures)-1]
	rule, index := p.rule(last)
	count := 0
	for _, f := range failures {
		if _, i := p.rule(f); i == index {
			count++
		}
	}
	if index < 0 && !last.Steer && !retriable[last.Class] {
		return 0, "not_retriable"
	}
	if count > rule.MaxRetries {
		return 0, "exhausted"
	}
	if last.Asked > 0 {
		return last.Asked, ""
	}
	retry := max(count-p.InPlace, 1)
	delay = rule.Delays[min(retry, len(rule.Delays))-1]
	if len(failures) <= p.InPlace { // on the spot, unless it has travelled meanwhile
		delay = min(delay, p.InPlaceDelay)
	}
	return delay, ""
}

// rule returns the rule for a failure, and the index of its override or -1.
func (p *Policy) rule(f Fault) (Rule, int) {
	class := f.Class
	if f.Steer && !retriable[class] {
		class = "transient"
	}
	for i, o := range p.Overrides {
		if o.Class == class {
			return o.Rule, i
		}
	}
	return p.Rule, -1
}
