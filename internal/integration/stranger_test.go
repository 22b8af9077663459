package integration_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// A member of the group that is another program, and divides partitions in its own way, keeps a pipeline out of the group. The
// pipeline says who that is and what to do, and begins when the other has gone.
func TestStrangerInTheGroup(t *testing.T) {
	t.Parallel()
	if protocol == consumer.NextGen {
		t.Skip("brokers with KIP-848 take members of both protocols into one group, and divide the partitions themselves")
	}
	b := setup(t, 2)
	stranger := kafkatest.Client(t, kgo.ConsumerGroup(b.group), kgo.ConsumeTopics(b.source), kgo.Balancers(kgo.RangeBalancer()),
		kgo.ClientID("stranger"), kgo.DisableAutoCommit())
	b.produce(record("a", "value"))
	if err := stranger.PollFetches(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}

	told := make(chan consumer.Stats, 1)
	b.start(succeeds, func(c *consumer.Config) {
		c.Hooks = append(c.Hooks, onStats(func(s consumer.Stats) {
			if strings.Contains(s.NotReady, "stranger at ") {
				select {
				case told <- s:
				default:
				}
			}
		}))
	})
	s := within(t, "stranger to be told of", told)
	for _, want := range []string{"cannot join the group: the group " + b.group + " has members", "(range): stop them, or give the pipeline a group of its own", "INCONSISTENT_GROUP_PROTOCOL"} {
		if !strings.Contains(s.NotReady, want) {
			t.Errorf("not ready: %q, want it to say %q", s.NotReady, want)
		}
	}
	if s.Ready || s.Health == consumer.Healthy {
		t.Errorf("ready %v, %v, though it has no partition", s.Ready, s.Health)
	}
	if got := len(b.calls.soFar()); got != 0 {
		t.Errorf("%d calls were made by a pipeline that is not in the group", got)
	}

	stranger.Close()
	b.calls.awaitDone(t, 1)
	b.settledIn(b.source)
}
