package main

import (
	"context"
	"net"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// grpcCollector is a collector of OTLP over gRPC.
type grpcCollector struct {
	collectorpb.UnimplementedTraceServiceServer
	*spanCollector
	tokens chan string
}

// Export implements the service.
func (c *grpcCollector) Export(ctx context.Context, got *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.keep(got)
	with, _ := metadata.FromIncomingContext(ctx)
	for _, token := range with.Get("authorization") {
		select {
		case c.tokens <- token:
		default:
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// By gRPC the same spans arrive, with the headers that the environment names.
func TestRunSendsSpansByGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	collector := &grpcCollector{spanCollector: &spanCollector{}, tokens: make(chan string, 1)}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, collector)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("the collector: %v", err)
		}
	})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collector")
	t.Setenv("OTEL_SERVICE_NAME", "billing")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000") // what comes, comes of the flush at the end

	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	startBroker(t, address)
	run := startRun(t, "-c", writeConfig(t, listen, address, service.URL))
	awaitReady(t, listen)
	produce(t, address, "bad")
	service.expect(t, "bad 1")
	awaitMetric(t, listen, `redeliver_records_total{outcome="dead",pipeline="orders",topic="orders"} 1`)
	run.stop()
	if exit := run.ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}

	collector.wants(t, "billing", "process orders", "send orders.orders.dlq")
	select {
	case token := <-collector.tokens:
		if token != "Bearer collector" {
			t.Errorf("the collector is shown %q", token)
		}
	default:
		t.Error("the collector is shown nothing")
	}
}
