package sim

import "slices"

// checkFenced holds members to the group's assignments: commits only by who has the partition and never backwards,
// calls only with what is assigned and not committed, and none that outlives its partition uncancelled.
func (x *index) checkFenced() {
	for p, commits := range x.commits {
		x.checkCommitters(p, commits)
	}
	x.checkHandovers()
	x.checkExpelled()
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		if x.upset(c.Member, c.Start, c.Start) {
			continue
		}
		if at := x.committed(c.From.Partition, c.Start); c.From.Offset < at {
			x.report.broken(Fenced, "%s began a call with %s at %s, when offset %d was committed", c.Member, c.From, clock(c.Start), at)
		}
		x.report.count(Fenced, "calls from the commit on", 1)
	}
}

func (x *index) checkCommitters(p Partition, commits []*Commit) {
	high, highest := int64(-1), new(Commit)
	for _, c := range commits {
		switch {
		case c.Offset >= high, x.overtaken(highest, c):
			high, highest = c.Offset, c
		case c.Late, x.deletedBy(p, c.When): // what is said of a topic that is gone, by who does not know so yet, is not gone by
		default:
			x.report.broken(Fenced, "%s put the commit of %s back from %d to %d at %s", c.Member, p, high, c.Offset, clock(c.When))
		}
		x.report.count(Fenced, "commits", 1)
		if c.Generation < 0 {
			continue // not by a member
		}
		if owner := x.ownerIn(p, c.Generation, c.When); owner != "" && owner != c.Member {
			x.report.broken(Fenced, "%s committed %d for %s at %s, which generation %d had given to %s", c.Member, c.Offset, p, clock(c.When), c.Generation, owner)
		}
	}
}

// overtaken reports whether a commit that goes back is of a member that had been off the straight path, and had read where it is to begin before
// its own commit of an earlier generation, which had been on its way since, was carried out.
func (x *index) overtaken(before, again *Commit) bool {
	return before.Member == again.Member && before.Generation >= 0 && before.Generation < again.Generation && x.upset(again.Member, before.When, again.When)
}

// deletedBy reports whether a partition had been deleted with its topic by a moment.
func (x *index) deletedBy(p Partition, when Moment) bool {
	return slices.ContainsFunc(x.h.Deleted, func(d Deletion) bool { return d.As == p.Topic && d.When.Before(when) })
}

// checkExpelled holds members to staying in their group: it gives one up only when they may not have heard from each other.
func (x *index) checkExpelled() {
	for i := range x.h.Upsets {
		u := &x.h.Upsets[i]
		if u.Kind != Expelled {
			continue
		}
		x.report.count(Fenced, "members given up by the group", 1)
		if !slices.ContainsFunc(x.h.Troubled, func(s Span) bool { return s.meets(u.Begun.At, u.Begun.At) }) {
			x.report.broken(Fenced, "the group went on without %s at %s, though nothing had kept them from hearing each other", u.Member, clock(u.Begun))
		}
	}
}

// ownerIn returns who has a partition in a generation of the group at a moment. A partition on its way between two members is
// nobody's: then the one that had it before may commit.
func (x *index) ownerIn(p Partition, generation int32, at Moment) string {
	n := slices.IndexFunc(x.h.Assignments, func(a Assignment) bool { return a.Generation > generation || !a.When.Before(at) })
	if n < 0 {
		n = len(x.h.Assignments)
	}
	return x.ownerBefore(p, n)
}

// ownerBefore returns who had a partition last before assignment n.
func (x *index) ownerBefore(p Partition, n int) string {
	p = p.live()
	for i := n - 1; i >= 0; i-- {
		if o := x.h.Assignments[i].Owners[p]; o.Member != "" {
			return o.Member
		}
	}
	return ""
}

// checkHandovers looks at every partition that went from one member to another: from then on the old one begins no
// call with its records, and those that still run have had their contexts cancelled.
func (x *index) checkHandovers() {
	for i := 1; i < len(x.h.Assignments); i++ {
		a := &x.h.Assignments[i]
		for p, o := range a.Owners {
			before := x.ownerBefore(p, i)
			if before == "" || before == o.Member {
				continue
			}
			x.report.count(Fenced, "handovers", 1)
			x.checkAfter(p, before, a.When, x.nextOwned(p, before, i))
		}
	}
}

// nextOwned returns when a member gets a partition again after assignment i, the end of the run if never.
func (x *index) nextOwned(p Partition, member string, i int) Moment {
	for j := i + 1; j < len(x.h.Assignments); j++ {
		if x.h.Assignments[j].Owners[p].Member == member {
			return x.h.Assignments[j].When
		}
	}
	return Moment{Tick: 1 << 62, At: x.h.Ended.At}
}

func (x *index) checkAfter(p Partition, old string, when, until Moment) {
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		if c.Member != old || c.From.Partition.live() != p || !c.Start.Before(until) || x.upset(old, c.Start, when) {
			continue
		}
		switch {
		case !c.Start.Before(when):
			x.report.broken(Fenced, "%s began a call with %s at %s, after %s had gone to another member", old, c.From, clock(c.Start), p)
		case !c.End.IsZero() && c.End.Before(when):
		case !c.Cancelled.IsZero() && !when.Before(c.Cancelled):
			x.report.count(Fenced, "calls cancelled at a handover", 1)
		case x.expelledAt(old, when): // it begins nothing more, by its own clock, but was not told
			x.report.count(Fenced, "calls of members given up by the group", 1)
		default:
			x.report.broken(Fenced, "%s still ran a call with %s when %s went to another member at %s, and its context was not cancelled", old, c.From, p, clock(when))
		}
	}
}

// expelledAt reports whether the group went on without a member at a moment.
func (x *index) expelledAt(member string, when Moment) bool {
	return slices.ContainsFunc(x.upsets[member], func(u *Upset) bool { return u.Kind == Expelled && u.Begun == when })
}
