package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

// profiled replays the second queue in this process, and writes where the time of the cores went.
func (s *show) profiled(ctx context.Context) (err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	queue, err := dlq.Open(client, deadTopic(crashed), dlq.ForGroup(group))
	if err != nil {
		return err
	}
	file, err := os.Create(s.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	before := cpu()
	summary, err := queue.Replay(ctx, dlq.Replay{TakeOver: true})
	if err != nil {
		return err
	}
	used := cpu() - before
	fmt.Printf("\nreplay of %d in this process: %s; %s of a core, %.1f us an entry\n", summary.Done, seconds(summary.Took), seconds(used), float64(used)/float64(time.Microsecond)/float64(max(summary.Done, 1)))
	return nil
}
