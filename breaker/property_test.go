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
		script := rapid.SliceOfN(steps(c), 1, 120).Draw(rt, "script")
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
			Disabled:      rapid.IntRange(0, 9).Draw(t, "disabled") == 0,
			MinimumCalls:  rapid.IntRange(1, 8).Draw(t, "minimum calls"),
			Failures:      rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "failures"),
			FailureRate:   rapid.SampledFrom([]float64{0.1, 0.3, 0.5, 0.55, 0.9, 1}).Draw(t, "failure rate"),
			SlowCall:      rapid.SampledFrom([]time.Duration{-1, 5 * time.Millisecond, time.Second}).Draw(t, "slow call"),
			SlowRate:      rapid.SampledFrom([]float64{0.2, 0.5, 1}).Draw(t, "slow rate"),
			OpenFor:       rapid.SampledFrom([]time.Duration{time.Millisecond, 100 * time.Millisecond}).Draw(t, "open for"),
			HalfOpenCalls: rapid.IntRange(1, 4).Draw(t, "half-open calls"),
		}
		if rapid.Bool().Draw(t, "a window of calls") {
			c.WindowCalls = rapid.IntRange(c.MinimumCalls, 12).Draw(t, "window calls")
		} else {
			c.Window = rapid.SampledFrom([]time.Duration{time.Millisecond, 29 * time.Millisecond, 300 * time.Millisecond}).Draw(t, "window")
		}
		return c
	})
}

