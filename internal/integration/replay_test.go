package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Replays of one queue that are interrupted, overtaken and begun again put every dead letter to work once, while the
// members of the group work on what comes out of them.
func TestReplaysThatDoNotEnd(t *testing.T) {
	t.Parallel()
	const records = 2000
	b := setup(t, 6)
	var mended atomic.Bool
	b.start(func(context.Context, *consumer.Record) error {
		if mended.Load() {
			return nil
		}
		return classify.Mark(errBroken, classify.Permanent)
	}, withoutBreaker, func(c *consumer.Config) { c.DeadLetters.Burst = -1 })
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), fmt.Sprint("value-", i))
	}
	b.produce(given...)
	b.calls.awaitCount(t, records)
	b.settled()
	if got := len(b.letters()); got != records {
		t.Fatalf("there are %d dead letters, want %d", got, records)
	}
	mended.Store(true)

	// One is interrupted by whoever began it, another one by a rival.
	interrupted, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	one, err := b.queue().Replay(interrupted, dlq.Replay{Rate: 1500, Progress: func(p dlq.Progress) {
		if p.Done > 0 {
			interrupt()
		}
	}})
	if !errors.Is(err, context.Canceled) || one.Done == 0 || one.Done == records {
		t.Errorf("the replay that was interrupted ended with %v after %d of %d entries", err, one.Done, records)
	}
	half, overtaken := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		_, err := b.queue().Replay(t.Context(), dlq.Replay{Rate: 1000, Progress: func(p dlq.Progress) {
			if p.Done > 0 {
				select {
				case half <- struct{}{}:
				default:
				}
			}
		}})
		overtaken <- err
	}()
	select {
	case err := <-overtaken:
		t.Fatalf("the second replay ended with %v before anybody overtook it", err)
	case <-half:
	case <-time.After(patience):
		t.Fatalf("no progress of the second replay after %v", patience)
	}
	last, err := b.queue().Replay(t.Context(), dlq.Replay{TakeOver: true})
	if err != nil || !last.Complete || last.Partly() {
		t.Errorf("the last replay ended with %v and %+v, want all of the rest", err, last)
	}
	if err := within(t, "end of the replay that was overtaken", overtaken); !errors.Is(err, dlq.ErrFenced) {
		t.Errorf("the replay that was overtaken ended with %v, want dlq.ErrFenced", err)
	}
	all := b.calls.awaitDone(t, records)
	b.settled()
	onceEach(t, all, given)
	b.replay(dlq.Replay{}, 0)
	onceEach(t, b.calls.soFar(), given)
}

// A replay to the group's own tier is nobody else's business, and a replay to the source is everybody's. Two groups that
// read one source have their own attempts, retries and dead letters.
func TestGroupsKeepTheirRetriesApart(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	other := &bundle{t: t, source: b.source, group: kafkatest.Group(t)}
	b.start(failsUntil(3, errBroken))
	other.start(func(_ context.Context, r *consumer.Record) error {
		if r.Replays() == 0 && strings.HasPrefix(string(r.Value), "dies") {
			return errBroken
		}
		return nil
	})
	given := []*kgo.Record{record("a", "dies"), record("b", "fine"), record("c", "dies too")}
	b.produce(given...)
	b.calls.awaitDone(t, len(given))
	b.settled()
	other.calls.awaitCount(t, 3+1+3)
	other.settled()
	if got := len(other.letters()); got != 2 {
		t.Errorf("%s has %d dead letters, want 2", other.group, got)
	}
	if got := len(b.letters()); got != 0 {
		t.Errorf("%s has %d dead letters, want none", b.group, got)
	}
	before := len(b.calls.soFar())
	other.replay(dlq.Replay{}, 2)
	onceEach(t, other.calls.awaitDone(t, len(given)), given)
	other.settled()
	if got := len(b.calls.soFar()); got != before {
		t.Errorf("own-lane: a replay of %s made %d calls in %s", other.group, got-before, b.group)
	}

	// To the source: a new record of it, with the old one's id and one replay more, for both.
	other.replay(dlq.Replay{To: dlq.Source, Again: true, Filter: dlq.Filter{Key: []byte("a"), All: true}}, 1)
	awaitRecords(t, int64(len(given))+1, b.source)
	b.settled()
	other.settled()
	for _, group := range []*bundle{b, other} {
		again := group.calls.of(id(given[0]))
		if last := again[len(again)-1]; last.replays != 1 || last.err != nil {
			t.Errorf("%s handled the record that was put back to the source at replay %d with %v", group.group, last.replays, last.err)
		}
	}
}
