package breaker

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestAgainstModel plays random calls, forced states and time on a breaker and on
// a model that keeps a list of everything and looks at all of it each time.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := configs().Draw(rt, "config")
		script := rapid.SliceOfN(steps(c), 10, 150).Draw(rt, "script")
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = play(t, c, script) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

func configs() *rapid.Generator[Config] {
	return rapid.Custom(func(t *rapid.T) Config {
		c := Config{
			Dependency:    "payments",
			Mode:          rapid.SampledFrom([]State{Closed, Closed, Closed, Closed, Closed, Closed, Closed, Disabled, MetricsOnly, MetricsOnly, ForcedOpen}).Draw(t, "mode"),
			MinimumCalls:  rapid.IntRange(1, 8).Draw(t, "minimum calls"),
			Failures:      rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "failures"),
			FailureRate:   rapid.SampledFrom([]float64{0.1, 0.3, 0.5, 0.55, 0.9, 1}).Draw(t, "failure rate"),
			SlowCall:      rapid.SampledFrom([]time.Duration{-1, 5 * time.Millisecond, time.Second}).Draw(t, "slow call"),
			SlowRate:      rapid.SampledFrom([]float64{0.2, 0.5, 1}).Draw(t, "slow rate"),
			OpenFor:       rapid.SampledFrom([]time.Duration{time.Millisecond, 100 * time.Millisecond}).Draw(t, "open for"),
			OpenJitter:    -1,
			HalfOpenCalls: rapid.IntRange(1, 4).Draw(t, "half-open calls"),
			HalfOpenFor:   rapid.SampledFrom([]time.Duration{-1, 7 * time.Millisecond, time.Second}).Draw(t, "half-open for"),

			OpenMultiplier: rapid.SampledFrom([]float64{1, 1, 2}).Draw(t, "open multiplier"),
		}
		if rapid.Bool().Draw(t, "a window of calls") {
			c.WindowCalls = rapid.IntRange(c.MinimumCalls, 12).Draw(t, "window calls")
		} else {
			c.Window = rapid.SampledFrom([]time.Duration{time.Millisecond, 29 * time.Millisecond, 300 * time.Millisecond}).Draw(t, "window")
		}
		c.OpenMax = c.OpenFor * time.Duration(rapid.IntRange(1, 5).Draw(t, "open max"))
		return c
	})
}

// A step is one thing that happens, N times over. Which permit an index means is known when it
// is played: the one that far from the newest.
type step struct {
	Do      string
	Permit  int
	Outcome Outcome
	Took    time.Duration // or how much time passes
	N, Slow int
	State   State
}

func steps(c Config) *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		s := step{Do: rapid.SampledFrom([]string{
			"acquire", "acquire", "record", "record", "record", "record", "call", "call", "call", "call", "cancel", "successes", "wait", "force", "auto", "probe",
		}).Draw(t, "do")}
		switch s.Do {
		case "acquire":
			s.N = rapid.IntRange(1, 10).Draw(t, "n")
		case "call":
			s.N = rapid.IntRange(1, 10).Draw(t, "n")
			s.Outcome = rapid.SampledFrom([]Outcome{Success, Failure, Failure, FailureAgain}).Draw(t, "outcome")
			s.Took = rapid.SampledFrom([]time.Duration{0, 5 * time.Millisecond}).Draw(t, "took")
		case "record":
			s.Outcome = rapid.SampledFrom([]Outcome{Success, Failure, Failure, FailureAgain, Ignored}).Draw(t, "outcome")
			s.Took = rapid.SampledFrom([]time.Duration{0, 5*time.Millisecond - 1, 5 * time.Millisecond, time.Second}).Draw(t, "took")
			s.Permit = rapid.IntRange(0, 12).Draw(t, "permit")
		case "cancel":
			s.Permit = rapid.IntRange(0, 12).Draw(t, "permit")
		case "successes":
			s.N = rapid.SampledFrom([]int{-1, 0, 1, 20, 500}).Draw(t, "n")
			s.Slow = rapid.IntRange(-1, 21).Draw(t, "slow")
		case "wait":
			s.Took = rapid.SampledFrom([]time.Duration{1, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, c.OpenFor, max(c.Window, 1)}).Draw(t, "time")
		case "force":
			s.State = rapid.SampledFrom(append(States(), 99)).Draw(t, "state")
		}
		return s
	})
}

// play returns what is wrong, "" if nothing.
func play(t *testing.T, c Config, script []step) string {
	b := newBreaker(t, c)
	m := newModel(c)
	var told changes
	b.Subscribe(told.add)
	type pair struct {
		real  Permit
		model permit
	}
	var permits []pair

	acquire := func() (pair, string) {
		real, ok := b.Acquire()
		model, want := m.acquire()
		if ok != want {
			return pair{}, fmt.Sprintf("admitted: %v, want %v", ok, want)
		}
		return pair{real, model}, ""
	}
	record := func(p pair, o Outcome, took time.Duration) string {
		m.record(p.model, o, took)
		if got := b.Record(p.real, o, took); got != m.state {
			return fmt.Sprintf("Record returned %v, want %v (%s)", got, m.state, b.Snapshot().Why)
		}
		return ""
	}
	for i, s := range script {
		wrong := ""
		switch s.Do {
		case "acquire":
			for range s.N {
				var p pair
				if p, wrong = acquire(); wrong != "" {
					break
				}
				permits = append(permits, p)
			}
		case "call":
			for range s.N {
				var p pair
				if p, wrong = acquire(); wrong != "" {
					break
				}
				if wrong = record(p, s.Outcome, s.Took); wrong != "" {
					break
				}
			}
		case "record":
			if s.Permit < len(permits) {
				wrong = record(permits[len(permits)-1-s.Permit], s.Outcome, s.Took)
			}
		case "cancel":
			if s.Permit < len(permits) {
				p := permits[len(permits)-1-s.Permit]
				m.record(p.model, Ignored, 0)
				b.Cancel(p.real)
			}
		case "successes":
			m.successes(s.N, s.Slow)
			b.Successes(s.N, s.Slow)
		case "wait":
			<-time.After(s.Took)
			synctest.Wait()
			m.wait(s.Took)
		case "force":
			m.force(s.State)
			b.Force(s.State)
		case "auto":
			m.auto()
			b.Auto()
		case "probe":
			m.probeEarly()
			b.Probe()
		}
		if wrong == "" {
			wrong = cmp.Diff(m.snapshot(), withoutTimes(b.Snapshot()))
		}
		if wrong == "" {
			wrong = cmp.Diff(m.events, told.all())
		}
		if wrong != "" {
			return fmt.Sprintf("step %d, %+v: %s", i, s, wrong)
		}
	}
	return ""
}

// withoutTimes leaves out what the model does not know: real times and words.
func withoutTimes(s Snapshot) Snapshot {
	s.Since, s.OpenUntil, s.Why = time.Time{}, time.Time{}, ""
	return s
}

// changes are the events of a breaker: "closed>open". Timers add to them from
// goroutines of their own.
type changes struct {
	mu   sync.Mutex
	told []string
}

func (c *changes) add(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change := e.From.String() + ">" + e.To.String()
	if e.Would {
		change = "would " + change
	}
	c.told = append(c.told, change)
}

func (c *changes) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}
