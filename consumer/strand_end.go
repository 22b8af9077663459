package consumer

import (
	"time"
)

// succeeded settles an entry whose call succeeded.
func (st *strand) succeeded(e *entry, took time.Duration) {
	st.mu.Lock()
	st.settle(e)
	st.calmed(took)
	st.left(e.lane)
	st.mu.Unlock()
}

// ended says that an entry's call is over; what becomes of the record was decided before.
func (st *strand) ended(e *entry, took time.Duration) {
	st.mu.Lock()
	st.calmed(took)
	st.left(e.lane)
	st.mu.Unlock()
}

// left says that a worker has left a lane of the strand.
func (st *strand) left(l *lane) {
	l.running--
	st.running--
	l.signalQuiet()
}

// settle ends an entry for good: its record is done, routed or dropped.
func (st *strand) settle(e *entry) {
	e.status = entrySettled
	e.leaveFlow()
	e.lane.settle(e.batch, e.index)
	if e.deferred {
		st.undefer(e)
	}
	if e.buried > 0 {
		st.unbury(e)
	}
	st.free(e)
}

// place says where an entry is put back, and what becomes of its key.
type place struct {
	put    func(*readyLine, *entry)
	key    func(*strand, *entry)
	yields bool
}

var (
	// first is before anything else of its lane. It keeps its key.
	first = place{put: (*readyLine).pushFront, key: (*strand).claim}
	// again is the end of the line. It keeps its key: nothing of its key overtakes it.
	again = place{put: (*readyLine).push, key: (*strand).claim}
	// yield is the end of the line, and others of its key go first, unless keys are held.
	yield = place{put: (*readyLine).push, key: (*strand).free, yields: true}
)

// back puts an entry back that is to be called again. It returns false when its lane is draining and the entry has to be
// moved out, and then counts it as routing.
func (st *strand) back(e *entry, at place) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	e.status = entryReady
	if e.lane.draining {
		if !e.lane.closed && e.unsaved(time.Now()) {
			st.depart(e)
			return false
		}
		st.free(e)
		return true
	}
	if at.yields && st.holds(e) {
		at = again
	}
	at.key(st, e)
	at.put(&e.lane.ready, e)
	return true
}

// drop settles an entry whose call decided that no copy of it is needed.
func (st *strand) drop(e *entry) {
	st.mu.Lock()
	st.settle(e)
	st.mu.Unlock()
}

// leave keeps an entry unsettled that nothing more is done with, until an operator skips it. Its key goes on, unless keys are
// held: then what comes later of it waits, as it does behind a retry. It returns false when the lane is closed.
func (st *strand) leave(e *entry) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	e.status = entryHeld
	e.leaveFlow()
	if st.holds(e) && !e.lane.closed {
		st.putOff(e, inLane)
	}
	st.free(e)
	return !e.lane.closed
}

// claim makes an entry that has run the holder of its key, if it is not already.
func (st *strand) claim(e *entry) {
	if !e.keyed || e.owns {
		return
	}
	if _, busy := st.keys[e.keyHash]; !busy {
		st.hold(e)
	}
}

// waitHere puts an entry into its lane's due order, with its key or without. It returns false when the lane is draining,
// and then counts the entry as routing: it has to be moved out.
func (st *strand) waitHere(e *entry, due time.Time, keepKey bool) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	e.due, e.putOff, e.hopDue = due, true, time.Time{}
	if e.lane.draining {
		st.depart(e)
		return false
	}
	if keepKey {
		st.claim(e)
	} else {
		st.free(e)
	}
	e.lane.waiting.add(e)
	st.arm(due, time.Now())
	return true
}

// stay lets an entry that was about to hop wait for its due time where it is. It returns false when the lane is draining.
func (st *strand) stay(e *entry, now time.Time) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if e.lane.draining {
		return false
	}
	e.hopDue = time.Time{}
	e.lane.routing--
	e.lane.waiting.add(e)
	st.arm(e.due, now)
	return true
}

// watch spreads a strand whose entry takes long, so that others run beside it.
func (st *strand) watch(e *entry) *time.Timer {
	st.mu.Lock()
	spread := st.spread || st.batching != nil
	st.mu.Unlock()
	if spread || st.p.cfg.Ordering == ByPartition {
		return nil
	}
	return time.AfterFunc(patience, func() {
		st.mu.Lock()
		st.spread, st.calm = true, 0
		st.mu.Unlock()
		st.wake()
	})
}

// calmed counts quick calls while the strand is spread and ends the spread after enough of them, unless another call is
// under way: one that takes long would hold up everything again.
func (st *strand) calmed(took time.Duration) {
	if !st.spread {
		return
	}
	if took > quickCall {
		st.calm = 0
		return
	}
	if st.calm++; st.calm >= calmCalls && st.running == 1 {
		st.spread, st.calm = false, 0
	}
}
