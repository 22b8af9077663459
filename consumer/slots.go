package consumer

import "sync"

// kind is which share of the slots a call uses.
type kind uint8

const (
	fresh kind = iota
	retry
	kinds
)

// slots are the handler calls in flight. Fresh records and retries each have a guaranteed share; what one does not use
// is lent to the other, but for one slot of each that is never lent, so that calls which do not end cannot keep the
// other kind out. Within a kind, strands take turns.
type slots struct {
	mu       sync.Mutex
	capacity int
	share    [kinds]int
	reserve  [kinds]int
	used     [kinds]int
	last     kind // that got a slot
	turns    [kinds][]*strand
	queued   [kinds]map[*strand]struct{}
	start    func(*strand, kind) // on a goroutine of its own
}

func newSlots(capacity int, shares Shares, start func(*strand, kind)) *slots {
	s := &slots{capacity: capacity, start: start}
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
	if s.free(k) && len(s.turns[k]) == 0 {
		s.used[k]++
		s.last = k
		s.mu.Unlock()
		go s.start(st, k)
		return
	}
	s.queued[k][st] = struct{}{}
	s.turns[k] = append(s.turns[k], st)
	s.mu.Unlock()
}

// done gives a slot back and, when somebody is in line, hands it on: the caller goes on as that strand's worker.
func (s *slots) done(k kind) (*strand, kind, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[k]--
	for _, next := range s.order() {
		if len(s.turns[next]) == 0 || !s.free(next) {
			continue
		}
		st := s.turns[next][0]
		s.turns[next][0] = nil
		s.turns[next] = s.turns[next][1:]
		delete(s.queued[next], st)
		s.used[next]++
		s.last = next
		return st, next, true
	}
	return nil, 0, false
}

// contended reports whether a strand stands in line, so that a worker hands its slot on after its turn.
func (s *slots) contended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.turns[fresh])+len(s.turns[retry]) > 0
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
