package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// A service refuses every record for what it says, as after a release that reads another format, once it has taken some. Nothing
// speaks against the service, so that no breaker opens; what is not retriable goes to the dead letters, as far as there is credit
// for it, and not one further. The others stay where they are, unharmed. When the service is mended, all of them are done.
func TestRefusedRecordsDoNotFloodTheDeadLetters(t *testing.T) {
	t.Parallel()
	const burst, perSuccess, good, refused = 20, 0.5, 10, 300
	b := setup(t, 4)
	var broken atomic.Bool
	m := b.start(func(context.Context, *consumer.Record) error {
		if broken.Load() {
			return classify.Mark(errBroken, classify.Validation)
		}
		return nil
	}, func(c *consumer.Config) { c.DeadLetters.Burst, c.DeadLetters.PerSuccess = burst, perSuccess })
	given := make([]*kgo.Record, good+refused)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), "value")
	}
	b.produce(given[:good]...)
	b.calls.awaitDone(t, good)
	broken.Store(true)
	b.produce(given[good:]...)
	eventually(t, func() error {
		s := m.Stats()
		if s.Paused[consumer.PauseOutage] == 0 || s.DeadLettered < burst {
			return fmt.Errorf("%d dead letters, paused: %v", s.DeadLettered, s.Paused)
		}
		return nil
	})
	probes := len(b.calls.soFar()) + 3
	b.calls.awaitCount(t, probes) // it goes on finding out
	s := m.Stats()
	if s.Credit >= 1 || s.Health == consumer.Healthy || !slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, "no credit for another dead letter") }) {
		t.Errorf("credit %v, %v: %q", s.Credit, s.Health, s.Reasons)
	}
	if n := len(b.letters()); n != burst {
		t.Errorf("%d dead letters were written without credit for more than %d", n, burst)
	}

	broken.Store(false)
	b.calls.awaitDone(t, good+refused-burst)
	b.settled()
	if n := len(b.letters()); n != burst {
		t.Errorf("%d dead letters in the end, want the %d from before", n, burst)
	}
	for _, c := range b.calls.soFar() {
		if c.attempt > 1 {
			t.Errorf("honest-attempts: %s was at attempt %d, though nothing is retried", c.id, c.attempt)
		}
	}
	b.awaitLog("level=ERROR", "no credit for another dead letter")
}
