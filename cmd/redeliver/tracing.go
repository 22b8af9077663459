package main

import (
	"context"
	"fmt"

	"github.com/redeliver/redeliver/consumer/tracing"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/otlp"
)

// startTracing sends spans from now on where the environment asks for it, once a process. failed is told of trouble. An error is a
// mistake in the environment.
func (p *program) startTracing(ctx context.Context, failed func(err error, times int64)) error {
	if p.spans != nil {
		return nil
	}
	spans, err := otlp.Start(ctx, otlp.Config{Getenv: p.getenv, Version: version().Version, Failed: failed})
	if err != nil {
		return &exitError{status: exitUsage, err: fmt.Errorf("tracing: %w", err)}
	}
	if spans != nil {
		p.spans, p.tracer = spans, tracing.New(spans.Provider())
	}
	return nil
}

// endTracing sends the last spans. What cannot be sent changes nothing of what the command did.
func (p *program) endTracing() {
	if p.spans != nil {
		_ = p.spans.End() // who is told of trouble was told
	}
}

// traced adds what follows a replay to the options of a queue.
func (p *program) traced(options []dlq.Option) []dlq.Option {
	if p.tracer == nil {
		return options
	}
	return append(options[:len(options):len(options)], dlq.Traced(p.tracer))
}
