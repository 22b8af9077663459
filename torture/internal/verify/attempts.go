package verify

import (
	"slices"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// judgeAttempts holds the attempts of calls and copies to the calls that ended in a failure: an attempt has a number only
// when the one before was made.
func judgeAttempts(h *History) Finding {
	f := Finding{Promise: "honest-attempts"}
	high, most := 0, h.Terms.MaxRetries+1
	h.each(func(l *Life) {
		for i, c := range l.Calls {
			switch {
			case c.Attempt < 1 || c.Attempt > most:
				high++
				f.broken("%s was called for attempt %d, of %d at most%s", l.Origin, c.Attempt, most, told(l))
			case c.Attempt > 1 && !slices.ContainsFunc(l.Calls[:i], func(b *Call) bool {
				return b.Attempt == c.Attempt-1 && failed(b.Outcome) && b.End < c.Begin
			}):
				high++
				f.broken("%s was called for attempt %d, and no attempt %d had failed%s", l.Origin, c.Attempt, c.Attempt-1, told(l))
			}
		}
		for _, c := range l.Copies {
			if c.Attempt > 0 && !slices.ContainsFunc(l.Calls, func(b *Call) bool { return b.Attempt == c.Attempt && failed(b.Outcome) }) {
				high++
				f.broken("the copy at %s of %s counts %d attempts, and no call of that number failed%s", c.Place, l.Origin, c.Attempt, told(l))
			}
			if c.Reason == "exhausted" && c.Attempt != most {
				f.broken("the dead letter at %s of %s is exhausted after %d attempts, not %d%s", c.Place, l.Origin, c.Attempt, most, told(l))
			}
			if c.Dead && c.Reason != "exhausted" && c.Reason != "not_retriable" {
				f.broken("the dead letter at %s of %s (%s) has reason %q", c.Place, l.Origin, l.Fate, c.Reason)
			}
			if c.Dead && c.Reason == "not_retriable" && l.Fate.Kind != fate.Refuse {
				f.broken("the dead letter at %s of %s (%s) has reason %q", c.Place, l.Origin, l.Fate, c.Reason)
			}
		}
	})
	f.count("%d too high", high)
	f.count("%d calls, %d copies", len(h.Calls), len(h.Copies))
	return f
}
