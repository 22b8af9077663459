package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/retrytopics"
)

// ordersFake is a pipeline of a running process: it holds the record orders/3/42 and notes what it is told.
type ordersFake struct {
	stats consumer.Stats
	mu    sync.Mutex
	told  []string
}

func (o *ordersFake) Name() string          { return o.stats.Pipeline }
func (o *ordersFake) Stats() consumer.Stats { return o.stats }
func (o *ordersFake) Pause()                { o.note("pause") }
func (o *ordersFake) Resume(admit int)      { o.note(fmt.Sprintf("resume %d", admit)) }

func (o *ordersFake) Skip(topic string, partition int32, offset int64, reason string) error {
	if offset != 42 {
		return &consumer.NotHeldError{Topic: topic, Partition: partition, Offset: offset, Why: "it is handled already"}
	}
	o.note(fmt.Sprintf("skip %s/%d/%d %s", topic, partition, offset, reason))
	return nil
}

func (o *ordersFake) Release(topic string, partition int32, offset int64) error {
	if offset != 42 {
		return &consumer.NotHeldError{Topic: topic, Partition: partition, Offset: offset, Why: "it is handled already", Release: true}
	}
	o.note(fmt.Sprintf("release %s/%d/%d", topic, partition, offset))
	return nil
}

func (o *ordersFake) ReleaseAll() int {
	o.note("release all")
	return 12
}

func (o *ordersFake) note(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, what)
}

// apiFake is its breaker.
type apiFake struct{ orders *ordersFake }

func (a apiFake) Snapshot() breaker.Snapshot {
	return breaker.Snapshot{Dependency: "orders-api", State: breaker.Closed, Since: time.Now().Add(-time.Hour), Why: "new", Calls: 200, FailureRate: 0.125}
}
func (a apiFake) Force(s breaker.State) { a.orders.note("force " + s.String()) }
func (a apiFake) History() []breaker.Event {
	return []breaker.Event{
		{Dependency: "orders-api", From: breaker.Closed, To: breaker.Open, Why: "20 failures in a row"},
		{Dependency: "orders-api", From: breaker.Open, To: breaker.HalfOpen, Would: true, Why: "would have been open"},
	}
}
func (a apiFake) Auto() { a.orders.note("auto") }

// processBench is a running process and the configuration that names it.
type processBench struct {
	orders *ordersFake
	config string // path
	url    string
}

