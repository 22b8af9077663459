package consumer

import (
	"math/rand/v2"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// finish carries out the outcome of a failed call. It reports whether the record stays in its lane and holds its key.
func (p *Pipeline) finish(st *strand, e *entry, err error, began, now time.Time, permit callPermit) (stays bool) {
	p.meter.handler.observe(now.Sub(began))
	f := readError(p.classifier, p.failedIn(e), err)
	if p.cfg.Tracer == nil {
		return p.judged(st, e, &f, began, now, p.recordFailure(e, &f, began, now, permit))
	}
	span := p.traceFailed(e, permit.calls)
	stays = p.judged(st, e, &f, began, now, p.recordFailure(e, &f, began, now, permit))
	f.endTrace(span, now)
	return stays
}

// interrupted reports whether a call ended after its lane did, or after this member may have been given up, as the calls do
// of a process that slept: whatever such a failure says is no outcome, for the record is the next owner's.
func (p *Pipeline) interrupted(l *lane, ended time.Time) bool {
	return l.ctx.Err() != nil || p.membership.over(ended)
}

// speaksAgainst reports whether a failure counts against the dependency.
func (p *Pipeline) speaksAgainst(f *failedCall) bool {
	return p.accused(f).counts[f.failure.Class] && f.tellsOfDependency()
}

// judged decides and carries out what becomes of an entry whose call failed, given the breaker's state after it.
func (p *Pipeline) judged(st *strand, e *entry, f *failedCall, began, now time.Time, after breaker.State) (stays bool) {
	if p.interrupted(e.lane, now) {
		f.became = interrupted
		p.back(st, e, first)
		return true
	}
	failure := f.failure
	notClosed := !after.Admits()
	if f.putOff != nil {
		f.became = "put_off"
		return p.putOff(st, e, f, began, now)
	}
	if f.refused != nil || notClosed && p.speaksAgainst(f) && p.isFree(e, p.accused(f)) {
		f.became = "free"
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
	before, attempts, assigned := *e.state, e.attempts, false
	if f.isAttempt() {
		assigned = p.experiment.assign(e, f)
		p.learning.failed(e.state, now)
		p.count(e, failure, began, now)
		p.learning.charge(e.state, p.accused(f).name)
	} else {
		p.countHeld(e, now)
	}
	schedule := p.schedule.Under(e.state.Variant)
	d := judge(situation{failedCall: *f, state: e.state, inPlace: e.inPlace, now: now, u: rand.Float64(), schedule: schedule, dead: p.cfg.DeadLetters, learned: p.learning.delays(schedule, e.state, now)})
	e.state.Counts = d.counts
	if d.verb == verbDead && !d.admitted && !p.gate.admit() {
		// An outage, as far as anyone can tell: the record stays, and the call that was to find out uses no attempt.
		*e.state, e.attempts = before, attempts
		f.became = "free"
		p.meter.free()
		p.told(e, f, true, now.Sub(began))
		p.back(st, e, yield)
		return st.holds(e)
	}
	if f.isAttempt() {
		p.meter.failed(failure.Class, failure.Severity, now)
		p.told(e, f, false, now.Sub(began))
	}
	if assigned {
		p.experiment.failed(e)
	}
	switch d.verb {
	case verbInPlace:
		e.inPlace++
	case verbRetry:
		e.inPlace = 0 // the counts have them now
	}
	f.became = d.becomes()
	return p.carryOut(st, e, d, f.err, now)
}

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
		e.room = rooms.Get().(*routeRoom)
		e.state = &e.room.state
		p.fillState(e.state, e.record)
	}
}

// failureText is what the headers of a copy say of a failure. An outage fails one call after the other with the same words: what was
// written of the last failure is used again.
type failureText struct {
	kind, message string
	whole, short  string
}

func (p *Pipeline) textOf(f *classify.Failure) *failureText {
	if last := p.lastText.Load(); last != nil && last.kind == f.Type && last.message == f.Message {
		return last
	}
	text := &failureText{kind: f.Type, message: f.Message, whole: f.Text(retrytopics.MaxErrorSize)}
	if text.short = text.whole; len(text.short) > historyError {
		text.short = f.Text(historyError)
	}
	if len(f.Message) <= retrytopics.MaxErrorSize { // which may be megabytes
		p.lastText.Store(text)
	}
	return text
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
	text := p.textOf(&f)
	s.Class, s.Severity, s.Error = f.Class, f.Severity, text.whole
	s.History = append(e.tries(s.History), retrytopics.Try{
		N: e.attempts, At: began.UnixMilli(), Ms: now.Sub(began).Milliseconds(), Class: f.Class.String(), Error: text.short,
	})
}

// countHeld adds to the state for how long the record was held since that was last counted.
func (p *Pipeline) countHeld(e *entry, now time.Time) {
	if !e.state.FirstFailed.IsZero() {
		e.state.Held += p.gate.heldBetween(e.counted, now)
	}
	e.counted = now
}

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
