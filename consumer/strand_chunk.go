package consumer

import (
	"sync/atomic"
	"time"
)

const (
	// maxChunk bounds how long a chunk keeps others of its strand waiting, and how often its locks are taken.
	maxChunk = 512
	// patience is after what time a chunk is looked at, and quick how many records it should have done by then not to
	// be cut short: 20 microseconds a record is where running side by side begins to pay for its bookkeeping.
	patience = time.Millisecond
	quick    = 50
	// calmCalls is how many calls in a row below quickCall end the spread.
	calmCalls = 256
	quickCall = 10 * time.Microsecond
)

// chunk is a run of consecutive records of a batch. Its worker claims them one by one, so that what is not claimed can
// be taken back at any time.
type chunk struct {
	lane    *lane
	batch   *batch
	from    int // what is before is settled
	to      int
	cursor  atomic.Int64
	running *entry // the record that was under way when the rest was taken back
	began   time.Time
	watch   *time.Timer
	ticks   atomic.Int64 // of the watch
	seen    int64        // the cursor when it was last looked at
}

// mayChunk reports whether nothing of the strand needs its key looked after.
func (st *strand) mayChunk() bool {
	if st.p.flows != nil || st.running > 0 || (st.spread && st.p.cfg.Ordering != ByPartition) || len(st.keys) > 0 {
		return false
	}
	if st.holding != nil && !st.holding.order.idle() {
		return false
	}
	for _, l := range st.lanes {
		if l.tier == 0 && l.ready.len() > 0 {
			return false
		}
	}
	return true
}

// takeChunk hands out the next records of the source lane, up to one whose key is closed.
func (st *strand) takeChunk() *chunk {
	for _, l := range st.lanes {
		if l.tier != 0 || l.draining || l.closed {
			continue
		}
		b := l.fresh()
		if b == nil || !l.roomInMap(l.running+2) { // what it settles is one run, beside one record that stays
			continue
		}
		if st.closed(b, b.taken) {
			return nil
		}
		to := b.taken + 1
		for to < min(b.taken+maxChunk, len(b.records)) && (b.state[to] == recordOpen || b.records[to].Attrs.IsControl()) && !st.closed(b, to) {
			to++ // up to one that an operator has skipped
		}
		c := &chunk{lane: l, batch: b, from: b.taken, to: to, began: time.Now()}
		c.cursor.Store(int64(c.from))
		b.taken = c.to
		st.chunk = c
		b.walks++
		l.running++
		c.seen = int64(c.from)
		c.watch = time.AfterFunc(patience, func() { st.look(c) })
		return c
	}
	return nil
}

// look cuts a chunk short whose records take long, so that they run side by side, where they may, and lets others run beside the last one
// of a chunk that was cut before. What is done by then is settled: what is under way may take as long as a call may. Where records run one after the other it
// looks again and again for that.
func (st *strand) look(c *chunk) {
	if c.ticks.Load() != noMoreTicks {
		c.ticks.Add(1)
	}
	st.mu.Lock()
	at, from := c.cursor.Load(), c.from
	cut := false
	switch slow := at-c.seen < quick; {
	case st.chunk != c: // it was cut already: what it was at may take long all the same
		if cut = c.running != nil && c.running.status == entryRunning && st.p.cfg.Ordering != ByPartition; cut {
			st.spread, st.calm = true, 0
		}
	case !slow:
		c.seen = at
		c.watch.Reset(patience)
	case st.p.cfg.Ordering == ByPartition:
		c.seen = at
		c.ticks.Store(noMoreTicks)
		st.passed(c, int(at)-1)
		c.watch.Reset(commitPause)
	default:
		cut = true
		st.spread, st.calm = true, 0
		st.cut(c)
	}
	settled := c.from > from
	st.mu.Unlock()
	if cut {
		st.wake()
	}
	if settled {
		st.p.relieve(c.lane)
	}
}

// passed settles what the worker of a chunk is through with, up to an index. The strand's lock is held.
func (st *strand) passed(c *chunk, to int) {
	if to > c.from && !c.lane.closed {
		c.lane.settleRange(c.batch, c.from, to)
		c.from = to
	}
}

// cut takes back the records of a chunk that its worker has not claimed. The one it may be at holds its key from now on.
func (st *strand) cut(c *chunk) {
	claimed := int(c.cursor.Swap(int64(c.to)))
	if claimed >= c.to {
		if claimed > c.to {
			return // its worker is through
		}
		claimed = c.to
	}
	c.batch.taken = claimed
	c.to = claimed
	st.chunk = nil
	if claimed == c.from || c.batch.state[claimed-1] != recordOpen {
		return // nothing was begun, or it was a control record or one that has failed: that has its entry
	}
	st.passed(c, claimed-1)
	e := st.entryOf(c.lane, c.batch, claimed-1)
	e.status = entryRunning
	c.running = e
	if e.keyed {
		st.hold(e)
	}
}

// failedInChunk makes an entry of a chunk's record that failed. It holds its key until its fate is decided: were the chunk cut
// meanwhile, another worker could start the next one of the key.
func (st *strand) failedInChunk(c *chunk, i int) *entry {
	st.mu.Lock()
	defer st.mu.Unlock()
	if e := c.running; e != nil && e.index == i {
		c.running = nil
		return e
	}
	e := st.entryOf(c.lane, c.batch, i)
	e.status = entryRunning
	if e.keyed {
		st.hold(e)
	}
	return e
}

// endChunk settles what a chunk's worker went through, up to stopped.
func (st *strand) endChunk(c *chunk, stopped int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	l := c.lane
	c.watch.Stop()
	if st.chunk == c {
		st.chunk = nil
		c.batch.taken = stopped
	}
	c.batch.walks--
	st.passed(c, stopped)
	if b := c.batch; !l.closed && b.open > 0 && b.open <= b.thinAt { // what was settled while it was walked through
		l.released(0, l.window.thin(b))
	}
	if e := c.running; e != nil && e.status == entryRunning {
		switch {
		case e.index < stopped:
			st.settle(e)
		case l.draining: // it was claimed, but not begun: in no line any more, as drain leaves it
			e.status = entryHeld
			st.free(e)
		default:
			e.status = entryReady
			l.ready.pushFront(e)
		}
	}
	st.left(l)
}
