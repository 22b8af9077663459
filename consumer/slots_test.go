package consumer

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSlotsShareBetweenKinds drives the slots with random wishes and ends, and holds every step to what they promise.
func TestSlotsShareBetweenKinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 8).Draw(t, "capacity")
		started := make(chan kind, 64)
		s := newSlots(capacity, Shares{Fresh: rapid.Float64Range(0.1, 1).Draw(t, "fresh"), Retries: rapid.Float64Range(0.1, 1).Draw(t, "retries")},
			alone, func(_ *strand, k kind) { started <- k })
		one := new(strand) // several divide nothing here
		used := [kinds]int{}
		waiting := [kinds]int{}
		t.Repeat(map[string]func(*rapid.T){
			"want": func(t *rapid.T) {
				k := kind(rapid.IntRange(0, 1).Draw(t, "kind"))
				before := s.inFlight()
				s.want(new(strand), k)
				if s.inFlight() > before {
					used[<-started]++
				} else {
					waiting[k]++
				}
			},
			"done": func(t *rapid.T) {
				k := kind(rapid.IntRange(0, 1).Draw(t, "kind"))
				if used[k] == 0 {
					t.Skip("none of the kind runs")
				}
				used[k]--
				s.held[one] = &holding{n: 2, of: [kinds]part{{n: 1}, {n: 1}}} // whoever it was
				if _, next, ok := s.done(one, k); ok {
					used[next]++
					waiting[next]--
				}
			},
			"": func(t *rapid.T) {
				total := used[fresh] + used[retry]
				if total > capacity || total != s.inFlight() {
					t.Fatalf("%v in flight of %d, slots say %d", used, capacity, s.inFlight())
				}
				for k := range waiting {
					other := 1 - k
					if waiting[k] > 0 && total < capacity && used[k] < s.share[k] {
						t.Fatalf("kind %d waits below its share: used %v, shares %v", k, used, s.share)
					}
					if capacity > 1 && waiting[k] > 0 && used[k] == 0 && used[other] >= capacity {
						t.Fatalf("kind %d has no slot and all are lent", k)
					}
				}
			},
		})
	})
}

// TestSlotsTakeTurns sees that strands of a kind are served in the order in which they asked, each once.
func TestSlotsTakeTurns(t *testing.T) {
	s := newSlots(1, Shares{Fresh: 1, Retries: 1}, alone, func(*strand, kind) {})
	first, second, third := new(strand), new(strand), new(strand)
	s.want(first, fresh)
	for _, st := range []*strand{second, third, second} {
		s.want(st, fresh)
	}
	ended := first
	for _, want := range []*strand{second, third} {
		got, _, ok := s.done(ended, fresh)
		if !ok || got != want {
			t.Fatalf("got %p %v, want %p", got, ok, want)
		}
		ended = got
	}
	if _, _, ok := s.done(ended, fresh); ok {
		t.Fatal("a strand that asked twice was served twice")
	}
}

// grab lets a strand take all that it gets.
func grab(s *slots, st *strand) (got int) {
	for range 1000 {
		before := s.inFlight()
		if s.want(st, fresh); s.inFlight() == before {
			return got
		}
		got++
	}
	return got
}

// TestAStrandWhoseCallsHangLeavesSlots lets one strand take all that it gets, and never give it back: a sixteenth at once, and
// within a second all but the ninth that is for the others; a second one like it leaves some too. A strand that is alone
// may hold them all.
func TestAStrandWhoseCallsHangLeavesSlots(t *testing.T) {
	several := func() bool { return true }
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, several, func(*strand, kind) {})
	clock := stopped(s)
	first, second, third := new(strand), new(strand), new(strand)
	equal(t, "slots of the first, at once", grab(s, first), 4)
	*clock = clock.Add(lendAfter + lendWithin/4)
	s.look()
	equal(t, "slots of the first, soon", s.held[first].n, 5) // it stands in line once
	equal(t, "slots of the first, soon after", grab(s, first), 15)
	*clock = clock.Add(lendWithin)
	s.look()
	grab(s, first)
	equal(t, "slots of the first", s.held[first].n, 56) // one is kept for retries
	if got := grab(s, second); got < 3 {
		t.Errorf("%d slots are left for the second", got)
	}
	if got := grab(s, third); got < 1 {
		t.Error("none are left for the third")
	}
	s = newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, alone, func(*strand, kind) {})
	equal(t, "slots of one that is alone, but for the one that is a retry's", grab(s, first), 63)
}

