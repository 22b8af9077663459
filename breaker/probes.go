package breaker

import (
	"fmt"
	"slices"
	"time"
)

// probes are the calls of one half-open state: at most as many as may be out or
// have ended, but for those that were ignored.
type probes struct {
	allowed   int
	out       []uint64 // serial numbers of the permits that are out
	succeeded int
	slow      int  // of those that succeeded
	failed    int  // for the first time
	again     int  // as they had before
	begun     bool // the first has begun, and with it the time that they may take
	over      bool // that time is
	refused   bool // somebody wanted a permit while none was free
	freed     bool // and then one was given back
}

func newProbes(allowed int) probes {
	return probes{allowed: allowed, out: make([]uint64, 0, allowed)}
}

func (p *probes) ended() int { return p.succeeded + p.again + p.failed }

func (p *probes) free() bool {
	return len(p.out)+p.ended() < p.allowed
}

func (p *probes) take(serial uint64) {
	p.out = append(p.out, serial)
}

// end takes a permit back and reports whether it was out.
func (p *probes) end(serial uint64) bool {
	i := slices.Index(p.out, serial)
	if i < 0 {
		return false
	}
	p.out = slices.Delete(p.out, i, i+1)
	return true
}

// count notes how a probe ended.
func (p *probes) count(o Outcome, isSlow bool) {
	switch o {
	case FailureAgain:
		p.again++
	case Failure:
		p.failed++
	case Success:
		p.succeeded++
		if isSlow {
			p.slow++
		}
	}
}

func (p *probes) reset() {
	*p = probes{allowed: p.allowed, out: p.out[:0]}
}

// verdict is what the probes have shown so far: nothing works, as soon as none is out, or what their rates say when all
// of them have ended, or their time is over. Otherwise it is HalfOpen.
func (p *probes) verdict(c Config) (to State, why string, suspected bool) {
	told := p.succeeded + p.failed
	switch {
	case rate(p.slow, p.allowed) >= c.SlowRate:
		return Open, fmt.Sprintf("%d of %d probes took %v or longer", p.slow, p.allowed, c.SlowCall), false
	case p.succeeded == 0 && len(p.out) == 0 && told+p.again > 0:
		return Open, "a probe failed", p.failed == 0
	case p.ended() < p.allowed && !p.over:
		return HalfOpen, "", false
	case rate(p.failed, told) >= c.FailureRate:
		return Open, fmt.Sprintf("%d of %d probes failed", p.failed, told), false
	}
	return Closed, fmt.Sprintf("%d of %d probes succeeded", p.succeeded, p.allowed), false
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
	case Success:
		b.succeeded.Add(1)
	}
	b.probes.count(o, isSlow)
	b.probed("")
}

// probed carries out what the probes have shown.
func (b *Breaker) probed(because string) {
	switch to, why, suspected := b.probes.verdict(b.config); to {
	case Open:
		b.open(why+because, suspected)
	case Closed:
		b.become(Closed, why+because)
	}
}

// limitProbes begins the time that the probes may take, with the first of them.
func (b *Breaker) limitProbes(generation uint64) {
	if b.probes.begun || b.config.HalfOpenFor < 0 || b.closed {
		return
	}
	b.probes.begun = true
	b.timer = time.AfterFunc(b.config.HalfOpenFor, func() { b.endProbes(generation) })
}

// endProbes ends the time that the probes of that half-open state may take. Those that are out have failed; if none is and
// none has ended, their time begins anew with the next one.
func (b *Breaker) endProbes(generation uint64) {
	b.mu.Lock()
	if now, _ := unpack(b.word.Load()); now == generation && !b.closed {
		because := fmt.Sprintf(", and nobody else came within %v", b.config.HalfOpenFor)
		if n := len(b.probes.out); n > 0 {
			because = fmt.Sprintf(", and %d had not ended after %v", n, b.config.HalfOpenFor)
			b.probes.failed += n
			b.probes.out = b.probes.out[:0]
		}
		if b.probes.begun = b.probes.ended() > 0; b.probes.begun {
			b.probes.over = true
			b.probed(because)
		}
	}
	b.mu.Unlock()
	b.tell()
}
