package consumer

import (
	"context"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Tracer follows records from call to call: consumer/tracing has the one for OpenTelemetry. Its methods are called concurrently, also
// with locks held: they must neither block nor call the pipeline.
type Tracer interface {
	// BeginCall is told of each handler call before it is made: for one record, or for those of a batch, which must not be kept. The
	// handler gets the context that it returns, which is derived from ctx.
	BeginCall(ctx context.Context, records []*Record) (context.Context, Span)
	// BeginCopy is told of each copy before it is made.
	BeginCopy(c CopyTrace) Span
}

// Span is a call or the writing of a copy, while it is under way. Where a copy is given up, for its partition goes to another member
// or the process ends, it has no end.
type Span interface {
	// Traceparent is what goes on from it, as the W3C's Trace Context writes it; "" for nothing.
	Traceparent() string
	// End says how it ended. It is called once.
	End(SpanEnd)
}

// SpanEnd is how a [Span] ended.
type SpanEnd struct {
	At  time.Time
	Err error // why it failed
	// Class of the failure of a record's call, or of the last one of a copy's record; None where there was none.
	Class classify.Class
	// Outcome is what became of the record: those of [Outcome.String] or, where it stays, in_place (it is tried again at once),
	// waiting (it waits for its time), held (until somebody decides), free (the failure used no attempt), put_off (the part of the
	// dependency that it needs is away) or interrupted (the partition went to another member, which handles it). "" for a batch.
	Outcome string
	Failed  int // records of a batch
	Tries   int // of a copy that failed before it was written
}

// interrupted is a call that ended since its partition was given up, or this process may have been: that is no outcome.
const interrupted = "interrupted"

// CopyTrace is a copy that is about to be written.
type CopyTrace struct {
	Record *Record // that it is of; it must not be kept
	Topic  string  // that it goes to
	// Parent is what the copy's trace goes on from: the last call for its record or, where there was none or it was for a batch,
	// what the record came with. "": nothing.
	Parent string
	Link   string // the call for a batch that the record was in, or ""
}

// entryTrace is what a tracer needs to know of an entry.
type entryTrace struct {
	call string // the last call for its record alone
	link string // the last one for a batch
	copy Span   // that is about to be routed
}

// tracedCall calls a handler within a span. That of a call which fails is ended when it is known what becomes of the record.
func (p *Pipeline) tracedCall(ctx context.Context, w *worker, h Handler) error {
	ctx, w.calls.span = p.cfg.Tracer.BeginCall(ctx, []*Record{&w.record})
	err := h.Handle(ctx, &w.record)
	if err == nil {
		w.calls.span.End(SpanEnd{At: time.Now(), Outcome: Done.String()})
		w.calls.span = nil
	}
	return err
}

// beginBatch begins the span of a call for a batch.
func (p *Pipeline) beginBatch(ctx context.Context, b *Batch) (context.Context, Span) {
	ctx, span := p.cfg.Tracer.BeginCall(ctx, b.Records)
	b.trace = span.Traceparent()
	return ctx, span
}

func (b *Batch) endTrace(span Span) {
	end := SpanEnd{At: time.Now()}
	for _, err := range b.errs {
		if err != nil {
			end.Failed++
			end.Err = err
		}
	}
	span.End(end)
}

// traceFailed takes the span of an entry's call that failed, nil if none was begun, as where a breaker refused it.
func (p *Pipeline) traceFailed(e *entry, calls *callState) (span Span) {
	if span, calls.span = calls.span, nil; span != nil {
		p.traced(e, span.Traceparent(), "")
	}
	return span
}

// traceFailedBatch is traceFailed for a batch, whose span has ended. A batch of one is like any call.
func (p *Pipeline) traceFailedBatch(entries []*entry, b *Batch) {
	for i, e := range entries {
		switch {
		case b.trace == "" || b.errs[i] == nil:
		case len(entries) == 1:
			p.traced(e, b.trace, "")
		default:
			p.traced(e, "", b.trace)
		}
	}
}

// traced notes the call of an entry, which its copy goes on from. What is tried again where it is goes on from where this call did:
// without a producer's trace that is the first call.
func (p *Pipeline) traced(e *entry, call, batch string) {
	if e.trace == nil {
		e.trace = new(entryTrace)
	}
	e.trace.call, e.trace.link = call, batch
	p.ensureState(e)
	if retrytopics.TraceparentOf(e.state, e.record.Headers) == "" {
		e.state.Traceparent = call
	}
}

// endTrace ends the span of the call.
func (f *failedCall) endTrace(span Span, now time.Time) {
	if span == nil {
		return
	}
	end := SpanEnd{At: now, Outcome: f.became}
	if f.isAttempt() && f.became != interrupted {
		end.Err, end.Class = f.err, f.failure.Class
	}
	span.End(end)
}

// traceCopy begins the span of an entry's copy, which goes on from it.
func (p *Pipeline) traceCopy(e *entry, topic string) {
	if p.cfg.Tracer == nil {
		return
	}
	if e.trace == nil {
		e.trace = new(entryTrace)
	}
	r := &Record{pipeline: p.cfg.Name, group: p.cfg.Group, namespace: p.cfg.IDNamespace}
	r.fill(e.record, e.state, e.attempts)
	c := CopyTrace{Record: r, Topic: topic, Parent: e.trace.call, Link: e.trace.link}
	if c.Parent == "" {
		c.Parent = r.Traceparent()
	}
	e.trace.copy = p.cfg.Tracer.BeginCopy(c)
	if parent := e.trace.copy.Traceparent(); parent != "" {
		e.state.Traceparent = parent
	}
}

// endTrace ends the span of a copy.
func (r *route) endTrace(err error) {
	if r.span == nil {
		return
	}
	span := r.span
	r.span = nil
	span.End(SpanEnd{At: time.Now(), Err: err, Class: r.entry.state.Class, Outcome: r.outcome.String(), Tries: r.tries})
}
