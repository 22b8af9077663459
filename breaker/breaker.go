package breaker

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Breaker guards one dependency. Make one with [New], or share it by name
// through a [Registry].
type Breaker struct {
	config Config
	epoch  time.Time // the window's time counts from here

	// word is the generation and the state in one, see pack. It is written under
	// mu and read by anyone.
	word      atomic.Uint64
	begun     atomic.Uint64 // permits given so far; a permit's serial number
	succeeded atomic.Uint64
	untold    atomic.Bool // there are events that nobody was told of yet
	suspected atomic.Bool // it is open since calls failed most of which had failed before

	mu          sync.Mutex
	window      window
	run         run
	consecutive int    // failures in a row
	row         int    // of these, not of what had failed before
	alive       uint64 // permits given when the last call succeeded
	silent      int    // failures of calls that began after that
	probes      probes
	since       time.Time
	openUntil   time.Time
	opened      uint64
	why         string
	waits       waits
	timer       *time.Timer
	would       would // what it would do, in MetricsOnly
	doubts      doubts
	closed      bool
	events      events
	waiting     []*waiter // replaced, never changed: read unlocked
	follower    *follower // decides when to probe; nil: the breaker itself
}

// New returns a breaker that measures: closed, or disabled if the configuration
// says so. The error is that of [Config.Validate].
func New(c Config) (*Breaker, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return build(c.WithDefaults()), nil
}

// build makes a breaker of a valid configuration without zero fields.
func build(c Config) *Breaker {
	b := &Breaker{
		config: c,
		epoch:  time.Now(),
		probes: newProbes(c.HalfOpenCalls),
		why:    "new",
	}
	if c.WindowCalls > 0 {
		b.window = newCallWindow(c.WindowCalls)
	} else {
		b.window = newTimeWindow(c.Window)
	}
	b.since = b.epoch
	b.word.Store(pack(1, b.config.Mode))
	return b
}

// A Permit is one admitted call. Permits are small comparable values; the zero
// Permit is none, and to record or cancel it does nothing.
type Permit struct {
	generation uint64 // of the state in which it was given
	serial     uint64 // from 1
}

// Acquire asks whether a call may begin. If so, the call must end with exactly
// one [Breaker.Record] or [Breaker.Cancel] of the permit. It never waits, and
// takes no lock unless the breaker is half-open.
//
// Breakers that are closed, disabled or only for metrics admit every call, open and
// forced-open ones none.
// A half-open breaker admits as many as may still be probed.
func (b *Breaker) Acquire() (Permit, bool) {
	generation, state := unpack(b.word.Load())
	switch state {
	case Closed, Disabled, MetricsOnly:
		return Permit{generation, b.begun.Add(1)}, true
	case HalfOpen:
		return b.acquireProbe()
	}
	return Permit{}, false
}

func (b *Breaker) acquireProbe() (Permit, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	generation, state := unpack(b.word.Load())
	switch state {
	case Closed, Disabled, MetricsOnly: // since Acquire looked
		return Permit{generation, b.begun.Add(1)}, true
	case HalfOpen:
		if b.probes.free() {
			b.limitProbes(generation)
			serial := b.begun.Add(1)
			b.probes.take(serial)
			return Permit{generation, serial}, true
		}
		b.probes.refused = true
	}
	return Permit{}, false
}

// Record ends a call: how it ended, and how long it took. It returns the state
// after that: a caller for whose failure it returns a state that does not admit
// ([State.Admits]) knows that the failure opened the breaker or ended while it was
// not closed.
//
// The state is new at once; subscribers may hear of it a little later, from
// another goroutine. The result of a call that began in an earlier state is stale
// and changes nothing but [Breaker.Succeeded].
//
// A second result for one permit of a half-open breaker is not counted. A permit
// of the closed state may stand for several calls made one after the other: each
// that is recorded counts.
func (b *Breaker) Record(p Permit, o Outcome, took time.Duration) State {
	b.mu.Lock()
	b.record(p, o, took)
	state := b.State()
	freed, waiting := b.probes.freed, b.waiting
	b.probes.freed = false
	b.mu.Unlock()
	b.tell()
	if freed {
		for _, w := range waiting {
			w.tell()
		}
	}
	return state
}

