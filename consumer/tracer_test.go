package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A pipeline that nobody traces pays nothing for it: a call that succeeds allocates nothing.
func TestACallThatNobodyTracesAllocatesNothing(t *testing.T) {
	call := traceless(t)
	if n := testing.AllocsPerRun(1000, call); n > 0 {
		t.Errorf("a call that succeeds allocates %v times", n)
	}
}

// BenchmarkCallWithoutTracer is what a call costs around its handler.
func BenchmarkCallWithoutTracer(b *testing.B) {
	call := traceless(b)
	b.ReportAllocs()
	for range b.N {
		call()
	}
}

// traceless returns a call of a handler that does nothing, for a record with a producer's trace.
func traceless(t testing.TB) func() {
	t.Helper()
	p, err := New(Config{Brokers: []string{"127.0.0.1:1"}, Group: "g", Topics: []string{"orders"}, Handler: HandlerFunc(func(context.Context, *Record) error { return nil })})
	if err != nil {
		t.Fatal(err)
	}
	w := p.workers.New().(*worker)
	l := &lane{ctx: t.Context()}
	raw := &kgo.Record{Topic: "orders", Headers: []Header{{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")}}}
	deadline := time.Now().Add(time.Hour).UnixNano()
	return func() {
		w.record.fill(raw, nil, 1)
		if err := p.call(w, l, p.cfg.Handler, deadline, false); err != nil {
			t.Fatal(err)
		}
	}
}
