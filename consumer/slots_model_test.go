package consumer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSlotsModel asks for slots and gives them back in any order. Never are more in use than there are; nobody stands in line who
// could start; and who stands in line is served.
func TestSlotsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 30).Draw(t, "capacity")
		shares := Shares{Fresh: rapid.Float64Range(0.05, 1).Draw(t, "fresh"), Retries: rapid.Float64Range(0.05, 1).Draw(t, "retries")}
		started := make(chan slot, 1000)
		several := rapid.Bool().Draw(t, "several")
		s := newSlots(capacity, shares, func() bool { return several }, func(st *strand, k kind) { started <- slot{st, k} })
		var inUse []slot
		clock := stopped(s)
		strands := make([]*strand, 6)
		for i := range strands {
			strands[i] = &strand{partition: int32(i)}
		}
		var running [kinds]int
		begun := func() { // by others than the caller
			for s.inFlight() > len(inUse) {
				also := <-started
				running[also.kind]++
				inUse = append(inUse, also)
			}
		}
		inLine := func(k kind, st *strand) bool { _, is := s.queued[k][st]; return is }
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			if k := kind(rapid.IntRange(0, 1).Draw(t, "kind")); rapid.Bool().Draw(t, "want") {
				st := rapid.SampledFrom(strands).Draw(t, "strand")
				before := inLine(k, st)
				s.want(st, k)
				if !before && !inLine(k, st) {
					got := <-started
					equalTo(t, "started", got, slot{st, k})
					running[k]++
					inUse = append(inUse, got)
				}
			} else if len(inUse) > 0 {
				i := rapid.IntRange(0, len(inUse)-1).Draw(t, "done")
				ended := inUse[i]
				s.ended(ended.strand, ended.kind, rapid.Bool().Draw(t, "worked"))
				inUse = slices.Delete(inUse, i, i+1)
				running[ended.kind]--
				if st, next, ok := s.done(ended.strand, ended.kind); ok {
					running[next]++
					inUse = append(inUse, slot{st, next})
				}
				begun()
			}
			if rapid.Bool().Draw(t, "time goes by") {
				*clock = clock.Add(time.Duration(rapid.IntRange(0, 15_000).Draw(t, "ms")) * time.Millisecond)
				s.look()
				begun()
			}
			peaks, needs := 0, 0
			for _, h := range s.held {
				peaks += max(h.peak, h.before)
				needs += min(h.of[fresh].n, s.earned(h, fresh)) + min(h.of[retry].n, s.earned(h, retry))
			}
			equalTo(t, "sum of the peaks", s.peaks, peaks)
			equalTo(t, "slots in use that were earned", s.needs, needs)
			if most := max(s.peak, s.before); needs > most {
				t.Fatalf("%d slots in use were earned, the most is %d", needs, most)
			}
			holds := make(map[*strand]int)
			for _, u := range inUse {
				if holds[u.strand]++; several && capacity > aboveFree && holds[u.strand] == capacity {
					t.Fatalf("one strand holds all %d slots", capacity)
				}
			}
			if running[fresh]+running[retry] > capacity || s.inFlight() != running[fresh]+running[retry] {
				t.Fatalf("%v are running, %d are counted, of %d", running, s.inFlight(), capacity)
			}
			for k := range kinds {
				if len(s.turns[k]) != len(s.queued[k]) {
					t.Fatalf("%d stand in line, %d are known to", len(s.turns[k]), len(s.queued[k]))
				}
				if s.first(k) >= 0 && s.free(k) {
					t.Fatalf("a call of kind %d stands in line and could start: running %v of %d, shares %v", k, running, capacity, s.share)
				}
			}
			if capacity > 1 {
				for k := range kinds { // what is reserved for a kind that nobody uses
					if running[k] == 0 && running[retry-k] >= capacity {
						t.Fatalf("kind %d holds all %d slots", retry-k, capacity)
					}
				}
			}
		}
	})
}

// stopped puts the slots on a clock that only the test moves, and lets only it look who may hold more.
func stopped(s *slots) *time.Time {
	clock := time.Unix(1, 0)
	s.now, s.later = func() time.Time { return clock }, func(time.Duration, func()) {}
	return &clock
}

// slot is one in use.
type slot struct {
	strand *strand
	kind   kind
}

func equalTo[T comparable](t *rapid.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// alone says that there is one strand only, as far as anybody's share of the slots goes.
func alone() bool { return false }

// TestBothKindsAreServed has both kinds always want more than there is: each gets its share of the turns, with a single
// slot too.
func TestBothKindsAreServed(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 10, 64} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			s := newSlots(capacity, Shares{Fresh: 0.5, Retries: 0.5}, alone, func(st *strand, k kind) {})
			strands := make([]*strand, 2*capacity)
			var served [kinds]int
			var running [kinds]int
			want := func() {
				for _, st := range strands {
					for k := range kinds {
						before := s.used
						s.want(st, k)
						if s.used != before {
							running[k]++
						}
					}
				}
			}
			for i := range strands {
				strands[i] = &strand{partition: int32(i)}
			}
			const turns = 1000
			for i := range turns {
				want()
				k := kind(i % 2)
				if running[k] == 0 {
					k = retry - k
				}
				running[k]--
				var holder *strand
				for st, h := range s.held {
					if h.n > 0 {
						holder = st
					}
				}
				_, next, ok := s.done(holder, k)
				if !ok {
					t.Fatal("nobody was served though both kinds stand in line")
				}
				running[next]++
				served[next]++
			}
			for k := range kinds {
				if served[k] < turns/3 {
					t.Errorf("kind %d had %d of %d turns", k, served[k], turns)
				}
			}
		})
	}
}