func startProcess(t *testing.T) *processBench {
	t.Helper()
	b := &processBench{orders: &ordersFake{stats: consumer.Stats{
		Pipeline: "orders", Group: "orders", Phase: consumer.Running, Ready: true, Score: 1, SuccessRate: 1, InFlight: 2,
		Topics: []consumer.TopicStats{
			{Topic: "orders", Source: "orders", Backlog: 12},
			{Topic: "orders.orders.retry-60s", Source: "orders", Tier: time.Minute, Backlog: 3, OldestDue: time.Now().Add(time.Hour)},
		},
		Paused: map[consumer.PauseReason]int{consumer.PauseBreaker: 3},
		Partitions: []consumer.PartitionStats{
			{Topic: "orders", Partition: 0, Paused: []consumer.PauseReason{consumer.PauseBreaker}},
			{Topic: "orders", Partition: 1, Paused: []consumer.PauseReason{consumer.PauseBreaker}, PausedFor: time.Minute},
			{Topic: "orders", Partition: 4, Paused: []consumer.PauseReason{consumer.PauseBreaker}},
			{Topic: "orders.orders.retry-60s", Partition: 0, Paused: []consumer.PauseReason{consumer.PauseDue}},
		},
		Reasons: []string{"the breaker of orders-api is open"},
		Held:    []consumer.HeldRecord{{ID: "orders/3/42", To: "orders.orders.dlq", Since: time.Now(), Tries: 7, Err: "NOT_ENOUGH_REPLICAS"}},

		HeldByPolicy: 12,
		Exhausted: []consumer.ExhaustedRecord{{ID: "orders/3/43", Topic: "orders.orders.retry-60s", Partition: 3, Offset: 9, Since: time.Now(), Attempts: 4,
			Class: classify.Network, Severity: classify.Medium, Reason: retrytopics.ReasonExhausted, Err: "connection refused"}},
		Breaker: breaker.Snapshot{Dependency: "orders-api", State: breaker.Open},
	}}}
	server, err := admin.Start(admin.Config{
		Listen:    "127.0.0.1:0",
		Logger:    slog.New(slog.DiscardHandler),
		Pipelines: func() []admin.Pipeline { return []admin.Pipeline{b.orders} },
		Breakers:  func() []admin.Breaker { return []admin.Breaker{apiFake{b.orders}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Close(ctx)
	})
	b.url = "http://" + server.Addr()
	b.config = writeConfig(t, server.Addr(), "127.0.0.1:1", "http://127.0.0.1:1/orders")
	return b
}

// writeConfig writes a configuration with one pipeline, orders.
// writeConfig writes a configuration of one pipeline, with more keys of it as they are given, and returns its path.
func writeConfig(t *testing.T, listen, broker, url string, more ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`
kafka: {brokers: ["%s"]}
embedded: {listen: "%s", data_dir: "%s"}
admin: {listen: "%s"}
pipelines:
  - name: orders
    topics: [orders]
    handler: {http: {url: "%s"}}
    breaker: {dependency: orders-api}
`, broker, broker, filepath.Join(t.TempDir(), "data"), listen, url)
	for _, key := range more {
		text += "    " + key + "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// command runs a command line without a terminal and returns what it printed and its exit status.
func command(t *testing.T, args ...string) (out, errs string, exit int) {
	t.Helper()
	var o, e bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &o, err: &e, getenv: os.LookupEnv}
	exit = p.main(t.Context(), args)
	return o.String(), e.String(), exit
}

func TestCommandsOnARunningProcess(t *testing.T) {
	tests := []struct {
		args string
		exit int
		out  []string // parts of standard output
		errs string   // part of standard error
		told []string
	}{
		{args: "pause", out: []string{"pipeline orders is paused"}, told: []string{"pause"}},
		{args: "pause orders --yes -o json", out: []string{`"change": "pause"`, `"dry_run": false`}, told: []string{"pause"}},
		{args: "pause --dry-run", out: []string{"would pause pipeline orders (running)"}},
		{args: "pause clicks", exit: 1, errs: "the pipelines are orders"},
		{args: "pause clicks --dry-run", exit: 1, errs: `no pipeline "clicks"`},
		{args: "resume orders", out: []string{"goes on"}, told: []string{"resume 0"}},
		{args: "resume --admit 50", out: []string{"50 dead letters"}, told: []string{"resume 50"}},
		{args: "resume --admit 0", exit: 2, errs: "1 or more"},
		{args: "resume --dry-run -o jsonl", out: []string{`{"change":"resume","name":"orders","dry_run":true,`}},

		{args: "breaker list", out: []string{"DEPENDENCY", "orders-api  closed  1h0m", "200", "12%"}},
		{args: "breaker list -o jsonl", out: []string{`"dependency":"orders-api"`, `"failure_rate":0.125`}},
		{args: "breaker list -o json", out: []string{`"mode": "auto"`, `"why": "new"`}},
		{args: "breaker events orders-api", out: []string{"closed  open", "20 failures in a row", "open    would be half_open"}},
		{args: "breaker events orders-api -o jsonl", out: []string{`"from":"closed","to":"open","why":"20 failures in a row"`, `"would":true`}},
		{args: "breaker events payments", exit: 1, errs: "the breakers are orders-api"},
		{args: "breaker metrics-only orders-api", out: []string{"admits everything and tells what it would do"}, told: []string{"force metrics_only"}},
		{args: "breaker open orders-api", out: []string{"kept open"}, told: []string{"force forced_open"}},
		{args: "breaker close orders-api", out: []string{"kept closed"}, told: []string{"force disabled"}},
		{args: "breaker auto orders-api", out: []string{"measures again"}, told: []string{"auto"}},
		{args: "breaker open orders-api --dry-run", out: []string{"would open breaker orders-api, which is closed"}},
		{args: "breaker open payments", exit: 1, errs: "the breakers are orders-api"},
		{args: "breaker open payments --dry-run", exit: 1, errs: "the breakers are orders-api"},
		{args: "breaker open", exit: 2, errs: "redeliver breaker open needs the name of a breaker: redeliver breaker open NAME"},
		{args: "pause orders clicks", exit: 2, errs: `redeliver pause takes the name of a pipeline, once: got ["orders" "clicks"]`},

		{args: "skip orders/3/42 --reason done --yes", out: []string{"skipped orders/3/42"}, told: []string{"skip orders/3/42 done"}},
		{args: "skip orders/3/42 --reason done", exit: 2, errs: "say --yes"},
		{args: "skip orders/3/42 --reason done --dry-run", out: []string{"would skip orders/3/42"}},
		{args: "skip orders/3/43 --reason done -y", exit: 1, errs: "it is handled already"},
		{args: "skip orders/3/42 -y", exit: 2, errs: "--reason is missing: say why"},
		{args: "skip orders-3-42 --reason x -y", exit: 2, errs: "TOPIC/PARTITION/OFFSET"},
		{args: "release orders/3/42", out: []string{"released orders/3/42"}, told: []string{"release orders/3/42"}},
		{args: "release orders/3/42 --dry-run", out: []string{"would release orders/3/42"}},
		{args: "release orders/3/43", exit: 1, errs: "cannot be released: it is handled already"},
		{args: "release --all", out: []string{"released 12 held records"}, told: []string{"release all"}},
		{args: "release --all --dry-run", out: []string{"would release all that pipeline orders holds"}},
		{args: "release --all --pipeline nobody", exit: 1, errs: "the pipelines are orders"},
		{args: "release", exit: 2, errs: "name a record, like orders/3/42, or say --all"},
		{args: "release orders/3/42 --all", exit: 2, errs: "not both"},
		{args: "release orders-3-42", exit: 2, errs: "TOPIC/PARTITION/OFFSET"},
		{args: "skip clicks/3/42 --reason x -y", exit: 1, errs: "no pipeline here reads"},

		{args: "status", out: []string{
			"source: process at http://127.0.0.1:", "orders    running  healthy   12        3  in 1h0m", "orders-api open  breaker 3",
			"orders    60s     orders.orders.retry-60s        3", "orders    orders        0-1,4       breaker  1m0s",
			"orders.orders.retry-60s/3/9  orders/3/43  0s   exhausted  network  medium           4  connection refused\nand 11 more\n",
			"orders/3/42  orders.orders.dlq", "NOT_ENOUGH_REPLICAS", "orders: the breaker of orders-api is open",
		}},
		{args: "status -o json", out: []string{`"source": "process"`, `"lag": 12`, `"retries": 3`}},
		{args: "status -o jsonl --pipeline orders", out: []string{`{"source":"process","pipeline":"orders",`}},
		{args: "status --pipeline clicks", exit: 1, errs: `no pipeline "clicks"`},
		{args: "status --cluster --admin http://x", exit: 2, errs: "say one of them"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			b := startProcess(t)
			out, errs, exit := command(t, append(strings.Fields(test.args), "-c", b.config)...)
			if exit != test.exit {
				t.Errorf("exit status %d, want %d", exit, test.exit)
			}
			for _, part := range test.out {
				if !strings.Contains(out, part) {
					t.Errorf("%q is missing in the output", part)
				}
			}
			if !strings.Contains(errs, test.errs) || (test.errs == "" && errs != "") {
				t.Errorf("%q is not what was expected on standard error: %q", errs, test.errs)
			}
			if !slices.Equal(b.orders.told, test.told) {
				t.Errorf("the process was told %q, want %q", b.orders.told, test.told)
			}
			if t.Failed() {
				t.Logf("output:\n%s\nerrors:\n%s", out, errs)
			}
		})
	}
}

// With --admin no configuration is needed.
func TestAdminNamesTheProcess(t *testing.T) {
	b := startProcess(t)
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{"status", "--admin", b.url}, {"pause", "--admin", strings.TrimPrefix(b.url, "http://")}, {"breaker", "list", "--admin", b.url},
	} {
		if out, errs, exit := command(t, args...); exit != 0 || !strings.Contains(out, "orders") {
			t.Errorf("%v: exit status %d, %s%s", args, exit, out, errs)
		}
	}
	_, errs, exit := command(t, "pause")
	if exit != 2 || !strings.Contains(errs, "config.yaml") {
		t.Errorf("without a configuration: exit status %d, %s", exit, errs)
	}
	_, errs, exit = command(t, "pause", "--admin", "ftp://x")
	if exit != 2 || !strings.Contains(errs, "--admin") {
		t.Errorf("with an address that is none: exit status %d, %s", exit, errs)
	}
}

