package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// spanCollector is a collector of OTLP over HTTP.
type spanCollector struct {
	*httptest.Server
	mu       sync.Mutex
	names    []string
	traces   []string // of the spans, in their order
	services []string
}

func openCollector(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Errorf("the spans cannot be read: %v", err)
				return
			}
			body = unzipped
		}
		data, _ := io.ReadAll(body)
		var got collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(data, &got); err != nil {
			t.Errorf("the spans cannot be read: %v", err)
			return
		}
		c.keep(&got)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// keep notes what came.
func (c *spanCollector) keep(got *collectorpb.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range got.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				c.services = append(c.services, a.Value.GetStringValue())
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.names, c.traces = append(c.names, s.Name), append(c.traces, string(s.TraceId))
			}
		}
	}
}

// wants checks that the spans of these names have come, all of one trace and of one service.
func (c *spanCollector) wants(t *testing.T, service string, names ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !sameNames(c.names, names) {
		t.Errorf("the collector has %q, want %q", c.names, names)
	}
	if slices.Sort(c.traces); len(slices.Compact(c.traces)) != 1 {
		t.Errorf("the spans are of several traces")
	}
	if got := slices.Compact(c.services); !slices.Equal(got, []string{service}) {
		t.Errorf("the spans are of the services %q, want %s", got, service)
	}
}

// `redeliver run` and `redeliver replay` send the spans of one trace where the standard variables say, those that are left when they end.
func TestRunAndReplaySendSpans(t *testing.T) {
	collector := openCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "billing")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000") // what comes before the end comes of the flush

	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	startBroker(t, address)
	config := writeConfig(t, listen, address, service.URL)
	run := startRun(t, "-c", config)
	awaitReady(t, listen)
	produce(t, address, "bad")
	service.expect(t, "bad 1")
	awaitMetric(t, listen, `redeliver_records_total{outcome="dead",pipeline="orders",topic="orders"} 1`)
	run.stop()
	if exit := run.ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
	if out, errs, exit := command(t, "replay", "-c", config, "--yes"); exit != 0 {
		t.Fatalf("replay: exit status %d\n%s%s", exit, out, errs)
	}

	collector.wants(t, "billing", "process orders", "send orders.orders.dlq", "create orders.orders.retry-1s")
}

func sameNames(got, want []string) bool {
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}

// A collector that is away stops nothing, and is told.
func TestACollectorThatIsAwayHarmsNothing(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+freeAddress(t))
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	startBroker(t, address)
	run := startRun(t, "-c", writeConfig(t, listen, address, service.URL))
	awaitReady(t, listen)
	produce(t, address, "fine", "later")
	service.expect(t, "fine 1", "later 1", "later 2")
	run.log.await(t, "spans are not sent")
	run.stop()
	if exit := run.ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
}

// What the environment says that cannot be is a wrong configuration.
func TestRunRefusesAnUnknownExporter(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	_, errs, exit := command(t, "run", "-c", writeConfig(t, freeAddress(t), freeAddress(t), "http://127.0.0.1:1"))
	if exit != exitUsage || !strings.Contains(errs, "OTEL_TRACES_EXPORTER") {
		t.Errorf("exit status %d, %s; want %d and the variable", exit, errs, exitUsage)
	}
}

// awaitMetric waits until a process has a sample.
func awaitMetric(t *testing.T, listen, sample string) {
	t.Helper()
	kafkatest.Eventually(t, 30*time.Second, func() error {
		_, metrics, err := get("http://" + listen + "/metrics")
		if err == nil && !strings.Contains(metrics, sample) {
			err = fmt.Errorf("%s is missing in\n%s", sample, metrics)
		}
		return err
	})
}
