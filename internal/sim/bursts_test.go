//go:build synctests

package sim

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// Work that comes in bursts to one of several partitions earns its slots once: when some bursts have shown that its calls
// succeed, one takes as long as its calls do side by side.
func TestBurstsOfOnePartitionEarnTheirSlotsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, call = 40, 500 * time.Millisecond
		s := setUp(t)
		handled := make(chan struct{}, size)
		p, err := consumer.New(consumer.Config{
			Group: "g", Topics: []string{"load"}, Brokers: s.cluster.Brokers(), ClientOptions: []kgo.Opt{s.cluster.Dialer()}, Logger: slog.New(slog.DiscardHandler),
			Handler: consumer.HandlerFunc(func(context.Context, *consumer.Record) error {
				time.Sleep(call)
				handled <- struct{}{}
				return nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		var took []time.Duration
		for b := range 6 {
			records := make([]*kgo.Record, size)
			for i := range records {
				records[i] = &kgo.Record{Topic: "load", Partition: 2, Key: fmt.Append(nil, b, "-", i)}
			}
			s.write(records...)
			<-handled
			first := time.Now()
			for range size - 1 {
				<-handled
			}
			took = append(took, call+time.Since(first).Round(time.Millisecond))
			time.Sleep(5 * time.Second)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		t.Logf("bursts of %d calls of %v took %v", size, call, took)
		for _, d := range took[3:] {
			if d >= 2*call {
				t.Errorf("a burst of %d calls of %v took %v after others like it", size, call, d)
			}
		}
	})
}
