package sim

import (
	"cmp"
	"slices"

	"github.com/redeliver/redeliver/consumer"
)

// train is what is handled one at a time: a key of a source partition, or the partition.
type train struct {
	partition Partition
	key       string
}

// trainOf returns the train that a call belongs to; ok is false when it is unordered.
func (x *index) trainOf(c *Call) (tr train, ok bool) {
	source := Partition{x.t.SourceOf(c.From.Topic), c.From.Number}
	switch x.t.Ordering {
	case consumer.ByPartition:
		return train{partition: source}, true
	case consumer.ByKey:
		return train{source, string(c.Key)}, c.Key != nil
	}
	return tr, false
}

// checkOrdered holds each train to one call at a time, and the first calls of its fresh records to offset order.
func (x *index) checkOrdered() {
	trains := make(map[train][]*Call)
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		if tr, ok := x.trainOf(c); ok {
			trains[tr] = append(trains[tr], c)
		}
	}
	for tr, calls := range trains {
		slices.SortFunc(calls, func(a, b *Call) int { return cmp.Compare(a.Start.Tick, b.Start.Tick) })
		x.checkOneAtATime(tr, calls)
		x.checkOffsetOrder(tr, calls)
		if x.t.HoldKey {
			x.checkHeld(tr, calls)
		}
	}
	if x.t.HoldKey {
		x.checkParked()
	}
	if x.t.HoldDead {
		x.checkClosed(trains)
	}
}

func (x *index) checkOneAtATime(tr train, calls []*Call) {
	var running *Call // of those before, the one that ends last
	for _, c := range calls {
		if r := running; r != nil && !x.over(r, c.Start) && !(r.Batch != 0 && r.Batch == c.Batch) && !x.excused(r, c) {
			x.report.broken(Ordered, "%s called attempt %d of %s at %s while %s ran attempt %d of %s, of the same key %q",
				c.Member, c.Attempt, c.ID, clock(c.Start), r.Member, r.Attempt, r.ID, tr.key)
		}
		if running == nil || x.over(running, c.Start) || running.End.Before(c.End) {
			running = c
		}
	}
	x.report.count(Ordered, "calls one after the other", max(len(calls)-1, 0))
}

// over reports whether a call had ended by a moment: when it returned, or when its member died.
func (x *index) over(c *Call, at Moment) bool {
	if c.Result != Unfinished {
		return c.End.Before(at)
	}
	for _, u := range x.upsets[c.Member] {
		if u.Kind == Crash {
			return u.Begun.Before(at)
		}
	}
	return false
}

// excused reports whether two calls may overlap: when the first was told to give up and its handler did not, or when they
// are of two members and one of them was off the straight path and may not have known whose the partition was.
func (x *index) excused(r, c *Call) bool {
	if !r.Cancelled.IsZero() && r.Cancelled.Before(c.Start) {
		return true
	}
	return r.Member != c.Member && (x.upset(r.Member, r.Start, c.Start) || x.upset(c.Member, r.Start, c.Start) || x.apart(r, c))
}

// apart reports whether two members had each the partition of its call when the second one began, as the coordinator may divide a source and its
// retry topics while members read different ones. For good it must not: in the end both are one member's.
func (x *index) apart(r, c *Call) bool {
	if !x.t.Coordinated {
		return false
	}
	first, _ := x.owner(r.From.Partition, c.Start)
	second, _ := x.owner(c.From.Partition, c.Start)
	if first.Member != r.Member || second.Member != c.Member {
		return false
	}
	last := x.h.Assignments[len(x.h.Assignments)-1].Owners
	return last[r.From.Partition.live()].Member == last[c.From.Partition.live()].Member
}

// lostOnItsWay reports whether the record of a call may have been put off before another one was called, by the member that called that one: it
// leaves the order of its key when its copy is on its way, and is read once more where that went down with its member, or with the
// member's partitions, which it may have got back.
func (x *index) lostOnItsWay(other, c *Call) bool {
	return x.t.PutsOff && !x.t.HoldKey && (x.excused(other, c) || x.upset(other.Member, other.Start, c.Start))
}

func (x *index) checkOffsetOrder(tr train, calls []*Call) {
	called := make(map[Place]bool)
	var last *Call
	for _, c := range calls {
		if !x.t.IsSource(c.From.Topic) || called[c.From] {
			continue
		}
		if skipped, ok := x.skipped[c.From]; ok && skipped.Before(c.Start) {
			continue // its member died before it had committed that: others have gone on meanwhile
		}
		called[c.From] = true
		if !x.t.HoldKey && x.putOffBefore(lineage{c.ID, c.Replays}, c.Start.At) {
			continue // it has left the order of its key, and is read once more after a crash
		}
		if last != nil && c.From.Offset < last.From.Offset && !x.lostOnItsWay(last, c) {
			x.report.broken(Ordered, "%s was first called at %s, after %s of the same key %q", c.From, clock(c.Start), last.From, tr.key)
		}
		last = c
		x.report.count(Ordered, "fresh records in offset order", 1)
	}
}
