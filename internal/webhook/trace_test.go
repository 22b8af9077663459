package webhook

import (
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/redeliver/redeliver/consumer"
)

// A request goes on with the trace of its call, and not with what the producer said, which it still has among the record's headers.
func TestARequestCarriesTheTraceOfItsCall(t *testing.T) {
	url, requests := service(t)
	const producers = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	own := []consumer.Header{{Key: "traceparent", Value: []byte(producers)}, {Key: "tracestate", Value: []byte("a=b")}}
	called := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	member, err := baggage.NewMember("customer", "7")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx := baggage.ContextWithBaggage(trace.ContextWithSpanContext(t.Context(), called), bag)

	for _, batch := range []int{1, 2} {
		w := open(t, Config{URL: url, BatchMax: batch})
		d := order()
		d.headers = own
		if batch == 1 {
			err = w.postOne(ctx, d)
		} else {
			err = w.postBatch(ctx, []delivery{d})[0]
		}
		if err != nil {
			t.Fatal(err)
		}
		got := (<-requests).header
		for name, want := range map[string]string{
			"Traceparent": "00-01000000000000000000000000000000-0200000000000000-01", "Tracestate": "", "Baggage": "customer=7",
		} {
			if all := got.Values(name); len(all) > 1 || got.Get(name) != want {
				t.Errorf("batches of %d: %s is %q, want %q once", batch, name, all, want)
			}
		}
		if batch == 1 && got.Get("Kafka-Header-Traceparent") != producers {
			t.Errorf("the producer's traceparent is %q, want it as it was", got.Get("Kafka-Header-Traceparent"))
		}
	}
}
