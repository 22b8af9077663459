package sim

import (
	"slices"
	"time"
)

// checkNoLoss holds every commit to what lies below it: a record that was committed was handled, dropped or skipped, or
// its copy was durable, before the broker got the commit. And at the end every record has an outcome.
func (x *index) checkNoLoss() {
	for p, commits := range x.commits {
		if x.t.IsDLQ(p.Topic) || x.t.SourceOf(p.Topic) == "" {
			continue
		}
		x.checkCommits(p, commits)
	}
	if !x.h.Settled {
		x.report.broken(NoLoss, "the run did not settle: %s", x.h.Unsettled)
	}
	for i := range x.h.Produced {
		p := &x.h.Produced[i]
		if p.Aborted || p.Place.Offset < x.h.Started[p.Place.Partition] {
			continue
		}
		how, ok := x.outcome(p)
		if !ok && x.h.Settled {
			x.report.broken(NoLoss, "record %s has no outcome: it was neither handled nor dropped nor skipped, and no dead letter has its id", p.Place)
		}
		x.report.count(NoLoss, "records "+how, 1)
	}
}

// checkCommits walks over a partition's commits and the records that each passes.
func (x *index) checkCommits(p Partition, commits []*Commit) {
	next := x.h.Started[p]
	records := x.h.Log[p]
	for _, c := range commits {
		if c.Offset <= next {
			continue
		}
		i, _ := slices.BinarySearchFunc(records, next, func(l Logged, at int64) int { return int(l.Place.Offset - at) })
		for ; i < len(records) && records[i].Place.Offset < c.Offset; i++ {
			r := &records[i]
			if r.Control || r.Planted || x.aborted[r.Place] {
				continue
			}
			if why := x.settledBy(r.Place, c); why != "" {
				x.report.broken(NoLoss, "offset %d of %s was committed by %s at %s while record %s %s", c.Offset, p, c.Member, clock(c.When), r.Place, why)
			}
			x.report.count(NoLoss, "commits passing a record", 1)
		}
		next = c.Offset
	}
}

// settledBy returns why a record was not settled when a commit passed it, or "".
func (x *index) settledBy(at Place, c *Commit) string {
	for _, call := range x.from[at] {
		if call.End.IsZero() || !call.End.Before(c.When) {
			continue
		}
		switch call.Result {
		case Succeeded, Dropped:
			return ""
		case Failed, Buried:
			if x.droppedAs(call) {
				return ""
			}
		}
	}
	line, known := x.line(at)
	if !known {
		return "is not known"
	}
	if x.wasSkipped(at, line, c.When) {
		return ""
	}
	here := x.copies[at]
	for _, k := range x.byLine[line] {
		if k.Place == at || k.Place.Offset >= c.Ends[k.Place.Partition] {
			continue
		}
		if x.sentFrom(at, k, c.When) || x.parkedFrom(at, k) || x.followedFrom(at, k) || x.putOffFrom(at, k) || x.movedOut(at, k, c.When) || here != nil && (hopOf(here, k) || movedFrom(here, k)) {
			x.report.count(NoLoss, "copies durable before the commit", 1)
			return ""
		}
	}
	if len(x.from[at]) == 0 && here == nil {
		return "had never been handled"
	}
	return "was not settled: no call had succeeded and no copy of it was durable"
}

// droppedAs reports whether a call ended in a way that makes a dead letter, where those are dropped.
func (x *index) droppedAs(c *Call) bool {
	return x.t.Drops && (c.Result == Buried || c.Result == Failed && x.owedReason(c) != "")
}

// sentFrom reports whether a copy can have come from a call that was made with the record at a place.
func (x *index) sentFrom(at Place, k *copied, before Moment) bool {
	for _, call := range x.from[at] {
		if call.End.IsZero() || !call.End.Before(before) {
			continue
		}
		switch {
		case (call.Result == Failed || call.Result == Buried) && call.Attempt == k.attempt:
			return true
		case call.Result == Snoozed && call.Attempt == k.attempt+1:
			return true
		}
	}
	return false
}

// hopOf reports whether k can be the copy that the copy at let go on its way.
func hopOf(at, k *copied) bool {
	return k.attempt == at.attempt && k.hopDue > 0 && at.hopDue > 0 && at.hopDue < at.due && unixMilli(k.Timestamp) >= at.hopDue
}

// movedFrom reports whether k can be the copy at put back at the end of its partition, as it was: a member that gives a
// partition up does that with what waits, so that its commit can pass it.
func movedFrom(at, k *copied) bool {
	return k.Place.Partition == at.Place.Partition && k.Place.Offset > at.Place.Offset &&
		k.attempt == at.attempt && k.due == at.due && k.hopDue == at.hopDue
}

// movedOut reports whether k can be the copy that a member wrote of the record at a place when it gave the partition up: of
// one that waited there after a failure that used no attempt, and that was put off. It has the attempts from before.
func (x *index) movedOut(at Place, k *copied, before Moment) bool {
	return x.givenUp(k) && slices.ContainsFunc(x.from[at], func(c *Call) bool { return x.leftFor(c, k) && c.End.Before(before) })
}

// leftFor reports whether k can be what became of a record after a call whose failure used no attempt.
func (x *index) leftFor(c *Call, k *copied) bool {
	return c.Result == Failed && c.Delay > 0 && x.mayBeFree(c) && c.Attempt == k.attempt+1 &&
		!c.End.At.Truncate(time.Millisecond).After(k.Timestamp) && k.due >= unixMilli(c.End.At.Add(c.Delay))
}

func (x *index) wasSkipped(at Place, line lineage, before Moment) bool {
	if when, ok := x.skipped[at]; ok && when.Before(before) {
		return true
	}
	if p := x.byID[line.id]; p != nil {
		if when, ok := x.skipped[p.Place]; ok && when.Before(before) {
			return true
		}
	}
	return false
}

// outcome returns what became of a produced record in the end: each of its lives must have come to something.
func (x *index) outcome(p *Produced) (how string, ok bool) {
	for _, line := range x.lives(p) {
		if how, ok = x.endOf(p, line); !ok {
			return how, false
		}
	}
	return how, true
}

// endOf returns what became of one life of a record.
func (x *index) endOf(p *Produced, line lineage) (how string, ok bool) {
	for _, c := range x.lineages[line] {
		switch {
		case c.Result == Succeeded:
			return "handled", true
		case c.Result == Dropped, x.droppedAs(c):
			return "dropped", true
		}
	}
	for _, k := range x.byLine[line] {
		switch {
		case x.t.IsDLQ(k.Place.Topic):
			return "dead", true
		case x.wasSkipped(k.Place, line, x.h.Ended):
			return "skipped", true
		case k.Place.isDeleted():
			return "deleted with a topic", true
		}
	}
	if x.wasSkipped(p.Place, line, x.h.Ended) {
		return "skipped", true
	}
	return "open", false
}

// lives returns the lineages of a record.
func (x *index) lives(p *Produced) (lines []lineage) {
	for n := p.replays(); ; n++ {
		l := lineage{p.ID, n}
		if n > p.replays() && len(x.lineages[l]) == 0 && len(x.byLine[l]) == 0 {
			return lines
		}
		lines = append(lines, l)
	}
}
