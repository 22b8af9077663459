package admin

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// pipelineFake is a pipeline whose counts stand still and that notes what it is told.
type pipelineFake struct {
	stats consumer.Stats
	held  string // topic/partition/offset of the record that it holds

	mu   sync.Mutex
	told []string
}

func (p *pipelineFake) Name() string          { return p.stats.Pipeline }
func (p *pipelineFake) Stats() consumer.Stats { return p.stats }
func (p *pipelineFake) Pause()                { p.note("pause") }
func (p *pipelineFake) Resume(admit int)      { p.note(fmt.Sprintf("resume %d", admit)) }

func (p *pipelineFake) Skip(topic string, partition int32, offset int64, reason string) error {
	if fmt.Sprintf("%s/%d/%d", topic, partition, offset) != p.held {
		return &consumer.NotHeldError{Topic: topic, Partition: partition, Offset: offset, Why: "it is done"}
	}
	p.note(fmt.Sprintf("skip %s/%d/%d: %s", topic, partition, offset, reason))
	return nil
}

func (p *pipelineFake) Release(topic string, partition int32, offset int64) error {
	if fmt.Sprintf("%s/%d/%d", topic, partition, offset) != p.held {
		return &consumer.NotHeldError{Topic: topic, Partition: partition, Offset: offset, Why: "it is done", Release: true}
	}
	p.note(fmt.Sprintf("release %s/%d/%d", topic, partition, offset))
	return nil
}

func (p *pipelineFake) ReleaseAll() int {
	p.note("release all")
	return 3
}

func (p *pipelineFake) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, what)
}

// breakerFake is a breaker that notes what it is told.
type breakerFake struct {
	snapshot breaker.Snapshot
	told     []string
}

func (b *breakerFake) Snapshot() breaker.Snapshot { return b.snapshot }
func (b *breakerFake) Force(s breaker.State)      { b.told = append(b.told, "force "+s.String()) }
func (b *breakerFake) History() []breaker.Event {
	return []breaker.Event{
		{Dependency: b.snapshot.Dependency, From: breaker.Closed, To: breaker.Open, At: noon, Why: "20 failures in a row"},
		{Dependency: b.snapshot.Dependency, From: breaker.Open, To: breaker.HalfOpen, At: noon.Add(time.Minute), Would: true},
	}
}
func (b *breakerFake) Auto() { b.told = append(b.told, "auto") }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func healthyPipeline(name string) *pipelineFake {
	return &pipelineFake{
		held: name + "/1/2",
		stats: consumer.Stats{
			Pipeline: name, Group: "g-" + name, Phase: consumer.Running, Score: 1, SuccessRate: 1, Ready: true,
			Received: 10, Completed: 8, InFlight: 1, Concurrency: 64,
			Topics: []consumer.TopicStats{
				{Topic: name, Source: name, Backlog: 3},
				{Topic: name + ".retry-60s", Source: name, Tier: time.Minute, Backlog: 1, OldestDue: noon, RetentionLeft: time.Hour},
			},
			Breakers: []breaker.Snapshot{{Dependency: "ledger", State: breaker.MetricsOnly, Mode: breaker.MetricsOnly, Would: breaker.Open}},
			Parts: []consumer.PartStats{{Dependency: "orders-api", Known: 3, States: map[breaker.State]int{breaker.Open: 1, breaker.Closed: 2},
				NotClosed: []breaker.Snapshot{{Dependency: "orders-api/acme", State: breaker.Open}}}},
			Paused: map[consumer.PauseReason]int{consumer.PauseDue: 1, consumer.PauseWindow: 0},
			Partitions: []consumer.PartitionStats{
				{Topic: name, Partition: 0},
				{Topic: name + ".retry-60s", Partition: 1, Paused: []consumer.PauseReason{consumer.PauseDue}, PausedFor: 3 * time.Second},
			},
			Credit: 996, Burst: 1000,
			DeadLetters: []consumer.DeadLetterCount{{Class: classify.Network, Severity: classify.Medium, Reason: retrytopics.ReasonExhausted, Count: 4}},
			Breaker:     breaker.Snapshot{Dependency: name + "-api", State: breaker.Open, OpenUntil: noon},
			Held:        []consumer.HeldRecord{{ID: name + "/1/2", To: name + ".dlq", Since: noon, Tries: 7, Err: "not enough replicas"}},

			WaitedFor:    []string{"more-.*"},
			HeldByPolicy: 101,
			Exhausted: []consumer.ExhaustedRecord{{ID: name + "/1/3", Topic: name + ".retry-60s", Partition: 1, Offset: 7, Since: noon, Attempts: 4,
				Class: classify.Network, Severity: classify.Medium, Reason: retrytopics.ReasonExhausted, Asked: true, Err: "refused"}},
		},
	}
}

// bench is a running server with two pipelines, and a client of it.
type bench struct {
	orders, clicks *pipelineFake
	breaker        *breakerFake
	server         *Server
	client         *Client
	log            *bytes.Buffer
}

func setup(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{orders: healthyPipeline("orders"), clicks: healthyPipeline("clicks"), log: new(bytes.Buffer)}
	b.breaker = &breakerFake{snapshot: breaker.Snapshot{Dependency: "payments/api", State: breaker.HalfOpen, Since: noon, FailureRate: 0.5}}
	config := Config{
		Listen:    "127.0.0.1:0",
		Logger:    slog.New(slog.NewTextHandler(b.log, nil)),
		Metrics:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "redeliver_in_flight 1") }),
		Pipelines: func() []Pipeline { return []Pipeline{b.orders, b.clicks} },
		Breakers:  func() []Breaker { return []Breaker{b.breaker} },
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	if b.server, err = Start(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := b.server.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if b.client, err = NewClient(b.server.Addr(), "ann@desk"); err != nil {
		t.Fatal(err)
	}
	return b
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func contains(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%s: %q is missing in %q", what, part, got)
		}
	}
}

func told(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
