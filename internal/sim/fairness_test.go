//go:build synctests

package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// isolated: what hangs, fails or waits in one place takes next to nothing from the others. The same load is handled twice, by
// itself and beside what disturbs, each for the same virtual time, and what counts is the ratio. The load wants every slot
// all the time: whatever is taken from it is missed.

const (
	// contestLasts is for how long records are counted, and contestWork how long a call takes.
	contestLasts = time.Minute
	contestWork  = 50 * time.Millisecond
	// contestParts are the partitions; the first is for what disturbs.
	contestParts = 8
	// contestRecords are more than can be handled meanwhile, with all slots.
	contestRecords = 64 * int(contestLasts/contestWork) * 5 / 4
	// keep is the share of their throughput that the others keep.
	keep = 0.9
)

var errPoison = classify.Mark(errors.New("poison"), classify.Transient)

// contest is a load that a pipeline handles beside something else.
type contest struct {
	config  func(*consumer.Config)
	produce func(c *contestants)                                // what disturbs; nil: nothing
	among   int                                                 // the load is one partition, and every so-and-so-many-th record is what disturbs; 0: none
	alone   bool                                                // it is not there
	disturb func(ctx context.Context, r *consumer.Record) error // its calls
	after   func(c *contestants)                                // looks at it when the time is over
	size    int                                                 // of what else a record of the load carries, in bytes
	left    float64                                             // the part of the slots that what disturbs leaves at best; 0: all but as good as none
}

// contestants are the parts of a run of a contest.
type contestants struct {
	t       *testing.T
	cluster *kafkatest.Virtual
	client  *kgo.Client
	p       *consumer.Pipeline
	handled atomic.Int64 // records of the load
	calls   atomic.Int64 // with what disturbs
	watch   func()       // looks at the run every second
}

func setUp(t *testing.T, opts ...kgo.Opt) *contestants {
	s := &contestants{t: t, cluster: kafkatest.NewVirtual(t), watch: func() {}}
	s.client = s.cluster.Client(t, append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(1_000_000))...)
	s.create("load")
	return s
}

func (s *contestants) create(topic string) {
	s.t.Helper()
	if err := s.cluster.CreateTopic(topic, contestParts, map[string]string{"retention.ms": "-1"}); err != nil {
		s.t.Fatal(err)
	}
}

// fillTier fills a tier of an hour with copies that wait.
func (s *contestants) fillTier(n int, value string) {
	s.t.Helper()
	tier := retrytopics.Names{Group: "g"}.RetryTopic("load", time.Hour)
	s.create(tier)
	s.write(waitingCopies(tier, n, value)...)
}

// throughput returns how many records of the load are handled while the contest lasts.
func (c contest) throughput(t *testing.T) (handled int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := setUp(t)
		load, pad := make([]*kgo.Record, contestRecords), make([]byte, c.size)
		for i := range load {
			load[i] = &kgo.Record{Topic: "load", Partition: 1 + int32(i)%(contestParts-1), Key: fmt.Append(nil, "key-", i), Value: []byte("load")}
			if c.size > 0 {
				load[i].Headers = []kgo.RecordHeader{{Key: "pad", Value: pad}}
			}
			if c.among > 0 {
				load[i].Partition = 0
				if i%c.among == 0 && !c.alone {
					load[i].Key, load[i].Value = []byte("the one"), []byte("poison")
				}
			}
		}
		s.write(load...)
		if c.produce != nil {
			c.produce(s)
		}
		s.run(c)
		handled = s.handled.Load()
	})
	return handled
}

// run runs the pipeline while the contest lasts.
func (s *contestants) run(c contest) {
	cfg := consumer.Config{
		Group: "g", Topics: []string{"load"}, Brokers: s.cluster.Brokers(), ClientOptions: []kgo.Opt{s.cluster.Dialer()}, Logger: slog.New(slog.DiscardHandler),
		Handler: consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error {
			if string(r.Value) != "load" {
				s.calls.Add(1)
				return c.disturb(ctx, r)
			}
			time.Sleep(contestWork)
			s.handled.Add(1)
			return nil
		}),
	}
	if c.config != nil {
		c.config(&cfg)
	}
	p, err := consumer.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.p = p
	ctx, stop := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for s.handled.Load()+s.calls.Load() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	for began := time.Now(); time.Since(began) < contestLasts; time.Sleep(time.Second) {
		s.watch()
	}
	if c.after != nil {
		c.after(s)
	}
	stop()
	if err := <-ended; err != nil {
		s.t.Error(err)
	}
}

// write produces records and waits until they are acknowledged.
func (s *contestants) write(records ...*kgo.Record) {
	s.t.Helper()
	if err := s.client.ProduceSync(s.t.Context(), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// poison writes records that disturb to the first partition.
func (s *contestants) poison(n int, key func(i int) string) {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: "load", Key: []byte(key(i)), Value: []byte("poison")}
	}
	s.write(records...)
}

// large writes records that disturb, of so many bytes, each of a key of its own, to the first partition.
func (s *contestants) large(size, n int) {
	value := []byte(strings.Repeat("p", size))
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: "load", Key: fmt.Append(nil, "hangs-", i), Value: value}
	}
	s.write(records...)
}