// Cancel ends a call that did not take place, or whose result says nothing of
// the dependency: it gives the permit back.
func (b *Breaker) Cancel(p Permit) {
	b.Record(p, Ignored, 0)
}

// Successes records n calls that succeeded in the closed state without a permit
// of their own, slow of them slower than [Config.SlowCall]: many cheap calls under
// one lock. In other states they count for [Breaker.Succeeded] only. Of calls
// that follow each other, record the successes before the failure that came
// after them.
func (b *Breaker) Successes(n, slow int) {
	if n <= 0 {
		return
	}
	if b.config.SlowCall < 0 {
		slow = 0
	}
	slow = min(max(slow, 0), n)

	b.mu.Lock()
	b.succeeded.Add(uint64(n))
	if b.State().Admits() && !b.closed {
		b.window.add(b.now(), counts{calls: n, slow: slow})
		b.consecutive, b.row, b.silent, b.alive = 0, 0, 0, b.begun.Load()
		b.run.reset()
		b.imagine(Success, n, slow)
		if slow > 0 {
			b.judge()
		}
	}
	b.mu.Unlock()
	b.tell()
}

// State returns where the breaker stands now. It takes no lock.
func (b *Breaker) State() State {
	_, state := unpack(b.word.Load())
	return state
}

// Succeeded returns how many calls ever succeeded, those included that ended in
// a later state than they began in. Who waits for any sign of life compares two
// readings. It takes no lock.
func (b *Breaker) Succeeded() uint64 {
	return b.succeeded.Load()
}

// Config returns the configuration, with the defaults in place of zero fields.
func (b *Breaker) Config() Config {
	return b.config
}

// Close stops the breaker's timer. From then on the breaker stays in its state
// whatever is recorded or forced, and goes on admitting or refusing calls as that state
// does. Closing it again does nothing.
func (b *Breaker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.stopTimer()
}

// record is Record under the lock.
func (b *Breaker) record(p Permit, o Outcome, took time.Duration) {
	generation, state := unpack(b.word.Load())
	switch {
	case p == Permit{}:
	case p.generation != generation || b.closed:
		if o == Success {
			b.succeeded.Add(1)
		}
	case state == HalfOpen:
		b.recordProbe(p, o, b.isSlow(took))
	default: // it admits: no other state gives permits
		b.measure(p, o, b.isSlow(took))
	}
}

// measure counts a call of a state that admits, and judges it.
func (b *Breaker) measure(p Permit, o Outcome, isSlow bool) {
	c := counts{calls: 1}
	if isSlow {
		c.slow = 1
	}
	switch o {
	case Success:
		b.succeeded.Add(1)
		b.consecutive, b.row, b.silent, b.alive = 0, 0, 0, b.begun.Load()
		b.run.succeeded(p.serial)
	case Failure:
		c.failures = 1
		b.consecutive++
		b.row++
		b.run.failed(p.serial, b.begun.Load())
	case FailureAgain:
		c.failures, c.again = 1, 1
		b.consecutive++
		b.run.over(p.serial)
	default:
		b.run.over(p.serial)
		return
	}
	if c.failures > 0 && p.serial > b.alive {
		b.silent++
	}
	b.window.add(b.now(), c)
	b.imagine(o, 1, c.slow)
	if c.failures+c.slow > 0 {
		b.judge()
	}
}

func (b *Breaker) isSlow(took time.Duration) bool {
	return b.config.SlowCall >= 0 && took >= b.config.SlowCall
}

func (b *Breaker) now() time.Duration {
	return time.Since(b.epoch)
}

// pack puts the generation, which every change of state increments, and the
// state into one word, so that a permit's generation and the state that admitted
// it are read at once.
func pack(generation uint64, s State) uint64 {
	return generation<<8 | uint64(s)
}

func unpack(word uint64) (generation uint64, s State) {
	return word >> 8, State(word)
}
