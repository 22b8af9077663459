package consumer

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// call makes one handler call for the worker's record, with its deadline in Unix nanoseconds, and turns a panic into an error of class
// system. again says that the record has failed before.
func (p *Pipeline) call(w *worker, l *lane, h Handler, deadline int64, again bool) (err error) {
	w.calls.begin(&w.record, again)
	if p.parted {
		return p.callPart(w, l, h, deadline, again)
	}
	return p.callHandler(w, l, h, deadline)
}

func (p *Pipeline) callHandler(w *worker, l *lane, h Handler, deadline int64) (err error) {
	ctx := w.begin(l, deadline)
	defer func() {
		if cause := recover(); cause != nil {
			err = p.panicked(cause)
		}
		w.end(ctx)
	}()
	if p.cfg.Tracer != nil {
		return p.tracedCall(ctx, w, h)
	}
	return h.Handle(ctx, &w.record)
}

// callPart is callHandler for a record that the breakers of its parts are asked about.
func (p *Pipeline) callPart(w *worker, l *lane, h Handler, deadline int64, again bool) error {
	parts, refused := p.enterParts(&w.record)
	if refused != nil {
		return refused
	}
	began := time.Now()
	err := p.callHandler(w, l, h, deadline)
	now := time.Now()
	if p.interrupted(l, now) {
		parts.cancel()
		return err
	}
	return p.leaveParts(parts, &w.record, again, err, now.Sub(began))
}

// callBatch is call for a batch handler. Records whose part is refused are left out of the call.
func (p *Pipeline) callBatch(w *worker, l *lane, h *batchHandler, b *Batch, entries []*entry, deadline int64) {
	again := slices.ContainsFunc(entries, (*entry).failedBefore)
	w.calls.begin(nil, again)
	if !p.parted {
		p.callBatchHandler(w, l, h, b, deadline)
		return
	}
	admitted := &Batch{}
	var parts []partCall
	var at []int
	for i, r := range b.Records {
		if c, refused := p.enterParts(r); refused != nil {
			b.errs[i] = refused
		} else {
			admitted.Records, parts, at = append(admitted.Records, r), append(parts, c), append(at, i)
		}
	}
	if len(at) == 0 {
		return
	}
	admitted.errs = make([]error, len(at))
	began := time.Now()
	p.callBatchHandler(w, l, h, admitted, deadline)
	b.trace = admitted.trace
	now := time.Now()
	took := now.Sub(began)
	for j, i := range at {
		if b.errs[i] = admitted.errs[j]; p.interrupted(l, now) {
			parts[j].cancel()
		} else {
			b.errs[i] = p.leaveParts(parts[j], b.Records[i], entries[i].failedBefore(), b.errs[i], took)
		}
	}
}

func (p *Pipeline) callBatchHandler(w *worker, l *lane, h *batchHandler, b *Batch, deadline int64) {
	ctx := w.begin(l, deadline)
	called, span := context.Context(ctx), Span(nil)
	if p.cfg.Tracer != nil {
		called, span = p.beginBatch(ctx, b)
	}
	defer func() {
		if cause := recover(); cause != nil {
			err := p.panicked(cause)
			for i := range b.errs {
				b.errs[i] = err
			}
		}
		w.end(ctx)
		if span != nil {
			b.endTrace(span)
		}
	}()
	h.call(called, b)
}

// begin returns the context of the next call: the one of the call before, unless somebody waits on that, or it is
// another lane's.
func (w *worker) begin(l *lane, deadline int64) *callContext {
	if w.ctx == nil || w.of != l || !w.ctx.begin(deadline) {
		if w.ctx != nil {
			w.ctx.end() // whoever kept it is told
		}
		w.ctx, w.of = newCallContext(l.ctx, deadline, w.calls), l
	}
	return w.ctx
}

func (w *worker) end(ctx *callContext) {
	if ctx.end() {
		w.ctx = nil
	}
}

func (p *Pipeline) panicked(cause any) error {
	if times, loud := p.repeats.again("panic", fmt.Sprintf("%T", cause)); loud {
		p.log.Error("handler panicked", "pipeline", p.cfg.Name, "panic", panicText(cause), "times", times, "stack", string(debug.Stack()))
	}
	p.log.Debug("what the handler panicked with", "pipeline", p.cfg.Name, "panic", cause)
	return classify.Mark(&PanicError{Value: cause}, classify.System)
}

// panicText is what the log says of a panic: what the runtime says of its own, and of others the type. They may have a payload in them.
func panicText(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", cause)
}

// PanicError is the error of an attempt whose handler panicked.
type PanicError struct {
	Value any // what it panicked with
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
