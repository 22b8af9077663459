package sim

import (
	"slices"
	"time"
)

// What a limit puts off, or a tenant's share, waits in a tier without having been tried: it has the attempts from before.

// mayBePutOff reports whether k can be a copy of a record that was put off.
func (x *index) mayBePutOff(k *copied) bool {
	return x.t.PutsOff && x.t.IsRetry(k.Place.Topic) && !x.t.IsPark(k.Place.Topic) && k.due > 0
}

// putOffFrom reports whether k can be what became of a record that stood at a place when it was put off.
func (x *index) putOffFrom(at Place, k *copied) bool {
	return x.mayBePutOff(k) && k.attempt == x.base(at) && k.Place != at
}

// putOffBefore reports whether a record was put off by a time, untried.
func (x *index) putOffBefore(line lineage, by time.Time) bool {
	return slices.ContainsFunc(x.byLine[line], func(k *copied) bool {
		return x.mayBePutOff(k) && k.attempt == 0 && !k.Timestamp.After(by)
	})
}

// checkPutOff holds the members to a bounded wait of what they put off, whoever else has how much to do: from when a record could be
// read to its first call, while nothing was disturbed. And to its attempts: there was none.
func (x *index) checkPutOff() {
	if !x.t.PutsOff && !x.t.Ranks {
		return
	}
	trains := make(map[train][]*Call)
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		if tr, ok := x.trainOf(c); ok {
			trains[tr] = append(trains[tr], c)
		}
	}
	busy, open := x.obstacles(), x.openUntil()
	for line, calls := range x.lineages {
		p := x.byID[line.id]
		if p == nil || line.replays != p.replays() {
			continue
		}
		first := calls[0]
		put := 0
		for _, k := range x.byLine[line] {
			if x.mayBePutOff(k) && k.attempt == 0 && k.Timestamp.Before(first.Start.At) {
				put++
			}
		}
		if put > 0 {
			x.report.count(HonestAttempts, "records put off before their first attempt", 1)
			if first.Attempt != 1 {
				x.report.broken(HonestAttempts, "%s was put off %d times, and its first call was attempt %d", line.id, put, first.Attempt)
			}
		}
		since := p.At.At
		if until, behind := open[p.Place]; behind && until.After(since) {
			since = until
		}
		if x.t.Prompt == 0 || x.inTheWay(first, since, trains, busy) {
			continue
		}
		x.report.count(Isolated, "waits bounded", 1)
		if put > 0 {
			x.report.count(Isolated, "waits bounded of what was put off", 1)
		}
		if waited := first.Start.At.Sub(since); waited > x.t.Prompt {
			x.report.broken(Isolated, "%s waited %v for its first call, at %s, put off %d times; nobody is to wait longer than %v", line.id, waited, clock(first.Start), put, x.t.Prompt)
		}
	}
}
