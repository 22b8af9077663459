package breaker

import (
	"fmt"
	"time"
)

// would is what a breaker would do that is only for metrics. It has no timer: that its time to be open would be over is
// seen when the next call ends, and the calls that end from then on are taken for the probes.
type would struct {
	state  State // Closed, Open or HalfOpen
	since  time.Time
	until  time.Time // of Open
	waits  waits
	probes probes
}

// wouldOpen notes that the breaker would open now.
func (b *Breaker) wouldOpen(why string) {
	w := &b.would
	w.waits.grow(b.config, w.state == Closed, time.Since(w.since))
	w.until = time.Now().Add(w.waits.take(b.config))
	b.wouldBe(Open, why)
}

func (b *Breaker) wouldBe(to State, why string) {
	now := time.Now()
	b.events.append(Event{Dependency: b.config.Dependency, From: b.would.state, To: to, Would: true, At: now, Why: why})
	b.would.state, b.would.since = to, now
	b.untold.Store(true)
}

// imagine takes calls that ended in MetricsOnly for probes, slow of them slow, where the breaker would wait for some.
func (b *Breaker) imagine(o Outcome, calls, slow int) {
	if b.would.state == Closed || b.State() != MetricsOnly {
		return
	}
	if b.would.state == Open {
		if time.Now().Before(b.would.until) {
			return
		}
		b.would.probes = probes{allowed: b.config.HalfOpenCalls}
		b.wouldBe(HalfOpen, fmt.Sprintf("would have been open for %v", b.would.waits.last.Round(time.Millisecond)))
	}
	for i := range min(calls, b.config.HalfOpenCalls) {
		b.would.probes.count(o, i < slow)
		switch to, why, _ := b.would.probes.verdict(b.config); to {
		case Open:
			b.wouldOpen(why)
			return
		case Closed:
			b.wouldBe(Closed, why)
			b.measureAfresh()
			return
		}
	}
}
