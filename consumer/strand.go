package consumer

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// A strand is a source partition and its retry topics' partitions of the same number: everything that may touch one of
// its keys, in one place. The balancer gives all of it to one member.
//
// While handler calls are quick, a strand hands out chunks of consecutive records that one worker runs through; nothing
// else of the strand runs beside a chunk, so that order needs no bookkeeping. When calls turn out slow the chunk is
// cut short and the strand spreads: records become entries that run side by side, each holding its key.
type strand struct {
	p         *Pipeline
	source    string
	partition int32
	handler   Handler
	batching  *batchHandler // the handler, when it takes batches

	mu       sync.Mutex
	lanes    []*lane
	turns    int               // where the next look at them begins
	shuffled []*lane           // what lanesOf has returned last
	running  int               // workers at work on it
	turn     kind              // whose turn it is while one thing runs at a time
	turnLeft int               // how much of the turn is left
	chunk    *chunk            // the chunk under way
	keys     map[uint64]*entry // who holds a key; the last of the line is keys[h]'s chain
	tails    map[uint64]*entry // the last in line behind a key
	spread   bool
	calm     int       // quick calls in a row while spread
	holding  *heldKeys // nil: a key goes on while a record of it is retried

	timer   *time.Timer
	timerAt time.Time
}

var keySeed = maphash.MakeSeed()

// chunk is a run of consecutive records of a batch. Its worker claims them one by one, so that what is not claimed can
// be taken back at any time.
type chunk struct {
	lane    *lane
	batch   *batch
	from    int
	to      int
	cursor  atomic.Int64
	running *entry // the record that was under way when the rest was taken back
	began   time.Time
	watch   *time.Timer
	ticks   atomic.Int64 // of the watch
	seen    int64        // the cursor when it was last looked at
	failed  int          // one after the last record that failed: it has its entry, and its fate is decided elsewhere
}

// unit is what a worker is given to do: a chunk, one entry, or the entries of a batch call.
type unit struct {
	chunk   *chunk
	end     int // of the chunk, as it was handed out
	entry   *entry
	entries []*entry
	permit  callPermit
}

func (u *unit) empty() bool { return u.chunk == nil && u.entry == nil && u.entries == nil }

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

func newStrand(p *Pipeline, source string, partition int32) *strand {
	st := &strand{p: p, source: source, partition: partition, keys: make(map[uint64]*entry), tails: make(map[uint64]*entry)}
	st.handler = p.handlerFor(source)
	st.batching, _ = st.handler.(*batchHandler)
	if p.cfg.HoldKey {
		st.holding = newHeldKeys()
	}
	return st
}

// wake offers what may start now to the slots, and sees to what has come due. It takes the strand's lock.
func (st *strand) wake() {
	want := st.tend()
	if !st.p.gate.free() {
		st.p.offerProbe()
		return
	}
	for k := range want {
		if want[k] {
			st.p.slots.want(st, kind(k))
		}
	}
}

// tend sees to what has come due, and says which kinds of work could start now.
func (st *strand) tend() (want [kinds]bool) {
	st.mu.Lock()
	hops := st.ripen(time.Now())
	want = st.startable()
	st.mu.Unlock()
	for _, e := range hops {
		st.p.hop(e)
	}
	return want
}

// ripen moves entries that have come due to their lane's ready line and returns those that their tier lets go to the
// next one. While the pipeline is held, time stands still for what waits.
func (st *strand) ripen(now time.Time) (hops []*entry) {
	if st.p.gate.frozen() {
		return nil
	}
	var next time.Time
	for _, l := range st.lanes {
		if l.draining || l.closed {
			continue
		}
		for len(l.waiting) > 0 {
			e := l.waiting[0]
			if at := e.wakeAt(); at.After(now) {
				if next.IsZero() || at.Before(next) {
					next = at
				}
				break
			}
			l.waiting.remove(e)
			if now.Before(e.due) {
				e.status = entryRouting
				l.routing++
				hops = append(hops, e)
				continue
			}
			e.status = entryReady
			l.ready.push(e)
		}
		if b := st.batching; b != nil && b.size.Wait > 0 {
			if f := l.fresh(); f != nil {
				if at := f.arrived.Add(b.size.Wait); at.After(now) && (next.IsZero() || at.Before(next)) {
					next = at
				}
			}
		}
	}
	st.arm(next, now)
	return hops
}

// arm sets the strand's timer to wake it at the time, if it is not set to an earlier one.
func (st *strand) arm(at, now time.Time) {
	if at.IsZero() {
		return
	}
	if !st.timerAt.IsZero() && st.timerAt.After(now) && !at.Before(st.timerAt) {
		return
	}
	st.timerAt = at
	if st.timer == nil {
		st.timer = time.AfterFunc(at.Sub(now), st.ring)
		return
	}
	st.timer.Reset(at.Sub(now))
}

