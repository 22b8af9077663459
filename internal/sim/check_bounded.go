package sim

import (
	"cmp"
	"slices"
	"time"
)

// checkBounded holds members to their slots, and repeats to what an upset can explain.
func (x *index) checkBounded() {
	for member, changes := range x.inFlight() {
		most := 0
		for _, ch := range changes {
			most = max(most, ch.flying)
		}
		if most > x.t.Concurrency {
			x.report.broken(Bounded, "%s had %d calls in flight, allowed are %d", member, most, x.t.Concurrency)
		}
		x.report.count(Bounded, "members", 1)
	}
	x.checkRepeats()
	x.checkTwins()
	x.checkRoutedOnce()
}

// flight is how many calls are in flight from a moment on.
type flight struct {
	at     Moment
	flying int
}

// inFlight follows the calls in flight of each member. The calls of a batch are one.
func (x *index) inFlight() map[string][]flight {
	type change struct {
		at Moment
		by int
	}
	changes := make(map[string][]change)
	seen := make(map[int64]bool)
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		if c.Batch != 0 {
			if seen[c.Batch] {
				continue
			}
			seen[c.Batch] = true
		}
		changes[c.Member] = append(changes[c.Member], change{c.Start, 1})
		if !c.End.IsZero() {
			changes[c.Member] = append(changes[c.Member], change{c.End, -1})
		}
	}
	out := make(map[string][]flight)
	for member, list := range changes {
		slices.SortFunc(list, func(a, b change) int { return cmp.Compare(a.at.Tick, b.at.Tick) })
		flying := 0
		for _, ch := range list {
			flying += ch.by
			out[member] = append(out[member], flight{ch.at, flying})
		}
	}
	return out
}

// settles reports whether a call ended what was to be done with the copy that it was made with.
func (x *index) settles(c *Call) bool {
	switch c.Result {
	case Succeeded, Dropped, Buried:
		return true
	case Failed: // its copy tells: without one it waited in its lane, or was free
		return !x.hasTwin(c) && slices.ContainsFunc(x.byLine[lineage{c.ID, c.Replays}], func(k *copied) bool {
			return k.Place != c.From && k.tellsOf(c) && !x.calledBetween(c, k)
		})
	}
	return false
}

// calledBetween reports whether a record was called again after a call and before k was written: then k was written for
// that.
func (x *index) calledBetween(c *Call, k *copied) bool {
	return slices.ContainsFunc(x.from[c.From], func(o *Call) bool {
		return c.End.Before(o.Start) && unixMilli(o.Start.At) <= unixMilli(k.Timestamp)
	})
}

// hasTwin reports whether another copy of the record had the same attempt at the same time, as can be after an upset: then
// nobody can tell from outside which of the two a copy was written for.
func (x *index) hasTwin(c *Call) bool {
	return slices.ContainsFunc(x.lineages[lineage{c.ID, c.Replays}], func(o *Call) bool {
		return o != c && o.From != c.From && o.Attempt == c.Attempt && unixMilli(o.Start.At) == unixMilli(c.Start.At)
	})
}

// checkRepeats looks for records that were handled again after they had been settled.
func (x *index) checkRepeats() {
	repeats := make(map[*Upset]int)
	for at, calls := range x.from {
		for i, c := range calls {
			for _, before := range calls[:i] {
				if before.End.IsZero() || !before.End.Before(c.Start) || !x.settles(before) {
					continue
				}
				u, ok := x.explains(before, c)
				if !ok {
					x.report.broken(Bounded, "%s was handled again by %s at %s, after %s had settled it at %s (attempt %d %s), and no upset explains it",
						at, c.Member, clock(c.Start), before.Member, clock(before.End), before.Attempt, before.Result)
				}
				if u != nil {
					repeats[u]++
				}
				x.report.count(Bounded, "repeats", 1)
				break
			}
		}
	}
	for _, u := range x.h.Upsets {
		x.report.count(Bounded, "upsets: "+u.Kind.String(), 1)
	}
	for u, n := range repeats {
		// The bound is a dead member's. One that is cut off goes on, as its successor does, and both repeat the other.
		if n > x.t.Window && u.Kind == Crash && len(x.upsets[u.Member]) == 1 {
			x.report.broken(Bounded, "%d records were repeated after %s (%s), the window is %d", n, u.Member, u.Kind, x.t.Window)
		}
	}
}

