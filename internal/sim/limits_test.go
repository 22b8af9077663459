//go:build synctests

package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/limit"
	"github.com/redeliver/redeliver/retrytopics"
)

// calls notes when handlers were called, by whatever the test tells them apart by.
type calls struct {
	mu    sync.Mutex
	of    map[string][]time.Time
	tries map[string]int // attempts of records that were called with another number than 1
}

func newCalls() *calls { return &calls{of: make(map[string][]time.Time), tries: make(map[string]int)} }

func (c *calls) note(who string, r *consumer.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[who] = append(c.of[who], time.Now())
	if r.Attempt() != 1 {
		c.tries[r.ID()] = r.Attempt()
	}
}

func (c *calls) count(who string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of[who])
}

// within returns how many calls were made in a span of time.
func (c *calls) within(who string, after time.Time, span time.Duration) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range c.of[who] {
		if !at.Before(after) && at.Before(after.Add(span)) {
			n++
		}
	}
	return n
}

// start runs a pipeline until the test says stop.
func (s *contestants) start(cfg consumer.Config) (p *consumer.Pipeline, stop func()) {
	s.t.Helper()
	cfg.Brokers, cfg.ClientOptions, cfg.Logger = s.cluster.Brokers(), []kgo.Opt{s.cluster.Dialer()}, slog.New(slog.DiscardHandler)
	p, err := consumer.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return p, func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// near expects a number of calls within two percent.
func near(t *testing.T, what string, got int, want float64) {
	t.Helper()
	t.Logf("%s: %d calls, %.1f %% of what the limit allows", what, got, 100*float64(got)/want)
	if math.Abs(float64(got)-want) > 0.02*want {
		t.Errorf("%s: %d calls in a minute, want %.0f within 2 %%", what, got, want)
	}
}

// A user with a hundred times the load that the limit allows is held to it, over a minute, with all partitions full of that
// user's records, and the other users' records do not wait behind them.
func TestAUserOverTheLimitWaitsAndTheOthersDoNot(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(map[bool]string{false: "keys of records", true: "the user is the key"}[keyed], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const perSecond, lasts = 3, 80 * time.Second
				s := setUp(t)
				seen := newCalls()
				produced := make(map[string]time.Time)
				var late []time.Duration
				var mu sync.Mutex
				p, stop := s.start(consumer.Config{
					Group: "g", Topics: []string{"load"}, Window: consumer.Window{Records: 2000},
					Limits: []consumer.Limit{{Name: "per-user", Rate: limit.Rate{Calls: perSecond, Per: time.Second}, Per: consumer.PerHeader, Header: "redeliver-user"}},
					Handler: consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
						time.Sleep(5 * time.Millisecond)
						user := r.JobHeader("user")
						seen.note(user, r)
						if user != "greedy" {
							mu.Lock()
							late = append(late, time.Since(produced[string(r.Value)]))
							mu.Unlock()
						}
						return nil
					}),
				})
				n := 0
				write := func(user string, count int) {
					records := make([]*kgo.Record, count)
					mu.Lock()
					for i := range records {
						n++
						key, value := fmt.Append(nil, "key-", n), fmt.Append(nil, n)
						partition := int32(n) % contestParts
						if keyed {
							key, partition = []byte(user), 0
						}
						produced[string(value)] = time.Now()
						records[i] = &kgo.Record{Topic: "load", Partition: partition, Key: key, Value: value, Headers: []kgo.RecordHeader{{Key: "redeliver-user", Value: []byte(user)}}}
					}
					mu.Unlock()
					s.write(records...)
				}
				write("greedy", perSecond*100)
				began := time.Now()
				others := 0
				for time.Since(began) < lasts {
					write("greedy", perSecond*100)
					for i := range 5 {
						write(fmt.Sprint("other-", i), 1)
						others++
					}
					time.Sleep(time.Second)
				}
				near(t, "the greedy user", seen.within("greedy", began.Add(15*time.Second), time.Minute), perSecond*60)
				handled := 0
				for i := range 5 {
					handled += seen.count(fmt.Sprint("other-", i))
				}
				if handled < others-5 {
					t.Errorf("isolated: %d of the others' %d records were handled", handled, others)
				}
				most := time.Duration(0)
				for _, d := range late {
					most = max(most, d)
				}
				t.Logf("the others' records were handled within %v", most)
				if most > 500*time.Millisecond {
					t.Errorf("isolated: a record of a user who keeps to the limit waited %v", most)
				}
				if len(seen.tries) > 0 {
					t.Errorf("honest-attempts: %d records were called as if they had failed", len(seen.tries))
				}
				stats := p.Stats().Limits[0]
				t.Logf("%+v, %d records in the window", stats, p.Stats().Windowed)
				if stats.PutOff == 0 || stats.Ahead == 0 || stats.Keys != 6 {
					t.Errorf("the limit is told as %+v", stats)
				}
				stop()
			})
		})
	}
}