// fair expects the load to keep its throughput beside what disturbs.
func fair(t *testing.T, c contest) {
	t.Helper()
	alone := contest{config: c.config, among: c.among, alone: true}.throughput(t)
	beside := c.throughput(t)
	share := float64(beside) / float64(alone)
	t.Logf("%d records by themselves, %d beside what disturbs: %.3f", alone, beside, share)
	if alone >= int64(contestRecords) {
		t.Fatalf("all %d records were handled before the time was over: nothing was missed whatever was taken", alone)
	}
	if least := keep * cmp.Or(c.left, 1); share < least {
		t.Errorf("isolated: the others keep %.1f %% of their throughput, want %.0f %%", 100*share, 100*least)
	}
}

// Every call for one partition hangs until its time is over, each record on its own.
func TestOthersKeepTheirThroughputBesideAHangingPartition(t *testing.T) {
	t.Parallel()
	fair(t, contest{
		produce: func(s *contestants) { s.poison(5000, func(i int) string { return fmt.Sprint("hangs-", i) }) },
		disturb: func(ctx context.Context, _ *consumer.Record) error { <-ctx.Done(); return ctx.Err() },
	})
}

// The same with so few slots that each is a large part of them: what hangs has one, and one is kept for retries.
func TestOthersKeepTheOtherSlotsBesideAHangingPartition(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{3, 4, 8} {
		for _, ordering := range []consumer.Ordering{consumer.ByKey, consumer.ByPartition} {
			t.Run(fmt.Sprint(slots, " ", ordering), func(t *testing.T) {
				t.Parallel()
				fair(t, contest{
					config:  func(c *consumer.Config) { c.Concurrency, c.Ordering, c.Breaker.Disabled = slots, ordering, true },
					produce: func(s *contestants) { s.poison(5000, func(i int) string { return fmt.Sprint("hangs-", i) }) },
					disturb: func(ctx context.Context, _ *consumer.Record) error { <-ctx.Done(); return ctx.Err() },
					left:    float64(slots-2) / float64(slots-1),
				})
			})
		}
	}
}

// The same where the window's bytes are used up before its records: those of what hangs are larger than the others, or all are as large.
func TestOthersKeepTheirThroughputBesideAHangingPartitionOfLargeRecords(t *testing.T) {
	t.Parallel()
	for _, size := range []int{20 << 10, 64 << 10, 256 << 10} {
		t.Run(fmt.Sprintf("%d KiB", size>>10), func(t *testing.T) {
			t.Parallel()
			fair(t, contest{
				produce: func(s *contestants) { s.large(size, (100<<20)/size) },
				disturb: func(ctx context.Context, _ *consumer.Record) error { <-ctx.Done(); return ctx.Err() },
			})
		})
	}
	t.Run("all of 4 KiB", func(t *testing.T) {
		t.Parallel()
		fair(t, contest{
			config:  func(c *consumer.Config) { c.Window.Bytes = 6 << 20 },
			size:    4 << 10,
			produce: func(s *contestants) { s.large(4<<10, 5000) },
			disturb: func(ctx context.Context, _ *consumer.Record) error { <-ctx.Done(); return ctx.Err() },
		})
	})
}

// Calls for the copies of one tier hang, which are due and so large that their bytes fill the window.
func TestOthersKeepTheirThroughputBesideAHangingTierOfLargeCopies(t *testing.T) {
	t.Parallel()
	fair(t, contest{
		config: func(c *consumer.Config) {
			c.Window.Bytes = 16 << 20
			c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second, time.Hour}}
		},
		produce: func(s *contestants) {
			due := waitingCopies(retrytopics.Names{Group: "g"}.RetryTopic("load", time.Second), 4000, strings.Repeat("p", 20<<10))
			for _, r := range due {
				state, err := retrytopics.Decode(r)
				if err != nil {
					s.t.Fatal(err)
				}
				state.Due, state.HopDue, state.Partition = time.Now(), time.Now(), 0
				r.Partition, r.Headers = 0, state.AppendHeaders(nil, nil, 0)
			}
			s.create(due[0].Topic)
			s.write(due...)
		},
		disturb: func(ctx context.Context, _ *consumer.Record) error { <-ctx.Done(); return ctx.Err() },
	})
}

// The records of one key fail for ever: they go through the tiers to the dead letters all the time.
func TestOthersKeepTheirThroughputBesideAFailingKey(t *testing.T) {
	t.Parallel()
	const poison = 300
	fair(t, contest{
		produce: func(s *contestants) { s.poison(poison, func(int) string { return "the one" }) },
		disturb: func(context.Context, *consumer.Record) error { time.Sleep(contestWork); return errPoison },
		config: func(c *consumer.Config) {
			c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second, 5 * time.Second}}
		},
		after: func(s *contestants) {
			if n := s.p.Stats().DeadLettered; n == 0 || s.calls.Load() < poison/4 {
				s.t.Errorf("%d calls failed and %d records are dead: that disturbs nobody", s.calls.Load(), n)
			}
		},
	})
}

