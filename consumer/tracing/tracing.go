// Package tracing follows records with OpenTelemetry: one trace for each record, from its producer through every attempt, hop,
// dead letter and replay. Its [Tracer] is set as consumer.Config.Tracer, and given to the queues of dead letters with dlq.Traced.
//
// Spans are handler calls ("process orders"), the writing of copies ("send orders.retry-10s") and replays ("create ..."), named and
// described by the semantic conventions for messaging. While a record waits there is no open span: the context travels in the header
// redeliver-traceparent, and the headers of the producer stay as they were. docs/tracing.md shows a trace.
package tracing

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// scope names the instrumentation in what is exported.
const scope = "github.com/redeliver/redeliver/consumer/tracing"

// Attributes beside those of the conventions.
const (
	pipelineKey = attribute.Key("redeliver.pipeline")
	attemptKey  = attribute.Key("redeliver.attempt")  // from 1
	outcomeKey  = attribute.Key("redeliver.outcome")  // what became of the record, see consumer.SpanEnd
	failedKey   = attribute.Key("redeliver.failed")   // records of a batch
	triesKey    = attribute.Key("redeliver.tries")    // of a copy that failed before it was written
	replaysKey  = attribute.Key("redeliver.replays")  // before this one
	reasonKey   = attribute.Key("redeliver.reason")   // of a dead letter
	linkedKey   = attribute.Key("redeliver.link")     // what a link leads to: record, batch
	severityKey = attribute.Key("redeliver.severity") // of the last failure of a dead letter
)

// Tracer follows the records of any number of pipelines and queues. It may be used concurrently.
type Tracer struct {
	tracer trace.Tracer
}

// New makes a Tracer whose spans go to a provider. nil: the global one, as it is at each call.
func New(provider trace.TracerProvider) *Tracer {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return &Tracer{tracer: provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))}
}

// BeginCall implements [consumer.Tracer]. The call for one record goes on from what the record came with, and the handler's context has
// the record's baggage; the call for a batch is a trace of its own that links to its records.
func (t *Tracer) BeginCall(ctx context.Context, records []*consumer.Record) (context.Context, consumer.Span) {
	first := records[0]
	attributes := append(make([]attribute.KeyValue, 0, 12),
		semconv.MessagingSystemKafka, semconv.MessagingOperationTypeProcess, semconv.MessagingOperationName("process"),
		semconv.MessagingDestinationName(first.Raw().Topic), semconv.MessagingConsumerGroupName(first.Group()),
		semconv.MessagingDestinationPartitionID(strconv.Itoa(int(first.Raw().Partition))), pipelineKey.String(first.Pipeline()))
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)}
	if len(records) == 1 {
		attributes = append(attributes, of(first)...)
		attributes = append(attributes, semconv.MessagingKafkaOffset(int(first.Raw().Offset)), attemptKey.Int(first.Attempt()))
		if parent := parse(first.Traceparent(), first.Headers); parent.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		} else {
			options = append(options, trace.WithNewRoot())
		}
		ctx = withBaggage(ctx, first.Headers)
	} else {
		attributes = append(attributes, semconv.MessagingBatchMessageCount(len(records)))
		options = append(options, trace.WithNewRoot(), trace.WithLinks(links(records)...))
	}
	ctx, s := t.tracer.Start(ctx, "process "+first.Raw().Topic, append(options, trace.WithAttributes(attributes...))...)
	return ctx, span{s}
}

// BeginCopy implements [consumer.Tracer].
func (t *Tracer) BeginCopy(c consumer.CopyTrace) consumer.Span {
	ctx := withParent(context.Background(), parse(c.Parent, c.Record.Headers))
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(append(of(c.Record),
		semconv.MessagingSystemKafka, semconv.MessagingOperationTypeSend, semconv.MessagingOperationName("send"),
		semconv.MessagingDestinationName(c.Topic), semconv.MessagingDestinationPartitionID(strconv.Itoa(int(c.Record.Partition))),
		pipelineKey.String(c.Record.Pipeline()))...)}
	if batch := parse(c.Link, nil); batch.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: batch, Attributes: []attribute.KeyValue{linkedKey.String("batch")}}))
	}
	_, s := t.tracer.Start(ctx, "send "+c.Topic, options...)
	return span{s}
}

