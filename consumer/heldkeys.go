package consumer

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// heldKeys is what a strand does where later records of a key wait behind one that is retried, see [Config.HoldKey].
//
// A record of a key runs when none with a lower offset of origin was put off. One of the source or of a tier whose turn it is
// not goes to the park topic, untried; one that came from there waits in its lane. What was put off is known from the topics:
// the strand stays closed until they were read.
//
// The strand's mutex guards it.
type heldKeys struct {
	order     *keyOrder
	open      bool                // it is known what was put off
	round     int                 // so often it was forgotten what had been read
	sourceEnd int64               // of the source partition when that was read
	reach     int64               // it is fetched up to here, full or not: what was found waits for it to be taken up
	behind    map[uint64][]*entry // of the park lane, not their turn; of each key, by offset of origin
	early     []*entry            // of copies, those whose source partition was not taken up as far as their origin

	dead      *deadOrder // nil: a key goes on when a record of it is dead
	deadKnown bool       // the topics were read for it
	// coming is where those stand in the order that were replayed, and whose copies were not read yet: they may come with
	// another key.
	coming map[deadName]deadAddress
}

func newHeldKeys(p DeadLetterPolicy, limit int) *heldKeys {
	h := &heldKeys{order: newKeyOrder(), behind: make(map[uint64][]*entry)}
	if p == HoldOnDeadLetter {
		h.dead, h.coming = newDeadOrder(limit), make(map[deadName]deadAddress)
	}
	return h
}

// size is how many records are remembered.
func (h *heldKeys) size() int {
	if h.dead == nil {
		return h.order.size
	}
	return h.order.size + h.dead.size()
}

// overrun reports whether more keys are closed than can be known: nothing may be started before some are open.
func (h *heldKeys) overrun() bool { return h.dead != nil && h.dead.lost > 0 }

// holds reports whether others of the entry's key wait for it when it is put off.
func (st *strand) holds(e *entry) bool { return st.holding != nil && e.keyed }

// origin is the entry's offset in its source partition.
func (e *entry) origin() int64 {
	if e.lane.tier == 0 {
		return e.record.Offset
	}
	return e.state.Offset
}

// putOff counts an entry among those that its key waits for.
func (st *strand) putOff(e *entry, where whereabouts) {
	e.deferred, e.where = true, where
	st.holding.order.put(e.keyHash, e.origin(), where)
}

// undefer says that an entry is settled that its key waited for.
func (st *strand) undefer(e *entry) {
	e.deferred = false
	if e.lane.closed { // it is not: whoever has the partition next sees to it
		return
	}
	st.holding.order.remove(e.keyHash, e.origin())
	st.callUp(e.keyHash)
}

// arrived takes up a copy that was read. What a chunk has not begun may have to wait for it. It may be one that was replayed, of which nothing was
// known before, and waits for the source to be taken up.
func (st *strand) arrived(e *entry) {
	st.holding.reachTo(e.origin())
	if st.chunk != nil {
		st.cut(st.chunk)
	}
	st.putOff(e, inLane)
}

// queues reports whether an entry of the source stands in the line of its key, whoever else the key waits for: another one of the source is in it,
// which was before it. Were that one put off later, for its own sake or that of one in front of it, it would be parked behind this one.
func (st *strand) queues(e *entry) bool {
	if !e.keyed || e.owns || e.lane.tier != 0 {
		return false
	}
	for o := st.keys[e.keyHash]; o != nil; o = o.behind {
		if o.lane.tier == 0 && !o.lane.draining {
			return true
		}
	}
	return false
}

// heldUp reports whether an entry has to wait for one of its key that was put off, and sees to where.
func (st *strand) heldUp(e *entry) bool {
	if !st.holding.order.blocks(e.keyHash, e.origin()) {
		return false
	}
	if e.lane.park {
		st.standBehind(e)
	} else {
		st.park(e)
	}
	return true
}

