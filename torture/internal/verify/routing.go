package verify

import (
	"slices"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// judgeRouting looks for records of which a call was routed twice, for readers of committed records. With exactly-once
// routing there are none. Without it, every routing has a call of its own.
func judgeRouting(h *History) Finding {
	f := Finding{Promise: "routed-once"}
	twice, copies := 0, 0
	h.each(func(l *Life) {
		if len(l.Copies) == 0 {
			return
		}
		copies += len(l.Copies)
		for attempt := 0; attempt <= h.Terms.MaxRetries+1; attempt++ {
			n := h.routings(l, attempt)
			if n == 0 {
				continue
			}
			owed, calls := owed(l, attempt)
			if n <= owed {
				continue
			}
			twice++
			if h.Terms.ExactlyOnce {
				f.broken("%s (%s) was routed %d times after attempt %d%s", l.Origin, l.Fate, n, attempt, told(l))
			} else if n > calls {
				f.broken("%s (%s) was routed %d times after attempt %d, of which there were %d calls%s", l.Origin, l.Fate, n, attempt, calls, told(l))
			}
		}
	})
	f.count("%d routed twice", twice)
	if !h.Terms.ExactlyOnce {
		f.count("which at-least-once delivery allows where the call was repeated")
	}
	f.count("%d copies", copies)
	if h.Unread > 0 {
		f.broken("%d offsets of retry topics were trimmed before they were read, and could not be judged", h.Unread)
	}
	return f
}

// owed is how often a record is to be sent on after an attempt, and calls how many calls say so.
func owed(l *Life, attempt int) (owed, calls int) {
	switch {
	case attempt > 0:
		owed = 1
	case l.Fate.Kind == fate.Snooze:
		owed = l.Fate.Times
	}
	for _, c := range l.Calls {
		switch {
		case c.Attempt == attempt && failed(c.Outcome):
			calls++
		case c.Attempt == attempt+1 && c.Outcome == outcome(fate.Snoozed): // which uses no attempt
			calls++
			if l.Fate.Kind.Dead() { // it was spared
				owed++
			}
		}
	}
	return owed, calls
}

// routings is how often a record was sent on after an attempt. Where keys are held it may wait in the park topic as often as
// that takes. Copies with one due time are one on its way over several
// tiers, which only a far delay takes, or, without exactly-once routing, one that was put back at the end of its
// partition while that was given up.
func (h *History) routings(l *Life, attempt int) int {
	var ways []*Copy
	for _, c := range l.Copies {
		if c.Attempt != attempt || h.parked(c.Place) {
			continue
		}
		if !slices.ContainsFunc(ways, func(w *Copy) bool { return w.Due == c.Due && h.goesOn(w, c) }) {
			ways = append(ways, c)
		}
	}
	return len(ways)
}

// goesOn reports whether two copies with one due time can be one way.
func (h *History) goesOn(w, c *Copy) bool {
	if w.Dead || c.Dead {
		return false
	}
	if !h.Terms.ExactlyOnce {
		return true
	}
	first, then := w, c
	if first.Own > then.Own {
		first, then = then, first
	}
	return c.Life.Fate.Kind == fate.AskFar && then.Own >= first.HopDue && (w.Place.Topic != c.Place.Topic || h.oneTier())
}

// oneTier reports whether any member had but one tier, over which far delays go several times.
func (h *History) oneTier() bool {
	for _, tiers := range h.Tiers {
		if len(tiers) == 1 {
			return true
		}
	}
	return false
}
