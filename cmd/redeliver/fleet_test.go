package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// fleetConfig writes a configuration of one pipeline whose breaker is a fleet's.
func fleetConfig(t *testing.T, listen, broker, url string) string {
	t.Helper()
	path := writeConfig(t, listen, broker, url)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	shared := strings.Replace(string(text), "{dependency: orders-api}", "{dependency: orders-api, scope: fleet}", 1)
	if err := os.WriteFile(path, []byte(shared), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// says runs a command until it prints something.
func says(t *testing.T, want string, args ...string) {
	t.Helper()
	kafkatest.Eventually(t, 30*time.Second, func() error {
		out, errs, exit := command(t, args...)
		if exit != 0 || !strings.Contains(out, want) {
			return fmt.Errorf("%v: %q is missing: exit status %d\n%s%s", args, want, exit, out, errs)
		}
		return nil
	})
}

// TestAFleetIsCommanded gives orders through one of two processes, and through the topic: both act on them, they are told with who gave
// them, and they hold for a process that starts again.
func TestAFleetIsCommanded(t *testing.T) {
	address, service := freeAddress(t), openShop(t)
	startBroker(t, address)
	listen := []string{freeAddress(t), freeAddress(t)}
	configs := []string{fleetConfig(t, listen[0], address, service.URL), fleetConfig(t, listen[1], address, service.URL)}
	says(t, "create  redeliver.control", "topics", "plan", "-c", configs[0])
	runs := []*running{startRun(t, "-c", configs[0]), startRun(t, "-c", configs[1])}
	awaitReady(t, listen[0])
	awaitReady(t, listen[1])

	says(t, "kept open in all processes", "breaker", "open", "orders-api", "-c", configs[0])
	for _, c := range configs {
		says(t, "kept open by "+operator(), "breaker", "list", "-c", c)
		says(t, "breaker orders-api: kept open by "+operator(), "status", "-c", c)
	}
	says(t, "forced_open", "breaker", "list", "--via", "kafka", "-c", configs[0])
	says(t, "measures again in all processes", "breaker", "auto", "orders-api", "-c", configs[1])
	says(t, "measures already", "breaker", "auto", "orders-api", "-c", configs[1])
	says(t, "measures already", "breaker", "auto", "orders-api", "--via", "kafka", "-c", configs[1])
	says(t, `"state":"closed"`, "breaker", "list", "-o", "jsonl", "-c", configs[0])

	says(t, "dry run: would write to redeliver.control: pause orders, which is not paused", "pause", "orders", "--via", "kafka", "--dry-run", "-c", configs[0])
	says(t, "stands in redeliver.control", "pause", "orders", "--via", "kafka", "-c", configs[0])
	for _, c := range configs {
		says(t, "paused by "+operator(), "status", "-c", c)
	}
	runs[0].stop()
	if exit := runs[0].ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
	again := startRun(t, "-c", configs[0])
	again.log.await(t, "paused in the fleet")
	produce(t, address, "fine")
	says(t, "operator", "status", "-c", configs[0])
	says(t, "goes on in all processes", "resume", "-c", configs[1])
	service.expect(t, "fine 1")
	_, metrics, err := get("http://" + listen[1] + "/metrics")
	if err != nil || !strings.Contains(metrics, `redeliver_fleet_reachable{topic="redeliver.control"} 1`) {
		t.Errorf("%v: the metrics say\n%s", err, metrics)
	}
	says(t, "redeliver.control", "validate", "--connect", "-c", configs[0])

	again.stop()
	again.ended(t)
	if out, errs, exit := command(t, "breaker", "open", "orders-api", "-c", configs[0]); exit != 1 || !strings.Contains(errs, "--via kafka needs no process") {
		t.Errorf("without a process: exit status %d, %s%s", exit, out, errs)
	}
}

// TestViaKafkaIsForFleets refuses what cannot be.
func TestViaKafkaIsForFleets(t *testing.T) {
	alone := writeConfig(t, "127.0.0.1:2", "127.0.0.1:1", "http://127.0.0.1:1")
	shared := fleetConfig(t, "127.0.0.1:2", "127.0.0.1:1", "http://127.0.0.1:1")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"breaker", "open", "orders-api", "--via", "kafka", "-c", alone}, "breaker.scope of pipeline orders is process"},
		{[]string{"breaker", "list", "--via", "kafka", "-c", alone}, "no pipeline has breaker.scope: fleet"},
		{[]string{"breaker", "open", "other", "--via", "kafka", "-c", shared}, `knows no "other"; it has orders-api`},
		{[]string{"resume", "other", "--via", "kafka", "-c", shared}, `knows no "other"; it has orders`},
		{[]string{"pause", "--via", "pigeon", "-c", shared}, `--via is "pigeon"`},
		{[]string{"pause", "--via", "kafka", "--admin", "127.0.0.1:1", "-c", shared}, "say one of them"},
	} {
		_, errs, exit := command(t, tt.args...)
		if exit != exitUsage || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit status %d, %s", tt.args, exit, errs)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &program{in: strings.NewReader(""), out: new(strings.Builder), err: new(strings.Builder), getenv: os.LookupEnv}
	if exit := p.main(ctx, []string{"pause", "--via", "kafka", "-c", shared}); exit == 0 {
		t.Error("it was paused without a broker")
	}
}

// TestStatusSaysThatAFleetIsApart tells of a control topic that cannot be reached, and of what is open in all processes.
func TestStatusSaysThatAFleetIsApart(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	since := now.Add(-time.Minute)
	s := status{
		At:    now,
		Fleet: &admin.FleetStatus{Topic: "redeliver.control", Since: since, Trouble: "no broker answers"},
		Pipelines: []pipelineStatus{{Process: &admin.PipelineStatus{
			Pipeline: "orders",
			Breaker:  &admin.BreakerStatus{Dependency: "orders-api", Fleet: &admin.FleetBreakerStatus{Open: true, Since: &since, OpenedBy: "host:1", Prober: "host:2"}},
		}}},
	}
	want := []string{
		"fleet: the control topic redeliver.control cannot be reached for 1m0s: the last state holds: no broker answers",
		"orders: breaker orders-api: opened by host:1, probed by host:2, in all processes",
	}
	if got := fleetLines(s); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	s.Fleet.Reachable, s.Pipelines[0].Process.Breaker.Fleet.Open = true, false
	if got := fleetLines(s); len(got) > 0 {
		t.Errorf("when all is well: %q", got)
	}
}
