package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// A pipeline that is made anew after it has failed knows what it knew, which is not taken for kept.
func TestAPipelineThatStartsAgainKnowsWhatItHasLearned(t *testing.T) {
	s, err := supervise(consumer.Config{
		Brokers: []string{"localhost:1"}, Group: "orders", Topics: []string{"orders"}, Logger: slog.New(slog.DiscardHandler),
		Handler: consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return nil }),
		Retry:   retrytopics.Policy{Adaptive: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	before, now := s.now().Learner(), time.Now()
	for hour := range 3 {
		before.Observe(adaptive.Retry{Key: adaptive.Key{Dependency: "orders", Class: classify.Network}, To: time.Second, At: now.Add(time.Duration(hour-3) * time.Hour)})
	}
	s.renew()
	if s.now().Learner() == before {
		t.Fatal("the pipeline was not made anew")
	}
	lessons := s.Stats().Lessons
	if len(lessons) != 1 || lessons[0].Observations < 2 || !lessons[0].Kept.IsZero() {
		t.Errorf("it knows %+v, want three observations that are not kept", lessons)
	}
	if n := len(s.Unkept(time.Now())); n != 1 {
		t.Errorf("%d memories are to be kept, want one", n)
	}
}
