package consumer

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// route is a copy of an entry's record on its way to a retry or dead-letter topic.
type route struct {
	entry   *entry
	outcome Outcome
	record  *kgo.Record
	snooze  bool
	out     *outlet // that it leaves by; under the outlets' mutex
	size    int64   // bytes on the way
	counted int64   // of these, while it is under way
	nth     int     // it was the nth on its way
	first   bool    // when it was sent no other was under way
	within  int64   // the limit of its batch when that was made up
	alone   bool    // its transaction has a batch for it alone
	refused bool    // it was too large, or what went with it
	tries   int
	again   bool // it was handed to a client before
	since   time.Time
	err     error
	slim    bool // the history was left out, for the copy was too large
	joins   bool // it goes with others though brokers may refuse it: a commit has room to tell of them together only
	next    *time.Timer
	late    bool // it was written after its lane was closed
	span    Span // of its writing, nil where nobody traces
}

func newRoute(e *entry, o Outcome, copied *kgo.Record) *route {
	r := e.newRoute()
	r.entry, r.outcome, r.record, r.size = e, o, copied, recordSize(copied)+copyOverhead
	e.route = r
	if e.trace != nil {
		r.span, e.trace.copy = e.trace.copy, nil
	}
	return r
}

// Back-off between the tries to write a copy that failed.
const (
	routeBackoff      = 100 * time.Millisecond
	routeBackoffMax   = 30 * time.Second
	routeBackoffDrain = time.Second // at most, in a lane that has little time left
)

// carryOut does what was decided about an entry whose call failed, at now. It reports whether the others of its key wait for it: it stays in
// its lane and holds its key, or keys are held.
func (p *Pipeline) carryOut(st *strand, e *entry, d decision, err error, now time.Time) (stays bool) {
	e.state.Due, e.state.HopDue = d.due, d.hopDue
	switch d.verb {
	case verbInPlace:
		return p.waitHere(st, e, d.due, true)
	case verbDrop:
		p.log.Debug("record dropped", "pipeline", p.cfg.Name, "id", e.state.ID, "reason", d.drop, "class", e.state.Class, "severity", e.state.Severity)
		how := fateOther
		if d.reason != "" { // it is given up, and no dead letters are kept
			how = fateDead
		}
		p.experiment.ended(e, how, e.state.Attempt, now)
		p.meter.settled(e.lane, Dropped)
		st.drop(e)
		return false
	case verbHoldHere:
		if d.asked { // a token that is over holds every record: notices tell of it
			p.log.Debug("record is held, as classify says for such failures: release or skip it", "pipeline", p.cfg.Name, "id", e.state.ID, "reason", d.reason, "class", e.state.Class, "severity", e.state.Severity)
		} else if times, loud := p.repeats.again("exhausted", string(d.reason)); loud {
			p.log.Error("record is exhausted and held, since dead letters are disabled: skip it, or turn them on", "pipeline", p.cfg.Name, "id", e.state.ID, "reason", d.reason, "class", e.state.Class, "severity", e.state.Severity, "times", times)
		}
		p.log.Debug("why a record is held", "pipeline", p.cfg.Name, "id", e.state.ID, "error", err) // which may tell of its payload
		if !d.asked {
			p.experiment.ended(e, fateDead, e.state.Attempt, now)
		}
		p.held.policy(e, d)
		if !st.leave(e) {
			p.held.forget(e)
		}
		return st.holds(e)
	case verbDead:
		e.state.Reason = d.reason
		return p.send(st, newRoute(e, Dead, p.letter(e)))
	}
	if d.tier == retrytopics.Lane {
		return p.waitHere(st, e, d.due, false)
	}
	out := Retried
	if d.verb == verbSnooze {
		out = Hopped
	}
	r := newRoute(e, out, p.copyTo(e, p.schedule.Tiers()[d.tier], now))
	r.snooze = d.verb == verbSnooze
	return p.send(st, r)
}

// waitHere lets an entry wait in its lane or, when that is draining, moves it out. It reports whether the entry stays and
// holds its key.
func (p *Pipeline) waitHere(st *strand, e *entry, due time.Time, keepKey bool) (stays bool) {
	keepKey = keepKey || st.holds(e)
	if st.waitHere(e, due, keepKey) {
		return keepKey
	}
	p.moveOut(e)
	return false
}

// back puts an entry back that is to be called again or, when its lane is draining and it has attempts that its record
// does not tell of, moves it out.
func (p *Pipeline) back(st *strand, e *entry, at place) {
	if !st.back(e, at) {
		p.moveOut(e)
	}
}