// The records of one key fail for ever, among those of others in one partition: by themselves, held with those behind them in the park topic,
// and closed behind the first that is dead, so that all that come follow it. The other keys of the partition do not notice.
func TestOtherKeysOfThePartitionKeepTheirThroughput(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(*consumer.Config){
		"fails": func(*consumer.Config) {},
		"held":  func(c *consumer.Config) { c.HoldKey, c.Delivery = true, consumer.ExactlyOnceRouting },
		"closed": func(c *consumer.Config) {
			c.HoldKey, c.Delivery, c.OnDeadLetter = true, consumer.ExactlyOnceRouting, consumer.HoldOnDeadLetter
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fair(t, contest{
				among:   50,
				disturb: func(context.Context, *consumer.Record) error { time.Sleep(contestWork); return errPoison },
				config: func(c *consumer.Config) {
					hold(c)
					c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second}}
				},
				after: func(s *contestants) {
					n := s.p.Stats()
					if waits := n.HeldKeys.Records + n.HeldKeys.Dead + int(s.calls.Load()); waits < 500 {
						s.t.Errorf("%d records of the key failed, wait or are dead: that disturbs nobody", waits)
					}
				},
			})
		})
	}
}

// A tier holds a hundred times as many waiting records as the window takes.
func TestOthersKeepTheirThroughputBesideABacklog(t *testing.T) {
	t.Parallel()
	const waiting, window = 200_000, 2000
	tiers := []time.Duration{time.Second, time.Hour}
	fair(t, contest{
		config: func(c *consumer.Config) {
			c.Retry = retrytopics.Policy{Tiers: tiers}
			c.Window.Records = window
		},
		produce: func(s *contestants) { s.fillTier(waiting, "it waits") },
		after: func(s *contestants) {
			for _, topic := range s.p.Stats().Topics {
				if topic.Tier == time.Hour && topic.Backlog != waiting {
					s.t.Errorf("%d records wait, want %d", topic.Backlog, waiting)
				}
			}
		},
	})
}

// waitingCopies are copies that wait in a tier for an hour, as the pipeline writes them.
func waitingCopies(tier string, n int, value string) []*kgo.Record {
	due := time.Now().Add(time.Hour)
	records := make([]*kgo.Record, n)
	for i := range records {
		partition, offset := int32(i)%contestParts, int64(i)
		state := retrytopics.State{
			ID: retrytopics.FormatID("", "load", partition, offset), Topic: "load", Partition: partition, Offset: offset, Group: "g",
			Attempt: 1, Due: due, HopDue: due, Timestamp: time.Now(), FirstFailed: time.Now(), Class: classify.Transient, Error: "broken",
		}
		records[i] = &kgo.Record{Topic: tier, Partition: partition, Key: fmt.Append(nil, "waits-", i), Value: []byte(value), Headers: state.AppendHeaders(nil, nil, 0)}
	}
	return records
}

// bounded: memory stays within the window and a constant, though a hundred times as much waits, in the sources and in a
// full tier, with values that are large and handlers that are slow. What is fetched and not taken yet is the constant: a
// quarter of the window of each broker; it holds, too, what the brokers have in hand, which live in the same process.
//
// It is not parallel: the heap is everybody's.
func TestMemoryStaysWithinTheWindow(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{"values as they are": kgo.NoCompression(), "values that were compressed to a twentieth": kgo.SnappyCompression()} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { stayWithin(t, codec) }) })
	}
}

func stayWithin(t *testing.T, codec kgo.CompressionCodec) {
	const (
		window   = 8 << 20
		constant = 64 << 20
		size     = 64 << 10
		values   = 100 * window / size // in the sources, and half as many in the tier
	)
	s := setUp(t, kgo.ProducerBatchCompression(codec))
	value := strings.Repeat("v", size)
	s.fillTier(values/2, value)
	for i := range values {
		s.write(&kgo.Record{Topic: "load", Partition: int32(i) % contestParts, Key: fmt.Append(nil, i), Value: []byte(value)})
	}
	before, most, inWindow := heap(), int64(0), int64(0)
	s.watch = func() { most, inWindow = max(most, heap()-before), max(inWindow, s.p.Stats().WindowBytes) }
	s.run(contest{
		config: func(c *consumer.Config) {
			c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second, time.Hour}}
			c.Window.Bytes = window
		},
		disturb: func(context.Context, *consumer.Record) error { time.Sleep(time.Second); return nil },
	})
	t.Logf("%d of %d records were handled beside %d that wait; the heap grew by %.1f MiB at most, with a window of %d MiB",
		s.calls.Load(), values, values/2, float64(most)/(1<<20), window>>20)
	if s.calls.Load() < values/10 {
		t.Errorf("only %d calls: that is no load", s.calls.Load())
	}
	if inWindow > window*3/2 { // a poll of the sources and one of the tier may come at once
		t.Errorf("bounded: the window had %d bytes, want a half more than %d at most", inWindow, window)
	}
	if most > window+constant {
		t.Errorf("bounded: the heap grew by %d bytes, want at most the window and a constant, %d", most, window+constant)
	}
}

// heap is what is live on the heap, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
