// Command bench measures the pipeline beside a raw franz-go consumer on the same broker in the same run.
//
//	go run . [-records 1000000] [-size 100] [-partitions 6] [-rounds 5] [-brokers host:port] [-work 10ms | -route]
//
// Without -brokers it starts the embedded broker in a process of its own. Rounds are interleaved, raw and pipeline in
// turn, and what is printed is the median of each and of the ratio round by round: absolute numbers depend on the
// machine and its mood, the ratio much less.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

type options struct {
	records    int
	size       int
	partitions int
	rounds     int
	brokers    string
	profile    string
	json       bool
	work       time.Duration
	route      bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "broker" {
		serveBroker()
		return
	}
	var o options
	flag.IntVar(&o.records, "records", 1_000_000, "records a round")
	flag.IntVar(&o.size, "size", 100, "bytes a value")
	flag.IntVar(&o.partitions, "partitions", 6, "partitions")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.StringVar(&o.brokers, "brokers", "", "brokers to use; default: an embedded one in its own process")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the pipeline's rounds to this file")
	flag.DurationVar(&o.work, "work", 0, "how long a handler call takes; then only the pipeline is measured")
	flag.BoolVar(&o.route, "route", false, "measure records that all fail, on their way to a retry topic")
	flag.BoolVar(&o.json, "json", false, "print one JSON object")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// serveBroker is the other process: it prints its address and serves until its standard input ends.
func serveBroker() {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(c.ListenAddrs(), ","))
	_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, it ends
	c.Close()
}

// startBroker starts the embedded broker in a process of its own.
func startBroker() (brokers []string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self, "broker")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, fmt.Errorf("the broker did not start: %w", err)
	}
	return strings.Split(strings.TrimSpace(line), ","), func() {
		_ = in.Close() // tells it to end
		_ = cmd.Wait() // its figures are not ours
	}, nil
}

// sample is one round of one contender.
type sample struct {
	RecordsPerSecond float64
	CPUPerRecord     float64 // nanoseconds, of this process
	AllocsPerRecord  float64
}

