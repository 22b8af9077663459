package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// A group whose members speak another protocol, as other programs do, takes no member in. That is told with the remedy, and
// the member joins as soon as those are gone.
func TestGroupOfAnotherProtocol(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		foreign []kgo.Opt
		ours    consumer.GroupProtocol
	}{
		{"a plain consumer, and classic", []kgo.Opt{kgo.Balancers(kgo.RangeBalancer())}, consumer.Classic},
		{"a plain consumer, and eager", []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}, consumer.Eager},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 2)
			foreign := kafkatest.Client(t, append(row.foreign, kgo.ConsumerGroup(b.group), kgo.ConsumeTopics(b.source))...)
			b.produce(record("a", "value"))
			if err := foreign.PollFetches(context.Background()).Err(); err != nil { // it is in the group
				t.Fatal(err)
			}
			m := b.start(succeeds, named("ours"), speaking(row.ours))
			eventually(t, func() error {
				if s := m.Stats(); s.Ready || !strings.Contains(s.NotReady, "divide its partitions in another way") {
					return fmt.Errorf("ready %v: %q", s.Ready, s.NotReady)
				}
				return nil
			})
			foreign.LeaveGroup()
			b.balanced(1, 2, b.source)
			b.produce(record("b", "value"))
			b.calls.awaitDone(t, 1)
			if s := m.Stats(); !s.Ready {
				t.Errorf("not ready after it joined: %s", s.NotReady)
			}
		})
	}
}