// moveOut writes an entry that waits in a draining lane to a retry topic, so that the next owner knows of its attempts and
// its time: from a retry topic to the same one, from a source to its first tier. It uses no attempt.
func (p *Pipeline) moveOut(e *entry) {
	p.ensureState(e)
	now := time.Now()
	p.countHeld(e, now)
	if e.due.IsZero() {
		e.due = now
	}
	e.state.Due = e.due
	if e.lane.tier == 0 || e.lane.park {
		e.state.HopDue = e.due
		p.produce(newRoute(e, Retried, p.copyTo(e, p.schedule.Tiers()[0], now)))
		return
	}
	p.produce(newRoute(e, Hopped, p.copyInto(e, e.lane.topic, now)))
}

// hop sends an entry that its tier lets go to the next one, or lets it wait the rest out where it is. The entry is
// counted as routing already.
func (p *Pipeline) hop(e *entry) {
	now := time.Now()
	st := e.lane.strand
	tier := p.schedule.Hop(e.due.Sub(now), e.lane.tier)
	if tier == retrytopics.Lane {
		if !st.stay(e, now) {
			p.moveOut(e)
		}
		return
	}
	delay := p.schedule.Tiers()[tier]
	p.countHeld(e, now)
	e.state.Due, e.state.HopDue = e.due, now.Add(delay)
	p.produce(newRoute(e, Hopped, p.copyTo(e, delay, now)))
}

// copyTo makes the copy of an entry's record for the retry topic of a tier, at now. It keeps its partition number.
func (p *Pipeline) copyTo(e *entry, tier time.Duration, now time.Time) *kgo.Record {
	return p.copyInto(e, p.retryTopic(e.lane.source, tier), now)
}

func (p *Pipeline) copyInto(e *entry, topic string, now time.Time) *kgo.Record {
	p.traceCopy(e, topic)
	copied, headers := e.copyRoom()
	*copied = kgo.Record{
		Topic:     topic,
		Partition: e.state.Partition,
		Key:       e.record.Key,
		Value:     e.record.Value,
		Headers:   e.state.AppendHeaders(headers, e.record.Headers, p.cfg.HeaderLimit, p.cfg.HeaderDialects...),
		Timestamp: now,
	}
	return copied
}

// letter makes the dead letter of an entry's record.
func (p *Pipeline) letter(e *entry) *kgo.Record {
	topic := p.dlqTopic(e.lane.source)
	p.traceCopy(e, topic)
	return dlq.Letter(e.record, *e.state, topic, p.cfg.HeaderLimit, p.cfg.HeaderDialects...)
}

// send frees the entry's key, as a retry leaves the order, and writes its copy. Where keys are held the others of the key
// are put off from now on or, behind a dead letter, wait until it is written, and may follow it then: whoever has the partition next
// does not know of a letter that was not, and calls its record again. It reports whether they do.
func (p *Pipeline) send(st *strand, r *route) (holds bool) {
	e := r.entry
	st.mu.Lock()
	e.status = entryRouting
	e.lane.routing++
	switch holds = st.holds(e); {
	case !holds:
		st.free(e)
	case r.outcome == Dead:
		if st.holding.dead != nil {
			st.bury(e)
			st.putOff(e, inLane)
		}
		st.claim(e)
	default:
		st.putOff(e, inTier)
		p.produce(r) // before what is parked behind it
		st.free(e)
		st.mu.Unlock()
		return holds
	}
	st.mu.Unlock()
	p.produce(r)
	return holds
}

// produce writes a copy, or lets it wait until there is room on its way. The client's own retries have no end, so that
// a copy in doubt is never written twice by us; what comes back as an error was not written, or is in the client's
// hands no more.
func (p *Pipeline) produce(r *route) {
	if p.outlets.enter(r) {
		p.write(r)
	}
}

// writer is the client that writes the copies, nil while there is none: then the next one learns of topics anew.
func (p *Pipeline) writer() *kgo.Client {
	if p.transactor != nil {
		return p.transactor.client.Load()
	}
	return p.copier.client()
}

// write hands a copy to the client or to the next transaction, unless its lane is closed: then the record is the next
// owner's.
func (p *Pipeline) write(r *route) {
	switch {
	case p.transactor != nil:
		p.transactor.add(r)
	case r.closed():
		p.outlets.pass(r, p.write)
	default:
		p.copier.write(r.record, func(_ *kgo.Record, err error) { p.written(r, err) })
	}
}

func (r *route) closed() bool { return r.entry.lane.isClosed() }

// to is where the copy goes.
func (r *route) to() outletKey { return outletKey{r.record.Topic, r.record.Partition} }

// written settles an entry whose copy is written for good, and holds one whose copy is not.
func (p *Pipeline) written(r *route, err error) {
	if err == nil {
		p.settleRoute(r)
		p.toldWritten(r)
	} else {
		p.routeFailed(r, err)
	}
	p.outlets.pass(r, p.write)
	if err == nil {
		p.reuse(r)
	}
}

