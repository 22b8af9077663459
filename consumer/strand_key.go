package consumer

import (
	"hash/maphash"
)

var keySeed = maphash.MakeSeed()

// key says which key an entry is ordered by: its own, or one for all where a partition is handled one by one.
func (st *strand) key(e *entry) {
	switch {
	case st.p.cfg.Ordering == ByPartition:
		e.keyed = true
	case st.p.cfg.Ordering == ByKey && e.record.Key != nil:
		e.keyed, e.keyHash = true, keyHash(e.record.Key)
	}
}

func keyHash(key []byte) uint64 { return maphash.Bytes(keySeed, key) }

// hold makes an entry the holder of its key.
func (st *strand) hold(e *entry) {
	e.owns = true
	st.keys[e.keyHash] = e
}

// mayRun reports whether an entry's key is free or its own; otherwise the entry stands in line behind the holder.
func (st *strand) mayRun(e *entry) bool {
	if st.holding != nil && !st.queues(e) && !st.inTurn(e) {
		return false
	}
	if !e.keyed || e.owns {
		return true
	}
	holder, busy := st.keys[e.keyHash]
	if !busy {
		st.hold(e)
		return true
	}
	last := st.tails[e.keyHash]
	if last == nil {
		last = holder
	}
	last.behind = e
	st.tails[e.keyHash] = e
	e.status = entryBehind
	return false
}

// free gives an entry's key to the next in line that may still be started. Where keys are held, what has to wait for an entry that was put off
// leaves the line at once: it would keep the key from others until it has a slot, only to be parked then.
func (st *strand) free(e *entry) {
	if !e.owns {
		return
	}
	e.owns = false
	next := e.behind
	e.behind = nil
	for next != nil && (next.status != entryBehind || next.lane.draining || st.holding != nil && st.holding.open && st.heldUp(next)) {
		next, next.behind = next.behind, nil
	}
	if next == nil {
		delete(st.keys, e.keyHash)
		delete(st.tails, e.keyHash)
		return
	}
	if st.tails[e.keyHash] == next {
		delete(st.tails, e.keyHash)
	}
	st.hold(next)
	next.status = entryReady
	next.lane.ready.pushFront(next)
}

// thinLine asks each of those in line behind the holder of a key whether it leaves.
func (st *strand) thinLine(holder *entry, leaves func(*entry) bool) {
	last, next := holder, holder.behind
	for next != nil {
		e := next
		next, e.behind = e.behind, nil
		if !leaves(e) {
			last.behind, last = e, e
		}
	}
	if last != holder {
		st.tails[holder.keyHash] = last
		return
	}
	holder.behind = nil
	delete(st.tails, holder.keyHash)
}
