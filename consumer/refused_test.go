//go:build synctests

package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// What reads beside the group - the marks of dead letters, and which keys are held - rests while all it gets is a refusal, and does not ask
// again as fast as it is refused.
func TestWhatReadsBesideTheGroupRestsWhileItIsRefused(t *testing.T) {
	const lasts = 2 * scanStall
	most := 2 * int(lasts/time.Second) // a second is the longest rest, and the first ones are shorter
	for name, tt := range map[string]struct {
		topic string
		read  func(ctx context.Context, t *testing.T, w *workbench, topic string)
	}{
		"marks of dead letters": {"ledger", func(ctx context.Context, t *testing.T, w *workbench, topic string) {
			d := newDeadWatch(w.p)
			if err := d.connect(); err != nil {
				t.Fatal(err)
			}
			defer d.close()
			d.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}})
			d.run(ctx)
		}},
		"held keys": {retrytopics.Names{Group: testGroup}.RetryTopic(testTopic, time.Second), func(ctx context.Context, _ *testing.T, w *workbench, _ string) {
			s := newHeldScans(w.p)
			defer context.AfterFunc(ctx, s.cancel)()
			for l := w.lane(0, time.Second); ctx.Err() == nil; {
				s.read([]*heldLane{{lane: l, end: 10}}, func([]*heldLane) {})
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := kafkatest.NewVirtual(t)
				if _, err := kadm.NewClient(cluster.Client(t)).CreateTopic(t.Context(), 1, -1, nil, tt.topic); err != nil {
					t.Fatal(err)
				}
				w := onBench(t, succeed, func(c *Config) { c.Brokers, c.ClientOptions = cluster.Brokers(), []kgo.Opt{cluster.Dialer()} })
				ctx, cancel := context.WithTimeout(t.Context(), lasts)
				defer cancel()
				refused := cluster.RefuseFetches(tt.topic, most, cancel)
				tt.read(ctx, t, w, tt.topic)
				switch {
				case errors.Is(ctx.Err(), context.Canceled):
					t.Errorf("it asked more than %d times in less than %s", most, lasts)
				case int(refused.Hits()) < most/4:
					t.Errorf("it asked %d times in %s, and is to go on asking", refused.Hits(), lasts)
				}
			})
		})
	}
}