// TestSlotsThatOthersNeedAreEarned keeps a strand whose calls hang from what another one needed in the last seconds, though
// it does not at the moment, and lets it have that when its calls succeed.
func TestSlotsThatOthersNeedAreEarned(t *testing.T) {
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	clock := stopped(s)
	busy, hangs := new(strand), new(strand)
	s.want(busy, fresh)
	for s.held[busy].n < 50 { // its calls succeed, and it takes more
		s.ended(busy, fresh, true)
		s.look()
		grab(s, busy)
	}
	delete(s.queued[fresh], busy) // it has nothing more to do
	s.turns[fresh] = nil
	for s.held[busy].n > 1 {
		s.done(busy, fresh)
	}
	*clock = clock.Add(needEpoch / 2)
	grab(s, hangs)
	*clock = clock.Add(needEpoch / 4)
	s.look()
	grab(s, hangs)
	if n := s.held[hangs].n; n < 4 || n > 10 {
		t.Errorf("a strand whose calls hang holds %d of 64 slots beside one that needed 50", n)
	}
	s.ended(hangs, fresh, false)
	before := s.held[hangs].n
	s.look()
	equal(t, "slots after a call that ran into its time-out", s.held[hangs].n, before)
	s.ended(hangs, fresh, true)
	s.look()
	grab(s, hangs)
	equal(t, "slots after a call that succeeded", s.held[hangs].n, before+before/4+1)
	for range 2 {
		*clock = clock.Add(needEpoch)
		s.look()
	}
	if grab(s, hangs); s.held[hangs].n < 50 {
		t.Errorf("a strand holds %d slots that nobody has needed for long", s.held[hangs].n)
	}
}

// TestWhatOthersNeededOneAfterTheOther has strands need a slot each, one after the other, and then one whose first call hangs: what
// the others have not needed at one time is not kept for them.
func TestWhatOthersNeededOneAfterTheOther(t *testing.T) {
	const capacity = 16
	s := newSlots(capacity, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	clock := stopped(s)
	for range capacity {
		st := new(strand)
		s.want(st, fresh)
		s.done(st, fresh)
	}
	hangs := new(strand)
	equal(t, "slots at once", grab(s, hangs), 1)
	*clock = clock.Add(lendAfter + lendWithin)
	s.look()
	grab(s, hangs)
	if n := s.held[hangs].n; n < capacity-3 {
		t.Errorf("a strand may hold %d slots of %d, of which the others used one at a time", n, capacity)
	}
}

// TestStrandsThatWantEverythingHoldTheSame lets strands come one after the other that always want more: as calls end, each
// comes to hold as much as the others, whoever came first.
func TestStrandsThatWantEverythingHoldTheSame(t *testing.T) {
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	stopped(s)
	strands := make([]*strand, 7)
	for i := range strands {
		strands[i] = new(strand)
		endCalls(s, strands[:i+1], 50)
	}
	endCalls(s, strands, 200)
	for i, st := range strands {
		if n := s.held[st].n; n < 7 || n > 10 {
			t.Errorf("strand %d holds %d slots of 64, of 7 that want all", i, n)
		}
	}
}

// endCalls ends a call of each strand, in rounds, as workers do, while all of them want more.
func endCalls(s *slots, strands []*strand, rounds int) {
	for range rounds {
		for _, st := range strands {
			grab(s, st)
			if h := s.held[st]; h != nil && h.n > 0 && s.ended(st, fresh, true) {
				s.done(st, fresh)
			}
		}
	}
}

// TestWhoMayNotHoldMoreKeepsNoSlots has a strand whose calls hang stand in line for retries, of which it may hold no more: the
// slots that it may not have are lent to fresh records all the same.
func TestWhoMayNotHoldMoreKeepsNoSlots(t *testing.T) {
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	stopped(s)
	hangs, busy := new(strand), new(strand)
	grab(s, hangs)
	s.want(hangs, retry)
	endCalls(s, []*strand{busy}, 200)
	if n := s.held[busy].n; n < 45 {
		t.Errorf("%d of 64 slots are used beside a strand that holds %d and may have no more", n, s.held[hangs].n)
	}
}

// TestAStrandIsNotForgottenWhileItsSlotIsInQuestion has all calls last so long that what strands needed is forgotten when the first
// of them ends, of a strand that had this one only.
func TestAStrandIsNotForgottenWhileItsSlotIsInQuestion(t *testing.T) {
	now := time.Now()
	s := newSlots(9, Shares{Fresh: 1, Retries: 1}, func() bool { return true }, func(*strand, kind) {})
	s.now = func() time.Time { return now }
	s.later = func(time.Duration, func()) {}
	first, second := new(strand), new(strand)
	s.want(second, fresh)
	for range 6 { // each of its calls earns it another slot
		s.want(first, fresh)
		s.mu.Lock()
		s.earn(first, fresh, true)
		s.mu.Unlock()
	}
	equal(t, "calls in flight", s.inFlight(), 7)
	now = now.Add(2 * needEpoch)
	s.want(first, fresh)
	s.ended(second, fresh, true)
	equal(t, "slots that it holds", s.held[second].n, 1)
}
