package breaker

import "slices"

// probes are the calls of one half-open state: at most as many as may be out or
// have ended, but for those that were ignored.
type probes struct {
	allowed   int
	out       []uint64 // serial numbers of the permits that are out
	succeeded int
	slow      int  // of those that succeeded
	failed    int  // for the first time
	again     int  // as they had before
	refused   bool // somebody wanted a permit while none was free
	freed     bool // and then one was given back
}

func newProbes(allowed int) probes {
	return probes{allowed: allowed, out: make([]uint64, 0, allowed)}
}

func (p *probes) free() bool {
	return len(p.out)+p.succeeded+p.again+p.failed < p.allowed
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

func (p *probes) reset() {
	p.out = p.out[:0]
	p.succeeded, p.slow, p.again, p.failed = 0, 0, 0, 0
	p.refused, p.freed = false, false
}
