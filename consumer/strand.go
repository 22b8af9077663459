package consumer

import (
	"sync"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
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

	spreadTurn int // of a slow start, see spreadsNow

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
	calm     int        // quick calls in a row while spread
	holding  *heldKeys  // nil: a key goes on while a record of it is retried
	leaving  []deferral // entries that are to be sent to the tiers

	timer   *time.Timer
	timerAt time.Time
}

func newStrand(p *Pipeline, source string, partition int32) *strand {
	st := &strand{p: p, source: source, partition: partition, keys: make(map[uint64]*entry), tails: make(map[uint64]*entry)}
	st.handler = p.handlerFor(source)
	st.batching, _ = st.handler.(*batchHandler)
	if p.cfg.HoldKey {
		st.holding = newHeldKeys(p.cfg.OnDeadLetter, p.heldLimit())
	}
	return st
}

// add takes a lane in. What its records hold is not known yet.
func (st *strand) add(l *lane) {
	st.lanes = append(st.lanes, l)
	if st.holding != nil {
		l.park = l.tier == retrytopics.Park
		st.holding.open = false
		st.forgetDead()
	}
}

// wake offers what may start now to the slots, and sees to what has come due. It takes the strand's lock.
func (st *strand) wake() {
	want, offers := st.tend()
	if !st.p.gate.free() {
		st.p.offerProbe()
		return
	}
	for k := range want {
		if want[k] {
			st.p.slots.wantFor(st, kind(k), offers[k])
		}
	}
}

// tend sees to what has come due, and says which kinds of work could start now.
func (st *strand) tend() (want [kinds]bool, offers [kinds][]offer) {
	st.mu.Lock()
	hops := st.ripen(time.Now())
	want = st.startable()
	for k := range want {
		if want[k] {
			offers[k] = st.offered(kind(k))
		}
	}
	leaving := st.takeLeaving()
	st.mu.Unlock()
	st.p.sendDeferred(leaving)
	for _, e := range hops {
		st.p.hop(e)
	}
	return want, offers
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
			st.makeReady(e, now)
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
