// Package otlp sends the spans of the binary to a collector, as the standard environment variables of OpenTelemetry say.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Config says who sends, and who is told of trouble.
type Config struct {
	// Getenv looks a variable up. Required. Endpoint, headers, certificates, sampler, limits and resource are read by
	// OpenTelemetry itself, from the process's environment.
	Getenv func(string) (string, bool)
	// Version is that of the service, which is named redeliver unless the environment says otherwise.
	Version string
	// Failed is told of spans that could not be sent, or other trouble: of the first, second, fourth, ... time, with how often there
	// was any. Required. It is called by any goroutine.
	Failed func(err error, times int64)
}

// Exporter sends spans until it is ended. It may be used concurrently.
type Exporter struct {
	provider *sdktrace.TracerProvider
}

// endPatience is how long the last spans have to be sent: a collector that is away delays nobody for longer.
const endPatience = 3 * time.Second

// Start starts to send spans, where the environment asks for it: an endpoint is named (OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) or OTEL_TRACES_EXPORTER is otlp, and OTEL_SDK_DISABLED is not true. Else the Exporter is nil. It
// does not wait for the collector: while that is away spans are dropped. Its errors are mistakes in the environment.
func Start(ctx context.Context, c Config) (*Exporter, error) {
	on, err := wanted(c.Getenv)
	if err != nil || !on {
		return nil, err
	}
	client, err := client(c.Getenv)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("send spans by OTLP: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("redeliver"), semconv.ServiceVersion(c.Version)), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	var times atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if n := times.Add(1); n&(n-1) == 0 {
			c.Failed(err, n)
		}
	}))
	return &Exporter{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}, nil
}

// Provider is where tracers come from.
func (e *Exporter) Provider() trace.TracerProvider { return e.provider }

// End sends what is left, for three seconds at most.
func (e *Exporter) End() error {
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	return e.provider.Shutdown(ctx)
}

// wanted says whether the environment asks for spans.
func wanted(getenv func(string) (string, bool)) (bool, error) {
	value := func(name string) string {
		v, _ := getenv(name)
		return v
	}
	if strings.EqualFold(value("OTEL_SDK_DISABLED"), "true") { // of a Boolean the case does not matter, as OpenTelemetry has it
		return false, nil
	}
	switch exporter := value("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "otlp":
		return true, nil
	case "":
		return value("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "", nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: give otlp or none", exporter)
	}
}

// client speaks the protocol that the environment names.
func client(getenv func(string) (string, bool)) (otlptrace.Client, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch protocol, _ := getenv(name); protocol {
		case "":
		case "grpc":
			return otlptracegrpc.NewClient(), nil
		case "http/protobuf":
			return otlptracehttp.NewClient(), nil
		default:
			return nil, fmt.Errorf("%s is %q: give grpc or http/protobuf", name, protocol)
		}
	}
	return otlptracehttp.NewClient(), nil
}