func TestAProcessThatDoesNotAnswer(t *testing.T) {
	config := writeConfig(t, "127.0.0.1:2", "127.0.0.1:1", "http://127.0.0.1:1/orders")
	_, errs, exit := command(t, "pause", "-c", config)
	if exit != 1 || !strings.Contains(errs, "no redeliver process answers at http://127.0.0.1:2") {
		t.Errorf("exit status %d, %s", exit, errs)
	}
	_, errs, exit = command(t, "breaker", "list", "-c", writeConfig(t, "", "127.0.0.1:1", "http://127.0.0.1:1/orders"))
	if exit != 2 || !strings.Contains(errs, "admin.listen is \"\"") {
		t.Errorf("exit status %d, %s", exit, errs)
	}
}

func TestStatusAsJSONIsOneDocument(t *testing.T) {
	b := startProcess(t)
	out, _, _ := command(t, "status", "-o", "json", "-c", b.config)
	var s status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if s.Address != b.url || len(s.Pipelines) != 1 || s.Pipelines[0].Process.InFlight != 2 || s.Pipelines[0].OldestDue == nil {
		t.Errorf("got %+v", s)
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int32{"": nil, "3": {3}, "0-1": {1, 0}, "0-2,5,7-8": {8, 0, 1, 2, 7, 5}} {
		if got := ranges(numbers); got != want {
			t.Errorf("%v: got %q, want %q", numbers, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1234 * time.Millisecond: "1.2s", 90 * time.Second: "1m30s", 61 * time.Minute: "1h1m", 72 * time.Hour: "3d", -time.Minute: "-1m0s",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
