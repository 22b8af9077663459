package sim

import (
	"slices"
	"time"
)

// checkNeverEarly holds the start of every attempt to the due time that its copy carries, and to the delay that the
// policy owes after the failure before it, whatever the headers say.
func (x *index) checkNeverEarly() {
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		if k := x.copies[c.From]; k != nil {
			if at := unixMilli(c.Start.At); at < k.due {
				x.report.broken(NeverEarly, "attempt %d of %s from %s started at %s, %d ms before its due time", c.Attempt, c.ID, c.From, clock(c.Start), k.due-at)
			}
			x.report.count(NeverEarly, "attempts from a tier", 1)
		}
	}
	for _, calls := range x.lineages {
		for _, c := range calls {
			x.checkDelay(calls, c)
			x.checkSnooze(calls, c)
		}
	}
	for line, copies := range x.byLine {
		x.checkHops(line, copies)
	}
}

// checkDelay holds one retry to the delay after the failure that it repeats.
func (x *index) checkDelay(calls []*Call, c *Call) {
	if c.Attempt < 2 {
		return
	}
	chain, ok := x.chain(calls, c.Attempt-1, c.Start)
	if !ok || x.ambiguous(calls, c.Attempt-1) {
		return // honest-attempts tells
	}
	earliest := time.Time{}
	for _, f := range lastOfEachStay(calls, c.Attempt-1, c.Start) {
		delay, reason := x.owed(append(chain[:c.Attempt-2:c.Attempt-2], faultOf(f)))
		if at := f.End.At.Add(delay); reason == "" && (earliest.IsZero() || at.Before(earliest)) {
			earliest = at
		}
	}
	if earliest.IsZero() {
		return
	}
	if c.Start.At.Before(earliest) {
		x.report.broken(NeverEarly, "attempt %d of %s started at %s, %v before the delay was over that its policy owes after attempt %d",
			c.Attempt, c.ID, clock(c.Start), earliest.Sub(c.Start.At), c.Attempt-1)
	}
	x.report.count(NeverEarly, "delays by policy", 1)
}

// checkSnooze holds the call after a snooze to the time that was asked for.
func (x *index) checkSnooze(calls []*Call, c *Call) {
	var before *Call
	for _, s := range calls {
		if s.Attempt == c.Attempt && !s.End.IsZero() && s.End.Before(c.Start) && !x.stoodBeside(c, s) && (before == nil || before.End.Before(s.End)) {
			before = s
		}
	}
	if before == nil || before.Result != Snoozed || x.upsetInLife(lineage{c.ID, c.Replays}, c.Start.At) {
		return
	}
	if early := before.End.At.Add(before.Delay).Sub(c.Start.At); early > 0 {
		x.report.broken(NeverEarly, "%s was called again at %s, %v before its snooze was over", c.ID, clock(c.Start), early)
	}
	x.report.count(NeverEarly, "snoozes", 1)
}

// stoodBeside reports whether the copy that a call was made with had been written before another call began, of another copy: where one is written twice each has
// a wait of its own, and neither follows from what becomes of the other.
func (x *index) stoodBeside(c, other *Call) bool {
	k := x.copies[c.From]
	return k != nil && c.From != other.From && unixMilli(k.Timestamp) < unixMilli(other.Start.At)
}

// checkHops holds the copies of one wait to one due time.
func (x *index) checkHops(line lineage, copies []*copied) {
	for i, k := range copies {
		if x.upsetInLife(line, k.Timestamp) {
			return // a failure may have happened twice, and then has two waits
		}
		if i == 0 || k.attempt != copies[i-1].attempt || x.t.IsDLQ(k.Place.Topic) || !hopOf(copies[i-1], k) {
			continue
		}
		if snoozedAt(x.lineages[line], k.attempt+1) {
			continue
		}
		if before := copies[i-1]; k.due < before.due {
			x.report.broken(NeverEarly, "the hop of %s from %s to %s brought its due time forward by %d ms", k.id, before.Place, k.Place, before.due-k.due)
		}
		x.report.count(NeverEarly, "hops", 1)
	}
}

