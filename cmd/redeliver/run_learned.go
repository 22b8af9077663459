package main

import (
	"time"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/fleet"
)

var _ fleet.Learner = (*supervised)(nil)

// learns reports whether the pipeline's policy is adaptive.
func (s *supervised) learns() bool { return s.now().Learner() != nil }

// Recall takes notice of what the fleet keeps of what was learned.
func (s *supervised) Recall(m adaptive.Memory, now time.Time) error {
	return s.now().Learner().Recall(m, now)
}

// Unkept returns what was learned and is worth keeping.
func (s *supervised) Unkept(now time.Time) []adaptive.Memory { return s.now().Learner().Unkept(now) }

// Unkeep takes notice that what was kept is lost.
func (s *supervised) Unkeep() { s.now().Learner().Unkeep() }

// inherit lets a pipeline that is made anew know what the one before it had learned. It is written again to where it is kept.
func inherit(after, before *adaptive.Learner, now time.Time) error {
	before.Unkeep()
	for _, m := range before.Unkept(now) {
		if err := after.Recall(m, now); err != nil {
			return err
		}
	}
	after.Unkeep()
	return nil
}

// tellForgetting tells which pipelines learn what is lost with the process.
func (s *service) tellForgetting() {
	for i, p := range s.config.Pipelines {
		if s.pipelines[i].learns() {
			s.log.Info("what is learned about delays is kept in memory, and lost when this process ends", "pipeline", p.Name,
				"remedy", "breaker.scope: fleet, of any pipeline of this process: then it is kept in the control topic")
		}
	}
}