// ring is the timer's call. The timer goes by another clock than due times do: when that was set back meanwhile, it has
// to be set again.
func (st *strand) ring() {
	st.mu.Lock()
	st.timerAt = time.Time{}
	st.mu.Unlock()
	st.wake()
}

// rest stops the timer of a strand that has no lanes any more.
func (st *strand) rest() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.timer != nil {
		st.timer.Stop()
	}
}

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

// idle reports whether what runs leaves room for something beside it, and it is known which keys are held.
func (st *strand) idle() bool {
	return st.chunk == nil && (st.running == 0 || st.sideBySide()) && (st.holding == nil || st.holding.open)
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

// mayRunReady reports whether a ready entry may be started.
func (l *lane) mayRunReady() bool {
	return l.ready.len() > 0 && l.mayBegin(l.ready.items[l.ready.head].record.Offset)
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
	return st.spread
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
	case st.batching != nil:
		u.entries = st.takeBatch(k, probe)
		st.turnLeft -= len(u.entries)
	case !probe && k == fresh && st.mayChunk():
		if u.chunk = st.takeChunk(); u.chunk != nil {
			u.end = u.chunk.to
			st.turnLeft -= turnLength
		}
	}
	if u.empty() && st.batching == nil {
		u.entry = st.takeEntry(k, probe)
		st.turnLeft--
	}
	if !u.empty() {
		st.running += max(len(u.entries), 1) // each record of a batch leaves by itself
	}
	// Also when there was nothing: what was looked at may stand behind its key now, and leave the turn to the others.
	want := st.startable()
	return u, want[fresh] || want[retry]
}

