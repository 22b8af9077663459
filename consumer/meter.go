package consumer

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// topicMeter counts for one topic.
type topicMeter struct {
	topic    string
	source   string
	tier     time.Duration
	outcomes [outcomes]atomic.Uint64
	lateness histogram
	lost     atomic.Uint64
}

// meter counts what the pipeline does. Counting takes no lock but for dead letters.
type meter struct {
	received      atomic.Uint64
	snoozes       atomic.Uint64
	freeFailures  atomic.Uint64
	routeFailures atomic.Uint64
	transactions  atomic.Uint64
	aborted       atomic.Uint64
	attempts      [int(classify.Authentication) + 1]atomic.Uint64
	failures      [int(classify.Authentication) + 1][int(classify.Critical) + 1]atomic.Uint64
	classifier    *classify.Classifier
	handler       histogram
	commit        histogram

	mu     sync.Mutex
	topics map[string]*topicMeter
	dead   map[deadKey]uint64

	recent recentRate
	skew   recentMax
}

type deadKey struct {
	class    classify.Class
	severity classify.Severity
	reason   retrytopics.Reason
}

func newMeter(c *classify.Classifier) *meter {
	return &meter{classifier: c, topics: make(map[string]*topicMeter), dead: make(map[deadKey]uint64)}
}

// topic returns the counters of a topic; they live as long as the meter.
func (m *meter) topic(name, source string, tier time.Duration) *topicMeter {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[name]
	if t == nil {
		t = &topicMeter{topic: name, source: source, tier: tier}
		m.topics[name] = t
	}
	return t
}

// done counts n calls that succeeded and took what d says, and their records as handled.
func (m *meter) done(l *lane, n int, d *durations) {
	m.settledDone(l, n)
	m.handler.merge(d)
}

// called counts calls whose records' outcomes are counted elsewhere.
func (m *meter) called(d *durations) { m.handler.merge(d) }

func (m *meter) settledDone(l *lane, n int) {
	l.meter.outcomes[Done].Add(uint64(n))
	m.attempts[classify.None].Add(uint64(n))
	m.recent.add(uint64(n), 0)
}

// failed counts an attempt that ended now with a failure of the class and severity.
func (m *meter) failed(c classify.Class, s classify.Severity, now time.Time) {
	m.attempts[c].Add(1)
	m.failures[c][s].Add(1)
	m.recent.addAt(now, 0, 1)
}

// free counts a call that failed without using an attempt.
func (m *meter) free() {
	m.freeFailures.Add(1)
	m.recent.add(0, 1)
}

func (m *meter) late(l *lane, d time.Duration) { l.meter.lateness.observe(max(d, 0)) }
func (m *meter) settled(l *lane, o Outcome)    { l.meter.outcomes[o].Add(1) }
func (m *meter) snoozed()                      { m.snoozes.Add(1) }
func (m *meter) routeFailed()                  { m.routeFailures.Add(1) }
func (m *meter) deadLettered(s *retrytopics.State) {
	m.mu.Lock()
	m.dead[deadKey{s.Class, s.Severity, s.Reason}]++
	m.mu.Unlock()
}

