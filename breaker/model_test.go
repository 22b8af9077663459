package breaker

import (
	"slices"
	"time"
)

// A model is a breaker as one would explain it: a list of the calls that ended in
// the present state, read from the start at each question.
type model struct {
	config    Config
	state     State
	epoch     int // counts the states
	now       time.Duration
	openUntil time.Duration
	since     time.Duration
	base      time.Duration // of the last wait
	inRow     int           // openings without staying closed in between
	limit     time.Duration // when the probes' time is over; 0: not begun
	wrong     int           // suspicions in a row that were wrong
	wrongTill time.Duration
	would     State
	wouldTill time.Duration
	wouldFrom time.Duration // since when it would be so
	wouldBase time.Duration
	wouldRow  int
	imagined  []ended // what would be probes
	begun     int     // permits given
	ended     []ended // since it was last closed, in order
	out       []permit
	succeeded int // ever
	opened    int
	inARow    int // kept when it opens
	first     int // of these, that had not failed before
	again     int // probes that failed as they had before
	failed    int // probes that failed
	alive     int // permits given when the last call succeeded
	suspected bool
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
	m.state = m.config.Mode
	return m
}

func (m *model) become(s State) {
	if s == m.state {
		return
	}
	m.events = append(m.events, m.state.String()+">"+s.String())
	before := m.state
	m.state = s
	m.epoch++
	m.since, m.limit = m.now, 0
	switch s {
	case Open:
		m.opened++
		m.suspected = false
		m.openUntil = m.now + max(m.base, m.config.OpenFor)
	case HalfOpen:
		m.out, m.again, m.failed = nil, 0, 0
	case Closed, Disabled, MetricsOnly:
		if before == HalfOpen && s == Closed && m.suspected {
			if m.now > m.wrongTill {
				m.wrong = 0
			}
			m.wrong, m.wrongTill = min(m.wrong+1, 6), m.now+10*m.config.OpenFor
		}
		m.would, m.wouldFrom, m.wouldBase, m.wouldRow = Closed, 0, 0, 0
		// With nothing to judge by. An open breaker keeps its window, which
		// runs out.
		m.inARow, m.first, m.alive = 0, 0, 0
		m.ended = nil
	}
}

// open opens it by what was measured.
func (m *model) open(suspected bool) {
	if m.state == Closed && m.now-m.since >= m.base {
		m.inRow = 0
	}
	m.base = m.grown(m.inRow)
	m.inRow++
	if !suspected {
		m.wrong = 0
	}
	m.become(Open)
	m.suspected = suspected
}

// grown is the wait of an opening that so many others went before.
func (m *model) grown(before int) time.Duration {
	wait := m.config.OpenFor
	for range before {
		wait = min(time.Duration(float64(wait)*m.config.OpenMultiplier), m.config.OpenMax)
	}
	return wait
}

func (m *model) wait(d time.Duration) {
	due := m.now + d
	for m.state == HalfOpen && m.limit > 0 && m.limit <= due {
		m.now, m.limit = m.limit, 0
		m.failed += len(m.out)
		m.out = nil
		good := m.probed(false)
		switch {
		case good+m.failed+m.again == 0:
		case good == 0:
			m.open(m.failed == 0)
		case float64(m.failed)/float64(good+m.failed) >= m.config.FailureRate:
			m.open(false)
		default:
			m.become(Closed)
		}
	}
	if m.state == Open && m.openUntil <= due {
		m.now = m.openUntil
		m.become(HalfOpen)
	}
	m.now = due
}