// explains returns the upset for which a record may be repeated.
func (x *index) explains(before, again *Call) (*Upset, bool) {
	for _, member := range []string{before.Member, again.Member} { // the one may not have saved it, the other not have known
		for _, u := range x.upsets[member] {
			if u.Kind == Unmapped && !x.aboveWatermark(before, again) && !x.belowRouted(before, again) {
				continue
			}
			if u.Begun.Before(again.Start) && (u.Ended.IsZero() || !u.Ended.Before(before.Start.At)) {
				return u, true
			}
		}
	}
	return nil, false
}

// aboveWatermark reports whether a record that was settled stood above one that was not, at a moment between two of its calls
// when it was handed on: then no commit could pass it, and whoever got it knew of it by the metadata only. What was done before
// partitions were assigned for the last time before that moment may have been forgotten then, by the same rule.
func (x *index) aboveWatermark(before, again *Call) bool {
	return slices.ContainsFunc(x.handed(before, again), func(when Moment) bool {
		known := x.assignedBefore(when)
		for offset := max(x.committed(again.From.Partition, when), 0); offset < again.From.Offset; offset++ {
			if !x.doneBetween(Place{again.From.Partition, offset}, known, when) {
				return true
			}
		}
		return false
	})
}

// belowRouted reports whether a record stood below one that was not settled, and that one below one that was routed in a transaction, at a moment
// between two calls of the first when it was handed on: a commit that has no room for the routed one must not take the place of the one that
// tells of it, and so the first stays uncommitted.
func (x *index) belowRouted(before, again *Call) bool {
	return x.t.ExactlyOnce && slices.ContainsFunc(x.handed(before, again), func(when Moment) bool {
		known, open := x.assignedBefore(when), false
		for _, r := range x.h.Log[again.From.Partition] {
			switch {
			case r.Place.Offset <= again.From.Offset:
			case x.routedBy(r.Place, when):
				if open {
					return true
				}
			case !x.doneBetween(r.Place, known, when):
				open = true
			}
		}
		return false
	})
}

// routedBy reports whether a copy of what stands at a place was written by a moment.
func (x *index) routedBy(at Place, when Moment) bool {
	line := lineage{id: at.String()}
	if k := x.copies[at]; k != nil {
		line = lineage{k.id, k.replays}
	}
	return slices.ContainsFunc(x.byLine[line], func(k *copied) bool { return k.Place != at && !k.Timestamp.After(when.At) })
}

// assignedBefore returns when partitions were assigned for the last time before a moment.
func (x *index) assignedBefore(when Moment) (last Moment) {
	for i := range x.h.Assignments {
		if a := &x.h.Assignments[i]; a.When.Before(when) {
			last = a.When
		}
	}
	return last
}

// handed returns when the partition of two calls was handed on between them, to whomever. One member that made both calls may
// have given it up and got it again whenever partitions were assigned.
func (x *index) handed(before, again *Call) (when []Moment) {
	p := again.From.Partition.live()
	owner, _ := x.owner(p, again.Start)
	first, _ := x.owner(p, before.End)
	for i := range x.h.Assignments {
		a := &x.h.Assignments[i]
		if !before.End.Before(a.When) || !a.When.Before(again.Start) {
			continue
		}
		if first == owner || i == 0 || a.Owners[p] != x.h.Assignments[i-1].Owners[p] {
			when = append(when, a.When)
		}
	}
	return when
}

// doneBetween reports whether nothing was to be done any more with what stands at a place at a moment, by what was settled since
// another.
func (x *index) doneBetween(at Place, since, when Moment) bool {
	r := x.h.at(at)
	if r == nil || r.Control || r.Planted || x.aborted[at] {
		return true
	}
	if skipped, ok := x.skipped[at]; ok && skipped.Before(when) {
		return true
	}
	return slices.ContainsFunc(x.from[at], func(c *Call) bool {
		return since.Before(c.End) && c.End.Before(when) && x.settles(c) && x.written(c, when)
	})
}

