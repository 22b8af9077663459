package consumer

import (
	"time"
)

// unit is what a worker is given to do: a chunk, one entry, or the entries of a batch call.
type unit struct {
	chunk   *chunk
	end     int // of the chunk, as it was handed out
	entry   *entry
	entries []*entry
	flow    *flow // whose slot it uses, where that is told apart
	permit  callPermit
	leaving []deferral // to be sent to the tiers instead
}

func (u *unit) empty() bool { return u.chunk == nil && u.entry == nil && u.entries == nil }

// startable says which kinds of work the strand could start now. Where one thing runs at a time, fresh records and
// retries take turns: a chunk against as many retries as turnLength.
func (st *strand) startable() (want [kinds]bool) {
	if !st.mayStart() {
		return want
	}
	if st.holding != nil {
		st.catchUp()
		st.makeRoom()
	}
	if st.p.flows != nil {
		st.takeUp()
	}
	for _, l := range st.lanes {
		if st.offers(l) {
			want[l.kind()] = true
		}
	}
	if want[fresh] && want[retry] && !st.sideBySide() && st.p.gate.free() {
		if st.turnLeft <= 0 {
			st.turn, st.turnLeft = retry-st.turn, turnLength
		}
		want[retry-st.turn] = false
	}
	return want
}

// mayStart reports whether anything of the strand may start beside what runs.
func (st *strand) mayStart() bool { return st.p.gate.open() && st.idle() }

// idle reports whether what runs leaves room for something beside it, and it is known which keys are held, all of them.
func (st *strand) idle() bool {
	return st.chunk == nil && (st.running == 0 || st.sideBySide()) && (st.holding == nil || st.holding.open && !st.holding.overrun())
}

// offers reports whether a lane has something that could start.
func (st *strand) offers(l *lane) bool {
	return !l.closed && (l.mayRunReady() || st.mayTakeFresh(l))
}

// mayTakeFresh reports whether there are fresh records that may be started: for a batch handler, enough of them.
func (st *strand) mayTakeFresh(l *lane) bool {
	if l.tier != 0 || l.draining {
		return false
	}
	b := l.fresh()
	if b == nil || !l.mayBegin(b.records[b.taken].Offset) {
		return false
	}
	return st.batching == nil || !st.p.gate.free() || st.batchReady(l, st.batching.size.Records, time.Now())
}

// mayRunReady reports whether a ready entry may be started: any of them or, where the map has no room, the lowest.
func (l *lane) mayRunReady() bool {
	if l.draining || l.ready.len() == 0 {
		return false
	}
	underway := l.underway()
	return l.roomInMap(underway+1) || underway == 0 && l.mayBegin(l.ready.lowest().record.Offset) // to look for the lowest takes long
}

// takeReady takes out the entry that is the next to be started where [lane.mayRunReady] says so.
func (l *lane) takeReady() *entry {
	if l.roomInMap(l.underway() + 1) {
		return l.ready.pop()
	}
	e := l.ready.lowest()
	l.ready.remove(e)
	return e
}

// turnLength is how many retries a strand runs before fresh records have their turn.
const turnLength = 32

// sideBySide reports whether the strand may start something while something of it runs.
func (st *strand) sideBySide() bool {
	if st.p.cfg.Ordering == ByPartition {
		return false
	}
	if st.batching != nil {
		return st.p.cfg.Ordering == Unordered
	}
	return st.spread || st.p.flows != nil
}

// kind says which share of the slots the lane's records use.
func (l *lane) kind() kind {
	if l.tier == 0 {
		return fresh
	}
	return retry
}

// take gives a worker something to do, or nothing when what there was is gone. more says that there is something
// for another worker too.
func (st *strand) take(k kind) (u unit, more bool) {
	if !st.p.membership.holds() {
		return unit{}, false
	}
	// Outside the lock: a permit that is given back may have to tell of the breaker's state.
	permit, probe, ok := st.p.gate.enter()
	if !ok {
		return unit{}, false
	}
	if probe && !st.p.mayProbe(st, k) {
		st.p.gate.leave(permit)
		st.p.offerProbe()
		return unit{}, false
	}
	u, more = st.takeWith(k, probe)
	if len(u.leaving) > 0 {
		st.p.sendDeferred(u.leaving)
	}
	if u.permit = permit; u.empty() {
		st.p.gate.leave(permit)
	}
	return u, more
}