func run(o options) error {
	ctx := context.Background()
	brokers := strings.Split(o.brokers, ",")
	if o.brokers == "" {
		b, stop, err := startBroker()
		if err != nil {
			return err
		}
		defer stop()
		brokers = b
	}
	const topic = "bench"
	if err := fill(ctx, brokers, topic, o); err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // a profile that is cut short shows when it is read
		defer pprof.StopCPUProfile()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	if o.route {
		return routing(ctx, brokers, topic, o)
	}
	if o.work > 0 {
		return slowHandlers(ctx, brokers, topic, o)
	}
	var raw, pipe []sample
	var ratios []float64
	for i := range o.rounds + 1 { // the first warms up
		r, err := measure(o, func(w *watch) error {
			return rawRound(ctx, brokers, topic, fmt.Sprintf("raw-%d-%d", os.Getpid(), i), o.records, w)
		})
		if err != nil {
			return fmt.Errorf("raw: %w", err)
		}
		p, err := measure(o, func(w *watch) error {
			return pipelineRound(ctx, brokers, topic, fmt.Sprintf("pipe-%d-%d", os.Getpid(), i), o.records, 0, w)
		})
		if err != nil {
			return fmt.Errorf("pipeline: %w", err)
		}
		if i == 0 {
			continue
		}
		raw, pipe = append(raw, r), append(pipe, p)
		ratios = append(ratios, p.RecordsPerSecond/r.RecordsPerSecond)
	}
	slices.Sort(ratios)
	result := map[string]any{"records": o.records, "size": o.size, "partitions": o.partitions, "rounds": o.rounds,
		"raw": median(raw), "pipeline": median(pipe), "ratio": ratios[len(ratios)/2], "ratio_min": ratios[0], "ratio_max": ratios[len(ratios)-1]}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	fmt.Printf("%d records of %d bytes, %d partitions, %d rounds, medians\n", o.records, o.size, o.partitions, o.rounds)
	fmt.Printf("%-10s %14s %12s %14s\n", "", "records/s", "CPU ns/rec", "allocs/rec")
	for _, c := range []struct {
		name string
		s    sample
	}{{"franz-go", median(raw)}, {"redeliver", median(pipe)}} {
		fmt.Printf("%-10s %14.0f %12.0f %14.3f\n", c.name, c.s.RecordsPerSecond, c.s.CPUPerRecord, c.s.AllocsPerRecord)
	}
	fmt.Printf("ratio %.2f (%.2f to %.2f)\n", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	return nil
}

// slowHandlers measures handlers that take their time beside the ideal: concurrency divided by that time.
func slowHandlers(ctx context.Context, brokers []string, topic string, o options) error {
	s, err := measure(o, func(w *watch) error {
		return pipelineRound(ctx, brokers, topic, fmt.Sprintf("slow-%d", os.Getpid()), o.records, o.work, w)
	})
	if err != nil {
		return err
	}
	ideal := consumer.DefaultConcurrency / o.work.Seconds()
	fmt.Printf("%d records, %d partitions, calls of %v: %.0f records/s, %.2f of the ideal %.0f, CPU %.0f ns/record\n",
		o.records, o.partitions, o.work, s.RecordsPerSecond, s.RecordsPerSecond/ideal, ideal, s.CPUPerRecord)
	return nil
}

func median(s []sample) (m sample) {
	pick := func(f func(sample) float64) float64 {
		v := make([]float64, len(s))
		for i := range s {
			v[i] = f(s[i])
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	m.RecordsPerSecond = pick(func(s sample) float64 { return s.RecordsPerSecond })
	m.CPUPerRecord = pick(func(s sample) float64 { return s.CPUPerRecord })
	m.AllocsPerRecord = pick(func(s sample) float64 { return s.AllocsPerRecord })
	return m
}

// watch times a round from its first record to its last, without joining and leaving the group.
type watch struct {
	first atomic.Int64
	last  time.Time
}

func (w *watch) begin() { w.first.CompareAndSwap(0, time.Now().UnixNano()) }
func (w *watch) end()   { w.last = time.Now() }

// measure runs one round.
func measure(o options, f func(w *watch) error) (sample, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuTime()
	w := new(watch)
	err := f(w)
	took := w.last.Sub(time.Unix(0, w.first.Load()))
	used := cpuTime() - cpu
	runtime.ReadMemStats(&after)
	n := float64(o.records)
	return sample{n / took.Seconds(), float64(used) / n, float64(after.Mallocs-before.Mallocs) / n}, err
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill produces the records, with a thousand keys.
func fill(ctx context.Context, brokers []string, topic string, o options) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := createTopic(ctx, cl, topic, int32(o.partitions)); err != nil {
		return err
	}
	var failed atomic.Pointer[error]
	for i := range o.records {
		value := make([]byte, o.size)
		value[0] = 1
		cl.Produce(ctx, &kgo.Record{Partition: int32(i % o.partitions), Key: fmt.Appendf(nil, "key-%d", i%1000), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func createTopic(ctx context.Context, cl *kgo.Client, topic string, partitions int32) error {
	_, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, -1, nil, topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("topic %s is there already: give the bench a fresh broker", topic)
	}
	return err
}

// fetchOptions are what both contenders fetch with: those of the pipeline.
func fetchOptions() []kgo.Opt {
	return []kgo.Opt{kgo.FetchMaxPartitionBytes(1 << 20), kgo.FetchMaxBytes(16 << 20), kgo.FetchIsolationLevel(kgo.ReadCommitted())}
}

// rawRound is the limit: a plain poll loop that commits each second.
func rawRound(ctx context.Context, brokers []string, topic, group string, records int, w *watch) error {
	cl, err := kgo.NewClient(append(fetchOptions(), kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())...)
	if err != nil {
		return err
	}
	defer cl.Close()
	sum, n := 0, 0
	next := time.Now().Add(time.Second)
	for n < records {
		fetches := cl.PollRecords(ctx, 10_000)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { sum += int(r.Value[0]) })
		w.begin()
		n += fetches.NumRecords()
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			if err := cl.CommitUncommittedOffsets(ctx); err != nil {
				return err
			}
		}
	}
	w.end()
	if sum != records {
		return fmt.Errorf("summed %d of %d", sum, records)
	}
	return cl.CommitUncommittedOffsets(ctx)
}

// counter is a sum of its own cache line, so that partitions do not share one.
type counter struct {
	n atomic.Int64
	_ [56]byte
}

// pipelineRound is the pipeline with its defaults.
func pipelineRound(ctx context.Context, brokers []string, topic, group string, records int, work time.Duration, w *watch) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var sums [256]counter
	p, err := consumer.New(consumer.Config{
		Brokers: brokers, Group: group, Topics: []string{topic},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handler: consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
			if sums[r.Partition&255].n.Add(int64(r.Value[0])) == 1 {
				w.begin()
			}
			if work > 0 {
				time.Sleep(work)
			}
			return nil
		}),
	})
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
			return err
		case <-tick.C:
		}
		total := int64(0)
		for i := range sums {
			total += sums[i].n.Load()
		}
		if total >= int64(records) {
			w.end()
			cancel()
			return <-done
		}
	}
}