// What a limit puts off is not lost: when the load ends, all of it is handled, each record once, at the rate.
func TestWhatALimitPutsOffIsHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records, perSecond = 3000, 20
		s := setUp(t)
		seen := newCalls()
		_, stop := s.start(consumer.Config{
			Group: "g", Topics: []string{"load"}, Window: consumer.Window{Records: 500}, Retry: retrytopics.Policy{Tiers: []time.Duration{time.Second, 10 * time.Second}},
			Limits:  []consumer.Limit{{Name: "per-user", Rate: limit.Rate{Calls: perSecond, Per: time.Second}, Per: consumer.PerHeader, Header: "redeliver-user"}},
			Handler: consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error { seen.note(string(r.Value), r); return nil }),
		})
		load := make([]*kgo.Record, records)
		for i := range load {
			load[i] = &kgo.Record{Topic: "load", Partition: int32(i) % contestParts, Key: fmt.Append(nil, i), Value: fmt.Append(nil, i), Headers: []kgo.RecordHeader{{Key: "redeliver-user", Value: []byte("one")}}}
		}
		s.write(load...)
		began := time.Now()
		handled := func() (n int) {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			for _, times := range seen.of {
				if n++; len(times) > 1 {
					t.Fatal("a record was handled twice")
				}
			}
			return n
		}
		for handled() < records && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
		}
		took, least := time.Since(began), records/perSecond*time.Second
		t.Logf("%d records at %d/s took %v", handled(), perSecond, took)
		if handled() < records || took < least-time.Second || took > least*102/100+5*time.Second {
			t.Errorf("no-loss: %d of %d records were handled within %v, want all within %v", handled(), records, took, least)
		}
		stop()
	})
}

// Limits of a whole pipeline spread its calls over time, within two percent over a minute, and pipelines that share the limit
// of their dependency have it by turns.
func TestLimitsOfPipelinesAndDependenciesSpreadCalls(t *testing.T) {
	for _, row := range []struct {
		name      string
		perSecond float64
		call      time.Duration
		pipelines int
		batch     int
	}{
		{"slow calls", 50, 100 * time.Millisecond, 1, 0},
		{"quick calls", 1000, 0, 1, 0},
		{"batches", 100, 10 * time.Millisecond, 1, 7},
		{"two pipelines", 50, 20 * time.Millisecond, 2, 0},
		{"few calls", 1, time.Second, 2, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := setUp(t)
				seen, pacers := newCalls(), limit.NewRegistry()
				var stops []func()
				for i := range row.pipelines {
					name := fmt.Sprint("p", i)
					cfg := consumer.Config{Group: name, Topics: []string{"load"}, Pacers: pacers, Limits: []consumer.Limit{{Name: "calls", Rate: limit.Rate{Calls: row.perSecond, Per: time.Second}}}}
					cfg.Breaker.Dependency = "api"
					if row.pipelines > 1 {
						cfg.Limits[0].Per = consumer.PerDependency
					}
					cfg.Handler = consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
						seen.note(name, r)
						time.Sleep(row.call)
						return nil
					})
					if row.batch > 0 {
						cfg.Handler = consumer.BatchFunc(func(_ context.Context, b *consumer.Batch) error {
							for _, r := range b.Records {
								seen.note(name, r)
							}
							time.Sleep(row.call)
							return nil
						}, consumer.BatchOf(row.batch, 0))
					}
					_, stop := s.start(cfg)
					stops = append(stops, stop)
				}
				load := make([]*kgo.Record, int(row.perSecond*150))
				for i := range load {
					load[i] = &kgo.Record{Topic: "load", Partition: int32(i) % contestParts, Key: fmt.Append(nil, i), Value: []byte("load")}
				}
				s.write(load...)
				time.Sleep(5 * time.Second)
				from := time.Now()
				time.Sleep(time.Minute)
				sum := 0
				for i := range row.pipelines {
					n := seen.within(fmt.Sprint("p", i), from, time.Minute)
					sum += n
					if row.pipelines > 1 {
						near(t, fmt.Sprint("pipeline ", i), n, row.perSecond*60/float64(row.pipelines))
					}
				}
				near(t, "all", sum, row.perSecond*60)
				for _, stop := range stops {
					stop()
				}
			})
		})
	}
}