// fill copies the counts into s.
func (m *meter) fill(s *Stats) {
	s.Received = m.received.Load()
	s.Snoozed = m.snoozes.Load()
	s.FreeFailures = m.freeFailures.Load()
	s.RouteFailures, s.Transactions, s.Aborted = m.routeFailures.Load(), m.transactions.Load(), m.aborted.Load()
	s.Attempts = make(map[classify.Class]uint64, len(m.attempts))
	for c := range m.attempts {
		s.Attempts[classify.Class(c)] = m.attempts[c].Load()
	}
	for _, c := range classify.Classes() {
		for _, severity := range classify.Severities() {
			n := m.failures[c][severity].Load()
			if n > 0 || severity == m.classifier.Treatment(c).Severity {
				s.Failures = append(s.Failures, FailureCount{Class: c, Severity: severity, Count: n})
			}
		}
	}
	s.Handler, s.Commit = m.handler.snapshot(), m.commit.snapshot()
	s.SuccessRate = m.recent.rate(time.Now())
	s.ErrorRate = 1 - s.SuccessRate
	s.ClockSkew = m.skew.value()

	m.mu.Lock()
	defer m.mu.Unlock()
	for k, n := range m.dead {
		s.DeadLetters = append(s.DeadLetters, DeadLetterCount{Class: k.class, Severity: k.severity, Reason: k.reason, Count: n})
	}
	slices.SortFunc(s.DeadLetters, func(a, b DeadLetterCount) int {
		if a.Class != b.Class {
			return int(a.Class) - int(b.Class)
		}
		if a.Severity != b.Severity {
			return int(a.Severity) - int(b.Severity)
		}
		return strings.Compare(string(a.Reason), string(b.Reason))
	})
	for _, t := range m.topics {
		ts := TopicStats{Topic: t.topic, Source: t.source, Tier: t.tier, Lateness: t.lateness.snapshot(), Lost: t.lost.Load()}
		for o := range t.outcomes {
			ts.Outcomes[o] = t.outcomes[o].Load()
		}
		s.Completed += ts.Outcomes[Done]
		s.Retried += ts.Outcomes[Retried]
		s.DeadLettered += ts.Outcomes[Dead]
		s.Dropped += ts.Outcomes[Dropped]
		s.Skipped += ts.Outcomes[Skipped]
		s.Topics = append(s.Topics, ts)
	}
	slices.SortFunc(s.Topics, func(a, b TopicStats) int {
		if a.Source != b.Source {
			return strings.Compare(a.Source, b.Source)
		}
		return int((a.Tier - b.Tier) / time.Millisecond)
	})
}

// skewed notes how far the clock of the member that wrote a copy is ahead of ours. That it is behind cannot be told
// from a copy that was long on its way.
func (m *meter) skewed(ahead time.Duration) { m.skew.add(ahead) }

// recentMax is the largest of the durations of the last one to two minutes.
type recentMax struct {
	mu        sync.Mutex
	minute    int64
	now, last time.Duration
}

func (r *recentMax) add(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	r.now = max(r.now, d)
}

func (r *recentMax) value() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	return max(r.now, r.last)
}

func (r *recentMax) turn() {
	minute := time.Now().Unix() / 60
	switch minute - r.minute {
	case 0:
		return
	case 1:
		r.now, r.last = 0, r.now
	default:
		r.now, r.last = 0, 0
	}
	r.minute = minute
}

// recentRate is the success rate of the last minute, in steps of five seconds.
type recentRate struct {
	mu    sync.Mutex
	slots [12]struct{ step, good, bad uint64 }
}

const rateStep = 5 * time.Second

func (r *recentRate) add(good, bad uint64) { r.addAt(time.Now(), good, bad) }

func (r *recentRate) addAt(now time.Time, good, bad uint64) {
	step := uint64(now.UnixNano() / int64(rateStep))
	r.mu.Lock()
	s := &r.slots[step%uint64(len(r.slots))]
	if s.step != step {
		s.step, s.good, s.bad = step, 0, 0
	}
	s.good += good
	s.bad += bad
	r.mu.Unlock()
}

// rateFrom is how many attempts a verdict needs: one failure of two says little.
const rateFrom = 10

// rate returns the share of good among all; of fewer than rateFrom as if the rest had been good.
func (r *recentRate) rate(now time.Time) float64 {
	good, bad := r.counts(now)
	return 1 - float64(bad)/float64(max(good+bad, rateFrom))
}

// counts returns how many were good and bad in the last minute.
func (r *recentRate) counts(now time.Time) (good, bad uint64) {
	step := uint64(now.UnixNano() / int64(rateStep))
	r.mu.Lock()
	for _, s := range r.slots {
		if step-s.step < uint64(len(r.slots)) {
			good += s.good
			bad += s.bad
		}
	}
	r.mu.Unlock()
	return good, bad
}
