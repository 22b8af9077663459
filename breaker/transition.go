package breaker

import (
	"fmt"
	"time"
)

// Force sets the state by hand.
//
// [ForcedOpen] and [Disabled] (which is: forced closed) hold until Auto or another
// Force. [Closed], [Open] and [HalfOpen] are set once, and the breaker goes on
// measuring from there: closed with an empty window, open for [Config.OpenFor],
// half-open with all its probes. To force the state that the breaker is in, or a
// value that is no state, does nothing.
func (b *Breaker) Force(s State) {
	why := ""
	switch s {
	case Closed:
		why = "closed by an operator"
	case Open:
		why = fmt.Sprintf("opened for %v by an operator", b.config.OpenFor)
	case HalfOpen:
		why = "set to probe by an operator"
	case ForcedOpen:
		why = "forced open by an operator"
	case Disabled:
		why = "disabled by an operator: every call is admitted"
	default:
		return
	}
	b.mu.Lock()
	b.become(s, why)
	b.mu.Unlock()
	b.tell()
}

// Auto ends what Force began: a breaker that is forced open or disabled goes back
// to measuring, closed and with an empty window; or to disabled, where
// [Config.Disabled] says so. One that measures stays as it is.
func (b *Breaker) Auto() {
	b.mu.Lock()
	if state := b.State(); state == ForcedOpen || state == Disabled {
		b.become(b.measuring(), "given back to measuring by an operator")
	}
	b.mu.Unlock()
	b.tell()
}

// measuring is the state of a breaker that knows nothing yet.
func (b *Breaker) measuring() State {
	if b.config.Disabled {
		return Disabled
	}
	return Closed
}

// judge opens a closed breaker if too many calls failed or were slow. It is
// called when one did.
func (b *Breaker) judge() {
	if b.State() != Closed {
		return
	}
	if why, suspected := b.tooMany(); why != "" {
		b.open(why, suspected)
	}
}

// tooMany says why the breaker has to open, "" if it has not, and whether that is
// only suspected: most of what failed has failed before.
func (b *Breaker) tooMany() (why string, suspected bool) {
	c := b.config
	if c.Failures > 0 && b.consecutive >= c.Failures {
		return fmt.Sprintf("%d failures in a row", b.consecutive), b.row == 0
	}
	seen := b.window.totals(b.now())
	others, failed := seen.calls-seen.again, seen.failures-seen.again
	switch {
	case others >= c.MinimumCalls && rate(failed, others) >= c.FailureRate:
		return fmt.Sprintf("failure rate %s of %d calls, the limit is %s",
			percent(rate(failed, others)), others, percent(c.FailureRate)), false
	case b.row >= c.MinimumCalls:
		return fmt.Sprintf("%d failures in a row: as many as the minimum of calls", b.row), false
	case b.run.dead(b.begun.Load(), c.MinimumCalls, c.FailureRate):
		return fmt.Sprintf("%d failures and no success of a call that began after the first of them", b.run.failures), false
	case b.silent >= c.MinimumCalls:
		return fmt.Sprintf("%d failures of calls that began after the last success", b.silent), true
	case seen.calls >= c.MinimumCalls && rate(seen.slow, seen.calls) >= c.SlowRate:
		return fmt.Sprintf("%s of %d calls took %v or longer, the limit is %s",
			percent(rate(seen.slow, seen.calls)), seen.calls, c.SlowCall, percent(c.SlowRate)), false
	}
	return "", false
}

// open opens the breaker, for certain or on suspicion.
func (b *Breaker) open(why string, suspected bool) {
	if suspected {
		why += "; most of that had failed before"
	}
	b.become(Open, why)
	b.suspected.Store(suspected)
}

// Suspected reports whether the breaker is open on suspicion only: most of what
// failed had failed before, see [FailureAgain]. Who has a call whose like has not
// failed need not wait, see [Breaker.Probe]. It takes no lock.
func (b *Breaker) Suspected() bool {
	return b.State() == Open && b.suspected.Load()
}

// Probe ends the time that a breaker is open on suspicion: it is half-open at
// once. In any other state it does nothing.
func (b *Breaker) Probe() {
	b.mu.Lock()
	if f := b.follower; f != nil && b.Suspected() {
		b.mu.Unlock()
		f.ask(true)
		return
	}
	if b.Suspected() {
		b.become(HalfOpen, "it was open on suspicion, and there is a call whose like has not failed")
	}
	b.mu.Unlock()
	b.tell()
}

// recordProbe ends a call of the half-open state.
func (b *Breaker) recordProbe(p Permit, o Outcome, isSlow bool) {
	if !b.probes.end(p.serial) {
		return // recorded before
	}
	switch o {
	case Ignored:
		b.probes.freed = b.probes.refused
		b.probes.refused = false
	case FailureAgain:
		b.probes.again++
	case Failure:
		b.probes.failed++
	case Success:
		b.succeeded.Add(1)
		b.probes.succeeded++
		if isSlow {
			b.probes.slow++
		}
	}
	b.probed()
}

// probed decides what the probes have shown so far: nothing works, as soon as none is out, or what their rates say when
// all of them have ended.
func (b *Breaker) probed() {
	p := &b.probes
	told := p.succeeded + p.failed
	switch {
	case rate(p.slow, p.allowed) >= b.config.SlowRate:
		b.open(fmt.Sprintf("%d of %d probes took %v or longer", p.slow, p.allowed, b.config.SlowCall), false)
	case p.succeeded == 0 && len(p.out) == 0 && told+p.again > 0:
		b.open("a probe failed", p.failed == 0)
	case told+p.again < p.allowed:
	case rate(p.failed, told) >= b.config.FailureRate:
		b.open(fmt.Sprintf("%d of %d probes failed", p.failed, told), false)
	default:
		b.become(Closed, fmt.Sprintf("%d of %d probes succeeded", p.succeeded, p.allowed))
	}
}

// become changes the state, under the lock. Whoever unlocks calls tell after
// that.
func (b *Breaker) become(to State, why string) {
	generation, from := unpack(b.word.Load())
	if from == to || b.closed {
		return
	}
	now := time.Now()
	b.stopTimer()
	b.since, b.openUntil, b.why = now, time.Time{}, why
	switch to {
	case Closed, Disabled:
		b.window.reset()
		b.run.reset()
		b.consecutive, b.row, b.silent, b.alive = 0, 0, 0, 0
	case HalfOpen:
		b.probes.reset()
	case Open:
		b.opened++
		b.suspected.Store(false)
		b.openUntil = now.Add(b.config.OpenFor)
		b.timer = time.AfterFunc(b.config.OpenFor, func() { b.probe(generation + 1) })
	}
	b.word.Store(pack(generation+1, to))
	b.events.append(Event{Dependency: b.config.Dependency, From: from, To: to, At: now, Why: why}, generation+1)
	b.untold.Store(true)
}

// probe ends the open state of that generation: its time is over.
func (b *Breaker) probe(generation uint64) {
	b.mu.Lock()
	if f := b.follower; f != nil {
		b.mu.Unlock()
		f.ask(false)
		return
	}
	if now, _ := unpack(b.word.Load()); now == generation {
		b.become(HalfOpen, fmt.Sprintf("was open for %v", b.config.OpenFor))
	}
	b.mu.Unlock()
	b.tell()
}

func (b *Breaker) stopTimer() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

// percent writes a rate as people read it: "55%", "33.3%".
func percent(rate float64) string {
	return fmt.Sprintf("%.3g%%", 100*rate)
}
