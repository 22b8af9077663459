package consumer

import (
	"slices"
	"time"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// With [HoldOnDeadLetter] a key is closed while a dead letter of it is neither replayed nor discarded: its later records, fresh,
// retried or parked, follow it into the dead letters, untried and in the order of their origin. What is dead is known from the
// topics (see deadWatch), and from then on from what this member writes and what others mark.
//
// An entry counts as dead from when its letter is on its way, before anybody else can see it: so its mark never comes first. One that
// has died of its own failure counts as put off as well, until its letter is written, and is followed then: whoever has the partition next does not
// know of a letter that was not, and calls its record again.

// bury counts an entry among the dead letters of its key.
func (st *strand) bury(e *entry) {
	e.buried = time.Now().UnixMilli()
	st.holding.dead.limit = st.p.heldLimit()
	st.holding.dead.put(e.keyHash, onItsWayOf(e))
}

// onItsWayOf is the dead letter that an entry is about to be. Of one that has not failed a mark says when its letter was written, perhaps by the brokers' clock, or
// what its own clock said a minute before: what was marked before it does not hold for it, and what is marked when it is written does.
func onItsWayOf(e *entry) deadLetter {
	d := deadLetter{origin: e.origin(), died: e.buried, failed: e.buried - clocksDiffer.Milliseconds(), at: -1, comes: true, deadName: nameOf(e.state)}
	if !e.state.FirstFailed.IsZero() {
		d.failed = e.state.FirstFailed.UnixMilli()
	}
	return d
}

// unbury says that an entry is settled and will be no dead letter.
func (st *strand) unbury(e *entry) {
	e.buried = 0
	if e.lane.closed { // whoever has the partition next sees to it
		return
	}
	st.holding.dead.spare(nameOf(e.state))
	st.callUp(e.keyHash)
}

// follows reports whether an entry has to follow a dead letter of its key.
func (st *strand) follows(e *entry) bool {
	return st.holding.dead != nil && st.holding.dead.closes(e.keyHash, e.origin())
}

// closed reports whether a record of the source has to follow a dead letter of its key.
func (st *strand) closed(b *batch, i int) bool {
	if st.holding == nil || st.holding.dead == nil || st.holding.dead.idle() {
		return false
	}
	r := b.records[i]
	return r.Key != nil && st.holding.dead.closes(keyHash(r.Key), r.Offset)
}

// follow sends an entry behind a dead letter of its key, untried and with what it carries, and lets those that waited for it follow too. It is
// called under the lock, so that those of a key go in their order.
func (st *strand) follow(e *entry) {
	p := st.p
	e.status = entryRouting
	e.lane.routing++
	p.ensureState(e)
	p.countHeld(e, time.Now())
	e.state.Reason = retrytopics.ReasonBehind
	st.bury(e)
	if e.deferred {
		st.undefer(e)
	}
	p.produce(newRoute(e, Dead, p.letter(e)))
}

// replayed says that a copy was read of what had been a dead letter: it waits like any that is retried, whether or not the mark
// is known yet. Where it was replayed with another key, or without one, its old key does not wait for it.
func (st *strand) replayed(e *entry) {
	h := st.holding
	if h == nil || h.dead == nil || e.state.Replays == 0 {
		return
	}
	died := before(e.state)
	if h.dead.putBack(e.state, e.record.Timestamp) {
		st.handPlace(e.keyHash, died)
	}
	at, awaited := h.coming[died]
	delete(h.coming, died)
	if awaited && (!e.keyed || e.keyHash != at.key) {
		h.order.remove(at.key, at.origin)
		st.callUp(at.key)
	}
}

// handPlace says that the place in the order of an entry whose letter was replayed is that of the replay's copy from now on. The letter is written,
// though its member may not have heard of that.
func (st *strand) handPlace(key uint64, died deadName) {
	if e := st.keys[key]; e != nil && e.buried > 0 && nameOf(e.state) == died {
		e.deferred = false
	}
}

// before is the dead letter that a replayed record was.
func before(s *retrytopics.State) deadName {
	died := s.Prior()
	return nameOf(&died)
}

// dealtWith takes note of a mark. The copy of an entry that was replayed to a topic of the strand is on its way there, where
// it was not read yet: later records of the key wait for it. It reports whether something may start now.
func (st *strand) dealtWith(m dlq.Marked) (changed bool) {
	if !m.Done() {
		return false
	}
	var keys []uint64
	st.holding.dead.dealt++
	for _, died := range st.holding.dead.marked(m) {
		later := st.holding.dead.letter(died).cameAfter(m)
		at, _ := st.holding.dead.remove(died)
		if m.Status == dlq.StatusReplayed && st.readsFrom(m.To) && !later {
			st.handPlace(at.key, died)
			st.holding.order.put(at.key, at.origin, inTier)
			st.holding.coming[died] = at
		}
		keys = append(keys, at.key)
	}
	if st.holding.dead.outdated() { // nothing may follow what was not known, and was dealt with: the topics are read first
		st.holding.open = false
	}
	for _, key := range keys {
		st.callUp(key)
	}
	return len(keys) > 0
}

// readsFrom reports whether a topic is a retry topic of the strand.
func (st *strand) readsFrom(topic string) bool {
	return slices.ContainsFunc(st.lanes, func(l *lane) bool { return l.tier != 0 && l.topic == topic })
}

// forgetDead forgets which dead letters there are, but for those on their way there, until the topics were read. Tiers have to be
// read after that, for the copies of what is found to be replayed.
func (st *strand) forgetDead() {
	h := st.holding
	if h.dead == nil {
		return
	}
	h.dead, h.deadKnown = newDeadOrder(st.p.heldLimit()), false
	h.round++
	for _, l := range st.lanes {
		l.scanned = l.scanned && l.tier == 0
		for _, b := range l.batches {
			for _, e := range b.entries {
				if e != nil && e.buried > 0 {
					h.dead.put(e.keyHash, onItsWayOf(e))
				}
			}
		}
	}
}

// found takes up the dead letters that were read from the topics, with those on their way there. It reports false when they had to be
// read anew meanwhile.
func (st *strand) found(read *deadOrder, round int) bool {
	h := st.holding
	if h.round != round || h.deadKnown {
		return false
	}
	for _, l := range st.lanes {
		for _, b := range l.batches {
			for _, e := range b.entries {
				if l.tier != 0 && e != nil && e.state != nil && e.state.Replays > 0 {
					read.putBack(e.state, e.record.Timestamp) // this member has read the copy: it may have been replayed since
				}
			}
		}
	}
	for key, line := range h.dead.lines {
		for _, d := range line {
			read.put(key, d)
		}
	}
	h.dead, h.deadKnown = read, true
	return true
}
