package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// routing measures how fast records travel that all fail: from the source to a retry topic. Beside a plain loop that copies
// every record with headers of the same size and commits each second stand the pipeline with both deliveries.
func routing(ctx context.Context, brokers []string, topic string, o options) error {
	contenders := []struct {
		name  string
		round func(group string, w *watch) error
	}{
		{"franz-go", func(group string, w *watch) error { return copyRound(ctx, brokers, topic, group, o, w) }},
		{"at least once", func(group string, w *watch) error {
			return failingRound(ctx, brokers, topic, group, o.records, consumer.AtLeastOnce, w)
		}},
		{"exactly once", func(group string, w *watch) error {
			return failingRound(ctx, brokers, topic, group, o.records, consumer.ExactlyOnceRouting, w)
		}},
	}
	samples := make([][]sample, len(contenders))
	var toRaw, toAtLeastOnce []float64
	for i := range o.rounds + 1 { // the first warms up
		var rates []float64
		for c, contender := range contenders {
			s, err := measure(o, func(w *watch) error { return contender.round(fmt.Sprintf("route-%d-%d-%d", os.Getpid(), i, c), w) })
			if err != nil {
				return fmt.Errorf("%s: %w", contender.name, err)
			}
			rates = append(rates, s.RecordsPerSecond)
			if i > 0 {
				samples[c] = append(samples[c], s)
			}
		}
		if i > 0 {
			toRaw, toAtLeastOnce = append(toRaw, rates[1]/rates[0]), append(toAtLeastOnce, rates[2]/rates[1])
		}
	}
	fmt.Printf("%d records of %d bytes, %d partitions, all of which fail, %d rounds, medians\n", o.records, o.size, o.partitions, o.rounds)
	fmt.Printf("%-14s %14s %12s %14s\n", "", "records/s", "CPU ns/rec", "allocs/rec")
	for c, contender := range contenders {
		m := median(samples[c])
		fmt.Printf("%-14s %14.0f %12.0f %14.3f\n", contender.name, m.RecordsPerSecond, m.CPUPerRecord, m.AllocsPerRecord)
	}
	slices.Sort(toRaw)
	slices.Sort(toAtLeastOnce)
	fmt.Printf("at least once to franz-go %.2f (%.2f to %.2f), exactly once to at least once %.2f (%.2f to %.2f)\n",
		toRaw[len(toRaw)/2], toRaw[0], toRaw[len(toRaw)-1], toAtLeastOnce[len(toAtLeastOnce)/2], toAtLeastOnce[0], toAtLeastOnce[len(toAtLeastOnce)-1])
	return nil
}

// headersOfACopy is about what the engine's own headers take on a copy after one failure.
const headersOfACopy = 500

// copyRound copies every record to another topic, with acks=all by an idempotent producer, and commits each second what was
// acknowledged.
func copyRound(ctx context.Context, brokers []string, topic, group string, o options, w *watch) error {
	cl, err := kgo.NewClient(append(fetchOptions(), kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(20_000), kgo.ProducerLinger(2*time.Millisecond), kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	to := group + "-copies"
	if err := createTopic(ctx, cl, to, int32(o.partitions)); err != nil {
		return err
	}
	header := []kgo.RecordHeader{{Key: "h", Value: make([]byte, headersOfACopy)}}
	var failed atomic.Pointer[error]
	next := time.Now().Add(time.Second)
	for n := 0; n < o.records; {
		fetches := cl.PollRecords(ctx, 10_000)
		if err := fetches.Err(); err != nil {
			return err
		}
		w.begin()
		fetches.EachRecord(func(r *kgo.Record) {
			cl.Produce(ctx, &kgo.Record{Topic: to, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: header}, func(_ *kgo.Record, err error) {
				if err != nil {
					failed.Store(&err)
				}
			})
		})
		n += fetches.NumRecords()
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			if err := errors.Join(cl.Flush(ctx), cl.CommitUncommittedOffsets(ctx)); err != nil {
				return err
			}
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	w.end()
	if err := failed.Load(); err != nil {
		return *err
	}
	return cl.CommitUncommittedOffsets(ctx)
}

var errFails = errors.New("the service is away")

// failingRound is the pipeline while every call fails, without the breaker that would stop it.
func failingRound(ctx context.Context, brokers []string, topic, group string, records int, d consumer.Delivery, w *watch) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := consumer.New(consumer.Config{
		Brokers: brokers, Group: group, Topics: []string{topic}, Delivery: d,
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
		Breaker: breaker.Config{Disabled: true},
		Handler: consumer.HandlerFunc(func(context.Context, *consumer.Record) error {
			w.begin()
			return consumer.RetryAfter(time.Hour, errFails)
		}),
	})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
		if p.Stats().Retried >= uint64(records) {
			w.end()
			cancel()
			return <-done
		}
	}
}
