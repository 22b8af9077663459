package tracing_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

var errAway = errors.New("the ledger of customer 4711 is away")

func failing(context.Context, *consumer.Record) error { return errAway }

// intact: what the producer wrote stays byte for byte, with one traceparent; the trace goes on in a header of ours, of which there is
// one too, and another one in each copy.
func TestCopiesKeepTheProducersHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stop := b.run(consumer.HandlerFunc(failing))
	made := b.produce("k")
	b.await("the dead letter", has("send "+b.dlq(), "dead"))
	stop()
	b.replay(dlq.Replay{To: dlq.ToTopic(b.source)})

	spans := make(map[string]bool)
	copies := slices.Concat(kafkatest.ReadAll(t, b.group+"."+b.source+".retry-100ms"), kafkatest.ReadAll(t, b.group+"."+b.source+".retry-200ms"),
		kafkatest.ReadAll(t, b.dlq()), kafkatest.ReadAll(t, b.source)[1:])
	if len(copies) != 4 {
		t.Fatalf("%d copies, want one in each tier, a dead letter and what was replayed", len(copies))
	}
	for _, r := range copies {
		if got := retrytopics.UserHeaders(r.Headers); !slices.EqualFunc(got, made.Headers, func(a, b kgo.RecordHeader) bool {
			return a.Key == b.Key && string(a.Value) == string(b.Value)
		}) {
			t.Errorf("%s: the producer's headers are %v, want %v", r.Topic, got, made.Headers)
		}
		ours := values(r, retrytopics.HeaderTraceparent)
		if len(ours) != 1 || spans[ours[0]] || ours[0][3:35] != values(made, "traceparent")[0][3:35] {
			t.Errorf("%s: the trace goes on from %q, want one of the producer's trace that no other copy has", r.Topic, ours)
			continue
		}
		spans[ours[0]] = true
	}
}

// What a producer began no trace for has one all the same: from its first call on, through tries on the spot and over the tiers.
func TestATraceBeginsWithTheFirstCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(consumer.HandlerFunc(failing), func(c *consumer.Config) {
		c.Retry.InPlace = retrytopics.InPlace{Max: 1, Delay: time.Millisecond}
	})
	kafkatest.Produce(t, &kgo.Record{Topic: b.source, Key: []byte("k"), Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte("00-broken")}}})
	spans := b.await("the dead letter", has("send "+b.dlq(), "dead"))
	if n := traces(spans); n != 1 {
		t.Errorf("%d traces, want one:\n%s", n, b.tree(spans))
	}
	in := slices.IndexFunc(spans, func(s tracetest.SpanStub) bool { return of(s, "redeliver.outcome") == "in_place" })
	if in < 0 || spans[in].Parent.IsValid() {
		t.Errorf("the first call is no root, or was not tried again on the spot:\n%s", b.tree(spans))
	}
}

// A call for a batch is a trace of its own, with links to its records; each record's copy goes on in the record's own trace.
func TestABatchLinksItsRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	batch := consumer.BatchFunc(func(_ context.Context, c *consumer.Batch) error {
		if c.Records[0].Attempt() > 1 {
			return nil
		}
		return errAway
	}, consumer.BatchOf(2, time.Minute))
	producers := []string{values(b.produce("a"), "traceparent")[0], values(b.produce("b"), "traceparent")[0]}
	b.run(batch)
	spans := b.await("both copies", func(spans []tracetest.SpanStub) bool {
		n := 0
		for _, s := range spans {
			if strings.HasPrefix(s.Name, "send "+b.group) {
				n++
			}
		}
		return n == 2 && slices.ContainsFunc(spans, func(s tracetest.SpanStub) bool { return s.Name == "process "+b.source })
	})
	call := spans[slices.IndexFunc(spans, func(s tracetest.SpanStub) bool { return s.Name == "process "+b.source })]
	var linked []string
	for _, l := range call.Links {
		linked = append(linked, l.SpanContext.TraceID().String())
	}
	if want := []string{producers[0][3:35], producers[1][3:35]}; !slices.Equal(linked, want) || call.Parent.IsValid() {
		t.Errorf("the call links %v below %v, want a root that links %v", linked, call.Parent, want)
	}
	if of(call, "messaging.batch.message_count") != "2" || of(call, "redeliver.failed") != "2" {
		t.Errorf("the call has %v, want two records of which two failed", call.Attributes)
	}
	var copies []string
	for _, s := range spans {
		if strings.HasPrefix(s.Name, "send "+b.group) {
			copies = append(copies, s.SpanContext.TraceID().String())
			if len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != call.SpanContext.SpanID() {
				t.Errorf("a copy links %v, want the call", s.Links)
			}
		}
	}
	slices.Sort(linked)
	if slices.Sort(copies); !slices.Equal(copies, linked) {
		t.Errorf("the copies are of the traces %v, want those of the producers, %v", copies, linked)
	}
}

