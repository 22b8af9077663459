package consumer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// handed is a copy that a client has, and whose it was when it was handed over.
type handed struct {
	record  *kgo.Record
	id      string
	written func(*kgo.Record, error)
}

// lateClient acknowledges copies late and in any order, and fails some of them first.
type lateClient struct {
	t        testing.TB
	mu       sync.Mutex
	underway []handed
	seen     map[string]int
	more     chan struct{}
}

func (c *lateClient) produce(_ context.Context, r *kgo.Record, written func(*kgo.Record, error)) {
	s, err := retrytopics.Decode(r)
	if err != nil {
		c.t.Errorf("a copy cannot be read: %v", err)
	}
	c.mu.Lock()
	c.underway = append(c.underway, handed{r, s.ID, written})
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// take returns a copy that is under way, and whether it is its first time.
func (c *lateClient) take() (one handed, first, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.underway)
	if n == 0 {
		return one, false, false
	}
	i := rand.IntN(n)
	one, c.underway[i] = c.underway[i], c.underway[n-1]
	c.underway = c.underway[:n-1]
	c.seen[one.id]++
	return one, c.seen[one.id] == 1, true
}

// TestACopyKeepsItsRoomUntilItIsWritten has rooms used again while other copies are under way: each says what it said when it was handed over
// until it is acknowledged.
func TestACopyKeepsItsRoomUntilItIsWritten(t *testing.T) {
	f := newRouting(t)
	c := &lateClient{t: t, seen: make(map[string]int), more: make(chan struct{}, 1)}
	f.w.p.copier.current.produce = c.produce
	stop := make(chan struct{})
	var acknowledging sync.WaitGroup
	acknowledging.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-c.more:
			}
			for one, first, ok := c.take(); ok; one, first, ok = c.take() {
				if s, err := retrytopics.Decode(one.record); err != nil || s.ID != one.id || string(one.record.Value) != string(routedValue) {
					t.Errorf("a copy of %s says that it is of %s by now, %v", one.id, s.ID, err)
				}
				if first && rand.IntN(100) == 0 {
					one.written(one.record, kerr.NotEnoughReplicas) // it is tried again
					continue
				}
				one.written(one.record, nil)
				if f.written.Add(1) == f.target.Load() {
					f.done <- struct{}{}
				}
			}
		}
	})
	const polls = 20
	for range polls {
		f.poll(t, routedPoll)
	}
	close(stop)
	acknowledging.Wait()
	if len(c.seen) != polls*routedPoll {
		t.Errorf("copies of %d records, want %d", len(c.seen), polls*routedPoll)
	}
}

// TestAKeptRecordOutlivesItsCopy has a handler keep a clone of a record that was put off and has failed: what it says stays what it was, though the
// record fails once more and another one gets the room of its copy.
func TestAKeptRecordOutlivesItsCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept *Record
		calls := 0
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			switch calls++; calls {
			case 1:
				return Snooze(time.Millisecond)
			case 2:
				return RetryAfter(time.Millisecond, errors.New("away"))
			}
			kept = r.Clone()
			return RetryAfter(time.Hour, errors.New("still away"))
		}))
		w.p.reuses = true
		w.p.copier.current.produce = func(_ context.Context, r *kgo.Record, written func(*kgo.Record, error)) { written(r, nil) }
		l := w.lane(0, 0)
		w.feed(l, "a")
		pass(time.Second)
		equal(t, "watermark", w.watermark(l), 1)
		equal(t, "id of the kept record", kept.ID(), "t/0/0")
		equal(t, "failed attempts that it knows of", len(kept.History()), 1)
		equal(t, "how the first one ended", kept.History()[0].Error, "*errors.errorString: away")
	})
}

// TestARoomIsKeptWhereSomebodyLooks has the conditions one by one under which nobody else gets the room of a copy that is written.
func TestARoomIsKeptWhereSomebodyLooks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Pipeline, *route)
		want   bool
	}{
		{"a first copy", func(*Pipeline, *route) {}, true},
		{"a hook of the client or a tracer is shown copies", func(p *Pipeline, _ *route) { p.reuses = false }, false},
		{"a dead letter", func(_ *Pipeline, r *route) { r.outcome = Dead }, false},
		{"a client has failed it before", func(_ *Pipeline, r *route) { r.again = true }, false},
		{"its lane was closed", func(_ *Pipeline, r *route) { r.late = true }, false},
		{"a later copy of the entry", func(_ *Pipeline, r *route) { r.entry.room = new(routeRoom) }, false},
		{"keys are held", func(_ *Pipeline, r *route) { r.entry.lane.strand.holding = new(heldKeys) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, room := &Pipeline{reuses: true}, new(routeRoom)
			e := &entry{lane: &lane{strand: new(strand)}, room: room}
			room.route = route{entry: e, outcome: Retried}
			tt.change(p, &room.route)
			equal(t, "used again", p.mayReuse(&room.route), tt.want)
		})
	}
}

// TestWhoIsShownCopies asks of the user's options of the client whether one of its hooks is shown the records that it writes.
func TestWhoIsShownCopies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hooks []kgo.Hook
		want  bool
	}{
		{"no hook", nil, false},
		{"a hook of batches", []kgo.Hook{batchHook{}}, false},
		{"a hook of records behind another one", []kgo.Hook{batchHook{}, new(workbench)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			equal(t, "shown", seesRecords([]kgo.Opt{kgo.WithHooks(tt.hooks...)}), tt.want)
		})
	}
}

// batchHook is a hook that is shown no record.
type batchHook struct{}

// OnProduceBatchWritten implements it.
func (batchHook) OnProduceBatchWritten(kgo.BrokerMetadata, string, int32, kgo.ProduceBatchMetrics) {}
