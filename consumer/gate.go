package consumer

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/internal/credit"
)

// gate says whether handler calls of the pipeline may start: all of them, a few probes, or none. It has a set of
// reasons to hold; when the last one is gone everything goes on.
type gate struct {
	breakers []*breaker.Breaker                   // of the pipeline's dependencies, the first one first
	credit   *credit.Account                      // for dead letters
	changed  func(reason PauseReason, begun bool) // told outside the lock
	wake     func()                               // probes may start

	held    atomic.Uint32 // the reasons, a bit each
	refused atomic.Bool   // somebody wanted the probe of an outage while it was out

	mu       sync.Mutex
	since    time.Time  // when the holding began
	holds    []interval // that are over, newest last
	outProbe bool       // the probe of an outage is under way
	outNext  time.Time  // no probe of an outage before
	outTimer bool       // somebody will be woken then
}

type interval struct{ from, to time.Time }

// keptHolds bounds the memory of past holds; older ones are merged into one that spans them.
const keptHolds = 64

// callPermit allows one call, or the calls of one chunk.
type callPermit struct {
	breaker breaker.Permit   // of the first dependency
	others  []breaker.Permit // of the others, in their order
	outage  bool             // it is the probe of an outage
	probe   bool             // its outcome decides how to go on
	calls   *callState       // of the call that is made with it
}

// of returns the permit of a dependency.
func (p *callPermit) of(i int) breaker.Permit {
	if i == 0 {
		return p.breaker
	}
	return p.others[i-1]
}

// spoken reports whether the call has spoken for a dependency itself, see [Call].
func (p *callPermit) spoken(i int) bool { return p.calls != nil && p.calls.told.Load()&(1<<i) != 0 }

func newGate(b []*breaker.Breaker, c *credit.Account, changed func(PauseReason, bool), wake func()) *gate {
	return &gate{breakers: b, credit: c, changed: changed, wake: wake}
}

// shut are the reasons that let no probe through either.
const shut = 1<<PauseOperator | 1<<PauseMembership

// open reports whether anything at all may start: nothing holds, or probes are let through.
func (g *gate) open() bool {
	h := g.held.Load()
	if h == 0 {
		return true
	}
	if h&shut != 0 {
		return false
	}
	if h&bit(PauseBreaker) == 0 {
		return true
	}
	probes := false
	for _, b := range g.breakers {
		switch state := b.State(); {
		case state == breaker.HalfOpen:
			probes = true
		case !state.Admits():
			return false
		}
	}
	return probes
}

// doubtful reports whether no breaker is open but on suspicion only, so that a record that has not failed may find out.
func (g *gate) doubtful() bool {
	if g.held.Load()&shut != 0 {
		return false
	}
	suspected := false
	for _, b := range g.breakers {
		switch state := b.State(); {
		case b.Suspected():
			suspected = true
		case state != breaker.HalfOpen && !state.Admits():
			return false
		}
	}
	return suspected
}

// probe lets a record find out what is only suspected. The events come back here.
func (g *gate) probe() {
	for _, b := range g.breakers {
		b.Probe()
	}
}

// free reports whether calls need no permit of their own.
func (g *gate) free() bool { return g.held.Load() == 0 }

// frozen reports whether time stands still for waiting records.
func (g *gate) frozen() bool { return g.held.Load() != 0 && !g.open() }

// enter asks for permission to start. probe says that it is for a single call, whose outcome decides how to go on.
func (g *gate) enter() (p callPermit, probe, ok bool) {
	h := g.held.Load()
	if h&shut != 0 {
		return p, false, false
	}
	if p, ok = g.acquire(); !ok {
		return p, false, false // the breaker tells when there is one again
	}
	if h&bit(PauseOutage) != 0 {
		if !g.takeOutageProbe() {
			g.cancel(p)
			return p, false, false
		}
		p.outage = true
	}
	p.probe = h != 0
	return p, p.probe, true
}

// acquire asks all breakers.
func (g *gate) acquire() (p callPermit, ok bool) {
	if p.breaker, ok = g.breakers[0].Acquire(); !ok || len(g.breakers) == 1 {
		return p, ok
	}
	p.others = make([]breaker.Permit, len(g.breakers)-1)
	for i, b := range g.breakers[1:] {
		if p.others[i], ok = b.Acquire(); !ok {
			g.cancel(p) // the permits that are not there yet are none
			return callPermit{}, false
		}
	}
	return p, true
}

