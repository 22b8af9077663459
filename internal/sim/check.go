package sim

import (
	"cmp"
	"slices"
	"time"
)

// Check holds a history to every promise.
func Check(h *History) *Report {
	x := newIndex(h)
	x.checkNoLoss()
	x.checkNeverEarly()
	x.checkHonestAttempts()
	x.checkFree()
	x.checkIntact()
	x.checkStableID()
	x.checkOwnLane()
	x.checkFenced()
	x.checkOrdered()
	x.checkIsolated()
	x.checkPutOff()
	x.checkBounded()
	x.checkReplayed()
	return x.report
}

// index is a history in the orders in which the checks need it.
type index struct {
	h      *History
	t      *Terms
	report *Report

	produced map[Place]*Produced // not those of aborted transactions
	aborted  map[Place]bool
	byID     map[string]*Produced
	from     map[Place][]*Call // calls by where their record stood, in order of start
	lineages map[lineage][]*Call
	callsOf  map[string][]*Call // by id
	copies   map[Place]*copied
	byLine   map[lineage][]*copied // in order of their timestamps
	commits  map[Partition][]*Commit
	skipped  map[Place]Moment
	upsets   map[string][]*Upset
	free     map[*Call]bool    // failures that may use no attempt
	doubtful map[string][]Span // when a member's breaker may not have been closed

	credit map[string]*account // see accounts
}

// lineage is one life of a record: a replay begins another.
type lineage struct {
	id      string
	replays int
}

func newIndex(h *History) *index {
	x := &index{
		h: h, t: &h.Terms, report: newReport(),
		produced: make(map[Place]*Produced), aborted: make(map[Place]bool), byID: make(map[string]*Produced),
		from: make(map[Place][]*Call), lineages: make(map[lineage][]*Call), callsOf: make(map[string][]*Call),
		copies: make(map[Place]*copied), byLine: make(map[lineage][]*copied),
		commits: make(map[Partition][]*Commit), skipped: make(map[Place]Moment), upsets: make(map[string][]*Upset),
	}
	for i := range h.Produced {
		p := &h.Produced[i]
		if p.Aborted {
			x.aborted[p.Place] = true
			continue
		}
		x.produced[p.Place] = p
		x.byID[p.ID] = p
	}
	for i := range h.Calls {
		c := &h.Calls[i]
		x.from[c.From] = append(x.from[c.From], c)
		x.lineages[lineage{c.ID, c.Replays}] = append(x.lineages[lineage{c.ID, c.Replays}], c)
		x.callsOf[c.ID] = append(x.callsOf[c.ID], c)
	}
	for p, records := range h.Log {
		if x.t.IsSource(p.Topic) || x.t.SourceOf(p.Topic) == "" {
			continue
		}
		for i := range records {
			if r := &records[i]; !r.Control && !r.Planted {
				c := readCopy(r)
				x.copies[r.Place] = c
				x.byLine[lineage{c.id, c.replays}] = append(x.byLine[lineage{c.id, c.replays}], c)
			}
		}
	}
	for _, copies := range x.byLine {
		slices.SortStableFunc(copies, func(a, b *copied) int {
			return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.attempt, b.attempt))
		})
	}
	for i := range h.Commits {
		c := &h.Commits[i]
		x.commits[c.Partition] = append(x.commits[c.Partition], c)
	}
	for _, s := range h.Skipped {
		if _, before := x.skipped[s.Place]; !before { // of several copies one may be skipped now and another later
			x.skipped[s.Place] = s.When
		}
	}
	for i := range h.Upsets {
		u := &h.Upsets[i]
		x.upsets[u.Member] = append(x.upsets[u.Member], u)
	}
	x.doubtful = x.doubtfulBreakers()
	x.free = x.freeCalls()
	return x
}

// line returns the lineage that a record at a place belongs to.
func (x *index) line(at Place) (lineage, bool) {
	if c := x.copies[at]; c != nil {
		return lineage{c.id, c.replays}, true
	}
	if p := x.produced[at]; p != nil {
		return lineage{p.ID, p.replays()}, true
	}
	return lineage{}, false
}

// base returns how many attempts a record at a place has behind it.
func (x *index) base(at Place) int {
	if c := x.copies[at]; c != nil {
		return c.attempt
	}
	return 0
}

// upset reports whether a member was off the straight path at some time from since to until such that it may not have known
// what the group knew. One that has no room for what it has done above its commits knows as much as ever.
func (x *index) upset(member string, since, until Moment) bool {
	return slices.ContainsFunc(x.upsets[member], func(u *Upset) bool {
		return u.Kind != Unmapped && u.Begun.Before(until) && (u.Ended.IsZero() || !u.Ended.Before(since.At))
	})
}

// unmapped reports whether a member had been without room for what it has done above its commits: then it may have forgotten that, with the
// partition, and done it again.
func (x *index) unmapped(member string, by Moment) bool {
	return slices.ContainsFunc(x.upsets[member], func(u *Upset) bool { return u.Kind == Unmapped && u.Begun.Before(by) })
}

// anyUpset reports whether any member was off the straight path at some time from since to until. Who died was so at that instant only: what
// it leaves behind is another's from then on.
func (x *index) anyUpset(since, until time.Time) bool {
	return slices.ContainsFunc(x.h.Upsets, func(u Upset) bool {
		over := u.Ended
		switch {
		case u.Kind == Crash:
			over = u.Begun.At
		case u.Ended.IsZero():
			over = until
		}
		return Span{u.Begun.At, over}.meets(since, until)
	})
}

// upsetInLife reports whether any member was off the straight path between when a record was produced and a time: then there may be several
// copies of it, each with a way of its own.
func (x *index) upsetInLife(line lineage, until time.Time) bool {
	p := x.byID[line.id]
	return p == nil || x.anyUpset(p.At.At, until)
}

// owner returns who had a partition when, as the group's leader had divided it, and since which assignment. Tenures of
// one partition have different numbers. Whoever gives all partitions up before they are divided anew begins another tenure
// with what it gets back.
func (x *index) owner(p Partition, at Moment) (owner Owner, tenure int) {
	p = p.live()
	generation := int32(-1)
	for i := range x.h.Assignments {
		a := &x.h.Assignments[i]
		if at.Before(a.When) {
			break
		}
		if o := a.Owners[p]; o != owner || x.t.Eager && a.Generation != generation {
			owner, generation = o, a.Generation
			tenure++
		}
	}
	return owner, tenure
}

// committed returns what was committed for a partition before a moment, -1 for nothing.
func (x *index) committed(p Partition, before Moment) int64 {
	at := int64(-1)
	for _, c := range x.commits[p] {
		if !c.When.Before(before) {
			break
		}
		at = c.Offset
	}
	return at
}

// replays is how often a source record says that it was replayed.
func (p *Produced) replays() int { return readCopy(&Logged{Headers: p.Headers}).replays }
