package consumer

import (
	"slices"
	"sync"
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
// other kind out. Within a kind, strands take turns, and none may hold more than eight times what is free: one whose calls
// hang leaves a ninth of the slots to the others, and two leave a seventeenth (dynamic thresholds: Choudhury and Hahne,
// "Dynamic queue length thresholds for shared-memory packet switches", 1998). Fewer than nine slots are not divided so.
type slots struct {
	mu       sync.Mutex
	capacity int
	share    [kinds]int
	reserve  [kinds]int
	used     [kinds]int
	holds    map[*strand]int // slots in use by strand
	several  func() bool     // there are other strands that may want some
	last     kind            // that got a slot
	turns    [kinds][]*strand
	queued   [kinds]map[*strand]struct{}
	start    func(*strand, kind) // on a goroutine of its own
}

// aboveFree is how many times what is free one strand may hold.
const aboveFree = 8

func newSlots(capacity int, shares Shares, several func() bool, start func(*strand, kind)) *slots {
	s := &slots{capacity: capacity, several: several, start: start, holds: make(map[*strand]int)}
	s.share[fresh] = int(float64(capacity)*shares.Fresh/(shares.Fresh+shares.Retries) + 0.5)
	if capacity > 1 {
		s.share[fresh] = min(max(s.share[fresh], 1), capacity-1)
		s.reserve = [kinds]int{1, 1}
	}
	s.share[retry] = capacity - s.share[fresh]
	for k := range s.queued {
		s.queued[k] = make(map[*strand]struct{})
	}
	return s
}

// want asks for a slot for a strand that has work of the kind. A strand that asks twice stands in line once.
func (s *slots) want(st *strand, k kind) {
	s.mu.Lock()
	if _, dup := s.queued[k][st]; dup {
		s.mu.Unlock()
		return
	}
	if s.free(k) && s.mayHold(st, k) && s.first(k) < 0 {
		s.take(st, k)
		s.mu.Unlock()
		go s.start(st, k)
		return
	}
	s.queued[k][st] = struct{}{}
	s.turns[k] = append(s.turns[k], st)
	s.mu.Unlock()
}

func (s *slots) take(st *strand, k kind) {
	s.used[k]++
	s.holds[st]++
	s.last = k
}

// first returns the place in line of the first strand of a kind that may hold another slot, or -1.
func (s *slots) first(k kind) int {
	return slices.IndexFunc(s.turns[k], func(st *strand) bool { return s.mayHold(st, k) })
}

// mayHold reports whether a strand may hold one slot more, of those that are not kept for the other kind.
func (s *slots) mayHold(st *strand, k kind) bool {
	held := s.holds[st]
	if held == 0 || s.capacity <= aboveFree || !s.several() {
		return true
	}
	other := retry - k
	free := s.capacity - s.used[k] - max(s.used[other], s.reserve[other])
	return free > 1 && held < aboveFree*free
}

// done gives a strand's slot back and, when somebody is in line, hands it on: the caller goes on as that strand's worker.
func (s *slots) done(of *strand, used kind) (*strand, kind, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[used]--
	if s.holds[of]--; s.holds[of] == 0 {
		delete(s.holds, of)
	}
	st, k, ok := s.serve()
	for more := ok; more; { // where one may begin, another may too, whom the threshold kept waiting
		var other *strand
		var of kind
		if other, of, more = s.serve(); more {
			go s.start(other, of)
		}
	}
	return st, k, ok
}

// serve gives a slot to whose turn it is, of those that may have one.
func (s *slots) serve() (*strand, kind, bool) {
	for _, next := range s.order() {
		if !s.free(next) {
			continue
		}
		i := s.first(next)
		if i < 0 {
			continue
		}
		st := s.turns[next][i]
		s.turns[next] = slices.Delete(s.turns[next], i, i+1)
		delete(s.queued[next], st)
		s.take(st, next)
		return st, next, true
	}
	return nil, 0, false
}

// contended reports whether a strand stands in line that may hold another slot, so that a worker hands its own on after its
// turn.
func (s *slots) contended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first(fresh) >= 0 || s.first(retry) >= 0
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
	if total := s.used[fresh] + s.used[retry]; total >= s.capacity || s.capacity == 1 {
		return total == 0
	}
	if s.used[k] < s.share[k] {
		return true
	}
	if len(s.turns[other]) > 0 && s.used[other] < s.share[other] {
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
