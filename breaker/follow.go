package breaker

import "time"

// Follow lets somebody else decide when an open breaker probes, such as many processes together. From then on a breaker
// stays open when [Config.OpenFor] is over, or [Breaker.Probe] is called, and ask is called instead, with early when it was
// Probe; [Breaker.Adopt] moves the breaker. ask is called outside of locks, maybe more than once, and should be quick. The
// function that Follow returns ends that: a breaker whose time is over probes then. One may follow at a time; the last one does.
func (b *Breaker) Follow(ask func(early bool)) (cancel func()) {
	f := &follower{ask: ask}
	b.mu.Lock()
	b.follower = f
	b.mu.Unlock()
	return func() {
		b.mu.Lock()
		if b.follower == f {
			b.follower = nil
			if generation, state := unpack(b.word.Load()); state == Open && !b.closed {
				b.stopTimer()
				b.timer = time.AfterFunc(time.Until(b.openUntil), func() { b.probe(generation) })
			}
		}
		b.mu.Unlock()
	}
}

type follower struct{ ask func(early bool) }

// An Adoption is a state that others have come to.
type Adoption struct {
	State     State
	Why       string        // for people
	Wait      time.Duration // of Open: until it is time to probe
	Suspected bool          // of Open: on suspicion only, see [Breaker.Suspected]
	Whole     time.Duration // of Open: the wait from its beginning on, which the next one may grow from
	InARow    int           // of Open: openings without staying closed in between, this one included
}

// Adopt moves the breaker to a state that others have come to, as if it had come to it by itself. For a breaker that is in
// that state only the wait of an open one changes.
func (b *Breaker) Adopt(a Adoption) {
	if int(a.State) >= len(stateNames) {
		return
	}
	b.mu.Lock()
	before := len(b.events.queue)
	b.become(a.State, a.Why)
	for i := before; i < len(b.events.queue); i++ {
		b.events.queue[i].Adopted = true
	}
	if generation, state := unpack(b.word.Load()); state == Open && a.State == Open && !b.closed {
		b.suspected.Store(a.Suspected)
		b.waits.adopt(a.Whole, a.InARow)
		b.stopTimer()
		b.openUntil = time.Now().Add(a.Wait)
		b.timer = time.AfterFunc(a.Wait, func() { b.probe(generation) })
	}
	b.mu.Unlock()
	b.tell()
}
