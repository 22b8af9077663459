package fleet

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

const (
	// leaseLength is for how long a claim to probe holds. Whoever has a probe under way renews it.
	leaseLength = 10 * time.Second
	// spread is over what time members put off what any one of them may do, so that the others see that it is done.
	spread = time.Second
	// early is how much sooner a holder ends its lease: it looks at it every now and then.
	early = 2 * step
	// step is how often a member looks at what there is to do when nothing happens.
	step = 200 * time.Millisecond
	// again is the pause after a claim that was void, or a write that failed; it grows to againAtMost.
	again       = time.Second
	againAtMost = 10 * time.Second
	// ableEvery is how often it is looked whether there is anything to probe with.
	ableEvery = time.Second
	// readBack is how long a record that was written may take to be read.
	readBack = 30 * time.Second
)

// charge is a breaker in a member's care: how it stands to what was agreed on.
type charge struct {
	breaker *breaker.Breaker
	able    func() bool // is there anything to probe with
	me, by  string

	early atomic.Bool // somebody has a call whose like has not failed

	adopted int64 // the episode that the breaker's state stands for; none: it has come to it by itself
	granted int64 // the lease that it is, or was, half-open for
	proved  int64 // the episode whose probes have succeeded here, until that is agreed on
	ordered bool  // its state is an operator's

	due       moment    // when an episode may be probed: its id, and the time on this member's clock
	free      moment    // when a lease is over, if it is not renewed: its offset
	until     time.Time // when the own lease is over
	restateAt time.Time

	whole time.Duration // the wait of the episode that it stays open for; 0: it opened by itself

	canProbe bool
	lookedAt time.Time

	pending pending
}

// moment is a time on this member's clock at which something is so that has an offset.
type moment struct {
	of int64
	at time.Time
}

// pending is a record that is being written.
type pending struct {
	kind   kind
	sent   time.Time // zero: nothing is
	offset int64     // none: not acknowledged yet
	after  time.Time // nothing is written before
	wait   time.Duration
}

func newCharge(b *breaker.Breaker, able func() bool, me, by string) *charge {
	return &charge{breaker: b, able: able, me: me, by: by, adopted: none, granted: none, proved: none, due: moment{of: none}, free: moment{of: none}, pending: pending{offset: none}}
}

// move is what a charge has to do next: at most one change of the breaker, and one record.
type move struct {
	adopt  *breaker.Adoption
	auto   bool // give the breaker back to measuring
	record *record
}

func (m move) nothing() bool { return m.adopt == nil && !m.auto && m.record == nil }

// see takes notice of what was agreed on. live says that it was agreed on just now.
func (c *charge) see(b breakerState, now time.Time, live bool) {
	if e := b.episode; b.open() && c.due.of != e.id {
		c.due = moment{of: e.id, at: now.Add(e.wait)}
		if !live { // how much of the wait is over is known as well as the clocks go together; a claim that comes too early is void
			c.due.at = now.Add(e.wait - min(max(now.Sub(e.said), 0), e.wait))
		}
	}
	if l := b.lease; l.offset != none && c.free.of != l.offset {
		c.free = moment{of: l.offset, at: now.Add(l.length + anyOf(spread))}
		if l.member == c.me { // from before it was written: it is over here before it is for others
			c.until = now.Add(l.length - early - max(now.Sub(l.said), 0))
		}
	}
}

// anyOf is a random time below d.
func anyOf(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d))) }

// next says what to do, given what was agreed on.
func (c *charge) next(b breakerState, order Order, now time.Time) move {
	state := c.breaker.State()
	if order.Stands() {
		return c.obey(order, state)
	}
	if c.ordered {
		c.ordered, c.adopted = false, none
		return move{auto: true}
	}
	if state != breaker.Closed && state != breaker.Open && state != breaker.HalfOpen { // as it is configured, or was forced here
		return move{}
	}
	if b.open() {
		return c.during(b, state, now)
	}
	return c.between(b, state, now)
}

// obey brings the breaker to the state that an operator wants.
func (c *charge) obey(order Order, state breaker.State) move {
	want, what := breaker.ForcedOpen, "kept open"
	switch order.Wish {
	case KeepClosed:
		want, what = breaker.Disabled, "kept closed"
	case Observe:
		want, what = breaker.MetricsOnly, "made to measure only"
	}
	c.ordered, c.proved, c.granted = true, none, none
	if state == want {
		return move{}
	}
	why := what + " in the fleet by an operator"
	if order.By != "" {
		why = fmt.Sprintf("%s in the fleet by %s", what, order.By)
	}
	return move{adopt: &breaker.Adoption{State: want, Why: why}}
}

// between is what to do while no episode is under way.
func (c *charge) between(b breakerState, state breaker.State, now time.Time) move {
	c.proved = none
	if b.restate {
		return c.restate(b, now)
	}
	c.restateAt = time.Time{}
	ours := c.adopted != none && c.adopted == b.episode.id
	switch {
	case state == breaker.Closed:
		c.adopted = none
	case ours:
		c.whole = 0
		return move{adopt: &breaker.Adoption{State: breaker.Closed, Why: "closed in the fleet"}}
	case state == breaker.Open:
		c.adopted = none
		s := c.breaker.Snapshot()
		if m := c.offer(now, c.opening(s)); !m.nothing() {
			return m
		}
		if !now.Before(s.OpenUntil) {
			c.whole = 0
			return move{adopt: &breaker.Adoption{State: breaker.HalfOpen, Why: "the control topic takes no records: this process probes by itself"}}
		}
	}
	return move{}
}