// mayChunk reports whether nothing of the strand needs its key looked after.
func (st *strand) mayChunk() bool {
	if st.running > 0 || (st.spread && st.p.cfg.Ordering != ByPartition) || len(st.keys) > 0 {
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

// takeChunk hands out the next records of the source lane.
func (st *strand) takeChunk() *chunk {
	for _, l := range st.lanes {
		if l.tier != 0 || l.draining || l.closed {
			continue
		}
		b := l.fresh()
		if b == nil || !l.roomInMap(l.running+2) { // what it settles is one run, beside one record that stays
			continue
		}
		to := b.taken + 1
		for to < min(b.taken+maxChunk, len(b.records)) && (b.state[to] == recordOpen || b.records[to].Attrs.IsControl()) {
			to++ // up to one that an operator has skipped
		}
		c := &chunk{lane: l, batch: b, from: b.taken, to: to, began: time.Now()}
		c.cursor.Store(int64(c.from))
		b.taken = c.to
		st.chunk = c
		b.chunks++
		l.running++
		c.seen = int64(c.from)
		c.watch = time.AfterFunc(patience, func() { st.look(c) })
		return c
	}
	return nil
}

// look cuts a chunk short whose records take long, so that they run side by side, where they may.
func (st *strand) look(c *chunk) {
	c.ticks.Add(1)
	st.mu.Lock()
	at := c.cursor.Load()
	cut := false
	switch slow := at-c.seen < quick; {
	case st.chunk != c:
	case !slow:
		c.seen = at
		c.watch.Reset(patience)
	case st.p.cfg.Ordering == ByPartition:
		c.ticks.Store(noMoreTicks)
	default:
		cut = true
		st.spread, st.calm = true, 0
		st.cut(c)
	}
	st.mu.Unlock()
	if cut {
		st.wake()
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
	if claimed == c.from || claimed == c.failed {
		return
	}
	e := st.entryOf(c.lane, c.batch, claimed-1)
	e.status = entryRunning
	c.running = e
	if e.keyed {
		st.hold(e)
	}
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
	if st.holding != nil && !st.inTurn(e) {
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

// free gives an entry's key to the next in line that may still be started.
func (st *strand) free(e *entry) {
	if !e.owns {
		return
	}
	e.owns = false
	next := e.behind
	e.behind = nil
	for next != nil && (next.status != entryBehind || next.lane.draining) {
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

// takeEntry hands out the next entry of the kind whose key is free. A probe takes a record that was not tried yet first,
// so that one that fails whatever the dependency's state does not become the eternal probe.
func (st *strand) takeEntry(k kind, probe bool) *entry {
	for _, l := range st.lanesOf(k, probe) {
		if probe {
			st.probing(l)
		}
		if probe && st.freshFirst(l) {
			if e := st.nextFresh(l); e != nil {
				return e
			}
		}
		for l.mayRunReady() {
			e := l.ready.pop()
			if e.status == entrySettled {
				continue
			}
			if st.mayRun(e) {
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

// untried is how many records that have not failed yet a lane keeps at hand for probes.
const untried = 8

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
		if st.mayRun(e) {
			return st.begin(e)
		}
	}
	return nil
}

func (st *strand) begin(e *entry) *entry {
	e.status = entryRunning
	e.lane.running++
	return e
}

// takeBatch hands out the records of one batch call: of one lane, no record whose key another entry holds.
func (st *strand) takeBatch(k kind, probe bool) []*entry {
	size := st.batching.size.Records
	if probe {
		size = 1
	}
	now := time.Now()
	for _, l := range st.lanesOf(k, probe) {
		if !st.batchReady(l, size, now) {
			continue
		}
		if probe {
			st.probing(l)
			if st.freshFirst(l) {
				if e := st.nextFresh(l); e != nil { // one that was not tried yet, as takeEntry does
					return []*entry{e}
				}
			}
		}
		var batch []*entry
		take := func(e *entry) {
			holder := st.keys[e.keyHash]
			if st.holding == nil && e.keyed && holder != nil && !e.owns && holder.behind == nil && sameBatch(batch, holder) {
				batch = append(batch, st.begin(e)) // in offset order within one call
				return
			}
			if st.mayRun(e) {
				batch = append(batch, st.begin(e))
			}
		}
		for len(batch) < size && l.mayRunReady() {
			if e := l.ready.pop(); e.status != entrySettled {
				take(e)
			}
		}
		for len(batch) < size && l.tier == 0 && !l.draining {
			b := l.fresh()
			if b == nil || !l.mayBegin(b.records[b.taken].Offset) {
				break
			}
			e := st.entryOf(l, b, b.taken)
			b.taken++
			take(e)
		}
		if len(batch) > 0 {
			return batch
		}
	}
	return nil
}

func sameBatch(batch []*entry, holder *entry) bool {
	for _, e := range batch {
		if e == holder {
			return true
		}
	}
	return false
}

// batchReady reports whether a lane has a full batch or its first record has waited long enough.
func (st *strand) batchReady(l *lane, size int, now time.Time) bool {
	have := l.ready.len()
	if have > 0 || st.batching.size.Wait <= 0 || size == 1 || l.draining {
		return true
	}
	for _, b := range l.batches {
		have += len(b.records) - max(b.taken, b.low)
	}
	if have >= size {
		return true
	}
	f := l.fresh()
	if f == nil {
		return false
	}
	at := f.arrived.Add(st.batching.size.Wait)
	if at.After(now) {
		st.arm(at, now)
		return false
	}
	return true
}

// failedInChunk makes an entry of a chunk's record that failed.
func (st *strand) failedInChunk(c *chunk, i int) *entry {
	st.mu.Lock()
	defer st.mu.Unlock()
	c.failed = i + 1
	if e := c.running; e != nil && e.index == i {
		c.running = nil
		return e
	}
	e := st.entryOf(c.lane, c.batch, i)
	e.status = entryRunning
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
	c.batch.chunks--
	if !l.closed {
		l.settleRange(c.batch, c.from, stopped)
	}
	if e := c.running; e != nil && e.status == entryRunning {
		if e.index >= stopped { // it was claimed, but not begun
			e.status = entryReady
			l.ready.pushFront(e)
		} else {
			st.settle(e)
		}
	}
	st.left(l)
}

// succeeded settles an entry whose call succeeded.
func (st *strand) succeeded(e *entry, took time.Duration) {
	st.mu.Lock()
	st.settle(e)
	st.calmed(took)
	st.left(e.lane)
	st.mu.Unlock()
}

// ended says that an entry's call is over; what becomes of the record was decided before.
func (st *strand) ended(e *entry) {
	st.mu.Lock()
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
	e.lane.settle(e.batch, e.index)
	if e.deferred {
		st.undefer(e)
	}
	st.free(e)
}

// place says where an entry is put back, and what becomes of its key.
type place struct {
	put    func(*queue, *entry)
	key    func(*strand, *entry)
	yields bool
}

var (
	// first is before anything else of its lane. It keeps its key.
	first = place{put: (*queue).pushFront, key: (*strand).claim}
	// again is the end of the line. It keeps its key: nothing of its key overtakes it.
	again = place{put: (*queue).push, key: (*strand).claim}
	// yield is the end of the line, and others of its key go first, unless keys are held.
	yield = place{put: (*queue).push, key: (*strand).free, yields: true}
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

// leave keeps an entry unsettled that nothing more is done with, until an operator skips it. Its key goes on. It returns
// false when the lane is closed.
func (st *strand) leave(e *entry) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	e.status = entryHeld
	if e.deferred {
		st.undefer(e)
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
