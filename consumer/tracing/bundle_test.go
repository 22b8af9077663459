package tracing_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/consumer/tracing"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/internal/webhook"
	"github.com/redeliver/redeliver/retrytopics"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// patience is how long a test waits for what comes by itself.
const patience = 60 * time.Second

// wire is what the producers and the service of these tests speak.
var wire = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// collector takes in what is exported.
type collector struct {
	tracetest.InMemoryExporter
	mu   sync.Mutex
	more chan struct{} // closed at the next export
}

func (c *collector) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.InMemoryExporter.ExportSpans(ctx, spans)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.more)
	c.more = make(chan struct{})
	return err
}

// bundle is a source topic, the group that reads it, and the collector of all spans: of the producer, the pipeline and the service.
type bundle struct {
	t        *testing.T
	source   string
	group    string
	spans    *collector
	provider *sdktrace.TracerProvider
	tracer   *tracing.Tracer
}

func setup(t *testing.T) *bundle {
	t.Helper()
	spans := &collector{more: make(chan struct{})}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	return &bundle{t: t, source: kafkatest.Topic(t, 1), group: kafkatest.Group(t), spans: spans, provider: provider, tracer: tracing.New(provider)}
}

func (b *bundle) dlq() string { return b.group + "." + b.source + ".dlq" }

// run runs the pipeline until the test ends or stop is called.
func (b *bundle) run(h consumer.Handler, changes ...func(*consumer.Config)) (stop func()) {
	b.t.Helper()
	c := consumer.Config{
		Brokers: kafkatest.Brokers(b.t), Group: b.group, Name: "orders", Topics: []string{b.source}, Handler: h, Tracer: b.tracer,
		Retry:         retrytopics.Policy{Tiers: []time.Duration{100 * time.Millisecond, 200 * time.Millisecond}},
		ClientOptions: []kgo.Opt{kgo.MetadataMinAge(50 * time.Millisecond), kgo.MetadataMaxAge(time.Second)},
		Logger:        slog.New(slog.NewTextHandler(b.t.Output(), nil)),
	}
	for _, change := range changes {
		change(&c)
	}
	p, err := consumer.New(c)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("the pipeline ended with %v, want no error", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// produce writes a record as an instrumented producer does, within a span of its own, with baggage and a tracestate.
func (b *bundle) produce(key string) *kgo.Record {
	b.t.Helper()
	member, err := baggage.NewMember("customer", "7")
	if err != nil {
		b.t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx := baggage.ContextWithBaggage(context.Background(), bag)
	ctx, span := b.provider.Tracer("shop").Start(ctx, "send "+b.source, trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	carrier := propagation.MapCarrier{}
	wire.Inject(ctx, carrier)
	r := &kgo.Record{Topic: b.source, Key: []byte(key), Value: []byte(`{"total":12}`), Headers: []kgo.RecordHeader{
		{Key: "content-type", Value: []byte("application/json")},
		{Key: "traceparent", Value: []byte(carrier["traceparent"])},
		{Key: "tracestate", Value: []byte("shop=a1")},
		{Key: "baggage", Value: []byte(carrier["baggage"])},
		{Key: "content-type", Value: []byte("again")},
	}}
	kafkatest.Produce(b.t, r)
	return r
}

// service is what the webhook calls: it goes on with the trace that a request has, and answers with the status.
func (b *bundle) service(status func(r *http.Request) int) *httptest.Server {
	b.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		ctx := wire.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		_, span := b.provider.Tracer("service").Start(ctx, "POST /orders", trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("baggage", baggage.FromContext(ctx).String())))
		code := status(r)
		span.SetAttributes(attribute.Int("http.response.status_code", code))
		span.End()
		w.WriteHeader(code)
	}))
	b.t.Cleanup(s.Close)
	return s
}

func (b *bundle) webhook(url string) consumer.Handler {
	b.t.Helper()
	w, err := webhook.New(webhook.Config{URL: url})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(w.Close)
	return w.Handler()
}

// replay puts the dead letters back to work.
func (b *bundle) replay(r dlq.Replay) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	client := kafkatest.Client(b.t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	q, err := dlq.Open(client, b.dlq(), dlq.ForGroup(b.group), dlq.Traced(b.tracer))
	if err != nil {
		b.t.Fatal(err)
	}
	if s, err := q.Replay(ctx, r); err != nil || s.Done != 1 {
		b.t.Fatalf("the replay did %+v, %v", s, err)
	}
}

// await waits until the spans are as wanted, and returns them in the order of their start.
func (b *bundle) await(what string, ready func([]tracetest.SpanStub) bool) []tracetest.SpanStub {
	b.t.Helper()
	timeout := time.After(patience)
	for {
		b.spans.mu.Lock()
		more := b.spans.more
		b.spans.mu.Unlock()
		spans := b.spans.GetSpans()
		slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
		if ready(spans) {
			return spans
		}
		select {
		case <-more:
		case <-timeout:
			b.t.Fatalf("%s does not come; the spans are\n%s", what, b.tree(spans))
		}
	}
}

// has waits for a span with an outcome.
func has(name, outcome string) func([]tracetest.SpanStub) bool {
	return func(spans []tracetest.SpanStub) bool {
		return slices.ContainsFunc(spans, func(s tracetest.SpanStub) bool {
			return strings.HasPrefix(s.Name, name) && of(s, "redeliver.outcome") == outcome
		})
	}
}

// of is the value of a span's attribute, "" for none.
func of(s tracetest.SpanStub, key attribute.Key) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// tree prints spans below their parents, one trace after the other, with names that do not change from run to run.
func (b *bundle) tree(spans []tracetest.SpanStub) string {
	var text strings.Builder
	names := strings.NewReplacer(b.group+"."+b.source, "billing.orders", b.source, "orders")
	below := make(map[trace.SpanID][]tracetest.SpanStub)
	known := make(map[trace.SpanID]bool)
	for _, s := range spans {
		known[s.SpanContext.SpanID()] = true
	}
	var roots []tracetest.SpanStub
	for _, s := range spans {
		if known[s.Parent.SpanID()] {
			below[s.Parent.SpanID()] = append(below[s.Parent.SpanID()], s)
		} else {
			roots = append(roots, s)
		}
	}
	var print func(s tracetest.SpanStub, depth int)
	print = func(s tracetest.SpanStub, depth int) {
		line := strings.Repeat("  ", depth) + names.Replace(s.Name)
		told := []string{s.SpanKind.String()}
		for _, key := range []attribute.Key{"redeliver.attempt", "http.response.status_code", "redeliver.outcome", "error.type", "redeliver.reason", "redeliver.replays"} {
			if v := of(s, key); v != "" {
				told = append(told, strings.TrimPrefix(strings.TrimPrefix(string(key), "redeliver."), "http.response.")+" "+v)
			}
		}
		fmt.Fprintf(&text, "%-62s %s\n", line, strings.Join(told, ", "))
		for _, child := range below[s.SpanContext.SpanID()] {
			print(child, depth+1)
		}
	}
	for _, s := range roots {
		print(s, 0)
	}
	return text.String()
}

// traces counts the traces.
func traces(spans []tracetest.SpanStub) int {
	ids := make(map[trace.TraceID]bool)
	for _, s := range spans {
		ids[s.SpanContext.TraceID()] = true
	}
	return len(ids)
}

// values are those of the headers with the name.
func values(r *kgo.Record, name string) (all []string) {
	for _, h := range r.Headers {
		if h.Key == name {
			all = append(all, string(h.Value))
		}
	}
	return all
}