func (st *strand) takeWith(k kind, probe bool) (u unit, more bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if want := st.startable(); !want[k] {
		return u, want[retry-k]
	}
	switch {
	case st.p.flows != nil && st.batching != nil:
		u.entries, u.flow = st.takeRankedBatch(k, probe)
		st.turnLeft -= len(u.entries)
	case st.p.flows != nil:
		u.entry, u.flow = st.takeRanked(k, probe)
		st.turnLeft--
	case st.batching != nil:
		u.entries = st.takeBatch(k, probe)
		st.turnLeft -= len(u.entries)
	case !probe && k == fresh && !st.p.slots.ramping.Load() && st.mayChunk():
		if u.chunk = st.takeChunk(); u.chunk != nil {
			u.end = u.chunk.to
			st.turnLeft -= turnLength
		}
	}
	if u.empty() && st.batching == nil && st.p.flows == nil {
		u.entry = st.takeEntry(k, probe)
		st.turnLeft--
	}
	if !u.empty() {
		st.running += max(len(u.entries), 1) // each record of a batch leaves by itself
	}
	// Also when there was nothing: what was looked at may stand behind its key now, and leave the turn to the others.
	want := st.startable()
	u.leaving = st.takeLeaving()
	return u, want[fresh] || want[retry]
}

// entryOf makes the entry of one record of a source lane's batch.
func (st *strand) entryOf(l *lane, b *batch, i int) *entry {
	r := b.records[i]
	e := &entry{lane: l, batch: b, index: i, record: r, counted: b.arrived}
	b.follow(i, e)
	st.key(e)
	if hasOurs(r.Headers) {
		e.state = st.p.sourceState(r)
	}
	return e
}

// takeEntry hands out the next entry of the kind whose key is free. A probe takes a record that was not tried yet first,
// so that one that fails whatever the dependency's state does not become the eternal probe.
func (st *strand) takeEntry(k kind, probe bool) *entry {
	for _, l := range st.lanesOf(k, probe) {
		if probe {
			st.probing(l)
		}
		if k == fresh && st.freshFirst(l) && st.spreadsNow(probe) {
			if e := st.spreadFresh(l); e != nil {
				return e
			}
		}
		if probe && st.freshFirst(l) {
			if e := st.nextFresh(l); e != nil {
				return e
			}
		}
		for l.mayRunReady() {
			e := l.takeReady()
			if e.status == entrySettled {
				continue
			}
			if st.mayRun(e) && !st.overLimit(e) {
				return st.begin(e)
			}
		}
		if e := st.nextFresh(l); e != nil {
			return e
		}
	}
	return nil
}

// freshFirst reports whether a probe of the lane begins with a record that was not tried yet. Where a partition is handled in
// order that is so only when what is ready has given up its place.
func (st *strand) freshFirst(l *lane) bool {
	return st.p.cfg.Ordering != ByPartition || l.ready.len() == 0 || l.ready.items[l.ready.head].free >= freeInOrder
}

// A lane keeps records at hand for probes that have not failed yet: so many, and where many lanes share the window fewer.
const (
	mostUntried  = 512
	leastUntried = 8
)

// untried is how many each of so many lanes keeps.
func (w Window) untried(lanes int) int {
	return max(min(mostUntried, w.Records/(4*max(lanes, 1))), leastUntried)
}

// freeFailed counts the lane's ready entries that have failed without using an attempt.
func (st *strand) freeFailed(l *lane) (n int) {
	l.ready.each(func(e *entry) {
		if e.free > 0 {
			n++
		}
	})
	return n
}

// nextFresh makes an entry of the source lane's next record whose key is free.
func (st *strand) nextFresh(l *lane) *entry {
	if l.tier != 0 || l.draining {
		return nil
	}
	for b := l.fresh(); b != nil && l.mayBegin(b.records[b.taken].Offset); b = l.fresh() {
		e := st.entryOf(l, b, b.taken)
		b.taken++
		if !st.leavesLine(e) && st.mayRun(e) && !st.overLimit(e) {
			return st.begin(e)
		}
	}
	return nil
}

func (st *strand) begin(e *entry) *entry {
	e.status = entryRunning
	e.leaveFlow()
	e.lane.running++
	return e
}
