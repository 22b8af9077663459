package webhook

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// carryTrace lets the trace of a call go on in its request, in the place of what the record's producer said. Where nobody follows records
// that is all there is, and it goes on from there.
func carryTrace(ctx context.Context, h http.Header) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	h.Del("Tracestate")
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	if h.Get("Baggage") == "" { // the configuration may name its own
		propagation.Baggage{}.Inject(ctx, propagation.HeaderCarrier(h))
	}
}
