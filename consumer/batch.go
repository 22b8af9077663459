package consumer

import (
	"context"
	"fmt"
	"time"
)

// BatchSize says how large a batch grows and how long the first of its records waits for others.
type BatchSize struct {
	Records int           // at most so many records; at least 1
	Wait    time.Duration // at most so long; 0: what is there already
}

// BatchOf returns the size of batches of at most n records that wait at most wait for the n-th.
func BatchOf(n int, wait time.Duration) BatchSize { return BatchSize{Records: n, Wait: wait} }

// Batch is what a batch handler is called with: records of one source partition, in offset order, each at its own
// attempt. A call is one attempt of every record in it.
type Batch struct {
	// Records are the records of the batch; the same rule as for [Record] holds for how long they may be used.
	Records []*Record

	errs  []error
	trace string // the traceparent of its call
}

// Fail says that record i of the batch failed with err; nil takes an earlier failure back. err may steer, as the error
// of a [Handler] may. Fail panics when there is no record i. It may be called concurrently for different records.
func (b *Batch) Fail(i int, err error) {
	if i < 0 || i >= len(b.Records) {
		panic(fmt.Sprintf("consumer: Fail(%d) on a batch of %d records", i, len(b.Records)))
	}
	b.errs[i] = err
}

// BatchFunc makes a function over batches a [Handler]. When the function returns nil, the records that it did not
// [Batch.Fail] succeeded; when it returns an error, every record that it did not name fails with that error.
func BatchFunc(f func(ctx context.Context, b *Batch) error, size BatchSize) Handler {
	if f == nil {
		panic("consumer: BatchFunc with a nil function")
	}
	if size.Records < 1 {
		size.Records = 1
	}
	return &batchHandler{f: f, size: size}
}

type batchHandler struct {
	f    func(ctx context.Context, b *Batch) error
	size BatchSize
}

// Handle calls the function with a batch of one.
func (h *batchHandler) Handle(ctx context.Context, r *Record) error {
	b := &Batch{Records: []*Record{r}, errs: make([]error, 1)}
	h.call(ctx, b)
	return b.errs[0]
}

// call runs the function and leaves each record's outcome in b.errs.
func (h *batchHandler) call(ctx context.Context, b *Batch) {
	if err := h.f(ctx, b); err != nil {
		for i := range b.errs {
			if b.errs[i] == nil {
				b.errs[i] = err
			}
		}
	}
}
