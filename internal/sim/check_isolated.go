package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// checkIsolated holds attempts to a prompt start while nothing is disturbed, whatever else fails, hangs or waits: an
// attempt that may start does, within Terms.Prompt, unless a record of its own key or partition is in its way, or every
// slot of its member is taken, or all that its partition may have beside others.
func (x *index) checkIsolated() {
	if x.t.Prompt == 0 {
		return
	}
	busy, open := x.obstacles(), x.openUntil()
	trains := make(map[train][]*Call)
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		if tr, ok := x.trainOf(c); ok {
			trains[tr] = append(trains[tr], c)
		}
	}
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		since, ok := x.available(c)
		if !ok {
			continue
		}
		if until, behind := open[c.From]; behind && until.After(since) {
			since = until
			x.report.count(Isolated, "attempts behind an open transaction", 1)
		}
		if x.inTheWay(c, since, trains, busy) {
			continue
		}
		x.report.count(Isolated, "prompt attempts", 1)
		if x.besideTrouble(c) {
			x.report.count(Isolated, "prompt beside a long call", 1)
		}
		if c.Start.At.Sub(since) > x.t.Prompt {
			if until := x.atBoundUntil(c, since); until.After(since) {
				since = until
				x.report.count(Isolated, "attempts of a partition at its bound", 1)
			}
		}
		if late := c.Start.At.Sub(since); late > x.t.Prompt {
			x.report.broken(Isolated, "attempt %d of %s from %s started %v after it could, at %s, and nothing of its own was in its way", c.Attempt, c.ID, c.From, late, clock(c.Start))
		}
	}
}

// available returns since when an attempt could start: the first call with a record of a source or a retry topic.
func (x *index) available(c *Call) (time.Time, bool) {
	if x.from[c.From][0] != c {
		return time.Time{}, false
	}
	if k := x.copies[c.From]; k != nil {
		due := time.UnixMilli(k.due)
		if due.Before(k.Timestamp) {
			due = k.Timestamp
		}
		return due, true
	}
	if p := x.produced[c.From]; p != nil {
		return p.At.At, true
	}
	return time.Time{}, false
}

// openUntil returns for the records of sources that stand behind those of a producer's transaction when that was over: until then nobody
// reads them who reads what is committed only.
func (x *index) openUntil() map[Place]time.Time {
	sorted := slices.SortedFunc(slices.Values(x.h.Produced), func(a, b Produced) int {
		return cmp.Or(cmp.Compare(a.Place.Topic, b.Place.Topic), cmp.Compare(a.Place.Number, b.Place.Number), cmp.Compare(a.Place.Offset, b.Place.Offset))
	})
	until := make(map[Place]time.Time)
	var over time.Time
	for i, p := range sorted {
		if i > 0 && sorted[i-1].Place.Partition != p.Place.Partition {
			over = time.Time{}
		}
		if !over.IsZero() {
			until[p.Place] = over
		}
		if p.transaction && p.At.At.After(over) {
			over = p.At.At
		}
	}
	return until
}

func (x *index) inTheWay(c *Call, since time.Time, trains map[train][]*Call, busy map[string][]Span) bool {
	if meetsAny(x.h.Disturbed, since, c.Start.At) || meetsAny(busy[c.Member], since, c.Start.At) {
		return true
	}
	if x.t.IsPark(c.From.Topic) && x.unmapped(c.Member, c.Start) {
		return true // without room in its commits a member takes what is parked turn by turn, and moves the rest out of the way
	}
	if x.crowdedOut(c, since) || c.Batch != 0 && x.behindBatch(c, since) {
		return true
	}
	tr, ordered := x.trainOf(c)
	if !ordered {
		return false
	}
	return slices.ContainsFunc(trains[tr], func(o *Call) bool {
		return o != c && o.Start.Before(c.Start) && (o.End.IsZero() || !x.leaves(o).Before(since))
	})
}

