package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// isolated: a pipeline that ends with an error is made anew, and stays paused if an operator had paused it.
func TestAPipelineThatFailsStartsAgain(t *testing.T) {
	address := freeAddress(t)
	startBroker(t, address)
	s, err := supervise(consumer.Config{
		Brokers: []string{address}, Group: "orders", Topics: []string{"orders"}, Logger: slog.New(slog.DiscardHandler),
		Handler: consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Pause()
	// A pipeline runs once, so that the next run of this one fails.
	over, end := context.WithCancel(t.Context())
	end()
	if err := s.now().Run(over); err != nil {
		t.Fatal(err)
	}
	first := s.now()

	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { s.run(ctx) })
	defer run.Wait()
	defer stop()
	kafkatest.Eventually(t, 10*time.Second, func() error {
		if stats := s.Stats(); !strings.Contains(stats.NotReady, "starts again") || stats.Health != consumer.Unhealthy {
			return fmt.Errorf("it is %v, not ready: %q", stats.Health, stats.NotReady)
		}
		return nil
	})
	kafkatest.Eventually(t, 20*time.Second, func() error {
		stats := s.Stats()
		if s.now() == first || !stats.Ready || stats.Paused[consumer.PauseOperator] == 0 {
			return errors.New("it has not started again, paused: " + stats.NotReady)
		}
		return nil
	})
	s.Resume(0)
	if n := s.Stats().Paused[consumer.PauseOperator]; n != 0 {
		t.Errorf("%d partitions are still paused", n)
	}
}