// A step is one thing that happens. Which permit an index means is known when it
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
			"acquire", "acquire", "acquire", "record", "record", "record", "call", "call", "call", "call", "cancel", "successes", "wait", "wait", "force", "auto",
		}).Draw(t, "do")}
		switch s.Do {
		case "call":
			s.Outcome = rapid.SampledFrom([]Outcome{Success, Failure, Failure}).Draw(t, "outcome")
			s.Took = rapid.SampledFrom([]time.Duration{0, 5 * time.Millisecond}).Draw(t, "took")
		case "record":
			s.Outcome = rapid.SampledFrom([]Outcome{Success, Failure, Failure, Ignored}).Draw(t, "outcome")
			s.Took = rapid.SampledFrom([]time.Duration{0, 5*time.Millisecond - 1, 5 * time.Millisecond, time.Second}).Draw(t, "took")
			s.Permit = rapid.IntRange(0, 12).Draw(t, "permit")
		case "cancel":
			s.Permit = rapid.IntRange(0, 12).Draw(t, "permit")
		case "successes":
			s.N = rapid.IntRange(-1, 20).Draw(t, "n")
			s.Slow = rapid.IntRange(-1, 21).Draw(t, "slow")
		case "wait":
			s.Took = rapid.SampledFrom([]time.Duration{1, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, c.OpenFor, max(c.Window, 1)}).Draw(t, "time")
		case "force":
			s.State = rapid.SampledFrom(append(States(), 9)).Draw(t, "state")
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
			var p pair
			p, wrong = acquire()
			permits = append(permits, p)
		case "call":
			var p pair
			if p, wrong = acquire(); wrong == "" {
				wrong = record(p, s.Outcome, s.Took)
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
	c.told = append(c.told, e.From.String()+">"+e.To.String())
}

func (c *changes) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

// A model is a breaker as one would explain it: a list of the calls that ended in
// the present state, read from the start at each question.
type model struct {
	config    Config
	state     State
	epoch     int // counts the states
	now       time.Duration
	openUntil time.Duration
	begun     int     // permits given
	ended     []ended // since it was last closed, in order
	out       []permit
	succeeded int // ever
	opened    int
	inARow    int // kept when it opens
	events    []string
}

type permit struct {
	epoch, number int
}

type ended struct {
	at      time.Duration
	number  int // of the permit; calls counted together are later than any
	outcome Outcome
	slow    bool
	begun   int // how many permits were given when it ended
}

const later = 1 << 60

func newModel(c Config) *model {
	m := &model{config: c.WithDefaults(), epoch: 1}
	m.state = m.measuring()
	return m
}

func (m *model) measuring() State {
	if m.config.Disabled {
		return Disabled
	}
	return Closed
}

func (m *model) become(s State) {
	if s == m.state {
		return
	}
	m.events = append(m.events, m.state.String()+">"+s.String())
	m.state = s
	m.epoch++
	switch s {
	case Open:
		m.opened++
		m.openUntil = m.now + m.config.OpenFor
	case HalfOpen:
		m.out = nil
	case Closed, Disabled:
		// With nothing to judge by. An open breaker keeps its window, which
		// runs out.
		m.inARow = 0
		m.ended = nil
	}
}

func (m *model) wait(d time.Duration) {
	due := m.now + d
	if m.state == Open && m.openUntil <= due {
		m.now = m.openUntil
		m.become(HalfOpen)
	}
	m.now = due
}

func (m *model) acquire() (permit, bool) {
	switch m.state {
	case Closed, Disabled:
	case HalfOpen:
		if len(m.out)+m.probed(false) >= m.config.HalfOpenCalls {
			return permit{}, false
		}
		m.out = append(m.out, permit{m.epoch, m.begun + 1})
	default:
		return permit{}, false
	}
	m.begun++
	return permit{m.epoch, m.begun}, true
}

// probed counts the probes that succeeded, or those of them that were slow.
func (m *model) probed(slow bool) int {
	n := 0
	for _, e := range m.ended {
		if m.state == HalfOpen && e.begun == -m.epoch && (e.slow || !slow) {
			n++
		}
	}
	return n
}

func (m *model) record(p permit, o Outcome, took time.Duration) {
	if p == (permit{}) {
		return
	}
	slow := m.config.SlowCall >= 0 && took >= m.config.SlowCall
	if p.epoch == m.epoch && m.state == HalfOpen {
		i := slices.Index(m.out, p)
		if i < 0 {
			return
		}
		m.out = slices.Delete(m.out, i, i+1)
		m.probe(o, slow)
		return
	}
	if o == Success {
		m.succeeded++
	}
	if p.epoch != m.epoch {
		return
	}
	m.ended = append(m.ended, ended{m.now, p.number, o, slow, m.begun})
	m.count(o)
	if o == Failure || o == Success && slow {
		m.judge()
	}
}

func (m *model) probe(o Outcome, slow bool) {
	switch o {
	case Failure:
		m.become(Open)
	case Success:
		m.succeeded++
		// Marked as a probe of this state: it is in no window.
		m.ended = append(m.ended, ended{m.now, 0, Ignored, slow, -m.epoch})
		switch {
		case m.probed(true) > 0 && float64(m.probed(true))/float64(m.config.HalfOpenCalls) >= m.config.SlowRate:
			m.become(Open)
		case m.probed(false) == m.config.HalfOpenCalls:
			m.become(Closed)
		}
	}
}

func (m *model) count(o Outcome) {
	switch o {
	case Success:
		m.inARow = 0
	case Failure:
		m.inARow++
	}
}

func (m *model) successes(n, slow int) {
	if n <= 0 {
		return
	}
	m.succeeded += n
	if m.state != Closed && m.state != Disabled {
		return
	}
	slow = min(max(slow, 0), n)
	if m.config.SlowCall < 0 {
		slow = 0
	}
	for i := range n {
		m.ended = append(m.ended, ended{m.now, later, Success, i >= n-slow, m.begun})
	}
	m.inARow = 0
	if slow > 0 {
		m.judge()
	}
}

func (m *model) force(s State) {
	if s <= Disabled {
		m.become(s)
	}
}

func (m *model) auto() {
	if m.state == ForcedOpen || m.state == Disabled {
		m.force(m.measuring())
	}
}

// judged are the calls that the window holds now.
func (m *model) judged() []ended {
	var in []ended
	width := (m.config.Window + 29) / 30
	for _, e := range m.ended {
		if e.outcome != Ignored && (m.config.WindowCalls > 0 || m.now/width-e.at/width < 30) {
			in = append(in, e)
		}
	}
	if n := m.config.WindowCalls; n > 0 && len(in) > n {
		in = in[len(in)-n:]
	}
	return in
}

func (m *model) judge() {
	if m.state != Closed {
		return
	}
	s := m.snapshot()
	enough := s.Calls >= m.config.MinimumCalls
	if m.config.Failures > 0 && m.inARow >= m.config.Failures ||
		enough && s.FailureRate >= m.config.FailureRate ||
		m.inARow >= m.config.MinimumCalls ||
		m.dead() ||
		enough && s.SlowRate >= m.config.SlowRate {
		m.become(Open)
	}
}

// dead looks for the run that is still on: from its first failure no call that
// began after that has succeeded.
func (m *model) dead() bool {
	from := -1
	for i, e := range m.ended {
		switch {
		case from < 0 && e.outcome == Failure:
			from = i
		case from >= 0 && e.outcome == Success && e.number > m.ended[from].begun:
			from = -1
		}
	}
	if from < 0 {
		return false
	}
	first := m.ended[from].begun
	failures, stragglers, over := 0, 0, 0
	for _, e := range m.ended[from:] {
		switch e.outcome {
		case Failure:
			failures++
		case Success:
			stragglers++
		}
		if e.number > first {
			over++
		}
	}
	inFlight := max(0, m.begun-first-over)
	// Three standard deviations above the limit, squared to do without a root.
	n, p := float64(failures+stragglers+inFlight), m.config.FailureRate
	above := float64(failures) - n*p
	return failures >= m.config.MinimumCalls && above >= 0 && above*above >= 9*n*p*(1-p)
}

func (m *model) snapshot() Snapshot {
	s := Snapshot{
		Dependency:          m.config.Dependency,
		State:               m.state,
		ConsecutiveFailures: m.inARow,
		Opened:              uint64(m.opened),
		Succeeded:           uint64(m.succeeded),
	}
	for _, e := range m.judged() {
		s.Calls++
		if e.outcome == Failure {
			s.Failures++
		}
		if e.slow {
			s.Slow++
		}
	}
	if s.Calls > 0 {
		s.FailureRate = float64(s.Failures) / float64(s.Calls)
		s.SlowRate = float64(s.Slow) / float64(s.Calls)
	}
	if m.state == HalfOpen {
		s.ProbesInFlight = len(m.out)
		s.ProbesSucceeded = m.probed(false)
	}
	return s
}
