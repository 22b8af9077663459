package consumer

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSlotsShareBetweenKinds drives the slots with random wishes and ends, and holds every step to what they promise.
func TestSlotsShareBetweenKinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 8).Draw(t, "capacity")
		started := make(chan kind, 64)
		s := newSlots(capacity, Shares{Fresh: rapid.Float64Range(0.1, 1).Draw(t, "fresh"), Retries: rapid.Float64Range(0.1, 1).Draw(t, "retries")},
			alone, func(_ *strand, k kind) { started <- k })
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
				if _, next, ok := s.done(nil, k); ok {
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
	for _, want := range []*strand{second, third} {
		if got, _, ok := s.done(nil, fresh); !ok || got != want {
			t.Fatalf("got %p %v, want %p", got, ok, want)
		}
	}
	if _, _, ok := s.done(nil, fresh); ok {
		t.Fatal("a strand that asked twice was served twice")
	}
}

// TestAStrandWhoseCallsHangLeavesSlots lets one strand take all that it gets, and never give it back: it leaves a ninth to the
// others, and a second one like it leaves some too. A strand that is alone may hold them all.
func TestAStrandWhoseCallsHangLeavesSlots(t *testing.T) {
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	grab := func(s *slots, st *strand) (got int) {
		for range 100 {
			before := s.inFlight()
			if s.want(st, fresh); s.inFlight() == before {
				return got
			}
			got++
		}
		return got
	}
	first, second, third := new(strand), new(strand), new(strand)
	equal(t, "slots of the first", grab(s, first), 56) // one is kept for retries
	if got := grab(s, second); got < 3 {
		t.Errorf("%d slots are left for the second", got)
	}
	if got := grab(s, third); got < 1 {
		t.Error("none are left for the third")
	}
	s = newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, alone, func(*strand, kind) {})
	equal(t, "slots of one that is alone, but for the one that is a retry's", grab(s, first), 63)
}