// inTurn reports whether it is an entry's turn; otherwise it sees to where the entry waits for that. Then those behind it have their turns.
func (st *strand) inTurn(e *entry) bool {
	if !e.keyed {
		return true
	}
	switch {
	case st.heldUp(e):
		st.free(e)
		return false
	case e.lane.tier != 0 && !st.takenUp(e.origin()):
		e.status = entryBehind
		st.holding.early = append(st.holding.early, e)
		st.free(e)
		return false
	case st.follows(e):
		st.follow(e)
		st.free(e)
		return false
	}
	return true
}

// standBehind lets an entry of the park lane wait for its turn where it is.
func (st *strand) standBehind(e *entry) {
	e.status = entryBehind
	e.leaveFlow() // else what it waits for could be put off again and again, for the share that it holds
	line := st.holding.behind[e.keyHash]
	at, _ := slices.BinarySearchFunc(line, e.origin(), func(o *entry, origin int64) int {
		if o.origin() <= origin {
			return -1
		}
		return 1
	})
	st.holding.behind[e.keyHash] = slices.Insert(line, at, e)
}

// callUp makes those of a key ready whose turn it is.
func (st *strand) callUp(key uint64) {
	line := st.holding.behind[key]
	for len(line) > 0 {
		if e := line[0]; e.status == entryBehind && !e.lane.draining {
			if st.holding.order.blocks(key, e.origin()) {
				break
			}
			e.status = entryReady
			e.lane.ready.push(e)
		}
		line = line[1:]
	}
	if len(line) == 0 {
		delete(st.holding.behind, key)
		return
	}
	st.holding.behind[key] = line
}

// takenUp reports whether everything of the source partition before an offset was taken up, so that nothing of the
// record's key is left there that was before it: an earlier owner may have put a record off whose predecessor it was still
// working on. Offsets that the source had not reached are of a topic that is gone.
func (st *strand) takenUp(offset int64) bool {
	for _, l := range st.lanes {
		if l.tier != 0 || l.closed {
			continue
		}
		at := l.next
		if b := l.fresh(); b != nil {
			at = b.records[b.taken].Offset
		}
		return offset < at || offset >= st.holding.sourceEnd
	}
	return true
}

// catchUp makes copies ready that waited for the source partition to be taken up.
func (st *strand) catchUp() {
	h := st.holding
	if len(h.early) == 0 {
		return
	}
	h.early = slices.DeleteFunc(h.early, func(e *entry) bool {
		if e.status != entryBehind || e.lane.draining {
			return true
		}
		if !st.takenUp(e.origin()) {
			return false
		}
		e.status = entryReady
		e.lane.ready.push(e)
		return true
	})
}

// park sends an entry whose turn it is not to the park topic, untried and with what it carries. It is called under the
// lock, so that those of a key go in their order; in transactions, as they are here, nothing of it waits.
func (st *strand) park(e *entry) {
	p := st.p
	e.status = entryRouting
	e.lane.routing++
	e.leaveFlow()
	p.ensureState(e)
	now := time.Now()
	p.countHeld(e, now)
	e.state.HopDue = time.Time{}
	st.putOff(e, inPark)
	p.produce(newRoute(e, Hopped, p.copyTo(e, retrytopics.Park, now)))
}

// makeRoom moves what waits in a park lane to the end of the park topic, in order, where the lane stands still with it: one key must not stop the
// others.
func (st *strand) makeRoom() {
	h := st.holding
	if len(h.behind) == 0 {
		return
	}
	for _, l := range st.lanes {
		if !l.park || l.draining || l.closed || l.underway() > 0 || l.mayRunReady() || !st.standsStill(l) {
			continue
		}
		var moved []*entry
		for key, line := range h.behind {
			for _, e := range line {
				if e.lane == l && e.status == entryBehind {
					moved = append(moved, e)
				}
			}
			delete(h.behind, key)
		}
		slices.SortFunc(moved, func(a, b *entry) int { return int(a.record.Offset - b.record.Offset) })
		for _, e := range moved {
			st.park(e)
		}
	}
}

// standsStill reports whether a park lane, of which nothing is under way, stands still with what waits in it: there is no room in the map for what is ready, or in
// a commit for the map, or the lane is full and what stands behind it in the topic is the first of its key.
func (st *strand) standsStill(l *lane) bool {
	if l.ready.len() > 0 || l.stuck {
		return true
	}
	why := pauseSet(l.pauses.Load())
	return st.holding.order.stranded > 0 && (!st.p.intake.keepsReading(l, l.open) || why.has(PauseDue) || why.has(PauseWindow))
}

