package consumer

import (
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// verb is what becomes of a record after a call.
type verb uint8

const (
	verbRetry    verb = iota // a copy to a tier, or a wait in the lane
	verbInPlace              // another try on the spot, holding its key
	verbSnooze               // like retry, without an attempt
	verbDead                 // a copy to the dead letters
	verbDrop                 // settled without a copy
	verbHoldHere             // kept unsettled: exhausted, and no dead letters are kept
)

// situation is everything that a decision depends on: judge is a pure function of it.
type situation struct {
	failedCall
	state    *retrytopics.State // with the failed attempt in it, but for its counts
	inPlace  int                // tries on the spot so far
	now      time.Time
	u        float64 // jitter, in [0,1)
	schedule *retrytopics.Schedule
	dead     DeadLetters
	learned  func(retrytopics.Wait) time.Duration // nil: delays are not learned
}

// decision is what judge decided.
type decision struct {
	verb     verb
	due      time.Time
	tier     int // index into the schedule's tiers, or retrytopics.Lane: waits where it is
	hopDue   time.Time
	reason   retrytopics.Reason
	counts   retrytopics.Counts
	admitted bool // needs no admission: the handler itself asked for it
	drop     string
	asked    bool // to be held: the treatment of the failure says so
}

// becomes says what becomes of the record, as in [SpanEnd.Outcome].
func (d decision) becomes() string {
	switch d.verb {
	case verbInPlace:
		return "in_place"
	case verbDead:
		return Dead.String()
	case verbDrop:
		return Dropped.String()
	case verbHoldHere:
		return "held"
	}
	switch {
	case d.tier == retrytopics.Lane:
		return "waiting"
	case d.verb == verbSnooze:
		return Hopped.String()
	}
	return Retried.String()
}

// judge decides what becomes of a record whose call ended with an error.
func judge(s situation) decision {
	if s.undecodable {
		if d, ok := s.treat(retrytopics.ReasonUndecodable); ok {
			return d
		}
		return s.bury(retrytopics.ReasonUndecodable, s.state.Counts, false)
	}
	if s.steer != nil {
		switch s.steer.verb {
		case steerSnooze:
			return s.wait(verbSnooze, s.steer.delay, s.state.Counts)
		case steerDead:
			return s.bury(retrytopics.ReasonRequested, s.state.Counts, true)
		case steerDrop:
			return decision{verb: verbDrop, drop: s.steer.reason}
		}
	} else if d, ok := s.treat(retrytopics.ReasonNotRetriable); ok {
		return d
	}
	q := retrytopics.Question{
		Failed:       retrytopics.Failed{Class: s.failure.Class, Status: s.failure.Status, Attempt: s.state.Attempt, RetryAfter: s.failure.RetryAfter, Job: s.job},
		Topic:        s.state.Topic,
		Counts:       s.state.Counts,
		FirstFailed:  s.state.FirstFailed,
		Now:          s.now,
		Held:         s.state.Held,
		U:            s.u,
		InPlaceTries: s.inPlace,
		Learned:      s.learned,
		Always:       s.failure.Handling == classify.Retry,
	}
	if s.steer != nil { // the handler asks for a retry, whatever the class says
		if !q.Class.Retriable() {
			q.Class = classify.Transient
		}
		if !s.steer.policy {
			q.Asked = max(s.steer.delay, 1)
		}
	}
	a := s.schedule.Next(q)
	switch a.Verdict {
	case retrytopics.Retry:
		return s.wait(verbRetry, a.Delay, a.Counts)
	case retrytopics.TryInPlace:
		return decision{verb: verbInPlace, due: s.now.Add(a.Delay), tier: retrytopics.Lane, counts: a.Counts}
	default:
		return s.bury(a.Verdict.Reason(), a.Counts, false)
	}
}

// treat decides where the treatment of the failure leaves nothing to the policy.
func (s *situation) treat(reason retrytopics.Reason) (d decision, decided bool) {
	switch s.failure.Handling {
	case classify.DeadLetter:
		return s.bury(reason, s.state.Counts, false), true
	case classify.Hold:
		return decision{verb: verbHoldHere, reason: reason, counts: s.state.Counts, asked: true}, true
	case classify.Drop:
		return decision{verb: verbDrop, drop: "the treatment of " + s.failure.Class.String(), counts: s.state.Counts}, true
	}
	return decision{}, false
}

// wait sends a record to the tier where its delay begins, or keeps it in its lane when no tier is short enough.
func (s *situation) wait(v verb, delay time.Duration, counts retrytopics.Counts) decision {
	d := decision{verb: v, due: s.now.Add(delay), counts: counts}
	d.tier = s.schedule.Hop(delay, 0)
	if d.tier != retrytopics.Lane {
		d.hopDue = s.now.Add(s.schedule.Tiers()[d.tier])
	}
	return d
}

// bury ends the retries of a record, as far as the configuration keeps dead letters.
func (s *situation) bury(reason retrytopics.Reason, counts retrytopics.Counts, asked bool) decision {
	d := decision{verb: verbDead, reason: reason, counts: counts, admitted: asked}
	if s.dead.Disabled {
		d.verb = verbHoldHere
		if s.dead.Drop {
			d.verb, d.drop = verbDrop, string(reason)
		}
	}
	return d
}