// outagePace is the least time from the end of an outage's probe to the next.
const outagePace = time.Second

// takeOutageProbe asks for the one probe that an outage lets through at a time, not more often than outagePace.
func (g *gate) takeOutageProbe() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.outProbe {
		g.refused.Store(true)
		return false
	}
	if wait := time.Until(g.outNext); wait > 0 {
		if !g.outTimer {
			g.outTimer = true
			time.AfterFunc(wait, func() {
				g.mu.Lock()
				g.outTimer = false
				g.mu.Unlock()
				g.wake()
			})
		}
		return false
	}
	g.outProbe = true
	return true
}

// leave gives a permit back that no call was made with. Whoever was refused meanwhile may have it.
func (g *gate) leave(p callPermit) {
	g.cancel(p)
	g.probed(p, false)
	if g.refused.Swap(false) && g.open() {
		g.wake()
	}
}

// probed ends the probe of an outage, so that another record may be the next; made says that the call was made.
func (g *gate) probed(p callPermit, made bool) {
	if !p.outage {
		return
	}
	g.mu.Lock()
	g.outProbe = false
	if made {
		g.outNext = time.Now().Add(outagePace)
	}
	g.mu.Unlock()
}

// onBreaker follows the breakers' states: whatever is not closed holds the pipeline. An event says that something has
// changed; what it is now is asked under the lock, so that who writes last has read last.
func (g *gate) onBreaker(breaker.Event) {
	g.change(PauseBreaker, func() bool {
		return slices.ContainsFunc(g.breakers, func(b *breaker.Breaker) bool { return !b.State().Admits() })
	})
	if g.held.Load()&bit(PauseBreaker) != 0 && g.open() {
		g.wake()
	}
}

// set adds a reason to hold or takes it away.
func (g *gate) set(reason PauseReason, on bool) { g.change(reason, func() bool { return on }) }

func (g *gate) change(reason PauseReason, on func() bool) {
	g.mu.Lock()
	before := g.held.Load()
	after := before &^ bit(reason)
	if on() {
		after = before | bit(reason)
	}
	g.held.Store(after)
	now := time.Now()
	switch {
	case before == 0 && after != 0:
		g.since = now
	case before != 0 && after == 0:
		g.remember(interval{g.since, now})
	}
	g.mu.Unlock()
	if before != after {
		g.changed(reason, after&bit(reason) != 0)
		g.wake()
	}
}

func (g *gate) remember(i interval) {
	g.holds = append(g.holds, i)
	if len(g.holds) > keptHolds {
		g.holds[1].from = g.holds[0].from
		g.holds = g.holds[1:]
	}
}

// heldBetween returns for how long of the time between from and to the pipeline was held.
func (g *gate) heldBetween(from, to time.Time) (sum time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.holds {
		sum += overlap(h, from, to)
	}
	if g.held.Load() != 0 {
		sum += overlap(interval{g.since, to}, from, to)
	}
	return sum
}

func overlap(h interval, from, to time.Time) time.Duration {
	if h.from.After(from) {
		from = h.from
	}
	if h.to.Before(to) {
		to = h.to
	}
	return max(to.Sub(from), 0)
}

// success earns credit for n calls that ended well. Enough of it for a dead letter ends an outage.
func (g *gate) success(n int) {
	g.credit.Earn(n)
	if g.held.Load()&bit(PauseOutage) != 0 {
		g.change(PauseOutage, g.credit.Empty)
	}
}

// admit asks whether one more dead letter may be written. When there is no credit for it, the pipeline holds instead.
func (g *gate) admit() bool {
	if g.credit.Spend() {
		return true
	}
	g.change(PauseOutage, g.credit.Empty)
	return false
}

// resume ends the operator's pause and an outage's hold, with credit for so many dead letters more, or, with 0, as at the start.
func (g *gate) resume(admit int) {
	if admit > 0 {
		g.credit.Grant(admit)
	} else {
		g.credit.Refill()
	}
	g.set(PauseOutage, false)
	g.set(PauseOperator, false)
}

// reasons returns why the pipeline is held, if it is.
func (g *gate) reasons() (rs []PauseReason) {
	h := g.held.Load()
	for r := range pauseReasons {
		if h&bit(r) != 0 {
			rs = append(rs, r)
		}
	}
	return rs
}

func bit(r PauseReason) uint32 { return 1 << r }
