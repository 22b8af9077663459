package breaker

import (
	"fmt"
	"time"
)

// Force sets the state by hand.
//
// [ForcedOpen], [Disabled] (which is: forced closed) and [MetricsOnly] hold until
// Auto or another Force. [Closed], [Open] and [HalfOpen] are set once, and the
// breaker goes on measuring from there: closed with an empty window, open for
// [Config.OpenFor], half-open with all its probes. To force the state that the
// breaker is in, or a value that is no state, does nothing.
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
	case MetricsOnly:
		why = "set to metrics only by an operator: every call is admitted"
	default:
		return
	}
	b.mu.Lock()
	if b.State() != s {
		b.waits.forget()
		b.doubts.forget()
		b.become(s, why)
	}
	b.mu.Unlock()
	b.tell()
}

// Auto gives the breaker back to its configuration: to the state that
// [Config.Mode] says, and from Closed it measures, with an empty window. One that
// measures already stays as it is.
func (b *Breaker) Auto() {
	b.mu.Lock()
	if b.config.Mode != Closed || !b.measures() {
		b.waits.forget()
		b.doubts.forget()
		why := "given back to measuring by an operator"
		if b.config.Mode != Closed {
			why = "given back to its configuration by an operator"
		}
		b.become(b.config.Mode, why)
	}
	b.mu.Unlock()
	b.tell()
}

// measures reports whether the state follows from what is measured.
func (b *Breaker) measures() bool {
	switch b.State() {
	case Closed, Open, HalfOpen:
		return true
	}
	return false
}

// judge opens a closed breaker if too many calls failed or were slow, or tells
// that it would. It is called when one did.
func (b *Breaker) judge() {
	switch state := b.State(); {
	case state == Closed:
		if why, suspected := b.tooMany(); why != "" {
			b.open(why, suspected)
		}
	case state == MetricsOnly && b.would.state == Closed:
		if why, _ := b.tooMany(); why != "" {
			b.wouldOpen(why)
		}
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
	case b.silent >= b.doubts.enough(c.MinimumCalls):
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
	} else {
		b.doubts.forget()
	}
	b.waits.grow(b.config, b.State() == Closed, time.Since(b.since))
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
	case Closed, Disabled, MetricsOnly:
		if from == HalfOpen && to == Closed && b.suspected.Load() {
			b.doubts.proved(now, b.config.OpenFor)
		}
		b.measureAfresh()
		b.would = would{}
	case HalfOpen:
		b.probes.reset()
	case Open:
		b.opened++
		b.suspected.Store(false)
		wait := b.waits.take(b.config)
		b.openUntil = now.Add(wait)
		b.timer = time.AfterFunc(wait, func() { b.probe(generation + 1) })
	}
	b.word.Store(pack(generation+1, to))
	b.events.append(Event{Dependency: b.config.Dependency, From: from, To: to, At: now, Why: why})
	b.untold.Store(true)
}

// measureAfresh forgets all calls.
func (b *Breaker) measureAfresh() {
	b.window.reset()
	b.run.reset()
	b.consecutive, b.row, b.silent, b.alive = 0, 0, 0, 0
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
		b.become(HalfOpen, fmt.Sprintf("was open for %v", b.waits.last.Round(time.Millisecond)))
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