// Spans say what the conventions want of them, and nothing of the payload: errors are told by their class.
func TestSpansSayWhatTheConventionsWant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(consumer.HandlerFunc(failing))
	made := b.produce("k")
	spans := b.await("the dead letter", has("send "+b.dlq(), "dead"))
	tier := b.group + "." + b.source + ".retry-100ms"
	id := b.source + "/0/0"
	for _, want := range []struct {
		name string
		kind trace.SpanKind
		has  map[string]string
	}{
		{"process " + b.source, trace.SpanKindConsumer, map[string]string{
			"messaging.system": "kafka", "messaging.operation.type": "process", "messaging.operation.name": "process",
			"messaging.destination.name": b.source, "messaging.destination.partition.id": "0", "messaging.kafka.offset": "0",
			"messaging.consumer.group.name": b.group, "messaging.message.id": id, "error.type": "transient", "redeliver.attempt": "1",
			"redeliver.pipeline": "orders",
		}},
		{"send " + tier, trace.SpanKindProducer, map[string]string{
			"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.operation.name": "send",
			"messaging.destination.name": tier, "messaging.destination.partition.id": "0", "messaging.message.id": id, "error.type": "",
		}},
	} {
		at := slices.IndexFunc(spans, func(s tracetest.SpanStub) bool { return s.Name == want.name && of(s, "messaging.system") != "" })
		if at < 0 {
			t.Errorf("there is no span %q:\n%s", want.name, b.tree(spans))
			continue
		}
		s := spans[at]
		if s.SpanKind != want.kind {
			t.Errorf("%s is a %v, want a %v", want.name, s.SpanKind, want.kind)
		}
		for key, value := range want.has {
			found := ""
			for _, a := range s.Attributes {
				if string(a.Key) == key {
					found = a.Value.String()
				}
			}
			if found != value {
				t.Errorf("%s: %s is %q, want %q", want.name, key, found, value)
			}
		}
	}
	for _, s := range spans {
		for _, a := range s.Attributes {
			if v := a.Value.String(); strings.Contains(v, "4711") || strings.Contains(v, string(made.Value)) {
				t.Errorf("%s tells of the payload: %s = %s", s.Name, a.Key, v)
			}
		}
		if strings.Contains(s.Status.Description, "4711") || len(s.Events) > 0 {
			t.Errorf("%s tells what the error said: %v %v", s.Name, s.Status, s.Events)
		}
	}
}

// A handler's own spans are children of its call, and a snooze is no error.
func TestAHandlersSpansAreBelowItsCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error {
		_, span := b.provider.Tracer("handler").Start(ctx, "charge")
		defer span.End()
		if !strings.HasPrefix(r.Raw().Topic, b.group) {
			return consumer.Snooze(100 * time.Millisecond)
		}
		return nil
	}))
	b.produce("k")
	spans := b.await("the success", has("process "+b.group, "done"))
	calls := 0
	for _, s := range spans {
		if s.Name != "charge" {
			continue
		}
		calls++
		parent := slices.IndexFunc(spans, func(p tracetest.SpanStub) bool { return p.SpanContext.SpanID() == s.Parent.SpanID() })
		if parent < 0 || !strings.HasPrefix(spans[parent].Name, "process ") {
			t.Errorf("a span of the handler is not below its call:\n%s", b.tree(spans))
		} else if of(spans[parent], "error.type") != "" {
			t.Errorf("a snooze is told as an error:\n%s", b.tree(spans))
		}
	}
	if calls != 2 || traces(spans) != 1 {
		t.Errorf("%d calls in %d traces, want 2 in one:\n%s", calls, traces(spans), b.tree(spans))
	}
}

// A handler that panics ends its span, and what is done in one transaction ends the copy's.
func TestPanicsAndTransactionsEndTheirSpans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(consumer.HandlerFunc(func(context.Context, *consumer.Record) error { panic("no") }), func(c *consumer.Config) {
		c.Delivery = consumer.ExactlyOnceRouting
	})
	b.produce("k")
	spans := b.await("the dead letter", has("send "+b.dlq(), "dead"))
	panicked := slices.ContainsFunc(spans, func(s tracetest.SpanStub) bool { return of(s, "error.type") == "system" })
	if !panicked || traces(spans) != 1 {
		t.Errorf("%d traces, want one in which calls failed as system:\n%s", traces(spans), b.tree(spans))
	}
}