func snoozedAt(calls []*Call, attempt int) bool {
	for _, c := range calls {
		if c.Result == Snoozed && c.Attempt == attempt {
			return true
		}
	}
	return false
}

// stay is a member with a record at a place.
type stay struct {
	member string
	at     Place
}

// lastOfEachStay returns the failures of an attempt that ended before a moment, the last one of each member with each
// place that the record stood at: those before it used no attempt.
func lastOfEachStay(calls []*Call, attempt int, before Moment) map[stay]*Call {
	last := make(map[stay]*Call)
	for _, f := range calls {
		if f.Attempt != attempt || f.Result != Failed && f.Result != Buried || !f.End.Before(before) {
			continue
		}
		at := stay{f.Member, f.From}
		if l := last[at]; l == nil || l.End.Before(f.End) {
			last[at] = f
		}
	}
	return last
}

// ambiguous reports whether one of the attempts 1 to n failed more than once, as it can after an upset: then nobody can
// tell from outside which of the failures a copy goes back to.
func (x *index) ambiguous(calls []*Call, n int) bool {
	for attempt := 1; attempt <= n; attempt++ {
		var before *Call
		for _, f := range calls {
			if f.Attempt != attempt || f.Result != Failed && f.Result != Buried {
				continue
			}
			if before != nil && (f.Member != before.Member || f.From != before.From || x.upset(f.Member, before.Start, f.Start) || x.unmapped(f.Member, f.Start)) {
				return true
			}
			before = f
		}
	}
	return false
}

// endOfTime is after every moment of a run.
var endOfTime = Moment{Tick: 1 << 62}

// chain returns the failures of attempts 1 to n of a record, as they stood before a moment. ok is false when one of
// them is missing.
func (x *index) chain(calls []*Call, n int, before Moment) (faults []Fault, ok bool) {
	for attempt := 1; attempt <= n; attempt++ {
		var last *Call
		for _, f := range calls {
			if f.Attempt == attempt && (f.Result == Failed || f.Result == Buried) && f.End.Before(before) && (last == nil || last.End.Before(f.End)) {
				last = f
			}
		}
		if last == nil {
			return nil, false
		}
		faults = append(faults, faultOf(last))
	}
	return faults, true
}

func faultOf(c *Call) Fault {
	return Fault{Class: c.Class, Asked: c.Delay, Steer: c.Delay > 0, member: c.Member}
}

// owed is [Policy.Owed] by the policy of the member that made the last call.
func (x *index) owed(chain []Fault) (delay time.Duration, reason string) {
	return x.t.PolicyOf(chain[len(chain)-1].member).Owed(chain)
}

// owedReason returns why a record is dead after a failed call, or "".
func (x *index) owedReason(c *Call) string {
	before, ok := x.toldBefore(c)
	if !ok {
		before, ok = x.chain(x.lineages[lineage{c.ID, c.Replays}], c.Attempt-1, Moment{Tick: c.End.Tick + 1})
	}
	if !ok {
		return ""
	}
	_, reason := x.owed(append(before, faultOf(c)))
	return reason
}

// toldBefore returns the failures that the copy tells of which a call was made with: there may be several copies of a record, each with failures of its own. ok is
// false where the copy does not tell of all of them.
func (x *index) toldBefore(c *Call) (faults []Fault, ok bool) {
	k := x.copies[c.From]
	if k == nil || len(k.history) != c.Attempt-1 {
		return nil, false
	}
	for i, t := range k.history {
		at := slices.IndexFunc(x.lineages[lineage{c.ID, c.Replays}], func(f *Call) bool {
			return f.Attempt == t.N && unixMilli(f.Start.At) == t.At && f.Class == t.Class && (f.Result == Failed || f.Result == Buried)
		})
		if t.N != i+1 || at < 0 {
			return nil, false
		}
		faults = append(faults, faultOf(x.lineages[lineage{c.ID, c.Replays}][at]))
	}
	return faults, true
}

// clock writes a moment for people: the time of the run, and the tick.
func clock(m Moment) string { return m.At.Format("15:04:05.000") }
