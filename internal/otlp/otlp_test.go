package otlp

import (
	"strings"
	"testing"
)

func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// Spans are sent where the standard variables ask for it, by the protocol that they name.
func TestTheEnvironmentTurnsItOn(t *testing.T) {
	const endpoint = "http://127.0.0.1:1"
	for _, tt := range []struct {
		name string
		env  []string
		on   bool
		err  string
	}{
		{name: "nothing"},
		{name: "an endpoint", env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", endpoint}, on: true},
		{name: "one for traces", env: []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint}, on: true},
		{name: "an exporter", env: []string{"OTEL_TRACES_EXPORTER", "otlp"}, on: true},
		{name: "by gRPC", env: []string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, on: true},
		{name: "none, whatever the endpoint", env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, "OTEL_TRACES_EXPORTER", "none"}},
		{name: "disabled", env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, "OTEL_SDK_DISABLED", "true"}},
		{name: "disabled, in capitals", env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, "OTEL_SDK_DISABLED", "TRUE"}},
		{name: "another exporter", env: []string{"OTEL_TRACES_EXPORTER", "zipkin"}, err: "OTEL_TRACES_EXPORTER"},
		{name: "another protocol", env: []string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"}, err: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Start(t.Context(), Config{Getenv: environment(tt.env...), Failed: func(error, int64) {}})
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got the error %v, want %q in it", err, tt.err)
			}
			if (e != nil) != tt.on {
				t.Fatalf("on is %v, want %v", e != nil, tt.on)
			}
			if e != nil {
				if err := e.End(); err != nil {
					t.Errorf("the end, with nothing to send: %v", err)
				}
			}
		})
	}
}
