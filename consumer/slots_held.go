package consumer

import "time"

// holding is what one strand has of the slots.
type holding struct {
	n      int // in use
	of     [kinds]part
	peak   int // the most it held in this epoch
	before int // the most it held in the one before
	needs  int // of n, what it has earned
}

// part is what a strand has of the slots for one kind.
type part struct {
	n      int
	since  time.Time // when it had none before
	earned int       // how many it may hold, by what its calls have shown in this epoch
	before int       // the same, of the one before
}

const (
	// aboveFree is how many times what is free one strand may hold.
	aboveFree = 8
	// unearned is the part of the slots that a strand may hold for fresh records though its calls do not end: one in so many.
	unearned = 16
	// lendAfter is when a strand may get more, which gives the others the time to show what they need, and lendWithin
	// within what time from then on it may get all that they do not.
	lendAfter, lendWithin = time.Second / 2, time.Second
	// needEpoch is for how long it is remembered, at least, what a strand has needed.
	needEpoch = 10 * time.Second
	// lookEvery is how often it is looked who may hold more by now, while somebody stands in line.
	lookEvery = 50 * time.Millisecond
)

// mayHold reports whether a strand may hold one slot more, of those that are not kept for the other kind. A slot that is
// given to a call which hangs is gone until that call's time is over. So, while there are several strands, what a strand may
// hold is earned by calls that succeed: with each of them the strand may hold a quarter more of the kind than it holds.
// Without, it may at once hold a sixteenth of the slots for fresh records, at least one, and one for retries, which
// have failed before; and more only step by step, after half a second, and only what the others have not needed at one time of
// late. One whose calls all hang takes next to nothing from others that are at work. What was earned is remembered for
// needEpoch, so that work which comes in bursts does not begin anew with each.
//
// Of nine slots or more nobody holds more than eight times what is free, so that whoever comes finds some: one strand leaves a ninth, and two
// a seventeenth (dynamic thresholds: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet
// switches", 1998). One that has earned it leaves less where the others have not needed more of late: its calls end, and
// whoever comes gets the slots that they give back.
func (s *slots) mayHold(st *strand, k kind) bool {
	h := s.held[st]
	if h == nil || h.n == 0 || !s.divided() {
		return true
	}
	other := retry - k
	free := s.capacity - s.used[k] - max(s.used[other], s.reserve[other])
	spare := s.spare()
	if free <= spare {
		return false
	}
	now := s.now()
	s.turnEpoch(now)
	others := min(s.peaks-max(h.peak, h.before), max(s.peak, s.before)) // not all of them needed what they did at one time
	crowding := spare > 0 && h.n >= aboveFree*free
	if h.of[k].n < s.earned(h, k) {
		idle := others - (s.used[k] + s.used[other] - h.n) // what the others have needed and do not use now
		return !crowding || free-1 > idle
	}
	if crowding || h.n+others >= s.capacity-s.reserve[other]-spare || h.of[k].n == 0 {
		return false
	}
	lent := min(max(now.Sub(h.of[k].since)-lendAfter, 0), lendWithin)
	return h.of[k].n < s.unearned(k)+int(int64(s.capacity)*int64(lent)/int64(lendWithin))
}

// below reports whether a strand may have the slot that another one has just given back, and not hold more than that.
func (s *slots) below(st, of *strand, k kind) bool {
	h := s.held[st]
	return h != nil && h.of[k].n < s.earned(h, k) && h.n < s.held[of].n
}

// divided reports whether strands are kept from one another's slots: where fresh records have more than one.
func (s *slots) divided() bool { return s.capacity > 2 && s.several() }

// spare is how many slots are left free by those that have some: none of so few that one is more than a ninth.
func (s *slots) spare() int {
	if s.capacity > aboveFree {
		return 1
	}
	return 0
}

// unearned is how many slots of a kind a strand may hold at once, and earned how many by what its calls have shown.
func (s *slots) unearned(k kind) int {
	if k == retry {
		return 1
	}
	return max(s.capacity/unearned, 1)
}

func (s *slots) earned(h *holding, k kind) int {
	return max(h.of[k].earned, h.of[k].before, s.unearned(k))
}

// takes notes that a strand holds one slot more.
func (s *slots) takes(st *strand, k kind) {
	h := s.held[st]
	if h == nil {
		s.turnEpoch(s.now())
		h = new(holding)
		s.held[st] = h
	}
	of := &h.of[k]
	if of.n == 0 {
		of.since = s.now()
	}
	h.add(k, 1)
	if h.n > h.peak {
		s.peaks += max(h.n-max(h.peak, h.before), 0)
		h.peak = h.n
	}
	s.count(h)
}

// count notes how much of what a strand holds it has earned: what it was lent beyond that nobody is known to need.
func (s *slots) count(h *holding) {
	s.needs -= h.needs
	h.needs = 0
	for k := range kinds {
		h.needs += min(h.of[k].n, s.earned(h, k))
	}
	s.needs += h.needs
	s.peak = max(s.peak, s.needs)
}

func (h *holding) add(k kind, n int) {
	h.n += n
	h.of[k].n += n
}

// earn says what a strand may hold after a call of it that ended: a quarter more than it holds after one that succeeded, and
// one less after one that did not.
func (s *slots) earn(st *strand, k kind, worked bool) {
	h := s.held[st]
	of := &h.of[k]
	if worked {
		of.earned = max(of.earned, of.n+of.n/4+1)
	} else {
		of.earned, of.before = min(of.earned, of.n-1), min(of.before, of.n-1)
	}
	s.count(h)
}

// turnEpoch begins another epoch when it is time, and forgets strands that have had nothing for long. Where nobody has asked
// for so long that one went by unseen, the one before had nothing in it.
func (s *slots) turnEpoch(now time.Time) {
	since := now.Sub(s.began)
	if since < needEpoch {
		return
	}
	if since >= 2*needEpoch {
		s.peak = s.needs
	}
	s.before, s.peak = s.peak, s.needs
	s.began, s.peaks = now, 0
	for st, h := range s.held {
		if since >= 2*needEpoch {
			h.peak = h.n
			for k := range h.of {
				h.of[k].earned = min(h.of[k].earned, h.of[k].n)
			}
		}
		h.before, h.peak = h.peak, h.n
		for k := range h.of {
			h.of[k].before, h.of[k].earned = h.of[k].earned, min(h.of[k].earned, h.of[k].n)
		}
		if h.before == 0 && h.n == 0 {
			delete(s.held, st)
		}
		s.peaks += max(h.before, h.peak)
		s.count(h)
	}
}

// lookLater looks again soon who may hold another slot, while somebody stands in line.
func (s *slots) lookLater() {
	if s.looking || len(s.turns[fresh])+len(s.turns[retry]) == 0 || !s.divided() && s.flows == nil {
		return
	}
	s.looking = true
	s.later(lookEvery, s.look)
}

func (s *slots) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looking = false
	s.turnEpoch(s.now())
	s.serveMore()
	s.lookLater()
}
