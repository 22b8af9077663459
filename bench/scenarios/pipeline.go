package scenarios

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/consumer"
)

// member returns the configuration of a pipeline that works on a task: defaults, but for what the task names.
func member(t contract.Task, h consumer.Handler) consumer.Config {
	return consumer.Config{
		Brokers: t.Brokers, Group: t.Group, Topics: []string{t.Topic}, Handler: h,
		TopicSettings: consumer.TopicSettings{ReplicationFactor: 1},
		// What goes wrong in a pipeline that is measured says why a figure is odd; warnings of one broker only would be in every round.
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// work runs a pipeline until so many records are counted or the limit of the task is over, and tells the meter. More than there are is an
// error: some were counted twice, and as many not at all.
func work(ctx context.Context, t contract.Task, m *contract.Meter, c consumer.Config, counted func(*consumer.Pipeline) int) error {
	n := 0
	err := watch(ctx, c, func(p *consumer.Pipeline) bool {
		n = counted(p)
		m.Saw(n, t.Records)
		if n < t.Records && !m.Over(t.Limit) {
			return false
		}
		m.End(n)
		return true
	})
	if err == nil && n > t.Records {
		err = fmt.Errorf("%d of %d records were handled", n, t.Records)
	}
	return err
}

// seldom counts each ten milliseconds once it has begun to: to ask for all of the statistics each millisecond would be a part of what is measured.
func seldom(count func(*consumer.Pipeline) int) func(*consumer.Pipeline) int {
	n, asked := 0, 0
	return func(p *consumer.Pipeline) int {
		if asked++; n == 0 || asked%10 == 0 {
			n = count(p)
		}
		return n
	}
}

// watch runs a pipeline until over says that it is; it is asked each millisecond.
func watch(ctx context.Context, c consumer.Config, over func(*consumer.Pipeline) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := consumer.New(c)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err == nil {
				err = fmt.Errorf("the pipeline ended before all was done: %w", context.Cause(ctx))
			}
			return err
		case <-tick.C:
		}
		if over(p) {
			cancel()
			return <-done
		}
	}
}
