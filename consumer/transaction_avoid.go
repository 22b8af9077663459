package consumer

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// avoided is what a transaction came to nothing for: a destination that did not take its copies, or a lane whose offsets the
// coordinator does not take for what its topic is. The next transactions go without it, and one that tries it goes without
// the others.
type avoided struct {
	until time.Time
	wait  time.Duration
}

// avoidFor is for how long something is avoided at first; it doubles up to routeBackoffMax.
const avoidFor = 2 * time.Second

// laneRefusedError is why the offsets of a lane that is avoided from now on were refused.
type laneRefusedError struct{ why error }

func (e laneRefusedError) Error() string { return e.why.Error() }

func (e laneRefusedError) Unwrap() error { return e.why }

// avoids reports whether transactions go without a copy: one that brokers may refuse for itself would take the others of each transaction with it.
// The lock is held.
func (t *transactor) avoids(r *route) bool {
	return t.avoid[r.to()] != nil || t.avoidLanes[r.entry.lane] != nil || !r.joins && (r.tries > 0 && ofTheCopy(r.err) || t.p.outlets.tight(r))
}

// ofTheCopy reports whether a destination refused a copy for what the copy is: it may take others.
func ofTheCopy(why error) bool {
	for _, of := range []error{kerr.MessageTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.CorruptMessage} {
		if errors.Is(why, of) {
			return true
		}
	}
	return false
}

// due returns the first copy in the queue of which something is avoided that may be tried again, or -1 and how long it is
// until there is one, 0: there is none. The lock is held.
func (t *transactor) due(now time.Time) (at int, wait time.Duration) {
	for i, r := range t.queue {
		if !t.avoids(r) {
			continue
		}
		var until time.Time
		for _, a := range []*avoided{t.avoid[r.to()], t.avoidLanes[r.entry.lane]} {
			if a != nil && a.until.After(until) {
				until = a.until
			}
		}
		if !until.After(now) {
			return i, 0
		}
		if wait == 0 || until.Sub(now) < wait {
			wait = until.Sub(now)
		}
	}
	return -1, wait
}

// trials are the transactions that try again what is avoided. While others have something to write they take a tenth of the
// time: what is away is found to be back, and holds up nobody for long. The run loop's own.
type trials struct {
	underway bool
	rest     time.Time // until when there is none while others have something to write
}

// trialRest is how many times as long as a trial the others have before the next one.
const trialRest = 9

func (t *trials) may(now time.Time) bool { return !now.Before(t.rest) }

func (t *trials) begin() { t.underway = true }

// ended takes down when a transaction, a trial or not, began and ended.
func (t *trials) ended(began, now time.Time) {
	if t.underway {
		t.underway, t.rest = false, now.Add(trialRest*now.Sub(began))
	}
}

// shun avoids a destination for a while that a transaction came to nothing for.
func (t *transactor) shun(r *route, why error) {
	if ofTheCopy(why) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	shun(t.avoid, r.to())
}

// shunLane avoids a lane for a while whose offsets were refused.
func (t *transactor) shunLane(l *lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	shun(t.avoidLanes, l)
}

func shun[K comparable](all map[K]*avoided, what K) {
	a := all[what]
	if a == nil {
		a = &avoided{wait: avoidFor}
		all[what] = a
	} else if time.Now().After(a.until) {
		a.wait = min(2*a.wait, routeBackoffMax)
	}
	a.until = time.Now().Add(a.wait)
}

// trust avoids nothing any more of what a transaction was made of that was committed.
func (t *transactor) trust(batch []*route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range batch {
		delete(t.avoid, r.to())
		delete(t.avoidLanes, r.entry.lane)
	}
}

// forgetLane forgets a lane that is closed.
func (t *transactor) forgetLane(l *lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.avoidLanes, l)
}
