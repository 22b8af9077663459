package consumer

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkRoutedCopies is what the engine does with a record that fails, from the poll that brought it until its copy is acknowledged,
// without the client's part.
func BenchmarkRoutedCopies(b *testing.B) {
	b.ReportAllocs()
	f := newRouting(b)
	n := 0
	for b.Loop() {
		if n++; n == routedPoll {
			f.poll(b, n)
			n = 0
		}
	}
	if n > 0 {
		f.poll(b, n)
	}
}

// A copy costs five allocations and not more: its entry, the values of its headers, its id, the function that is told of its acknowledgement,
// and the handler's own error.
func TestAllocationsOfARoutedCopy(t *testing.T) {
	const most = 5.5 // of a poll there are some too, and a pool may lose what it is given
	f := newRouting(t)
	f.poll(t, routedPoll) // what is made once
	if got := testing.AllocsPerRun(10, func() { f.poll(t, routedPoll) }) / routedPoll; got > most {
		t.Errorf("got %.2f allocations a copy, want at most %.2f", got, most)
	}
}

const routedPoll = 500

// routing feeds records that fail to lanes, in turn, and acknowledges their copies at once.
type routing struct {
	w       *workbench
	lanes   [12]*lane
	turn    int
	written atomic.Int64
	target  atomic.Int64
	done    chan struct{}
}

func newRouting(t testing.TB) *routing {
	f := &routing{done: make(chan struct{}, 1)}
	away := errors.New("the service is away")
	f.w = onBench(t, HandlerFunc(func(context.Context, *Record) error { return RetryAfter(time.Hour, away) }), func(c *Config) {
		c.Breaker.Disabled = true
	})
	f.w.p.reuses = true
	f.w.p.copier.current.produce = func(_ context.Context, r *kgo.Record, written func(*kgo.Record, error)) {
		written(r, nil)
		if f.written.Add(1) == f.target.Load() {
			f.done <- struct{}{}
		}
	}
	for i := range f.lanes {
		f.lanes[i] = f.w.lane(int32(i), 0)
	}
	return f
}

// poll hands n records to the next lane, and waits until all of them are routed.
func (f *routing) poll(t testing.TB, n int) {
	l := f.lanes[f.turn%len(f.lanes)]
	f.turn++
	l.strand.mu.Lock()
	next := l.next
	l.strand.mu.Unlock()
	slab, records := make([]kgo.Record, n), make([]*kgo.Record, n)
	now := time.Now()
	for i := range slab {
		slab[i] = kgo.Record{Topic: testTopic, Partition: l.partition, Offset: next + int64(i), Key: routedKeys[i], Value: routedValue, Timestamp: now}
		records[i] = &slab[i]
	}
	f.target.Add(int64(n))
	f.w.p.received(l, records, now)
	select {
	case <-f.done:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d copies are written", f.written.Load(), f.target.Load())
	}
}

var (
	routedValue = make([]byte, 100)
	routedKeys  = func() (keys [routedPoll][]byte) {
		for i := range keys {
			keys[i] = strconv.AppendInt(nil, int64(i), 10)
		}
		return keys
	}()
)
