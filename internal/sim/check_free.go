package sim

import (
	"slices"
	"time"
)

const (
	// breakerShort and breakerLong are for less and for more than what a breaker remembers of calls by default.
	breakerShort = 25 * time.Second
	breakerLong  = 35 * time.Second
)

// freeCalls finds the failures that may use no attempt: they ended while the breaker of their member was open for certain.
func (x *index) freeCalls() map[*Call]bool {
	free := make(map[*Call]bool)
	if x.t.BreakerCalls == 0 {
		return free
	}
	for _, calls := range x.endedCalls() {
		x.freeIn(calls, free)
	}
	return free
}

// freeIn looks through the calls of one member in the order in which they ended.
func (x *index) freeIn(calls []*Call, free map[*Call]bool) {
	var opened *Call
	for i, c := range calls {
		if !x.outage(c) {
			opened = nil
			continue
		}
		switch {
		case opened == nil:
			if x.opens(calls[:i+1]) {
				opened = c
			}
		case c.End.At.After(x.openedBy(opened)) && !x.upset(c.Member, opened.Start, c.End) && x.triedFreely(c) < 3:
			free[c] = true
		}
	}
}

// openedBy returns until when the failure that opens a breaker has done so.
func (x *index) openedBy(c *Call) time.Time {
	if x.t.SlowHooks {
		return c.End.At.Add(telling)
	}
	return c.End.At
}

// outage reports whether a call failed since the dependency was down, and nothing else can have been made of it.
func (x *index) outage(c *Call) bool {
	return c.Result == Failed && c.Outage && c.Delay == 0 && c.Batch == 0 && c.Cancelled.IsZero() && counted[c.Class]
}

// opens reports whether the last of some calls, all of one member, cannot have left the breaker closed: the failures that it must
// remember of records that had not failed before are enough, and no fewer than the other calls that it may remember. Where something had failed before these, it
// may have been half-open when they began: what its probes came to is forgotten when it closes.
func (x *index) opens(calls []*Call) bool {
	last := calls[len(calls)-1].End.At
	failures, others, first := 0, 0, len(calls)
	for i := len(calls) - 1; i >= 0 && last.Sub(calls[i].End.At) <= breakerLong; i-- {
		switch c := calls[i]; {
		case !x.outage(c):
			others++
		case last.Sub(c.End.At) <= breakerShort && c.Attempt == 1 && x.triedFreely(c) == 0 && !x.upset(c.Member, c.Start, c.End):
			failures++
			first = i
		}
	}
	if slices.ContainsFunc(calls[:first], func(c *Call) bool { return c.Result == Failed && counted[c.Class] }) {
		failures -= x.t.Probes
	}
	return failures >= x.t.BreakerCalls && float64(failures) >= x.t.BreakerRate*float64(failures+others)
}

// triedFreely counts the failures of a record with the number of a call before it: after three that use no attempt the next one
// may.
func (x *index) triedFreely(c *Call) (n int) {
	for _, o := range x.lineages[lineage{c.ID, c.Replays}] {
		if o.Attempt == c.Attempt && o.Result == Failed && o.End.Before(c.End) && o != c {
			n++
		}
	}
	return n
}

// checkFree looks for copies that tell of a failure as an attempt that used none.
func (x *index) checkFree() {
	for c := range x.free {
		for _, k := range x.byLine[lineage{c.ID, c.Replays}] {
			if len(k.history) > 0 && k.tellsOf(c) {
				x.report.broken(HonestAttempts, "copy %s of %s counts attempt %d, which failed at %s while the breaker of %s was open",
					k.Place, k.id, c.Attempt, clock(c.End), c.Member)
			}
		}
		x.report.count(HonestAttempts, "failures that are free", 1)
	}
}