// giveWay has those of a record's key go to the end of the park topic that wait for the record, when there is no room in a commit for its copy: it may have
// some only when they are done. In a park lane they may stand before it, since a full lane made room, or the record was replayed, put off by a limit, or
// handled again, and parked behind them. What stands in line behind a dead letter takes room of the map, which may be all it lacks.
func (st *strand) giveWay(e *entry) {
	if !st.holds(e) || e.lane.draining || e.lane.closed {
		return
	}
	if e.lane.park {
		line := st.holding.behind[e.keyHash]
		delete(st.holding.behind, e.keyHash)
		for _, o := range line {
			if o.status == entryBehind && !o.lane.draining {
				st.park(o)
			}
		}
	}
	if e.owns {
		st.thinLine(e, func(o *entry) bool {
			leaves := o.status == entryBehind && !o.lane.draining && (!o.lane.park || e.lane.park)
			if leaves {
				st.park(o)
			}
			return leaves
		})
	}
}

// heldLimit is how many records of a strand may be put off before its source partition is not fetched any more: together
// the strands of a process remember so many windows of them.
func (p *Pipeline) heldLimit() int {
	return max(heldWindows*p.cfg.Window.Records/max(int(p.strands.count.Load()), 1), 1)
}

// heldWindows times 16 bytes a record, and some hundred a key, is what the order of keys takes for each record of the window;
// of a dead letter that is held behind it is 150 bytes.
const heldWindows = 16

// opened takes up that it is known what was put off. Copies, and dead letters that are replayed, wait until the source partition
// was taken up as far as their origins: were it paused before, for there are so many of them, neither could go on.
func (h *heldKeys) opened() {
	h.open, h.reach = true, 0
	for _, line := range h.order.lines {
		for _, d := range line {
			h.reachTo(d.offset)
		}
	}
	if h.dead != nil {
		h.reachTo(h.dead.furthest)
	}
}

// reachTo has the source partition fetched as far as an origin.
func (h *heldKeys) reachTo(origin int64) {
	if origin < h.sourceEnd {
		h.reach = max(h.reach, origin+1)
	}
}

// heldFull reports whether the lane is a source whose keys hold too many records, or any of a strand of which more keys are closed
// than can be known. The strand's lock is held.
func (l *lane) heldFull(before bool) bool {
	if l.strand.holding == nil {
		return false
	}
	if l.strand.holding.overrun() {
		return true
	}
	if l.tier != 0 {
		return false
	}
	if l.next < l.strand.holding.reach {
		return false
	}
	size, limit := l.strand.holding.size(), l.strand.p.heldLimit()
	return size >= limit || before && size > limit*3/4
}

// reset forgets what was put off, but for what this process has of it, and closes the strand until the topics were read
// again.
func (st *strand) reset() {
	h := st.holding
	waiting := h.early
	for _, line := range h.behind {
		waiting = append(waiting, line...)
	}
	h.open, h.order, h.early = false, newKeyOrder(), nil
	h.round++
	clear(h.behind)
	clear(h.coming)
	st.forgetDead()
	for _, e := range waiting {
		if e.status == entryBehind && !e.lane.draining {
			e.status = entryReady
			e.lane.ready.push(e)
		}
	}
	for _, l := range st.lanes {
		l.scanned = l.scanned && l.tier == 0 // where the source ends may not be known yet, see takenUp
		for _, b := range l.batches {
			for _, e := range b.entries {
				if e != nil && e.deferred {
					st.putOff(e, e.where) // a copy that is on its way to the park topic is still
				}
			}
		}
	}
}

// heldKey returns the hash of a copy's key and the offset of its origin; ok is false when it holds nobody up.
func (p *Pipeline) heldKey(r *kgo.Record) (key uint64, origin int64, ok bool) {
	if r.Key == nil || r.Attrs.IsControl() {
		return 0, 0, false
	}
	state, _ := retrytopics.Decode(r)
	return keyHash(r.Key), state.Offset, state.Group == "" || state.Group == p.cfg.Group
}
