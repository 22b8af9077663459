package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// checkHeld holds each key to the order of its origins across retries: once a record was called, no record of its key that
// stood before it is called any more, unless that one had been done with before and is repeated. What was replayed comes
// when it comes.
func (x *index) checkHeld(tr train, calls []*Call) {
	byOrigin := make(map[int64][]*Call)
	for _, c := range calls {
		if c.Replays == 0 && x.t.SourceOf(c.From.Topic) == c.Origin.Topic {
			byOrigin[c.Origin.Offset] = append(byOrigin[c.Origin.Offset], c)
		}
	}
	origins := slices.Sorted(maps.Keys(byOrigin))
	waited := 0
	for i, origin := range origins {
		for _, before := range origins[:i] {
			late := x.calledAfter(byOrigin[before], byOrigin[origin][0])
			if late == nil || x.skippedBy(late, byOrigin[origin][0].Start.At) {
				continue
			}
			x.report.broken(Ordered, "%s was called with attempt %d at %s, after %s of the same key %q, which stands behind it, was called at %s",
				late.ID, late.Attempt, clock(late.Start), byOrigin[origin][0].ID, tr.key, clock(byOrigin[origin][0].Start))
		}
		if x.t.IsPark(byOrigin[origin][0].From.Topic) {
			waited++
		}
	}
	x.report.count(Ordered, "records held behind another", waited)
}

// calledAfter returns a call of a record that began after the first call of one behind it, nil if there is none. After a
// call that was the record's last one as far as its handler goes, another is a repeat.
func (x *index) calledAfter(calls []*Call, behind *Call) *Call {
	for _, c := range calls {
		if c.End.Before(behind.Start) && !c.End.IsZero() && (c.Result == Succeeded || c.Result == Dropped || c.Result == Buried || x.droppedAs(c)) {
			return nil
		}
	}
	i := slices.IndexFunc(calls, func(c *Call) bool { return behind.Start.Before(c.Start) && !x.excused(behind, c) })
	if i < 0 {
		return nil
	}
	return calls[i]
}

// skippedBy reports whether an operator had settled a call's record by a moment: it is a repeat then. A skip is taken down when it is
// done, and what waited for it may begin first.
func (x *index) skippedBy(c *Call, by time.Time) bool {
	for _, at := range []Place{c.From, c.Origin} {
		if when, ok := x.skipped[at]; ok && !when.At.After(by) {
			return true
		}
	}
	return false
}

// checkParked looks at the park topics: the records of a key are put there in the order of their origin, unless one of
// them had been there before, or elsewhere, or one that was replayed was waited for: those that stand in line by then are put there
// later than those that come.
func (x *index) checkParked() {
	type line struct {
		Partition
		key string
	}
	last := make(map[line]*copied)
	replayed := make(map[line][]Span) // when records were, until they were done with
	for _, k := range x.copies {
		if k.replays > 0 && x.t.IsRetry(k.Place.Topic) {
			at := line{Partition{k.origin.Topic, k.Place.Number}, string(k.Key)}
			replayed[at] = append(replayed[at], Span{k.Timestamp, x.overAt(lineage{k.id, k.replays})})
		}
	}
	copies := slices.SortedFunc(maps.Values(x.copies), func(a, b *copied) int {
		return cmp.Or(cmp.Compare(a.Place.Topic, b.Place.Topic), cmp.Compare(a.Place.Number, b.Place.Number), cmp.Compare(a.Place.Offset, b.Place.Offset))
	})
	for _, k := range copies {
		if !x.t.IsPark(k.Place.Topic) {
			continue
		}
		x.report.count(Ordered, "records parked", 1)
		if k.byMove(x) {
			x.report.count(Ordered, "parked records moved", 1)
			continue
		}
		if k.attempt > 0 || k.replays > 0 || x.putOffBefore(lineage{k.id, k.replays}, k.Timestamp) {
			continue // those behind it wait for it since then
		}
		at := line{k.Place.Partition, string(k.Key)}
		if before := last[at]; before != nil && k.origin.Offset < before.origin.Offset && !x.disordered(before, k) &&
			!meetsAny(replayed[line{Partition{k.origin.Topic, k.Place.Number}, string(k.Key)}], before.Timestamp, k.Timestamp) {
			x.report.broken(Ordered, "%s was put into the park topic at %s, behind %s of the same key %q", k.id, k.Place, before.id, at.key)
		}
		last[at] = k
	}
}

// overAt returns when a life of a record was over: the last of its calls had ended, and the last of its copies was written.
func (x *index) overAt(line lineage) (at time.Time) {
	for _, c := range x.lineages[line] {
		if c.End.IsZero() {
			return x.h.Ended.At
		}
		if c.End.At.After(at) {
			at = c.End.At
		}
	}
	for _, k := range x.byLine[line] {
		if k.Timestamp.After(at) {
			at = k.Timestamp
		}
	}
	return at
}

// disordered reports whether one of two copies of a key may have been written out of order: by a member that was off the straight path, or that
// the group may have given up, or since one was refused.
func (x *index) disordered(before, k *copied) bool {
	return x.anyUpset(before.Timestamp, k.Timestamp) || meetsAny(x.h.Troubled, before.Timestamp, k.Timestamp) || x.disturbedAt(before.Timestamp)
}

// disturbedAt reports whether promptness could not be expected at a time: a copy that is refused then is written after those behind it.
func (x *index) disturbedAt(at time.Time) bool {
	return slices.ContainsFunc(x.h.Disturbed, func(s Span) bool { return s.meets(at, at) })
}

// byMove reports whether the record had been in a park topic before.
func (k *copied) byMove(x *index) bool {
	return slices.ContainsFunc(x.byLine[lineage{k.id, k.replays}], func(o *copied) bool {
		return o.Place.Partition == k.Place.Partition && o.Place.Offset < k.Place.Offset
	})
}

// parkedFrom reports whether k can be what became of a record that stood at a place when it was put off untried.
func (x *index) parkedFrom(at Place, k *copied) bool {
	return x.t.IsPark(k.Place.Topic) && k.attempt == x.base(at)
}
