package retrytopics_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
	"pgregory.net/rapid"
)

func TestHop(t *testing.T) {
	s := schedule(t, retrytopics.Policy{}) // 1s 10s 60s
	for _, tt := range []struct {
		name            string
		left, travelled string
		want            int
	}{
		{"a tier of its own", "1s", "0s", 0},
		{"the longest that does not overshoot", "59s", "0s", 1},
		{"exactly the longest", "60s", "0s", 2},
		{"longer than all of them", "1h", "0s", 2},
		{"shorter than all of them", "999ms", "0s", retrytopics.Lane},
		{"nothing left", "0s", "0s", retrytopics.Lane},
		{"overdue", "-5s", "10s", retrytopics.Lane},
		{"jitter of the first tier", "250ms", "1s", retrytopics.Lane},
		{"no more than the shortest tier", "1s", "1s", retrytopics.Lane},
		{"more than that", "1001ms", "1s", 0},
		{"no more than a quarter of the tier travelled", "15s", "60s", retrytopics.Lane},
		{"more than that", "15001ms", "60s", 1},
		{"a tier that left the configuration", "20s", "90s", retrytopics.Lane},
		{"the same tier again", "60s", "60s", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			equal(t, s.Hop(durations(t, tt.left)[0], durations(t, tt.travelled)[0]), tt.want)
		})
	}
}

func TestRoute(t *testing.T) {
	for _, tt := range []struct {
		tiers, delay, hops, rest string
	}{
		{"1s 10s 60s", "1200ms", "1s", "200ms"},
		{"1s 10s 60s", "3s", "1s 1s", "1s"},
		{"1s 10s 60s", "9s", "1s 1s 1s 1s 1s 1s 1s 1s", "1s"},
		{"1s 10s 60s", "27s", "10s 10s 1s 1s 1s 1s 1s 1s", "1s"},
		{"1s 10s 60s", "75s", "60s", "15s"},
		{"1s 10s 60s", "130s", "60s 60s", "10s"},
		{"1s 3s 9s 27s", "33.7s", "27s", "6.7s"},
		{"1s", "0s", "", "0s"},
	} {
		t.Run(tt.tiers+" for "+tt.delay, func(t *testing.T) {
			s := schedule(t, retrytopics.Policy{Tiers: durations(t, tt.tiers)})
			hops, rest := s.Route(durations(t, tt.delay)[0])
			equal(t, hops, durations(t, tt.hops))
			equal(t, rest, durations(t, tt.rest)[0])
		})
	}
}

func anyTiers(t *rapid.T) []time.Duration {
	ms := rapid.SliceOfNDistinct(rapid.Int64Range(1, 1_000_000), 1, 6, rapid.ID).Draw(t, "tiers")
	slices.Sort(ms)
	var tiers []time.Duration
	for _, n := range ms {
		tiers = append(tiers, time.Duration(n)*time.Millisecond)
	}
	return tiers
}

// never-early, by plan: following Hop, a record arrives before it is due with
// no more left than is waited out in a lane, and takes a bounded number of
// copies.
func TestHopsNeverOvershoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := retrytopics.Policy{Tiers: anyTiers(t)}.Compile()
		noError(t, err)
		tiers := s.Tiers()
		shortest, longest := tiers[0], tiers[len(tiers)-1]
		// Within the longest delay that makes sense for these tiers.
		delay := time.Duration(rapid.Int64Range(0, int64(4*longest)).Draw(t, "delay"))
		hops, rest := s.Route(delay)

		sum := rest
		for _, hop := range hops {
			sum += hop
		}
		equal(t, sum, delay)
		if rest < 0 {
			t.Fatalf("overshoots by %v", -rest)
		}
		if !slices.IsSortedFunc(hops, func(a, b time.Duration) int { return int(b - a) }) {
			t.Fatalf("hops %v: the longest come first", hops)
		}
		last := time.Duration(0)
		if len(hops) > 0 {
			last = hops[len(hops)-1]
		}
		if rest > max(shortest, last/4) {
			t.Fatalf("waits %v in the lane after %v", rest, last)
		}
		// As many of the longest as fit, and of every other tier fewer than
		// one of the next longer.
		bound := math.Ceil(float64(delay) / float64(longest))
		for i := range tiers[1:] {
			bound += math.Ceil(float64(tiers[i+1]) / float64(tiers[i]))
		}
		if float64(len(hops)) > bound {
			t.Fatalf("%d copies for %v over %v, want at most %v", len(hops), delay, tiers, bound)
		}
	})
}

// A record that is late on its way skips what it has no more time for.
func TestHopsEndHoweverLateARecordIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := retrytopics.Policy{Tiers: anyTiers(t)}.Compile()
		noError(t, err)
		left := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "delay"))
		travelled := time.Duration(0)
		for {
			i := s.Hop(left, travelled)
			if i == retrytopics.Lane {
				return
			}
			if s.Tiers()[i] > left {
				t.Fatalf("tier %v overshoots %v", s.Tiers()[i], left)
			}
			travelled = s.Tiers()[i]
			left -= travelled + time.Duration(rapid.Int64Range(0, int64(travelled)).Draw(t, "late"))
		}
	})
}