// Replayed implements [dlq.Tracer]. The span has ended when it returns: entries are written together, in transactions.
func (t *Tracer) Replayed(e *dlq.Entry, topic string) (traceparent string) {
	parent := retrytopics.TraceparentOf(&e.State, e.Record.Headers)
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationTypeCreate, semconv.MessagingOperationName("create"),
		semconv.MessagingDestinationName(topic), semconv.MessagingMessageID(e.State.ID), replaysKey.Int(e.State.Replays),
		reasonKey.String(string(e.State.Reason)),
	}
	if e.State.Severity != classify.SeverityNone {
		attributes = append(attributes, severityKey.String(e.State.Severity.String()))
	}
	_, s := t.tracer.Start(withParent(context.Background(), parse(parent, e.Record.Headers)), "create "+topic,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes...))
	s.End()
	return span{s}.Traceparent()
}

// span is an OpenTelemetry span as the engine knows it.
type span struct{ trace.Span }

// Traceparent implements [consumer.Span].
func (s span) Traceparent() string {
	carrier := make(propagation.MapCarrier, 2)
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), s.Span), carrier)
	return carrier["traceparent"]
}

// End implements [consumer.Span]. What an error says may be of the payload: the span has its class and no more.
func (s span) End(end consumer.SpanEnd) {
	if end.Outcome != "" {
		s.SetAttributes(outcomeKey.String(end.Outcome))
	}
	if end.Failed > 0 {
		s.SetAttributes(failedKey.Int(end.Failed))
	}
	if end.Tries > 0 {
		s.SetAttributes(triesKey.Int(end.Tries))
	}
	if end.Err != nil {
		kind := errorType(end)
		s.SetAttributes(semconv.ErrorTypeKey.String(kind))
		s.SetStatus(codes.Error, kind)
	}
	s.Span.End(trace.WithTimestamp(end.At))
}

// errorType is the class of a failure or, where it has none, such as that of a batch, the conventions' word for others.
func errorType(end consumer.SpanEnd) string {
	switch {
	case end.Class != classify.None:
		return end.Class.String()
	case errors.Is(end.Err, context.DeadlineExceeded):
		return "timeout"
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// of says which record it is, by its id.
func of(r *consumer.Record) []attribute.KeyValue {
	attributes := append(make([]attribute.KeyValue, 0, 12), semconv.MessagingMessageID(r.ID()))
	if r.Value == nil {
		attributes = append(attributes, semconv.MessagingKafkaMessageTombstone(true))
	}
	return attributes
}

// maxLinks bounds the links of a batch: the SDK keeps 128 unless told otherwise.
const maxLinks = 128

func links(records []*consumer.Record) []trace.Link {
	all := make([]trace.Link, 0, min(len(records), maxLinks))
	for _, r := range records[:min(len(records), maxLinks)] {
		if from := parse(r.Traceparent(), r.Headers); from.IsValid() {
			all = append(all, trace.Link{SpanContext: from, Attributes: append(of(r), semconv.MessagingKafkaOffset(int(r.Raw().Offset)), attemptKey.Int(r.Attempt()), linkedKey.String("record"))})
		}
	}
	return all
}

// parse reads a traceparent, with the tracestate of the producer's headers where they are of one trace.
func parse(traceparent string, headers []consumer.Header) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{"traceparent": traceparent}
	if own := retrytopics.TraceparentOf(nil, headers); own != "" && traceID(own) == traceID(traceparent) {
		carrier["tracestate"] = joined(headers, "tracestate")
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// traceID is that of a traceparent that is valid.
func traceID(traceparent string) string { return traceparent[3:35] }

func withParent(ctx context.Context, parent trace.SpanContext) context.Context {
	if !parent.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, parent)
}

// withBaggage gives the context the producer's baggage.
func withBaggage(ctx context.Context, headers []consumer.Header) context.Context {
	text := joined(headers, "baggage")
	if text == "" {
		return ctx
	}
	b, err := baggage.Parse(text)
	if err != nil {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, b)
}

// joined are the values of a header that may stand there several times, as HTTP joins them.
func joined(headers []consumer.Header, name string) string {
	var all []string
	for i := range headers {
		if strings.EqualFold(headers[i].Key, name) {
			all = append(all, string(headers[i].Value))
		}
	}
	return strings.Join(all, ",")
}

var (
	_ consumer.Tracer = (*Tracer)(nil)
	_ dlq.Tracer      = (*Tracer)(nil)
)
