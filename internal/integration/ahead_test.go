package integration_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// arrivals counts the records that clients have fetched and decoded.
type arrivals struct{ records atomic.Int64 }

func (a *arrivals) OnFetchRecordBuffered(*kgo.Record) { a.records.Add(1) }

// What is fetched is more than the window has room for, and its calls hang: the client fetches what follows all the same, and no more than that.
func TestTheClientFetchesOnWhileLanesTake(t *testing.T) {
	t.Parallel()
	const records, window, fetch = 4000, 100, 1100 // as large as they are, a fetch of a partition brings some 1,000
	b := setup(t, 1)
	given, values := make([]*kgo.Record, records), noise(records*1000)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), string(values[i*1000:][:1000]))
	}
	b.produce(given...)
	var fetched arrivals
	begin := make(chan struct{})
	m := b.start(func(ctx context.Context, _ *consumer.Record) error {
		select {
		case <-begin:
		case <-ctx.Done():
		}
		return nil
	}, func(c *consumer.Config) {
		c.Window.Records = window
		c.ClientOptions = append(c.ClientOptions, kgo.WithHooks(&fetched))
	})
	eventually(t, func() error {
		s := m.Stats()
		if all := int(fetched.records.Load()); s.Windowed < window/2 || s.Fetched == 0 || all <= fetch {
			return fmt.Errorf("%d records are in the window, %d wait for room there, and %d were fetched in all", s.Windowed, s.Fetched, all)
		}
		return nil
	})
	if s := m.Stats(); s.Windowed > window || s.Fetched > fetch || fetched.records.Load() > 2*fetch {
		t.Errorf("%d records are in the window, %d wait for room there, and %d were fetched in all: want at most %d, %d, and %d", s.Windowed, s.Fetched, fetched.records.Load(), window, fetch, 2*fetch)
	}
	close(begin)
	all := b.calls.awaitDone(t, records)
	b.settled()
	onceEach(t, all, given)
}
