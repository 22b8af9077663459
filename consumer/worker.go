package consumer

import (
	"slices"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// worker is what one slot's goroutine uses for its calls, again and again.
type worker struct {
	record Record
	ctx    *callContext
	of     *lane     // that ctx is of
	took   durations // of the calls of a chunk, to be counted at once
	calls  *callState
}

// work is the life of a slot: it does what its strand has to do, and hands the slot on when others stand in line.
func (p *Pipeline) work(st *strand, k kind) {
	w := p.workers.Get().(*worker)
	defer p.workers.Put(w)
	for {
		u, more := st.take(k)
		if more || !u.empty() && !p.gate.free() { // another worker may begin too, or the next probe
			st.wake()
		}
		if !u.empty() {
			worked := p.do(w, st, u)
			if u.flow != nil {
				p.slots.flowEnded(u.flow, true, worked)
			}
			if !p.gate.free() {
				p.offerProbe()
			}
			if !p.slots.ended(st, k, worked) {
				continue
			}
			st.wake()
		} else {
			p.slots.pacing.unused()
		}
		var ok bool
		if st, k, ok = p.slots.done(st, k); !ok {
			return
		}
	}
}

// do runs a unit to its end. It reports whether a call succeeded.
func (p *Pipeline) do(w *worker, st *strand, u unit) (worked bool) {
	u.permit.calls = w.calls
	w.calls.permit = u.permit
	switch {
	case u.chunk != nil:
		worked = p.runChunk(w, st, u.chunk, u.end, u.permit)
		p.relieve(u.chunk.lane)
	case u.entry != nil:
		worked = p.runEntry(w, st, u.entry, u.permit)
		p.relieve(u.entry.lane)
	default:
		worked = p.runBatch(w, st, u.entries, u.permit)
		p.relieve(u.entries[0].lane)
	}
	return worked
}

// runChunk calls the handler for one record after the other, until the chunk is at its end, or cut short, or the
// pipeline is held.
func (p *Pipeline) runChunk(w *worker, st *strand, c *chunk, end int, permit callPermit) (worked bool) {
	l := c.lane
	deadline := c.began.Add(p.cfg.HandlerTimeout).UnixNano()
	watch := newStopwatch(c.began, &c.ticks, p.slowCall)
	stopped, good, slow := c.from, 0, 0
	told := time.Duration(0)        // when calls that take long were counted last, since the chunk began
	var spoken [maxDependencies]int // calls that have spoken for a dependency themselves
	counted := true                 // the next call, by the limits that calls are spread by: the first one's came with the slot
	timed := func(took time.Duration, calls int) {
		w.took.add(took, calls)
		good += calls
		if p.slowCall > 0 && took >= p.slowCall {
			slow += calls
		}
	}
	lap := func() {
		last, before, each := watch.lap()
		timed(each, before)
		timed(last, 1)
	}
	count := func() {
		if good > 0 {
			worked = true
			p.successes(good, slow, &spoken)
			p.gate.success(good)
			p.meter.done(l, good, &w.took)
			good, slow, spoken = 0, 0, [maxDependencies]int{}
		}
	}
	for {
		i := int(c.cursor.Add(1)) - 1
		if i >= end || !p.gate.free() || l.stopping.Load() {
			break
		}
		r := c.batch.records[i]
		if r.Attrs.IsControl() {
			stopped = i + 1
			continue
		}
		if !counted && !p.slots.pacing.take() {
			break
		}
		stopped, counted = i+1, true
		if p.limits != nil {
			if limited, stays := p.limitedInChunk(st, c, i); limited {
				if watch.unread > 0 {
					lap()
				}
				if watch.skip(); stays {
					break
				}
				continue
			}
		}
		var state *retrytopics.State
		if hasOurs(r.Headers) {
			state = p.sourceState(r)
		}
		w.record.fill(r, state, 1)
		counted = false
		err := p.call(w, l, st.handler, deadline+int64(watch.read), false)
		shared := watch.called()
		if err == nil {
			w.calls.spokenFor(&spoken)
			if !shared {
				lap()
			}
			if watch.tick == noMoreTicks && watch.read-told >= patience {
				told = watch.read
				count()
			}
			continue
		}
		took, before, each := watch.lap()
		timed(each, before)
		count()
		e := st.failedInChunk(c, i)
		after := c.began.Add(watch.read)
		if p.finish(st, e, err, after.Add(-took), after, permit) {
			break // others of its key wait for it, which what follows in the chunk does not look at
		}
		watch.skip()
	}
	if watch.unread > 0 {
		lap()
	}
	count()
	if counted {
		p.slots.pacing.unused()
	}
	st.endChunk(c, stopped)
	p.gate.leave(permit)
	return worked
}

// runEntry calls the handler for one entry.
func (p *Pipeline) runEntry(w *worker, st *strand, e *entry, permit callPermit) (worked bool) {
	began := time.Now()
	if e.lane.tier > 0 {
		p.meter.late(e.lane, began.Sub(e.due))
	}
	watch := st.watch(e)
	w.record.fill(e.record, e.state, e.attempts+1)
	err := p.call(w, e.lane, st.handler, began.Add(p.cfg.HandlerTimeout).UnixNano(), e.failedBefore())
	now := time.Now()
	if watch != nil {
		watch.Stop()
	}
	if err == nil {
		w.took.add(now.Sub(began), 1)
		p.meter.done(e.lane, 1, &w.took)
		p.recordSuccess(permit, now.Sub(began))
		p.gate.success(1)
		p.gate.probed(permit, true)
		p.learning.succeeded(e.state, now)
		p.experiment.ended(e, fateSucceeded, e.attempts+1, now)
		st.succeeded(e, now.Sub(began))
		return true
	}
	p.finish(st, e, err, began, now, permit)
	p.gate.probed(permit, true)
	st.ended(e, now.Sub(began))
	return false
}

// runBatch calls a batch handler.
func (p *Pipeline) runBatch(w *worker, st *strand, entries []*entry, permit callPermit) (worked bool) {
	p.slots.pacing.more(len(entries) - 1)
	began := time.Now()
	b := &Batch{Records: make([]*Record, len(entries)), errs: make([]error, len(entries))}
	records := make([]Record, len(entries))
	for i, e := range entries {
		if e.lane.tier > 0 {
			p.meter.late(e.lane, began.Sub(e.due))
		}
		records[i] = Record{pipeline: p.cfg.Name, group: p.cfg.Group, namespace: p.cfg.IDNamespace}
		records[i].fill(e.record, e.state, e.attempts+1)
		b.Records[i] = &records[i]
	}
	l := entries[0].lane
	p.callBatch(w, l, st.batching, b, entries, began.Add(p.cfg.HandlerTimeout).UnixNano())
	now := time.Now()
	took := now.Sub(began)
	w.took.add(took, 1)
	p.traceFailedBatch(entries, b)
	p.finishBatch(st, entries, b.errs, began, now, permit)
	p.meter.called(&w.took)
	p.gate.probed(permit, true)
	return slices.Contains(b.errs, nil)
}

// finishBatch carries out the outcomes of a batch call's records.
func (p *Pipeline) finishBatch(st *strand, entries []*entry, errs []error, began, now time.Time, permit callPermit) {
	good := 0
	fails := make([]failedCall, len(errs))
	for i, err := range errs {
		if err == nil {
			good++
		} else {
			fails[i] = readError(p.classifier, p.failedIn(entries[i]), err)
		}
	}
	took := now.Sub(began)
	after := p.recordBatch(entries, errs, fails, began, now, permit)
	order := slices.All(entries)
	if p.cfg.Ordering == ByPartition {
		order = slices.Backward(entries) // what is put back goes to the front, and keeps its order so
	}
	for i, e := range order {
		if errs[i] == nil {
			p.learning.succeeded(e.state, now)
			p.experiment.ended(e, fateSucceeded, e.attempts+1, now)
			st.succeeded(e, took)
			continue
		}
		state := after[p.accused(&fails[i]).index]
		if of := fails[i].of; of != nil && of.recorded {
			state = of.after
		}
		p.judged(st, e, &fails[i], began, now, state)
		st.ended(e, took)
	}
	if good > 0 {
		p.gate.success(good)
		p.meter.settledDone(entries[0].lane, good)
	}
}

// freeInOrder is how often a record fails without using an attempt before it gives up its place and may be charged.
const freeInOrder = 3

// historyTries bounds the tries that are kept in memory; the headers hold fewer.
const historyTries = 64

// historyError bounds an error in the history, in bytes: what is left of 4 KiB for some ten attempts.
const historyError = 160
