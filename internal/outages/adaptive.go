package outages

import (
	"time"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/retrytopics"
)

// learned is a policy whose delays are learned within the run, and exponential at its defaults until then.
type learned struct {
	Scheduled
	learner *adaptive.Learner
	limits  *adaptive.Limits
}

// Adaptive is the adaptive policy at its defaults. It begins with nothing known.
func Adaptive() Policy {
	fallback := atDefaults(retrytopics.Exponential{})
	limits := &adaptive.Limits{
		Min: retrytopics.DefaultMinDelay, Max: retrytopics.DefaultMaxDelay,
		Jitter: retrytopics.LearnedJitterShare / 2, ConfiguredJitter: retrytopics.JitterShare / 2,
	}
	for retry := range adaptive.Ahead {
		limits.Configured = append(limits.Configured, min(retrytopics.Exponential{}.Delay(retry+1, retrytopics.Failed{}), limits.Max))
	}
	return &learned{fallback, adaptive.NewLearner(adaptive.Config{}), limits}
}

// Failed implements [Policy].
func (p *learned) Failed(a Attempt) (time.Duration, bool) {
	since := time.Duration(0)
	if a.Attempts > 1 {
		since = a.At - a.FirstFailed
		p.observe(a, false)
	}
	delay, again := p.Scheduled.Failed(a)
	if !again {
		return 0, false
	}
	advised := p.learner.Delay(adaptive.Question{
		Key:    adaptive.Key{Dependency: "dependency", Class: a.Class},
		Since:  since,
		Left:   retrytopics.DefaultMaxRetries + 1 - a.Attempts,
		Limits: p.limits,
		At:     epoch.Add(a.At),
	})
	if advised == 0 {
		return delay, true
	}
	return advised + time.Duration(retrytopics.LearnedJitterShare*a.U*float64(advised)), true
}

// Succeeded implements [Policy].
func (p *learned) Succeeded(a Attempt) { p.observe(a, true) }

func (p *learned) observe(a Attempt, succeeded bool) {
	p.learner.Observe(adaptive.Retry{
		Key:       adaptive.Key{Dependency: "dependency", Class: a.LastClass},
		From:      a.LastFailed - a.FirstFailed,
		To:        a.At - a.FirstFailed,
		Succeeded: succeeded,
		At:        epoch.Add(a.At),
	})
}