// leaves returns when what a call was made with is out of the way of its train: one that is a whole partition waits also for a try on
// the spot.
func (x *index) leaves(c *Call) time.Time {
	if p := x.t.PolicyOf(c.Member); x.t.Ordering == consumer.ByPartition && c.Result == Failed && c.Attempt <= p.InPlace {
		return c.End.At.Add(p.InPlaceDelay*5/4 + telling)
	}
	return c.End.At
}

// obstacles returns when attempts of a member may not have started promptly: all slots were taken, its breaker may not have been closed, or
// it may have had no credit for dead letters. When that is over it has to come back to so many calls at once, and to what it has not
// fetched meanwhile.
func (x *index) obstacles() map[string][]Span {
	busy, penniless := x.saturated(), x.penniless()
	add := func(member string, spans []Span, rest time.Duration) {
		for _, s := range spans {
			busy[member] = append(busy[member], Span{s.From, s.To.Add(rest)})
		}
	}
	for member, spans := range x.doubtful {
		add(member, spans, x.t.SlowStart+x.t.Prompt)
	}
	for member, spans := range penniless {
		add(member, spans, x.t.Prompt)
	}
	return busy
}

// crowdedOut reports whether so many copies stood before a call's in its retry partition that it may not have been fetched
// yet: retry partitions share half of the window, and what is not due stays in it; after some had to be given back they keep half of
// that for a while.
func (x *index) crowdedOut(c *Call, since time.Time) bool {
	if x.copies[c.From] == nil {
		return false
	}
	ahead := 0
	_, lanes := x.owned(c)
	for _, r := range x.h.Log[c.From.Partition] {
		if r.Place.Offset >= c.From.Offset {
			break
		}
		if calls := x.from[r.Place]; len(calls) == 0 && x.copies[r.Place] != nil && r.Timestamp.Add(x.waits(r.Place)).After(since) || len(calls) > 0 && calls[0].Start.At.After(since) {
			ahead++
		}
	}
	return ahead >= max(x.t.Window/(4*max(lanes, 1)), 1)
}

// waits returns how long a copy waits where it stands.
func (x *index) waits(at Place) time.Duration {
	k := x.copies[at]
	return time.UnixMilli(max(k.hopDue, k.due)).Sub(k.Timestamp)
}

// behindBatch reports whether another batch of the same partition was under way: one is called at a time, unless records
// are not ordered.
func (x *index) behindBatch(c *Call, since time.Time) bool {
	return x.t.Ordering != consumer.Unordered && slices.ContainsFunc(x.h.Calls, func(o Call) bool {
		return o.Member == c.Member && o.Batch != c.Batch && o.From.Number == c.From.Number && x.t.SourceOf(o.From.Topic) == x.t.SourceOf(c.From.Topic) &&
			o.Start.Before(c.Start) && (o.End.IsZero() || !o.End.At.Before(since))
	})
}

// longCall is when a call counts as trouble for the others.
const longCall = 5 * time.Second

// besideTrouble reports whether a call began while another one of its member took long.
func (x *index) besideTrouble(c *Call) bool {
	return slices.ContainsFunc(x.h.Calls, func(o Call) bool {
		return o.Member == c.Member && o.Start.Before(c.Start) && !o.End.IsZero() && c.Start.Before(o.End) && o.End.At.Sub(o.Start.At) >= longCall
	})
}

// saturated returns the spans in which all slots of a member were taken, or all but the one that each kind has to itself.
func (x *index) saturated() map[string][]Span {
	busy := make(map[string][]Span)
	for member, changes := range x.inFlight() {
		var since time.Time
		for _, ch := range changes {
			full := ch.flying >= max(x.t.Concurrency-1, 1)
			switch {
			case full && since.IsZero():
				since = ch.at.At
			case !full && !since.IsZero():
				busy[member] = append(busy[member], Span{since, ch.at.At})
				since = time.Time{}
			}
		}
		if !since.IsZero() {
			busy[member] = append(busy[member], Span{since, x.h.Ended.At})
		}
	}
	return busy
}
