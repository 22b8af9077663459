package main

import (
	"context"
	"sync"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// supervised is a pipeline that is made anew when it ends with an error: one that cannot go on does not take the
// others with it, and the process says that it is not ready. It serves the admin server and the metrics.
type supervised struct {
	config consumer.Config

	mu       sync.Mutex
	pipeline *consumer.Pipeline
	paused   bool   // by an operator, which outlives a new start
	failed   string // why there is none running
}

// restartSoon and restartLate are the first and the longest pause before a pipeline is made anew.
const (
	restartSoon = time.Second
	restartLate = time.Minute
)

func supervise(c consumer.Config) (*supervised, error) {
	pipeline, err := consumer.New(c)
	return &supervised{config: c, pipeline: pipeline}, err
}

// run runs the pipeline until ctx ends.
func (s *supervised) run(ctx context.Context) {
	for pause := restartSoon; ; pause = min(2*pause, restartLate) {
		began := time.Now()
		err := s.now().Run(ctx)
		if ctx.Err() != nil {
			if err != nil {
				s.config.Logger.Error("the pipeline ended with an error", "pipeline", s.Name(), "error", err)
			}
			return
		}
		if time.Since(began) > restartLate {
			pause = restartSoon
		}
		s.fail(err)
		s.config.Logger.Error("the pipeline has failed and starts again", "pipeline", s.Name(), "error", err, "in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		s.renew()
	}
}

func (s *supervised) now() *consumer.Pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pipeline
}

func (s *supervised) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = "the pipeline ended"
	if err != nil {
		s.failed = err.Error()
	}
}

// renew makes the pipeline anew; the configuration was good once, so that New does not fail. If it does, Run of the
// old one says that it has run, and the next turn tries again.
func (s *supervised) renew() {
	pipeline, err := consumer.New(s.config)
	if err != nil {
		s.config.Logger.Error("the pipeline cannot be made anew", "pipeline", s.Name(), "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.pipeline.Learner(); before != nil {
		if err := inherit(pipeline.Learner(), before, time.Now()); err != nil {
			s.config.Logger.Warn("what was learned about delays is lost, for the pipeline was made anew", "pipeline", pipeline.Name(), "error", err)
		}
	}
	s.pipeline, s.failed = pipeline, ""
	if s.paused {
		pipeline.Pause()
	}
}

// Name returns the pipeline's name.
func (s *supervised) Name() string { return s.now().Name() }

// Group returns the pipeline's consumer group.
func (s *supervised) Group() string { return s.now().Group() }

// Waiting reports whether there is anything that its breaker keeps from being handled.
func (s *supervised) Waiting() bool { return s.now().Waiting() }

// Stats returns the counts of the pipeline that runs now, or of the one that ran last.
func (s *supervised) Stats() consumer.Stats {
	s.mu.Lock()
	pipeline, failed := s.pipeline, s.failed
	s.mu.Unlock()
	stats := pipeline.Stats()
	if failed != "" {
		stats.Ready, stats.NotReady = false, "it has failed and starts again: "+failed
		stats.Health, stats.Score = consumer.Unhealthy, 0
		stats.Reasons = append(stats.Reasons, failed)
	}
	return stats
}

// Pause holds the pipeline until Resume.
func (s *supervised) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
	s.pipeline.Pause()
}

// Resume lets the pipeline go on.
func (s *supervised) Resume(admit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = false
	s.pipeline.Resume(admit)
}

// Release hands one held record to its handler again.
func (s *supervised) Release(topic string, partition int32, offset int64) error {
	return s.now().Release(topic, partition, offset)
}

// ReleaseAll hands all held records to their handlers again.
func (s *supervised) ReleaseAll() int { return s.now().ReleaseAll() }

// Skip settles one record.
func (s *supervised) Skip(topic string, partition int32, offset int64, reason string) error {
	return s.now().Skip(topic, partition, offset, reason)
}
