package retrytopics

import (
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Step is one attempt of a [Schedule.Timetable]. Delays are without jitter
// except Latest.
type Step struct {
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// Delay before this attempt.
	Delay time.Duration `json:"delay"`
	// Latest is Delay with the most jitter.
	Latest time.Duration `json:"latest"`
	// InPlace says that the attempt is made on the spot.
	InPlace bool `json:"in_place,omitempty"`
	// Hops are the tiers travelled before this attempt, a copy for each.
	Hops []time.Duration `json:"hops,omitempty"`
	// Rest is what is waited out in the lane after the last hop.
	Rest time.Duration `json:"rest"`
	// Copies is the number of hops up to and including those of this attempt.
	Copies int `json:"copies"`
	// Sum of the delays up to this attempt.
	Sum time.Duration `json:"sum"`
	// End, on the last step, says why the record is a dead letter when this
	// attempt fails too.
	End Reason `json:"end,omitempty"`
}

// Timetable lists the attempts that a record gets which always fails with the
// class, a moment after it was due: one step for a class that is not retried. Overrides that ask
// for more than a class do not match; [Schedule.TimetableFor] knows those.
func (s *Schedule) Timetable(class classify.Class) []Step {
	return s.TimetableFor(Failed{Class: class}, "")
}

// TimetableFor is Timetable for a failure with a status or a Retry-After and a
// record of the topic.
func (s *Schedule) TimetableFor(f Failed, topic string) []Step {
	return s.TimetableOf(Question{Failed: f, Topic: topic})
}

// TimetableOf is Timetable for a record whose attempts all put this question;
// what changes from attempt to attempt is filled in.
func (s *Schedule) TimetableOf(q Question) []Step {
	start := time.Unix(1, 0) // any time will do, but the zero time means none
	steps := []Step{{Attempt: 1}}
	q.FirstFailed = start
	for {
		last := &steps[len(steps)-1]
		q.Attempts, q.Now, q.U = last.Attempt, start.Add(last.Sum+1), 0 // it fails after it has begun
		next := s.Next(q)
		if next.Verdict != Retry && next.Verdict != TryInPlace {
			last.End = next.Verdict.Reason()
			return steps
		}
		q.U = 1
		step := Step{
			Attempt: last.Attempt + 1,
			Delay:   next.Delay,
			Latest:  s.Next(q).Delay,
			InPlace: next.Verdict == TryInPlace,
			Rest:    next.Delay,
			Copies:  last.Copies,
			Sum:     last.Sum + next.Delay,
		}
		if step.InPlace {
			q.InPlaceTries++
		} else {
			q.InPlaceTries = 0
			step.Hops, step.Rest = s.Route(next.Delay)
			step.Copies += len(step.Hops)
		}
		q.Counts = next.Counts
		steps = append(steps, step)
	}
}

// Example returns a failure for which the policy's override holds and none
// before it, for [Schedule.TimetableFor] with the override's topic; ok is false
// where those before it match all that it matches.
func (s *Schedule) Example(override int) (f Failed, ok bool) {
	o := s.overrides[override]
	f = o.example()
	for code := f.Status; ; code++ {
		if o.Status.Empty() || o.Status.Has(code) {
			f.Status = code
			if s.Override(f, o.Topic) == override {
				return f, true
			}
		}
		if o.Status.Empty() || code >= 599 {
			return Failed{}, false
		}
	}
}
