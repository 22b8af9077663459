package consumer

import (
	"testing"
	"time"
)

// A strand's calls take as long as one another here, so that a burst is over after so many rounds of them.
const burstCall = 500 * time.Millisecond

// burst has a strand make so many calls that succeed, and returns in how many rounds, and how many ran at once at most. Nobody
// else wants anything.
func burst(s *slots, clock *time.Time, st *strand, calls int) (rounds, most int) {
	more := func() {
		for running(s, st) < calls {
			before := s.inFlight()
			if s.want(st, fresh); s.inFlight() == before {
				return
			}
		}
	}
	for more(); calls > 0; rounds++ {
		n := running(s, st)
		most = max(most, n)
		*clock = clock.Add(burstCall)
		s.look()
		for range n {
			calls--
			s.ended(st, fresh, true)
			if running(s, st) > calls { // nothing is left for this worker
				leaveLine(s, st)
				s.done(st, fresh)
			}
			more()
		}
	}
	return rounds, most
}

func running(s *slots, st *strand) int {
	if h := s.held[st]; h != nil {
		return h.n
	}
	return 0
}

// leaveLine takes a strand out of the line that has nothing to do for another worker.
func leaveLine(s *slots, st *strand) {
	delete(s.queued[fresh], st)
	s.turns[fresh] = nil
}

// TestWhatWasEarnedOutlastsAPause lets one of several strands work in bursts of forty calls: the first has to earn its slots,
// those that follow within the time of memory come to run at once, and one long after begins anew.
func TestWhatWasEarnedOutlastsAPause(t *testing.T) {
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	clock := stopped(s)
	st := new(strand)
	first, _ := burst(s, clock, st, 40)
	if first < 2 {
		t.Fatalf("the first burst took %d round: nothing had to be earned", first)
	}
	for i := range 5 {
		*clock = clock.Add(needEpoch / 2)
		rounds, _ := burst(s, clock, st, 40)
		if i == 0 && rounds >= first || i > 0 && rounds > 1 {
			t.Errorf("burst %d took %d rounds, the first %d", i+2, rounds, first)
		}
	}
	*clock = clock.Add(3 * needEpoch)
	rounds, _ := burst(s, clock, st, 40)
	equal(t, "rounds of a burst long after", rounds, first)
}

// TestWhatFailsLosesWhatItEarned has the calls of a strand fail that had earned the most: it begins anew after a pause.
func TestWhatFailsLosesWhatItEarned(t *testing.T) {
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	clock := stopped(s)
	st := new(strand)
	burst(s, clock, st, 40)
	grab(s, st)
	for running(s, st) > 0 {
		s.ended(st, fresh, false)
		leaveLine(s, st)
		s.done(st, fresh)
	}
	*clock = clock.Add(time.Second)
	equal(t, "slots at once", grab(s, st), 4)
}

// TestAStrandThatIsAloneAtWorkUsesNearlyAll lets one of several strands work while the others have nothing to do: as its calls
// succeed it gets all slots but one, beside the one of retries; another one that comes holds as much as it soon, and finds
// as much again when it comes back.
func TestAStrandThatIsAloneAtWorkUsesNearlyAll(t *testing.T) {
	s := newSlots(64, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return true }, func(*strand, kind) {})
	clock := stopped(s)
	one, two := new(strand), new(strand)
	_, most := burst(s, clock, one, 1000)
	equal(t, "slots of the one that is at work", most, 62)
	endCalls(s, []*strand{one, two}, 200)
	if n := running(s, two); n < 28 {
		t.Fatalf("the one that came holds %d slots", n)
	}
	leaveLine(s, two)
	for running(s, two) > 0 {
		s.done(two, fresh)
		leaveLine(s, two)
	}
	endCalls(s, []*strand{one}, 200)
	if left := 64 - 1 - running(s, one); left < 28 {
		t.Errorf("%d slots are left for one that needed half of them a moment ago", left)
	}
}
