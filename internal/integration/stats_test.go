package integration_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// What a pipeline counts is what happened: every record that came in is done, dead or dropped, every call that said
// neither drop nor snooze is an attempt, and every copy in a topic was counted as such.
func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	const records = 1000
	b := setup(t, 6)
	m := b.start(func(_ context.Context, r *consumer.Record) error {
		switch string(r.Value) {
		case "once":
			return failsUntil(2, errBroken)(context.Background(), r)
		case "never":
			return errBroken
		case "invalid":
			return classify.Mark(errBroken, classify.Validation)
		case "drop":
			return consumer.Drop("not wanted")
		default:
			return nil
		}
	}, withoutBreaker)
	given := make([]*kgo.Record, records)
	fates := []string{"once", "never", "invalid", "drop", "fine", "fine", "fine", "fine", "fine", "fine"}
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), fates[i%len(fates)])
	}
	b.produce(given...)
	const each = records / 10
	const calls = each * (2 + 3 + 1 + 1 + 6)
	b.calls.awaitCount(t, calls)
	b.settled()

	type counts struct{ Received, Completed, Retried, Dead, Dropped, Succeeded, Failed, Backlog, Late int }
	want := counts{
		Received: records, Completed: 7 * each, Retried: each + 2*each, Dead: 2 * each, Dropped: each,
		Succeeded: 7 * each, Failed: calls - 7*each - each, Late: each + 2*each,
	}
	// Counting follows what it counts by a moment.
	eventually(t, func() error {
		s := m.Stats()
		got := counts{
			Received: int(s.Received), Completed: int(s.Completed), Retried: int(s.Retried), Dead: int(s.DeadLettered), Dropped: int(s.Dropped),
		}
		for class, n := range s.Attempts {
			if class == classify.None {
				got.Succeeded += int(n)
			} else {
				got.Failed += int(n)
			}
		}
		for _, topic := range s.Topics {
			got.Backlog += int(topic.Backlog)
			got.Late += int(topic.Lateness.Total)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("counts (-want +got):\n%s", diff)
		}
		return nil
	})
	reasons := make(map[retrytopics.Reason]int)
	for _, c := range m.Stats().DeadLetters {
		reasons[c.Reason] += int(c.Count)
	}
	if diff := cmp.Diff(map[retrytopics.Reason]int{"exhausted": each, "not_retriable": each}, reasons); diff != "" {
		t.Errorf("dead letters by reason (-want +got):\n%s", diff)
	}
	awaitRecords(t, 2*each, b.tier("200ms"))
	awaitRecords(t, each, b.tier("1s"))
	if got := len(b.letters()); got != want.Dead {
		t.Errorf("there are %d dead letters, and %d were counted", got, want.Dead)
	}
}
