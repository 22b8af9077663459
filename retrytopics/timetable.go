package retrytopics

import (
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Step is one attempt of a [Schedule.Timetable].
type Step struct {
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// Delay before this attempt, without jitter.
	Delay time.Duration `json:"delay"`
	// Latest is Delay with the most jitter.
	Latest time.Duration `json:"latest"`
	// InPlace says that the attempt is made on the spot.
	InPlace bool `json:"in_place,omitempty"`
	// Hops are the tiers travelled before this attempt, without jitter.
	Hops []time.Duration `json:"hops"`
	// Rest is what is waited out in the lane after the last hop.
	Rest time.Duration `json:"rest"`
	// Copies of the record made before this attempt, one for each hop.
	Copies int `json:"copies"`
	// Sum of all delays up to this attempt, without jitter.
	Sum time.Duration `json:"sum"`
}

// Timetable lists the attempts that a record gets which always fails with the
// class: one step for a class that is not retried. Overrides that ask for a
// status or a topic do not match; [Schedule.TimetableFor] knows those.
func (s *Schedule) Timetable(class classify.Class) []Step {
	return s.TimetableFor(Failed{Class: class}, "")
}

// TimetableFor is Timetable for a failure with a status or a Retry-After and a
// record of the topic.
func (s *Schedule) TimetableFor(f Failed, topic string) []Step {
	steps := []Step{{Attempt: 1}}
	q := Question{Failed: f, Topic: topic}
	for {
		q.Attempts = len(steps)
		q.U = 0
		next := s.Next(q)
		if next.Verdict != Retry && next.Verdict != TryInPlace {
			return steps
		}
		q.U = 1
		step := Step{
			Attempt: q.Attempts + 1,
			Delay:   next.Delay,
			Latest:  s.Next(q).Delay,
			InPlace: next.Verdict == TryInPlace,
			Rest:    next.Delay,
			Sum:     steps[len(steps)-1].Sum + next.Delay,
		}
		if step.InPlace {
			q.InPlaceTries++
		} else {
			q.InPlaceTries = 0
			step.Hops, step.Rest = s.Route(next.Delay)
			step.Copies = len(step.Hops)
		}
		q.Counts = next.Counts
		steps = append(steps, step)
	}
}
