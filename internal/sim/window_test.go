//go:build synctests

package sim

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestTheWindowHoldsForBothReaders lets the sources be silent while the retry lanes take up what comes to them, whose calls hang. Then a burst
// comes to the sources: it gets what is left of the window by then, not what was left when the poll for it began.
func TestTheWindowHoldsForBothReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = 1000
		s := setUp(t)
		s.fillTier(5000, "waits")
		due := waitingCopies(retrytopics.Names{Group: "g"}.RetryTopic("load", time.Second), 5000, "hangs")
		for _, r := range due {
			state, _ := retrytopics.Decode(r)
			state.Due, state.HopDue = time.Now(), time.Now()
			r.Headers = state.AppendHeaders(nil, nil, 0)
		}
		s.create(due[0].Topic)
		s.write(due...)
		p, stop := s.start(consumer.Config{
			Group: "g", Topics: []string{"load"}, Window: consumer.Window{Records: window}, Retry: retrytopics.Policy{Tiers: []time.Duration{time.Second, time.Hour}},
			Handler: consumer.HandlerFunc(func(ctx context.Context, _ *consumer.Record) error {
				<-ctx.Done()
				return ctx.Err()
			}),
		})
		time.Sleep(10 * time.Second)
		if n := p.Stats().Windowed; n < window/2 {
			t.Errorf("the retry lanes hold %d records: there is room for a burst", n)
		}
		burst := make([]*kgo.Record, 2*window)
		for i := range burst {
			burst[i] = &kgo.Record{Topic: "load", Partition: int32(i) % contestParts, Key: fmt.Append(nil, "fresh-", i)}
		}
		s.write(burst...)
		time.Sleep(time.Second)
		if n := p.Stats().Windowed; n > window {
			t.Errorf("bounded: %d records are held, the window is %d", n, window)
		}
		stop()
	})
}
