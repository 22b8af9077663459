package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// worker is what one slot's goroutine uses for its calls, again and again.
type worker struct {
	record Record
	ctx    *callContext
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
			continue
		}
		took, before, each := watch.lap()
		timed(each, before)
		count()
		e := st.failedInChunk(c, i)
		after := c.began.Add(watch.read)
		if p.finish(st, e, err, after.Add(-took), after, permit) {
			break // it stays and holds its key, which what follows in the chunk does not look at
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
		st.succeeded(e, now.Sub(began))
		return true
	}
	p.finish(st, e, err, began, now, permit)
	p.gate.probed(permit, true)
	st.ended(e)
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
	after := p.recordBatch(entries, errs, fails, took, permit)
	order := slices.All(entries)
	if p.cfg.Ordering == ByPartition {
		order = slices.Backward(entries) // what is put back goes to the front, and keeps its order so
	}
	for i, e := range order {
		if errs[i] == nil {
			p.learning.succeeded(e.state, now)
			st.succeeded(e, took)
			continue
		}
		state := after[p.accused(&fails[i]).index]
		if of := fails[i].of; of != nil && of.recorded {
			state = of.after
		}
		p.judged(st, e, &fails[i], began, now, state)
		st.ended(e)
	}
	if good > 0 {
		p.gate.success(good)
		p.meter.settledDone(entries[0].lane, good)
	}
}

// call makes one handler call for the worker's record, with its deadline in Unix nanoseconds, and turns a panic into an error of class
// system. again says that the record has failed before.
func (p *Pipeline) call(w *worker, l *lane, h Handler, deadline int64, again bool) (err error) {
	w.calls.begin(&w.record, again)
	if p.parted {
		return p.callPart(w, l, h, deadline, again)
	}
	return p.callHandler(w, l, h, deadline)
}

func (p *Pipeline) callHandler(w *worker, l *lane, h Handler, deadline int64) (err error) {
	ctx := w.begin(l.ctx, deadline)
	defer func() {
		if cause := recover(); cause != nil {
			err = p.panicked(cause)
		}
		w.end(ctx)
	}()
	return h.Handle(ctx, &w.record)
}

// callPart is callHandler for a record that the breakers of its parts are asked about.
func (p *Pipeline) callPart(w *worker, l *lane, h Handler, deadline int64, again bool) error {
	parts, refused := p.enterParts(&w.record)
	if refused != nil {
		return refused
	}
	began := time.Now()
	err := p.callHandler(w, l, h, deadline)
	if p.interrupted(l) {
		parts.cancel()
		return err
	}
	return p.leaveParts(parts, &w.record, again, err, time.Since(began))
}

// callBatch is call for a batch handler. Records whose part is refused are left out of the call.
func (p *Pipeline) callBatch(w *worker, l *lane, h *batchHandler, b *Batch, entries []*entry, deadline int64) {
	again := slices.ContainsFunc(entries, (*entry).failedBefore)
	w.calls.begin(nil, again)
	if !p.parted {
		p.callBatchHandler(w, l, h, b, deadline)
		return
	}
	admitted := &Batch{}
	var parts []partCall
	var at []int
	for i, r := range b.Records {
		if c, refused := p.enterParts(r); refused != nil {
			b.errs[i] = refused
		} else {
			admitted.Records, parts, at = append(admitted.Records, r), append(parts, c), append(at, i)
		}
	}
	if len(at) == 0 {
		return
	}
	admitted.errs = make([]error, len(at))
	began := time.Now()
	p.callBatchHandler(w, l, h, admitted, deadline)
	took := time.Since(began)
	for j, i := range at {
		if b.errs[i] = admitted.errs[j]; p.interrupted(l) {
			parts[j].cancel()
		} else {
			b.errs[i] = p.leaveParts(parts[j], b.Records[i], entries[i].failedBefore(), b.errs[i], took)
		}
	}
}

