package limit

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pacer is one limit that several askers share by turns: who was refused stands in line and is called when it is its turn.
// It is safe for concurrent use.
type Pacer struct {
	rate  Rate
	burst int

	mu     sync.Mutex
	terms  terms
	bucket bucket
	line   []*Asker
	timer  *time.Timer
}

// NewPacer returns a pacer of the rate. burst is how many calls may start at once; below 1 it is [Rate.DefaultBurst].
func NewPacer(r Rate, burst int) *Pacer {
	return &Pacer{rate: r, burst: burst, terms: termsOf(r, burst)}
}

// Asker is one of those that share a pacer.
type Asker struct {
	p       *Pacer
	turn    func()
	inLine  bool // under the pacer's lock
	refused atomic.Uint64
}

// Join adds one who asks. turn is called, on a goroutine of its own, when it is its turn after it was refused: then it asks
// again, or leaves the line.
func (p *Pacer) Join(turn func()) *Asker { return &Asker{p: p, turn: turn} }

// Take asks for one call now. When it is refused the asker stands in line.
func (a *Asker) Take(now time.Time) bool {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	at := nanos(now)
	if len(p.line) > 0 && p.line[0] != a || p.bucket.earliest(p.terms, at) > at {
		a.refused.Add(1)
		if !a.inLine {
			a.inLine = true
			p.line = append(p.line, a)
		}
		p.arm(at)
		return false
	}
	p.bucket.take(p.terms, at, 1)
	p.leave(a, at)
	return true
}

// More uses n calls more than were asked for, though that may be more than there are now: what comes later waits for it.
func (a *Asker) More(now time.Time, n int) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.p.bucket.take(a.p.terms, nanos(now), n)
}

// GiveBack takes back n calls that were not made.
func (a *Asker) GiveBack(now time.Time, n int) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.p.bucket.giveBack(a.p.terms, n)
	a.p.arm(nanos(now))
}

// Leave says that the asker wants nothing any more.
func (a *Asker) Leave(now time.Time) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.p.leave(a, nanos(now))
}

// Refused is how often the asker was refused.
func (a *Asker) Refused() uint64 { return a.refused.Load() }

// Ahead is how long it takes until the next call may start.
func (p *Pacer) Ahead(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.bucket.earliest(p.terms, nanos(now)) - nanos(now))
}

func (p *Pacer) leave(a *Asker, now int64) {
	if a.inLine {
		a.inLine = false
		p.line = slices.DeleteFunc(p.line, func(o *Asker) bool { return o == a })
	}
	p.arm(now)
}

// arm calls whoever is first in line when it is its turn.
func (p *Pacer) arm(now int64) {
	if len(p.line) == 0 {
		return
	}
	wait := time.Duration(p.bucket.earliest(p.terms, now) - now)
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.call)
		return
	}
	p.timer.Reset(wait)
}

func (p *Pacer) call() {
	p.mu.Lock()
	var first *Asker
	if len(p.line) > 0 {
		first = p.line[0]
	}
	p.mu.Unlock()
	if first != nil {
		first.turn()
	}
}

// Registry shares pacers by name between the pipelines of a process. It is safe for concurrent use.
type Registry struct {
	mu     sync.Mutex
	pacers map[string]*Pacer
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{pacers: make(map[string]*Pacer)} }

// Get returns the pacer of a name, which the first call makes. Later calls must say the same rate and burst.
func (r *Registry) Get(name string, rate Rate, burst int) (*Pacer, error) {
	if name == "" {
		return nil, errors.New("a limit that is shared needs a name")
	}
	if err := rate.Valid(); err != nil {
		return nil, err
	}
	if burst < 1 {
		burst = rate.DefaultBurst()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pacers[name]
	switch {
	case p == nil:
		p = NewPacer(rate, burst)
		r.pacers[name] = p
	case p.rate != rate || p.burst != burst:
		return nil, fmt.Errorf("%s is %v with a burst of %d already, and cannot be %v with a burst of %d too: configure it alike everywhere, or give it another name", name, p.rate, p.burst, rate, burst)
	}
	return p, nil
}
