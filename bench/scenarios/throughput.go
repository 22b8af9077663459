package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/consumer"
)

var throughput = harness.Scenario{
	Letter: "a", Apart: true,
	Name: "nothing fails",
	About: "A handler adds up one byte of every value; all of the pipeline's defaults: ordered by key, 64 calls at a time, breaker, metrics. " +
		"The limit is a plain franz-go loop that polls, adds up and commits once a second. A round ends after 6 s, with the rate by then.",
	Contenders: append([]harness.Contender{
		{Name: franz, Run: rawSum},
		{Name: redeliver, Against: franz, Run: pipelineSum},
	}, peers(franz, kafkaGo, saramaLoop, watermill, spring, parallelConsumer)...),
	Cases: func(scale float64) (all []harness.Case) {
		for _, size := range []struct{ bytes, records int }{{100, 12_000_000}, {1024, 3_000_000}} {
			for _, partitions := range []int{1, 12, 128} {
				all = append(all, harness.Case{
					Name: fmt.Sprintf("%d B, %s", size.bytes, counted(partitions)), Size: size.bytes,
					Task: contract.Task{Records: harness.Scaled(size.records, scale, 1000), Parts: partitions, Limit: harness.Limit(6*time.Second, scale)},
				})
			}
		}
		return all
	},
}

func rawSum(ctx context.Context, t contract.Task, m *contract.Meter) error {
	cl, err := kgo.NewClient(rawOptions(t)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	sum, n := 0, 0
	err = rawLoop(ctx, t, m, cl, func(fetches kgo.Fetches) error {
		fetches.EachRecord(func(r *kgo.Record) { sum += int(r.Value[0]) })
		n += fetches.NumRecords()
		return nil
	}, nil)
	if err == nil && sum != n {
		err = fmt.Errorf("summed %d of %d", sum, n)
	}
	return err
}

func pipelineSum(ctx context.Context, t contract.Task, m *contract.Meter) error {
	var sums contract.Tally
	h := consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
		if sums.Add(r.Partition, int(r.Value[0])) {
			m.Begin()
		}
		return nil
	})
	return work(ctx, t, m, member(t, h), func(*consumer.Pipeline) int { return sums.Total() })
}
