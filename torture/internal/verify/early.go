package verify

import (
	"strconv"
	"strings"
	"time"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// judgeEarly holds every call of a copy to the due time in its header, and, whatever that says, to the policy: so long
// after the end of a call of which it can be the consequence.
func judgeEarly(h *History) Finding {
	f := Finding{Promise: "never-early"}
	retries, early := 0, 0
	var most time.Duration
	for _, c := range h.Calls {
		if c.Place.Topic == h.Terms.Topic {
			continue
		}
		retries++
		if by := time.Duration(c.Due*1e6 - c.Started); by > 0 {
			early++
			most = max(most, by)
			f.broken("attempt %d of %s began %v before its due time, on %s", c.Attempt, c.Life.Origin, by, c.Member)
			continue
		}
		if by, ok := h.ahead(c); ok && by > 0 {
			early++
			most = max(most, by)
			f.broken("attempt %d of %s began %v before the policy's delay was over, on %s%s", c.Attempt, c.Life.Origin, by, c.Member, told(c.Life))
		}
	}
	f.count("%d early", early)
	f.count("%d calls of retries", retries)
	if most > 0 {
		f.count("the worst by %v", most)
	}
	return f
}

// ahead is by how much a call began before any call that it can follow from allows. ok is false when there is none: that
// is no matter of time.
func (h *History) ahead(c *Call) (by time.Duration, ok bool) {
	for _, before := range c.Life.Calls {
		if before.End >= c.Begin {
			continue
		}
		delay, follows := h.delay(before, c)
		if !follows {
			continue
		}
		if left := time.Duration(before.EndedAt-c.BeganAt) + delay; !ok || left < by {
			by, ok = left, true
		}
	}
	return by, ok
}

// delay is how long after the end of a call a copy of it may be handled, if c can be a call of such a copy.
func (h *History) delay(before, c *Call) (d time.Duration, ok bool) {
	switch {
	case before.Outcome == outcome(fate.Snoozed):
		return fate.SnoozeFor, before.Attempt == c.Attempt
	case !failed(before.Outcome) || before.Attempt != c.Attempt-1:
		return 0, false
	case before.Outcome == outcome(fate.Asked):
		return fate.AskFor, true
	case before.Outcome == outcome(fate.AskedFar):
		return fate.AskFarFor, true
	}
	tiers := h.Tiers[before.Member]
	if len(tiers) == 0 {
		return 0, true
	}
	return time.Duration(tiers[min(before.Attempt, len(tiers))-1]) * time.Millisecond, true
}

const indent = "                             "

func clock(ns int64) string { return time.Unix(0, ns).Format("15:04:05.000000") }

func number(n int) string { return strconv.Itoa(n) }

func list(parts []string) string { return strings.Join(parts, ", ") }