func (p *Pipeline) callBatchHandler(w *worker, l *lane, h *batchHandler, b *Batch, deadline int64) {
	ctx := w.begin(l.ctx, deadline)
	defer func() {
		if cause := recover(); cause != nil {
			err := p.panicked(cause)
			for i := range b.errs {
				b.errs[i] = err
			}
		}
		w.end(ctx)
	}()
	h.call(ctx, b)
}

// begin returns the context of the next call: the one of the call before, unless somebody waits on that, or it is
// another lane's.
func (w *worker) begin(parent context.Context, deadline int64) *callContext {
	if w.ctx == nil || w.ctx.parent != parent || !w.ctx.begin(deadline) {
		if w.ctx != nil {
			w.ctx.end() // whoever kept it is told
		}
		w.ctx = newCallContext(parent, deadline, w.calls)
	}
	return w.ctx
}

func (w *worker) end(ctx *callContext) {
	if ctx.end() {
		w.ctx = nil
	}
}

func (p *Pipeline) panicked(cause any) error {
	p.log.Error("handler panicked", "pipeline", p.cfg.Name, "panic", cause, "stack", string(debug.Stack()))
	return classify.Mark(&PanicError{Value: cause}, classify.System)
}

// PanicError is the error of an attempt whose handler panicked.
type PanicError struct {
	Value any // what it panicked with
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// finish carries out the outcome of a failed call. It reports whether the record stays in its lane and holds its key.
func (p *Pipeline) finish(st *strand, e *entry, err error, began, now time.Time, permit callPermit) (stays bool) {
	p.meter.handler.observe(now.Sub(began))
	f := readError(p.classifier, p.failedIn(e), err)
	return p.judged(st, e, &f, began, now, p.recordFailure(e, &f, now.Sub(began), permit))
}

// interrupted reports whether a call ended after its lane did, or after this member may have been given up, as the calls do
// of a process that slept: whatever such a failure says is no outcome, for the record is the next owner's.
func (p *Pipeline) interrupted(l *lane) bool { return l.ctx.Err() != nil || p.membership.over() }

// speaksAgainst reports whether a failure counts against the dependency.
func (p *Pipeline) speaksAgainst(f *failedCall) bool {
	return p.accused(f).counts[f.failure.Class] && f.tellsOfDependency()
}

// judged decides and carries out what becomes of an entry whose call failed, given the breaker's state after it.
func (p *Pipeline) judged(st *strand, e *entry, f *failedCall, began, now time.Time, after breaker.State) (stays bool) {
	if p.interrupted(e.lane) {
		p.back(st, e, first)
		return true
	}
	failure := f.failure
	notClosed := !after.Admits()
	if f.putOff != nil {
		return p.putOff(st, e, f, began, now)
	}
	if f.refused != nil || notClosed && p.speaksAgainst(f) && p.isFree(e, p.accused(f)) {
		p.meter.free()
		p.told(e, f, true, now.Sub(began))
		asked := failure.RetryAfter
		if f.steer != nil {
			asked = f.steer.delay
		}
		// Its first call was made in order. When it fails again and again, others of its key must get their turn, or
		// nobody could tell it from an outage; and what came back from a tier has left the order already.
		inOrder := e.lane.tier == 0 && e.free < freeInOrder
		switch {
		case asked > 0:
			return p.waitHere(st, e, now.Add(asked), inOrder)
		case !inOrder:
			p.back(st, e, yield)
			return st.holds(e)
		case p.cfg.Ordering == ByPartition:
			p.back(st, e, first)
		default:
			p.back(st, e, again)
		}
		return true
	}
	p.ensureState(e)
	before, attempts := *e.state, e.attempts
	if f.isAttempt() {
		p.learning.failed(e.state, now)
		p.count(e, failure, began, now)
		p.learning.charge(e.state, p.accused(f).name)
	} else {
		p.countHeld(e, now)
	}
	d := judge(situation{failedCall: *f, state: e.state, inPlace: e.inPlace, now: now, u: rand.Float64(), schedule: p.schedule, dead: p.cfg.DeadLetters, learned: p.learning.delays(e.state, now)})
	e.state.Counts = d.counts
	if d.verb == verbDead && !d.admitted && !p.gate.admit() {
		// An outage, as far as anyone can tell: the record stays, and the call that was to find out uses no attempt.
		*e.state, e.attempts = before, attempts
		p.meter.free()
		p.told(e, f, true, now.Sub(began))
		p.back(st, e, yield)
		return st.holds(e)
	}
	if f.isAttempt() {
		p.meter.failed(failure.Class, failure.Severity)
		p.told(e, f, false, now.Sub(began))
	}
	switch d.verb {
	case verbInPlace:
		e.inPlace++
	case verbRetry:
		e.inPlace = 0 // the counts have them now
	}
	return p.carryOut(st, e, d, f.err)
}

// freeInOrder is how often a record fails without using an attempt before it gives up its place and may be charged.
const freeInOrder = 3

// isFree decides whether a failure while the breaker is not closed uses an attempt. The first three of a record do not;
// after them it does once another record's call to the dependency has succeeded meanwhile, so that a poison record is
// not the eternal probe, and a lone record is not exhausted by an outage.
func (p *Pipeline) isFree(e *entry, d *dependency) bool {
	if e.free == 0 || e.freeOf != d {
		e.free, e.freeMark, e.freeOf = 0, d.breaker.Succeeded(), d
	}
	if e.free >= freeInOrder && d.breaker.Succeeded() > e.freeMark {
		return false
	}
	e.free++
	return true
}

// ensureState gives an entry the state that travels with it.
func (p *Pipeline) ensureState(e *entry) {
	if e.state == nil {
		e.state = p.sourceState(e.record)
	}
}

// count enters a failed attempt into the entry's state.
func (p *Pipeline) count(e *entry, f classify.Failure, began, now time.Time) {
	s := e.state
	e.attempts++
	s.Attempt = e.attempts
	p.countHeld(e, now)
	if s.FirstFailed.IsZero() {
		s.FirstFailed = now
	}
	if len(s.History) >= historyTries {
		s.History = s.History[len(s.History)-historyTries+1:]
	}
	s.Class, s.Severity, s.Error = f.Class, f.Severity, f.Text(retrytopics.MaxErrorSize)
	s.History = append(s.History[:len(s.History):len(s.History)], retrytopics.Try{
		N: e.attempts, At: began.UnixMilli(), Ms: now.Sub(began).Milliseconds(), Class: f.Class.String(), Error: f.Text(historyError),
	})
}

// countHeld adds to the state for how long the record was held since that was last counted.
func (p *Pipeline) countHeld(e *entry, now time.Time) {
	if !e.state.FirstFailed.IsZero() {
		e.state.Held += p.gate.heldBetween(e.counted, now)
	}
	e.counted = now
}

// historyTries bounds the tries that are kept in memory; the headers hold fewer.
const historyTries = 64

// historyError bounds an error in the history, in bytes: what is left of 4 KiB for some ten attempts.
const historyError = 160

// told tells the hooks, and who wants to be notified, about a failed attempt.
func (p *Pipeline) told(e *entry, f *failedCall, free bool, took time.Duration) {
	if f.steer == nil || f.steer.err != nil {
		p.notices.failed(&f.failure, func() Notice { return p.notice(e, f) })
	}
	if len(p.hooks.failed) == 0 {
		return
	}
	r := Record{namespace: p.cfg.IDNamespace}
	r.fill(e.record, e.state, e.attempts)
	for _, h := range p.hooks.failed {
		h.OnFailed(Failed{Pipeline: p.cfg.Name, ID: r.ID(), Topic: r.Topic, Attempt: e.attempts, Free: free, Took: took, Failure: f.failure})
	}
}

// notice says whose call failed.
func (p *Pipeline) notice(e *entry, f *failedCall) Notice {
	r := Record{namespace: p.cfg.IDNamespace}
	r.fill(e.record, e.state, e.attempts)
	dependency := p.cfg.Breaker.Dependency
	if f.of != nil {
		dependency = f.of.Dependency
	}
	return Notice{Pipeline: p.cfg.Name, Dependency: dependency, ID: r.ID(), Topic: r.Topic, Attempt: e.attempts, Job: f.job}
}
