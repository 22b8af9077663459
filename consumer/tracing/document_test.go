package tracing_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/redeliver/redeliver/dlq"
)

// page holds the trace that this test prints. With REDELIVER_TRANSCRIPT=1 the test writes it anew.
const page = "../../docs/tracing.md"

// A record that fails three times, dies, is replayed and succeeds is one trace, from its producer to the last answer of the service,
// and docs/tracing.md shows it as it is.
func TestOneTraceFromTheProducerToTheReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	replayed := make(chan struct{})
	service := b.service(func(r *http.Request) int {
		select {
		case <-replayed:
			return http.StatusNoContent
		default:
			return http.StatusServiceUnavailable
		}
	})
	b.run(b.webhook(service.URL))
	b.produce("customer-7")
	b.await("the dead letter", has("send "+b.dlq(), "dead"))
	close(replayed)
	b.replay(dlq.Replay{})
	spans := b.await("the success", has("process", "done"))

	if n := traces(spans); n != 1 {
		t.Errorf("%d traces, want one", n)
	}
	got := b.tree(spans)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), "```\n")
	shown, after, ok2 := strings.Cut(rest, "```\n")
	if !ok1 || !ok2 {
		t.Fatalf("%s has no block for the trace", page)
	}
	if os.Getenv("REDELIVER_TRANSCRIPT") != "" {
		if err := os.WriteFile(page, []byte(before+"```\n"+got+"```\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != got {
		t.Errorf("%s does not show the trace as it is; `make docs` writes it anew\ngot\n%s\nthe page has\n%s", page, got, shown)
	}
	theContextGoesOn(t, spans)
}

// theContextGoesOn checks what the producer said beside its trace.
func theContextGoesOn(t *testing.T, spans []tracetest.SpanStub) {
	t.Helper()
	for _, s := range spans {
		switch {
		case strings.HasPrefix(s.Name, "POST") && of(s, "baggage") != "customer=7":
			t.Errorf("the service got the baggage %q, want customer=7", of(s, "baggage"))
		case s.Parent.IsValid() && s.SpanContext.TraceState().String() != "shop=a1":
			t.Errorf("%s has the tracestate %q, want the producer's", s.Name, s.SpanContext.TraceState())
		}
	}
}
