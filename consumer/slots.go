package consumer

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// kind is which share of the slots a call uses.
type kind uint8

const (
	fresh kind = iota
	retry
	kinds
)

// slots are the handler calls in flight. Fresh records and retries each have a guaranteed share; what one does not use
// is lent to the other, but for one slot of each that is never lent, so that calls which do not end cannot keep the
// other kind out. Within a kind, strands take turns; what one of them may hold beside others says [slots.mayHold].
type slots struct {
	mu       sync.Mutex
	capacity int
	share    [kinds]int
	reserve  [kinds]int
	used     [kinds]int
	held     map[*strand]*holding
	peaks    int         // the sum of those of all strands
	needs    int         // the sum of theirs
	peak     int         // the most that this was in this epoch
	before   int         // and in the one before
	began    time.Time   // of the epoch
	several  func() bool // there are other strands that may want some
	last     kind        // that got a slot
	turns    [kinds][]*strand
	queued   [kinds]map[*strand][]offer // of flows, where they are told apart
	start    func(*strand, kind)        // on a goroutine of its own
	flows    *flows                     // nil: neither tenants nor priorities are told apart
	pacing   *pacing                    // nil: calls start as soon as there is a slot

	now     func() time.Time
	later   func(time.Duration, func())
	looking bool // later

	ramp    *slowStart  // nil: none
	ramping atomic.Bool // ramp is not nil, for who must not take the lock
}

func newSlots(capacity int, shares Shares, several func() bool, start func(*strand, kind)) *slots {
	s := &slots{capacity: capacity, several: several, start: start, held: make(map[*strand]*holding), now: time.Now}
	s.later = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	s.share[fresh] = int(float64(capacity)*shares.Fresh/(shares.Fresh+shares.Retries) + 0.5)
	if capacity > 1 {
		s.share[fresh] = min(max(s.share[fresh], 1), capacity-1)
		s.reserve = [kinds]int{1, 1}
	}
	s.share[retry] = capacity - s.share[fresh]
	for k := range s.queued {
		s.queued[k] = make(map[*strand][]offer)
	}
	return s
}

// want asks for a slot for a strand that has work of the kind. A strand that asks twice stands in line once.
func (s *slots) want(st *strand, k kind) { s.wantFor(st, k, nil) }

// wantFor is want of a strand that offers what it has of each flow. Asked again, it is what counts.
func (s *slots) wantFor(st *strand, k kind, offers []offer) {
	s.mu.Lock()
	if _, dup := s.queued[k][st]; dup {
		if s.flows != nil {
			s.queued[k][st] = offers
			s.serveMore()
		}
		s.mu.Unlock()
		return
	}
	if s.flows == nil && s.free(k) && s.mayHold(st, k) && s.first(k) < 0 && s.paced() {
		s.take(st, k)
		s.mu.Unlock()
		go s.start(st, k)
		return
	}
	s.queued[k][st] = offers
	s.turns[k] = append(s.turns[k], st)
	if s.flows != nil {
		s.serveMore()
	}
	s.lookLater()
	s.mu.Unlock()
}

func (s *slots) take(st *strand, k kind) {
	s.used[k]++
	s.last = k
	s.takes(st, k)
}

// first returns the place in line of the first strand of a kind that may hold another slot, or -1.
func (s *slots) first(k kind) int {
	if s.flows != nil {
		i, _ := s.firstOffer(k)
		return i
	}
	return slices.IndexFunc(s.turns[k], func(st *strand) bool { return s.mayHold(st, k) })
}

// done gives a strand's slot back and, when somebody is in line, hands it on: the caller goes on as that strand's worker.
func (s *slots) done(of *strand, used kind) (*strand, kind, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[used]--
	s.held[of].add(used, -1)
	s.count(s.held[of])
	defer s.lookLater()
	st, k, ok := s.serve()
	if ok {
		s.serveMore()
		return st, k, true
	}
	if i, k, ok := s.heir(of); ok && s.paced() {
		return s.give(i, k), k, true
	}
	return nil, 0, false
}

// serveMore begins what else may begin: where one may, another may too, whom the bounds kept waiting.
func (s *slots) serveMore() {
	for st, k, ok := s.serve(); ok; st, k, ok = s.serve() {
		go s.start(st, k)
	}
}

// serve gives a slot to whose turn it is, of those that may have one.
func (s *slots) serve() (*strand, kind, bool) {
	if s.flows != nil {
		return s.serveFlows()
	}
	for _, next := range s.order() {
		if !s.free(next) {
			continue
		}
		i := s.first(next)
		if i < 0 {
			continue
		}
		if !s.paced() {
			return nil, 0, false
		}
		return s.give(i, next), next, true
	}
	return nil, 0, false
}

// give gives a slot to a strand that stands in line.
func (s *slots) give(i int, k kind) *strand {
	st := s.turns[k][i]
	s.turns[k] = slices.Delete(s.turns[k], i, i+1)
	delete(s.queued[k], st)
	s.take(st, k)
	return st
}

// ended notes that a strand's worker is through with something, and whether a call succeeded. It reports whether the worker
// gives its slot back: somebody stands in line that may hold one more, or that may have this one, or it is too early for
// another call.
func (s *slots) ended(of *strand, k kind, worked bool) (giveBack bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.earn(of, k, worked)
	if s.used[fresh]+s.used[retry] > s.limit() || s.first(fresh) >= 0 || s.first(retry) >= 0 {
		return true
	}
	if len(s.turns[fresh])+len(s.turns[retry]) > 0 {
		s.turnEpoch(s.now()) // else heir may, and forget the strand that has none for a moment
	}
	s.used[k]--
	s.held[of].add(k, -1)
	_, _, giveBack = s.heir(of)
	s.used[k]++
	s.held[of].add(k, 1)
	return giveBack || !s.paced()
}

// heir returns who may have the slot that a strand has given back: whoever stands in line, is another one and holds no more
// then. So strands that want more than there is come to hold as much as one another, as far as they have earned it.
func (s *slots) heir(of *strand) (i int, k kind, ok bool) {
	if s.flows != nil {
		return s.heirOfFlows(of)
	}
	for _, k := range s.order() {
		if !s.free(k) {
			continue
		}
		i := slices.IndexFunc(s.turns[k], func(st *strand) bool { return st != of && (s.mayHold(st, k) || s.below(st, of, k)) })
		if i >= 0 {
			return i, k, true
		}
	}
	return 0, 0, false
}

// order returns the kinds, first the one that is further below its share.
func (s *slots) order() [kinds]kind {
	if s.capacity == 1 { // one slot cannot be shared but by turns
		return [kinds]kind{retry - s.last, s.last}
	}
	if s.used[retry]*s.share[fresh] < s.used[fresh]*s.share[retry] {
		return [kinds]kind{retry, fresh}
	}
	return [kinds]kind{fresh, retry}
}

// free reports whether a call of the kind may start: within its own share, or on a slot that the other kind does not
// use and need not be kept for it.
func (s *slots) free(k kind) bool {
	other := retry - k
	if total := s.used[fresh] + s.used[retry]; total >= s.limit() || s.capacity == 1 {
		return total == 0
	}
	if s.used[k] < s.share[k] {
		return true
	}
	if s.used[other] < s.share[other] && s.first(other) >= 0 {
		return false
	}
	return s.capacity-s.used[k]-max(s.used[other], s.reserve[other]) > 0
}

// inFlight returns the calls in flight.
func (s *slots) inFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[fresh] + s.used[retry]
}
