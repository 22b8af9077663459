package outages

import (
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Policy decides about retries. A policy is used for one run, by one goroutine.
type Policy interface {
	// Failed is told of an attempt that failed. It says after which delay the record is tried again, or that it is
	// given up.
	Failed(a Attempt) (delay time.Duration, again bool)
	// Succeeded is told of a retry that succeeded.
	Succeeded(a Attempt)
}

// Attempt is an attempt of a record as a policy sees it.
type Attempt struct {
	At    time.Duration  // since the beginning of the trace
	Class classify.Class // of the failure, None: success
	// The record's attempts so far, this one included.
	Attempts int
	// FirstFailed and LastFailed are when attempts before this one failed, and LastClass what the last failure was.
	// They say nothing with the first attempt.
	FirstFailed, LastFailed time.Duration
	LastClass               classify.Class
	// U is the luck of the jitter, in [0,1).
	U float64

	record int
}

// Scheduled is a policy as the engine would carry it out: bounds, jitter and the number of retries with it.
type Scheduled struct{ schedule *retrytopics.Schedule }

// Fixed is the fixed strategy at its defaults: 1s, 5 retries.
func Fixed() Policy { return atDefaults(retrytopics.Fixed{}) }

// Exponential is the exponential strategy at its defaults: 1s, 3s, 9s, 27s, 60s.
func Exponential() Policy { return atDefaults(retrytopics.Exponential{}) }

func atDefaults(s retrytopics.Strategy) Scheduled {
	schedule, err := retrytopics.Policy{Strategy: s}.Compile()
	if err != nil {
		panic(err) // the defaults are fine
	}
	return Scheduled{schedule}
}

// epoch is when traces begin for policies that know dates.
var epoch = time.Unix(1_700_000_000, 0)

// Question is the attempt as a [retrytopics.Schedule] is asked about it.
func (a Attempt) Question() retrytopics.Question {
	q := retrytopics.Question{
		Failed: retrytopics.Failed{Class: a.Class, Attempt: a.Attempts},
		Now:    epoch.Add(a.At),
		U:      a.U,
	}
	if a.Attempts > 1 {
		q.FirstFailed = epoch.Add(a.FirstFailed)
	}
	return q
}

// Failed implements [Policy].
func (p Scheduled) Failed(a Attempt) (time.Duration, bool) {
	answer := p.schedule.Next(a.Question())
	return answer.Delay, answer.Verdict == retrytopics.Retry
}

// Succeeded implements [Policy].
func (Scheduled) Succeeded(Attempt) {}