// settleRoute settles an entry whose copy is written.
func (p *Pipeline) settleRoute(r *route) {
	r.endTrace(nil)
	if r.tries > 0 {
		p.held.written(r)
	}
	e := r.entry
	st := e.lane.strand
	st.mu.Lock()
	defer st.mu.Unlock()
	r.late = e.lane.closed
	e.lane.routing--
	e.route = nil
	if r.outcome != Dead {
		e.deferred = false // its copy is
	}
	if e.buried > 0 { // its letter is written
		st.holding.dead.written(nameOf(e.state), r.record.Offset)
		e.buried = 0
	}
	st.settle(e)
	e.lane.signalQuiet()
}

// toldWritten tells of a copy that is written, unless its lane was closed before.
func (p *Pipeline) toldWritten(r *route) {
	e := r.entry
	if e.lane.strand.holding != nil {
		e.lane.strand.wake() // what waited for the copy, or for room in the map
	}
	if r.late {
		return
	}
	if r.snooze {
		p.meter.snoozed()
	}
	if r.outcome == Dead {
		p.experiment.ended(e, fateDead, e.state.Attempt, time.Now())
		p.meter.deadLettered(e.state)
	}
	p.meter.settled(e.lane, r.outcome)
	p.toldRouted(r)
	p.relieve(e.lane)
}

// routeFailed holds the record, not its lane, and tries again with growing pauses for as long as it takes.
func (p *Pipeline) routeFailed(r *route, err error) {
	st := r.entry.lane.strand
	r.again = true
	if errors.Is(err, kerr.MessageTooLarge) && p.outlets.tighten(r) {
		go p.produce(r) // its batch was too large, not the copy; not from here, where it still counts as under way
		return
	}
	r.tries++
	r.joins = false
	wait := min(routeBackoff<<min(r.tries-1, 16), routeBackoffMax)
	st.mu.Lock()
	r.entry.status = entryHeld
	r.next = nil // that of the try before is over: nobody hurries this one before it is known when it is
	gone := r.entry.lane.closed
	st.mu.Unlock()
	if gone || errors.Is(err, kgo.ErrClientClosed) {
		r.endTrace(err)
		return
	}
	r.err = err
	if r.since.IsZero() {
		r.since = time.Now()
	}
	p.meter.routeFailed()
	p.held.failed(r)
	if errors.Is(err, kerr.MessageTooLarge) && !r.slim {
		r.slim = true
		slim := *r.entry.state
		slim.History, slim.Error = nil, slim.Error[:min(len(slim.Error), 64)]
		r.record.Headers = slim.AppendHeaders(nil, retrytopics.Without(r.entry.record.Headers, p.cfg.HeaderDialects...), p.cfg.HeaderLimit)
		r.size = recordSize(r.record) + copyOverhead
	}
	if topicGone(err) {
		p.topics.missing(r.record.Topic)
	}
	if errors.Is(err, kerr.UnknownTopicID) {
		p.topics.misnamed(r.record.Topic)
	}
	if times, loud := p.repeats.again("copy not written", r.record.Topic); loud {
		p.log.Error("copy cannot be written: the record is held and tried again", "pipeline", p.cfg.Name,
			"id", r.entry.state.ID, "to", r.record.Topic, "tries", r.tries, "next_in", wait, "times", times, "error", err)
	}
	for _, h := range p.hooks.routeFailed {
		h.OnRouteFailed(RouteFailed{Pipeline: p.cfg.Name, ID: r.entry.state.ID, To: r.record.Topic, Tries: r.tries, Next: time.Now().Add(wait), Err: err})
	}
	st.mu.Lock()
	if r.entry.lane.draining {
		wait = min(wait, routeBackoffDrain)
	}
	r.next = time.AfterFunc(wait, func() { p.tryAgain(r) })
	st.mu.Unlock()
}

// tryAgain writes a held copy once more, unless its record was skipped or its lane closed meanwhile.
func (p *Pipeline) tryAgain(r *route) {
	st := r.entry.lane.strand
	st.mu.Lock()
	gone := r.entry.lane.closed || r.entry.status != entryHeld
	if !gone {
		r.entry.status = entryRouting
	}
	st.mu.Unlock()
	if gone {
		p.held.forget(r.entry)
		return
	}
	r.record.Timestamp = time.Now()
	p.produce(r)
}

// hurry tries a held copy at once. The strand's lock is held.
func (r *route) hurry() {
	if r.next != nil {
		r.next.Reset(0)
	}
}

func (p *Pipeline) toldRouted(r *route) {
	s := r.entry.state
	for _, h := range p.hooks.routed {
		h.OnRouted(Routed{Pipeline: p.cfg.Name, ID: s.ID, To: r.record.Topic, Outcome: r.outcome, Due: s.Due, Class: s.Class, Reason: s.Reason, Attempt: s.Attempt})
	}
}
