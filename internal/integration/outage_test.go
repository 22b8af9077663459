package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Somebody deletes a topic of the group under a running pipeline. A record that is to go there is held, which is told;
// the topic is made again with its settings, the copy is written, and comes back when it is due.
func TestTopicOfTheGroupIsDeleted(t *testing.T) {
	t.Parallel()
	for name, topic := range map[string]func(*bundle) string{
		"first tier":   func(b *bundle) string { return b.tier("200ms") },
		"last tier":    func(b *bundle) string { return b.tier("1s") },
		"dead letters": (*bundle).dlq,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topicIsDeleted(t, topic)
		})
	}
}

func topicIsDeleted(t *testing.T, which func(*bundle) string) {
	const partitions = 2
	b := setup(t, partitions)
	topic := which(b)
	refused := make(refusals, 1000)
	m := b.start(fails(errBroken), func(c *consumer.Config) { c.Hooks = []consumer.Hook{refused} })
	before, after := record("a", "before"), record("a", "after")
	b.produce(before)
	b.calls.awaitCount(t, 3)
	b.settled()

	if _, err := kafkatest.Admin(t).DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	kafkatest.AwaitGone(t, topic)
	b.produce(after)
	all := b.calls.awaitCount(t, 6)
	b.settled()
	letters := b.letters()
	if got := string(letters[len(letters)-1].Value); got != "after" {
		t.Errorf("the last dead letter is %q, want after", got)
	}
	neverEarly(t, all)
	attemptsOnce(t, b.calls.soFar())
	kafkatest.AwaitTopics(t, partitions, topic)
	if got := settings(t, topic)["retention.ms"]; got != "-1" {
		t.Errorf("the topic that was made again has retention.ms=%s, want -1", got)
	}
	b.awaitLog("level=ERROR", "copy cannot be written", topic)
	b.awaitLog("level=ERROR", "deleted and made again", topic, "unread=")
	m.awaitMetric(t, "redeliver_route_failures_total")
	if len(refused) == 0 {
		t.Error("nobody was told that the copy could not be written at first")
	}
	m.mustBeReady(t)
}

// refusals is a hook that passes on which copies could not be written.
type refusals chan consumer.RouteFailed

func (r refusals) OnRouteFailed(f consumer.RouteFailed) {
	select {
	case r <- f:
	default: // enough of them
	}
}

// mustBeReady waits until nothing is wrong with the member any more.
func (m *member) mustBeReady(t testing.TB) {
	t.Helper()
	eventually(t, func() error {
		if s := m.Stats(); !s.Ready || len(s.Held) > 0 {
			return fmt.Errorf("ready: %v (%s), %d records held", s.Ready, s.NotReady, len(s.Held))
		}
		return nil
	})
}

// A member that is started before its brokers keeps trying and says that it is not ready and why. When the brokers are
// there it begins by itself.
func TestBrokersComeLater(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	given := record("key", "value")
	b.produce(given)
	n := &network{}
	n.cut()
	m := b.start(succeeds, n.option)
	eventually(t, func() error {
		s := m.Stats()
		if s.Ready {
			t.Fatal("the member says that it is ready without a broker")
		}
		if !strings.Contains(s.NotReady, "refused") {
			return fmt.Errorf("the member is not ready because of %q: want the reason", s.NotReady)
		}
		return nil
	})
	m.awaitMetric(t, "redeliver_faults")
	n.mend()
	m.mustBeReady(t)
	onceEach(t, b.calls.awaitDone(t, 1), []*kgo.Record{given})
	b.settled()
}

// The brokers go away while records fail, and come back before the group gives the member up. Copies are held until then:
// nothing is lost, handled twice, or early.
func TestBrokersGoAndComeBack(t *testing.T) {
	t.Parallel()
	const records = 200
	b := setup(t, 4)
	n := &network{}
	calling, mended := make(chan struct{}, records), make(chan struct{})
	m := b.start(func(ctx context.Context, r *consumer.Record) error {
		if r.Attempt() == 1 {
			calling <- struct{}{}
			select {
			case <-mended: // its failure finds the brokers gone
			case <-ctx.Done():
			}
		}
		return failsUntil(3, errBroken)(ctx, r)
	}, n.option, withoutBreaker, func(c *consumer.Config) { c.SessionTimeout = 30 * time.Second })
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "value")
	}
	b.produce(given...)
	const slots = 16 // that four partitions have before any call has ended
	for range slots {
		within(t, "call", calling)
	}
	n.cut()
	close(mended)
	b.calls.awaitCount(t, slots) // all that run at a time have failed, and cannot be routed
	n.mend()
	b.calls.awaitDone(t, records)
	b.settled()
	all := b.calls.soFar()
	onceEach(t, all, given)
	attemptsOnce(t, all)
	neverEarly(t, all)
	m.mustBeReady(t)
}