func (m *model) acquire() (permit, bool) {
	switch m.state {
	case Closed, Disabled, MetricsOnly:
	case HalfOpen:
		if len(m.out)+m.probed(false)+m.again+m.failed >= m.config.HalfOpenCalls {
			return permit{}, false
		}
		if m.limit == 0 && m.config.HalfOpenFor > 0 {
			m.limit = m.now + m.config.HalfOpenFor
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
	m.imagine(o, 1, slow)
	if o == Failure || o == FailureAgain || o == Success && slow {
		m.judge()
	}
}

func (m *model) probe(o Outcome, slow bool) {
	switch o {
	case Failure:
		m.failed++
	case FailureAgain:
		m.again++
	case Success:
		m.succeeded++
		// Marked as a probe of this state: it is in no window.
		m.ended = append(m.ended, ended{m.now, 0, Ignored, slow, -m.epoch})
	}
	good := m.probed(false)
	switch {
	case m.probed(true) > 0 && float64(m.probed(true))/float64(m.config.HalfOpenCalls) >= m.config.SlowRate:
		m.open(false)
	case good == 0 && len(m.out) == 0 && m.failed+m.again > 0:
		m.open(m.failed == 0)
	case good+m.failed+m.again < m.config.HalfOpenCalls:
	case float64(m.failed)/float64(good+m.failed) >= m.config.FailureRate:
		m.open(false)
	default:
		m.become(Closed)
	}
}

// imagine lets calls of MetricsOnly be the probes that it would have let through.
func (m *model) imagine(o Outcome, n int, slow bool) {
	if m.state != MetricsOnly || m.would == Closed || o != Success && o != Failure && o != FailureAgain {
		return
	}
	if m.would == Open {
		if m.now < m.wouldTill {
			return
		}
		m.imagined = nil
		m.wouldBe(HalfOpen)
	}
	for range n {
		m.imagined = append(m.imagined, ended{outcome: o, slow: slow})
		good, bad, slows := 0, 0, 0
		for _, e := range m.imagined {
			switch {
			case e.outcome == Failure:
				bad++
			case e.outcome == Success && e.slow:
				slows++
				good++
			case e.outcome == Success:
				good++
			}
		}
		switch {
		case float64(slows)/float64(m.config.HalfOpenCalls) >= m.config.SlowRate || good == 0:
			m.wouldOpen()
			return
		case len(m.imagined) < m.config.HalfOpenCalls:
		case float64(bad)/float64(good+bad) >= m.config.FailureRate:
			m.wouldOpen()
			return
		default:
			m.wouldBe(Closed)
			m.inARow, m.first, m.alive = 0, 0, 0
			m.ended = nil
			return
		}
	}
}

func (m *model) wouldOpen() {
	if m.would == Closed && m.now-m.wouldFrom >= m.wouldBase {
		m.wouldRow = 0
	}
	m.wouldBase = m.grown(m.wouldRow)
	m.wouldRow++
	m.wouldTill = m.now + m.wouldBase
	m.wouldBe(Open)
}

func (m *model) wouldBe(s State) {
	m.events = append(m.events, "would "+m.would.String()+">"+s.String())
	m.would, m.wouldFrom = s, m.now
}

func (m *model) count(o Outcome) {
	switch o {
	case Success:
		m.inARow, m.first, m.alive = 0, 0, m.begun
	case Failure:
		m.inARow++
		m.first++
	case FailureAgain:
		m.inARow++
	}
}

func (m *model) successes(n, slow int) {
	if n <= 0 {
		return
	}
	m.succeeded += n
	if !m.state.Admits() {
		return
	}
	slow = min(max(slow, 0), n)
	if m.config.SlowCall < 0 {
		slow = 0
	}
	for i := range n {
		m.ended = append(m.ended, ended{m.now, later, Success, i >= n-slow, m.begun})
	}
	m.inARow, m.first, m.alive = 0, 0, m.begun
	for i := range n {
		if m.would == Closed || m.would == Open && i > 0 {
			break
		}
		m.imagine(Success, 1, i < slow)
	}
	if slow > 0 {
		m.judge()
	}
}

func (m *model) force(s State) {
	if s <= MetricsOnly && s != m.state {
		m.base, m.inRow, m.wrong = 0, 0, 0
		m.become(s)
	}
}

func (m *model) probeEarly() {
	if m.state == Open && m.suspected {
		m.become(HalfOpen)
	}
}

func (m *model) auto() {
	measures := m.state == Closed || m.state == Open || m.state == HalfOpen
	if !measures || m.config.Mode != Closed {
		m.base, m.inRow, m.wrong = 0, 0, 0
		m.become(m.config.Mode)
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
	if m.state != Closed && (m.state != MetricsOnly || m.would != Closed) {
		return
	}
	s := m.snapshot()
	enough := s.Calls >= m.config.MinimumCalls
	others, failed := 0, 0
	for _, e := range m.judged() {
		if e.outcome != FailureAgain {
			others++
		}
		if e.outcome == Failure {
			failed++
		}
	}
	silent := 0
	for i := len(m.ended) - 1; i >= 0 && m.ended[i].outcome != Success; i-- {
		if e := m.ended[i]; e.outcome != Ignored && e.number > m.alive {
			silent++
		}
	}
	suspected := false
	switch {
	case m.config.Failures > 0 && m.inARow >= m.config.Failures:
		suspected = m.first == 0
	case others >= m.config.MinimumCalls && float64(failed)/float64(others) >= m.config.FailureRate:
	case m.first >= m.config.MinimumCalls:
	case m.dead():
	case silent >= m.enough():
		suspected = true
	case enough && s.SlowRate >= m.config.SlowRate:
	default:
		return
	}
	if m.state == MetricsOnly {
		m.wouldOpen()
		return
	}
	m.open(suspected)
}

// enough failures without a success make a suspicion.
func (m *model) enough() int {
	if m.now > m.wrongTill {
		m.wrong = 0
	}
	return m.config.MinimumCalls << m.wrong
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
		Suspected:           m.state == Open && m.suspected,
		Opened:              uint64(m.opened),
		OpenedInARow:        m.inRow,
		Would:               m.would,
		Mode:                m.config.Mode,
		Succeeded:           uint64(m.succeeded),
	}
	for _, e := range m.judged() {
		s.Calls++
		if e.outcome == Failure || e.outcome == FailureAgain {
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
