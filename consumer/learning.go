package consumer

import (
	"time"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/retrytopics"
)

// learning learns delays from the retries of a pipeline. A nil learning does nothing.
type learning struct {
	learner *adaptive.Learner
	main    string                                       // the dependency of failures that name none
	limits  map[*retrytopics.Schedule][]*adaptive.Limits // by override, that of the policy first; nil: not learned
}

// newLearning returns nil when no rule of the schedule learns.
func newLearning(c adaptive.Config, s *retrytopics.Schedule, dependency string) *learning {
	l := &learning{main: dependency, limits: make(map[*retrytopics.Schedule][]*adaptive.Limits)}
	learns := l.limit(s)
	for _, v := range s.Variants() {
		learns = l.limit(v.Schedule) || learns
	}
	if !learns {
		return nil
	}
	l.learner = adaptive.NewLearner(c)
	return l
}

// Learner returns what learns the pipeline's delays, nil where its policy is not adaptive: for fleet.Member.Keep, which keeps what
// is learned.
func (p *Pipeline) Learner() *adaptive.Learner {
	if p.learning == nil {
		return nil
	}
	return p.learning.learner
}

// limit notes the limits of a schedule, and reports whether one of its rules learns.
func (l *learning) limit(s *retrytopics.Schedule) (learns bool) {
	var all []*adaptive.Limits
	for override := -1; override < len(s.Overrides()); override++ {
		terms, ok := s.Terms(override, adaptive.Ahead)
		if !ok {
			all = append(all, nil)
			continue
		}
		learns = true
		limits := &adaptive.Limits{Min: terms.Min, Max: terms.Max, Configured: terms.Configured}
		if terms.Jitter {
			limits.Jitter, limits.ConfiguredJitter = retrytopics.LearnedJitterShare/2, retrytopics.JitterShare/2
		}
		all = append(all, limits)
	}
	l.limits[s] = all
	return learns
}

// failed learns from a retry that has failed, before it is counted in the state.
func (l *learning) failed(s *retrytopics.State, now time.Time) { l.observe(s, now, false) }

// succeeded learns from a retry that has succeeded. Records that succeed at once teach nothing, and most have no state.
func (l *learning) succeeded(s *retrytopics.State, now time.Time) { l.observe(s, now, true) }

func (l *learning) observe(s *retrytopics.State, now time.Time, succeeded bool) {
	if l == nil || s == nil || s.FirstFailed.IsZero() {
		return
	}
	r := adaptive.Retry{Key: l.key(s), From: lastFailed(s).Sub(s.FirstFailed), To: now.Sub(s.FirstFailed), Succeeded: succeeded, At: now}
	if r.From = max(r.From, 0); r.To > r.From { // clocks of members differ
		l.learner.Observe(r)
	}
}

// lastFailed is when the record last failed, as far as its history tells.
func lastFailed(s *retrytopics.State) time.Time {
	if len(s.History) == 0 {
		return s.FirstFailed
	}
	last := s.History[len(s.History)-1]
	return time.UnixMilli(last.At + last.Ms)
}

func (l *learning) key(s *retrytopics.State) adaptive.Key {
	key := adaptive.Key{Dependency: s.Dependency, Class: s.Class}
	if key.Dependency == "" {
		key.Dependency = l.main
	}
	return key
}

// charge notes in the state which dependency a failure was charged to: the member that makes the next attempt needs to know.
func (l *learning) charge(s *retrytopics.State, dependency string) {
	if l == nil {
		return
	}
	if s.Dependency = dependency; dependency == l.main {
		s.Dependency = ""
	}
}

// delays returns what a schedule asks for the delay of a record that has failed.
func (l *learning) delays(schedule *retrytopics.Schedule, s *retrytopics.State, now time.Time) func(retrytopics.Wait) time.Duration {
	if l == nil {
		return nil
	}
	return func(w retrytopics.Wait) time.Duration {
		return l.learner.Delay(adaptive.Question{Key: l.key(s), Since: max(now.Sub(s.FirstFailed), 0), Left: w.Left, Limits: l.limits[schedule][w.Override+1], At: now})
	}
}

// lessons are what was learned.
func (l *learning) lessons(now time.Time) []adaptive.Lesson {
	if l == nil {
		return nil
	}
	return l.learner.Lessons(now)
}