// during is what to do while an episode is under way.
func (c *charge) during(b breakerState, state breaker.State, now time.Time) move {
	id := b.episode.id
	holder := b.lease.offset != none && b.lease.member == c.me && now.Before(c.until)
	switch state {
	case breaker.Closed:
		if c.adopted == id && c.granted != none {
			c.proved, c.granted = id, none
		}
		if c.proved == id {
			return c.offer(now, record{kind: kindClose, Episode: id, Why: c.breaker.Snapshot().Why})
		}
		return c.adoptOpen(b, now)
	case breaker.HalfOpen:
		if c.adopted != id || !holder {
			return c.adoptOpen(b, now)
		}
		c.granted = b.lease.offset
		if c.until.Sub(now) < leaseLength/2 && c.breaker.Snapshot().ProbesInFlight > 0 {
			return c.offer(now, record{kind: kindProbe, Episode: id, Member: c.me, Lease: leaseLength})
		}
		return move{}
	}
	if c.adopted != id || c.proved == id { // it was closed here a moment ago, and opened again
		return c.adoptOpen(b, now)
	}
	if holder && c.granted == none {
		c.granted, c.whole = b.lease.offset, 0
		return move{adopt: &breaker.Adoption{State: breaker.HalfOpen, Why: "this process probes for the fleet"}}
	}
	if holder { // its probes have failed
		return c.offer(now, c.opening(c.breaker.Snapshot()))
	}
	c.granted = none
	early := b.episode.suspected && c.early.Load()
	if now.Before(c.due.at) && !early || b.lease.offset != none && now.Before(c.free.at) || !c.canProbe {
		return move{}
	}
	return c.offer(now, record{kind: kindProbe, Episode: id, Member: c.me, Lease: leaseLength, Early: early})
}

// opening is an episode that begins here. What opened with others and stays open waits as long as those: its own end was put off
// again and again.
func (c *charge) opening(s breaker.Snapshot) record {
	wait := c.whole
	if wait == 0 {
		wait = s.OpenUntil.Sub(s.Since).Round(time.Millisecond)
	}
	return record{kind: kindOpen, Why: s.Why, Wait: wait, InARow: s.OpenedInARow, Suspected: s.Suspected}
}

// adoptOpen takes over an episode.
func (c *charge) adoptOpen(b breakerState, now time.Time) move {
	e := b.episode
	c.adopted, c.granted, c.proved, c.whole = e.id, none, none, e.wait
	c.early.Store(false)
	c.due.at = c.due.at.Add(anyOf(min(spread, max(e.wait/4, 10*time.Millisecond)))) // so that not all of them claim at once
	return move{adopt: &breaker.Adoption{State: breaker.Open, Why: fmt.Sprintf("open in the fleet, by %s: %s", e.by, e.why), Wait: max(c.due.at.Sub(now), 0), Whole: e.wait, InARow: e.inARow, Suspected: e.suspected}}
}

// restate writes the close that counts again, unless somebody else does.
func (c *charge) restate(b breakerState, now time.Time) move {
	if c.restateAt.IsZero() {
		c.restateAt = now.Add(anyOf(spread))
	}
	if now.Before(c.restateAt) {
		return move{}
	}
	m := c.offer(now, record{kind: kindClose, Episode: b.episode.id, Why: "said again, as a void close stands after it"})
	if !m.nothing() {
		c.restateAt = time.Time{}
	}
	return m
}

// offer writes a record unless one is under way, or was void a moment ago.
func (c *charge) offer(now time.Time, r record) move {
	if !c.pending.sent.IsZero() || now.Before(c.pending.after) {
		return move{}
	}
	return move{record: c.write(r)}
}

func (c *charge) write(r record) *record {
	r.subject = subject{name: c.breaker.Config().Dependency}
	r.By, r.At = c.by, time.Now()
	c.pending.kind, c.pending.sent, c.pending.offset = r.kind, r.At, none
	return &r
}

// wrote is called when a record was written, or was not.
func (c *charge) wrote(offset int64, err error, now time.Time) {
	if err != nil {
		c.pending.wait = min(max(2*c.pending.wait, again), againAtMost)
		c.pending.sent, c.pending.after = time.Time{}, now.Add(c.pending.wait)
		return
	}
	c.pending.offset, c.pending.wait = offset, 0
}

// settle ends the wait for a record that was written, once everything up to it was read.
func (c *charge) settle(next int64, now time.Time) {
	p := &c.pending
	if p.sent.IsZero() {
		return
	}
	if p.offset != none && p.offset < next {
		p.sent, p.after = time.Time{}, now
		if p.kind == kindProbe && c.free.of != p.offset {
			p.after = now.Add(again) // it was void: somebody else has the lease, or it was too early
		}
		return
	}
	if now.Sub(p.sent) > readBack {
		p.sent = time.Time{}
	}
}

// forget is called when the log is read anew: what is open stands for no episode of it.
func (c *charge) forget() {
	c.adopted, c.granted, c.proved = none, none, none
	c.due, c.free, c.until = moment{of: none}, moment{of: none}, time.Time{}
	c.pending = pending{offset: none, after: time.Now().Add(anyOf(spread))}
}