// written reports whether the copy that a call left was written by a moment, if it left one: until then its record is not done.
func (x *index) written(c *Call, when Moment) bool {
	if c.Result != Failed && c.Result != Buried {
		return true
	}
	return slices.ContainsFunc(x.byLine[lineage{c.ID, c.Replays}], func(k *copied) bool {
		return k.Place != c.From && k.tellsOf(c) && unixMilli(k.Timestamp) <= unixMilli(when.At)
	})
}

// checkRoutedOnce looks for records that were routed and delivered again from where they were, which a transaction of copy
// and offset rules out whatever happens to members: a record would be dead twice, or have two times to wait for after one
// attempt.
func (x *index) checkRoutedOnce() {
	if !x.t.ExactlyOnce {
		return
	}
	for line, copies := range x.byLine {
		dead := 0
		dues := make(map[int]map[int64]Place)
		putOff := slices.ContainsFunc(x.lineages[line], func(c *Call) bool { return c.Result == Snoozed || c.Delay > 0 })
		for _, k := range copies {
			if x.t.IsDLQ(k.Place.Topic) {
				dead++
				continue
			}
			if dues[k.attempt] == nil {
				dues[k.attempt] = make(map[int64]Place)
			}
			dues[k.attempt][k.due] = k.Place
			if len(dues[k.attempt]) > 1 && !putOff && !x.t.PutsOff { // what is put off again has another time
				x.report.broken(Bounded, "%s was routed more than once after attempt %d: copies with due times %v", line.id, k.attempt, dues[k.attempt])
				break
			}
		}
		if dead > 1 {
			x.report.broken(Bounded, "%s is dead %d times", line.id, dead)
		}
		x.report.count(Bounded, "records routed once", 1)
	}
}

// checkTwins looks for copies that were written twice.
func (x *index) checkTwins() {
	type face struct {
		topic       string
		attempt     int
		due, hopDue int64
		at          int64
		reason      string
	}
	for line, copies := range x.byLine {
		if x.upsetInLife(line, copies[len(copies)-1].Timestamp) {
			continue
		}
		seen := make(map[face]*copied)
		twins := false // there are two by right, which go the rest of the way side by side
		for _, k := range copies {
			f := face{k.Place.Topic, k.attempt, k.due, k.hopDue, 0, k.reason}
			other, dup := seen[f]
			twins = twins || dup && x.takenAndRefused(other, k)
			if dup && !twins && !x.t.IsPark(k.Place.Topic) && !x.repeated(line) && !x.givenUp(k) {
				x.report.broken(Bounded, "copies %s and %s of %s are one copy written twice", other.Place, k.Place, k.id)
			}
			seen[f] = k
		}
		x.report.count(Bounded, "copies written once", len(copies))
	}
}

// takenAndRefused reports whether a copy may have been written again since brokers took the first, did not say so, and refused it for good when its client sent
// the same once more: all that anybody knows then is that it was refused. A transaction is aborted.
func (x *index) takenAndRefused(first, again *copied) bool {
	from, to := first.Timestamp, again.Timestamp.Add(hitLook)
	return !x.t.ExactlyOnce && meetsAny(x.h.Doubted, from, to) && meetsAny(x.h.Refused, from, to)
}

// givenUp reports whether a copy was written while its partition was given up.
func (x *index) givenUp(k *copied) bool {
	within := func(m Moment) bool {
		late := k.Timestamp.Sub(m.At.Truncate(time.Millisecond))
		return late >= 0 && late <= x.t.Drain
	}
	if slices.ContainsFunc(x.h.Stops, func(s Stop) bool { return within(s.When) }) {
		return true
	}
	for i := range x.h.Assignments {
		a := &x.h.Assignments[i]
		if early := a.When.At.Sub(k.Timestamp); x.t.Eager && early >= 0 && early <= rebalancePatience {
			return true // everybody gives everything up first
		}
		if within(a.When) {
			if before := x.ownerBefore(k.Place.Partition, i); before != "" && a.Owners[k.Place.Partition.live()].Member != before {
				return true
			}
		}
	}
	return false
}

// repeated reports whether any record of a lineage was handled more than once from one place, with a settling end.
func (x *index) repeated(line lineage) bool {
	settled := make(map[Place]int)
	for _, c := range x.lineages[line] {
		if x.settles(c) {
			settled[c.From]++
		}
	}
	for _, n := range settled {
		if n > 1 {
			return true
		}
	}
	return false
}
