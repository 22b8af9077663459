package sim

import (
	"cmp"
	"slices"
	"time"
)

// What a partition may have beside others has a bound, so that some is left for whoever comes: of the slots, and of the window. At the bound what
// else could start of it waits, though nobody else may want anything.

// freeShare is how many times what is free one partition may hold of the slots: of so many and fewer, none need be free. Of undivided slots and fewer nothing is
// kept for others.
const (
	freeShare = 8
	undivided = 2
)

// atBoundUntil returns until when the partition of a call had all that it may have, from a time on; that time when it had not.
func (x *index) atBoundUntil(c *Call, since time.Time) time.Time {
	until := since
	if s := x.slotsBoundUntil(c, since); s.After(until) {
		until = s
	}
	if t := x.othersTurnsUntil(c, since); t.After(until) {
		until = t
	}
	if x.t.IsSource(c.From.Topic) {
		if w := x.windowBoundUntil(c, since); w.After(until) {
			until = w
		}
		if h := x.heldBoundUntil(c, since); h.After(until) {
			until = h
		}
	}
	return until
}

// slotsBoundUntil is atBoundUntil of the slots: of those that are not kept for the other of fresh records and retries, a partition that holds
// some gets no more when it holds eight times what is free, and leaves the last; nor, as long as its calls do not succeed, what the others have had at one time
// of late.
func (x *index) slotsBoundUntil(c *Call, since time.Time) (until time.Time) {
	if sources, _ := x.owned(c); x.t.Concurrency <= undivided || sources < 2 {
		return since
	}
	type change struct {
		at Moment
		c  *Call
		by int
	}
	var changes []change
	batches := make(map[int64]bool)
	for i := range x.h.Calls {
		o := &x.h.Calls[i]
		if o.Member != c.Member || o == c || o.Batch != 0 && batches[o.Batch] {
			continue
		}
		batches[o.Batch] = true
		changes = append(changes, change{o.Start, o, 1})
		if !o.End.IsZero() {
			changes = append(changes, change{o.End, o, -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.at.Tick, b.at.Tick) })
	kind, other, own := 0, 0, 0
	until = since
	kept := 1 // for the other kind and, of nine slots and more, for whoever comes
	if x.t.Concurrency > freeShare {
		kept++
	}
	had := x.needsOfOthers(c)
	for i, ch := range changes {
		if !ch.at.Before(c.Start) {
			break
		}
		if x.t.IsSource(ch.c.From.Topic) == x.t.IsSource(c.From.Topic) {
			kind += ch.by
		} else {
			other += ch.by
		}
		if x.sourceOf(ch.c) == x.sourceOf(c) {
			own += ch.by
		}
		ends := c.Start
		if i+1 < len(changes) && changes[i+1].at.Before(c.Start) {
			ends = changes[i+1].at
		}
		if own > 0 && own+had(ch.at.At) >= x.t.Concurrency-kept && ends.At.After(until) {
			until = ends.At
		}
		if free := x.t.Concurrency - kind - max(other, 1); own > 0 && x.t.Concurrency > freeShare && (free <= 1 || own >= freeShare*free) && ends.At.After(until) {
			until = ends.At
		}
	}
	return until
}

// needed is for how long it may be remembered what partitions have had of the slots: two spans of ten seconds, each of which lasts up to twice that.
const needed = 40 * time.Second

// needsOfOthers returns what the other partitions of a call's member had of the slots at one time of late, at a time: no more than each of them by itself, nor
// than all of them with its own. A call keeps its slot until its hooks are through with how it ended.
func (x *index) needsOfOthers(c *Call) func(time.Time) int {
	type change struct {
		at time.Time
		of Partition
		by int
	}
	var changes []change
	for i := range x.h.Calls {
		if o := &x.h.Calls[i]; o.Member == c.Member && o != c {
			changes = append(changes, change{o.Start.At, x.sourceOf(o), 1})
			if !o.End.IsZero() {
				changes = append(changes, change{o.End.At.Add(telling), x.sourceOf(o), -1})
			}
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	var all levels
	each := make(map[Partition]*levels)
	for _, ch := range changes {
		if each[ch.of] == nil {
			each[ch.of] = new(levels)
		}
		each[ch.of].add(ch.at, ch.by)
		all.add(ch.at, ch.by)
	}
	delete(each, x.sourceOf(c))
	return func(at time.Time) (n int) {
		for _, l := range each {
			n += l.highest(at.Add(-needed), at)
		}
		return min(n, all.highest(at.Add(-needed), at))
	}
}

// levels are how many there were, each from a time on until the next one; none at first.
type levels []level

type level struct {
	from time.Time
	n    int
}

func (l *levels) add(at time.Time, by int) {
	n := by
	if len(*l) > 0 {
		n += (*l)[len(*l)-1].n
	}
	*l = append(*l, level{at, n})
}

func (l levels) highest(since, until time.Time) (n int) {
	for _, one := range slices.Backward(l) {
		if one.from.After(until) {
			continue
		}
		if n = max(n, one.n); !one.from.After(since) {
			break
		}
	}
	return n
}

// heldBoundUntil is atBoundUntil of the memory for held keys: a source partition of which too many records are put off, or dead behind a closed key,
// is not fetched before it holds three quarters of its bound. What a member has put off counts before a copy of it is in a topic, so
// that the bound itself cannot be seen.
func (x *index) heldBoundUntil(c *Call, since time.Time) time.Time {
	if !x.t.HoldKey {
		return since
	}
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	source := x.sourceOf(c)
	for line, copies := range x.byLine {
		if first := copies[0]; first.origin.Partition == source {
			changes = append(changes, change{first.Timestamp, 1}, change{x.outOfMemory(line), -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	until, held := since, 0
	for i, ch := range changes {
		if !ch.at.Before(c.Start.At) {
			break
		}
		held += ch.by
		ends := c.Start.At
		if i+1 < len(changes) && changes[i+1].at.Before(ends) {
			ends = changes[i+1].at
		}
		if bound := heldWindows * x.t.Window / x.sourcesBeside(source, ch.at); 4*held > 3*bound && ends.After(until) {
			until = ends
		}
	}
	return until
}

// outOfMemory returns when a member needs not remember any more that a life of a record was put off.
func (x *index) outOfMemory(line lineage) time.Time {
	copies := x.byLine[line]
	last := copies[len(copies)-1]
	switch dead := x.t.IsDLQ(last.Place.Topic); {
	case dead && x.t.HoldDead:
		if ms := x.dealtWith(last); ms != 0 {
			return time.UnixMilli(ms)
		}
		return x.h.Ended.At // it keeps its key closed
	case !dead && len(x.from[last.Place]) == 0:
		return x.h.Ended.At // it waits
	}
	return x.overAt(line)
}

// sourceOf returns the source partition that the record of a call belongs to.
func (x *index) sourceOf(c *Call) Partition {
	return Partition{x.t.SourceOf(c.From.Topic), c.From.Number}
}

// owned counts the partitions that the member of a call had then: source partitions, and retry partitions.
func (x *index) owned(c *Call) (sources, retries int) {
	for i := range x.h.Assignments {
		if a := &x.h.Assignments[i]; a.When.Before(c.Start) {
			sources, retries = 0, 0
			for p, o := range a.Owners {
				switch {
				case o.Member != c.Member:
				case x.t.IsSource(p.Topic):
					sources++
				case x.t.IsRetry(p.Topic):
					retries++
				}
			}
		}
	}
	return sources, retries
}

// windowBoundUntil is atBoundUntil of the window: while much of it is taken a partition that holds more than its share is not fetched before it
// holds half of that. Its share is its part of half the window, and half of what nobody uses.
func (x *index) windowBoundUntil(c *Call, since time.Time) time.Time {
	sources, retries := x.owned(c)
	guaranteed := max(x.t.Window/(2*max(sources+retries, 1)), 1)
	times := []time.Time{c.Start.At}
	for offset := range c.From.Offset {
		if calls := x.from[Place{c.From.Partition, offset}]; len(calls) > 0 {
			if done := x.doneWith(calls); done.After(since) && done.Before(c.Start.At) {
				times = append(times, done)
			}
		}
	}
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	for _, t := range times {
		before := t.Add(-1)
		if share := guaranteed + max(x.t.Window-x.windowed(before), 0)/2; x.heldBefore(c, before) > share/2 {
			return t
		}
	}
	return since
}

// othersTurnsUntil returns until when others had their turns, where the window is smaller than the partitions that share it: no part of it is kept for each of
// them then, and a record waits for all that the client has fetched before it, however long their calls and hooks take.
func (x *index) othersTurnsUntil(c *Call, since time.Time) (until time.Time) {
	until = since
	if sources, retries := x.owned(c); x.t.Window >= sources+retries {
		return until
	}
	for i := range x.h.Calls {
		o := &x.h.Calls[i]
		if o.Member != c.Member || o.From.Partition == c.From.Partition {
			continue
		}
		for _, turn := range []Moment{o.Start, o.End} {
			if !turn.IsZero() && turn.Before(c.Start) && turn.At.After(until) {
				until = turn.At
			}
		}
	}
	return until
}

// heldBefore counts what stands before the record of a call in its partition and was certainly in the window at a time: it had been called, or
// waited behind such a one of its train, where keys are held until it was parked. What could have been called and was not may not have been fetched, and excuses nothing.
func (x *index) heldBefore(c *Call, at time.Time) (n int) {
	begun := make(map[train]bool)
	for offset := range c.From.Offset {
		place := Place{c.From.Partition, offset}
		calls := x.from[place]
		if p := x.produced[place]; len(calls) == 0 && p != nil && p.Key != nil && !p.At.At.After(at) && begun[train{place.Partition, string(p.Key)}] {
			n++ // in line, until it was parked
		}
		if len(calls) == 0 || !x.doneWith(calls).After(at) {
			continue
		}
		tr, ordered := x.trainOf(calls[0])
		if called := !calls[0].Start.At.After(at); called || ordered && begun[tr] {
			n++
			begun[tr] = true
		}
	}
	return n
}

// windowed is how much of the windows may have been taken at a time: by what was not done with in the sources, and by what stood in the
// retry topics, which have three quarters at most.
func (x *index) windowed(at time.Time) int {
	fresh, copies := 0, 0
	for place, p := range x.produced {
		if calls := x.from[place]; !p.At.At.After(at) && (len(calls) == 0 || x.doneWith(calls).After(at)) {
			fresh++
		}
	}
	for _, line := range x.byLine {
		for i, k := range line {
			if !x.t.IsRetry(k.Place.Topic) || k.Timestamp.After(at) {
				continue
			}
			switch calls := x.from[k.Place]; {
			case len(calls) > 0 && !x.doneWith(calls).After(at):
			case len(calls) == 0 && i+1 < len(line) && !line[i+1].Timestamp.After(at): // it went on without a call
			default:
				copies++
			}
		}
	}
	return fresh + min(copies, x.t.Window*3/4)
}

// doneWith returns when the last of the calls with one record was over.
func (x *index) doneWith(calls []*Call) time.Time {
	if end := calls[len(calls)-1].End; !end.IsZero() {
		return end.At
	}
	return x.h.Ended.At
}
