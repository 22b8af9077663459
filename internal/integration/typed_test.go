package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

type order struct {
	Amount int `json:"amount"`
}

// A handler of JSON values gets what was meant; a value that is none goes to the dead letters at once, whole, and says
// why; one that the handler refuses is retried like any other.
func TestJSONHandler(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	var mu sync.Mutex
	amounts := make(map[string]int)
	typed := consumer.JSON(func(_ context.Context, m consumer.Message[order]) error {
		if m.Value.Amount == 13 && m.Attempt() == 1 {
			return errBroken
		}
		mu.Lock()
		defer mu.Unlock()
		amounts[string(m.Key)] = m.Value.Amount
		return nil
	})
	b.start(typed.Handle)
	broken := []*kgo.Record{record("cut", `{"amount":`), record("type", `{"amount":"much"}`), record("text", "amount")}
	b.produce(record("ten", `{"amount":10}`), record("thirteen", `{"amount":13}`), record("null", "null"), &kgo.Record{Key: []byte("tombstone")})
	b.produce(broken...)
	b.calls.awaitDone(t, 4)
	b.settled()

	mu.Lock()
	if got, want := fmt.Sprint(amounts), fmt.Sprint(map[string]int{"ten": 10, "thirteen": 13, "null": 0, "tombstone": 0}); got != want {
		t.Errorf("the handler saw %s, want %s", got, want)
	}
	mu.Unlock()
	letters := b.letters()
	if len(letters) != len(broken) {
		t.Fatalf("there are %d dead letters, want %d", len(letters), len(broken))
	}
	for _, r := range letters {
		if got := header(r.Headers, retrytopics.HeaderReason); len(got) != 1 || got[0] != "undecodable" {
			t.Errorf("%s is dead for reason %v, want undecodable", r.Key, got)
		}
		if got := header(r.Headers, retrytopics.HeaderAttempt); len(got) != 1 || got[0] != "1" {
			t.Errorf("%s is dead after attempt %v, want 1", r.Key, got)
		}
		i := slices.IndexFunc(broken, func(give *kgo.Record) bool { return string(give.Key) == string(r.Key) })
		sameBytes(t, "value of a dead letter", r.Value, broken[i].Value)
	}
}

// A batch handler says which of its records failed; only those are retried, each with its own attempts.
func TestBatchHandler(t *testing.T) {
	t.Parallel()
	const records = 300
	b := setup(t, 3)
	var mu sync.Mutex
	sizes := make(map[int]int)
	attempts := make(map[string][]int)
	handler := consumer.BatchFunc(func(_ context.Context, batch *consumer.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		sizes[len(batch.Records)]++
		for i, r := range batch.Records {
			if i > 0 && r.Raw().Topic == r.Topic && r.Offset <= batch.Records[i-1].Offset {
				t.Errorf("a batch has offset %d behind %d", r.Offset, batch.Records[i-1].Offset)
			}
			attempts[r.ID()] = append(attempts[r.ID()], r.Attempt())
			if strings.HasPrefix(string(r.Value), "fails") && r.Attempt() < 3 {
				batch.Fail(i, errBroken)
			}
		}
		return nil
	}, consumer.BatchOf(50, 20*time.Millisecond))
	given := make([]*kgo.Record, records)
	for i := range given {
		value := "value"
		if i%10 == 0 {
			value = "fails"
		}
		given[i] = record(fmt.Sprint("key-", i), value)
	}
	b.produce(given...)
	b.start(nil, func(c *consumer.Config) { c.Handler = handler }, withoutBreaker)
	eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(attempts) != records {
			return fmt.Errorf("%d records were handled, want %d", len(attempts), records)
		}
		return nil
	})
	b.settled()
	mu.Lock()
	defer mu.Unlock()
	for _, r := range given {
		want := []int{1}
		if string(r.Value) == "fails" {
			want = []int{1, 2, 3}
		}
		if got := attempts[id(r)]; !slices.Equal(got, want) {
			t.Errorf("%s was handled at attempts %v, want %v", id(r), got, want)
		}
	}
	if sizes[50] == 0 {
		t.Errorf("batches had the sizes %v, want some of 50", sizes)
	}
	for size := range sizes {
		if size > 50 {
			t.Errorf("a batch had %d records, want 50 at most", size)
		}
	}
}

// One group serves two topics with a handler each. Each has retry topics of its own, and a record comes back to the
// handler of the topic that it first stood in.
func TestTwoTopicsInOneGroup(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	clicks := kafkatest.Topic(t, 3)
	routed := make(routes, 1000)
	mux := consumer.NewMux()
	for _, topic := range []string{b.source, clicks} {
		mux.HandleFunc(topic, func(ctx context.Context, r *consumer.Record) error {
			return b.calls.made(ctx, r, func(_ context.Context, r *consumer.Record) error {
				if r.Topic != topic {
					t.Errorf("the handler of %s got %s", topic, r.ID())
				}
				return failsUntil(2, errBroken)(ctx, r)
			})
		})
	}
	b.start(nil, func(c *consumer.Config) {
		c.Handler, c.Topics, c.Mux = nil, nil, mux
		c.Hooks = []consumer.Hook{routed}
	}, withoutBreaker)
	var given []*kgo.Record
	for i := range 20 {
		one, other := record(fmt.Sprint(i), "order"), record(fmt.Sprint(i), "click")
		one.Topic, other.Topic = b.source, clicks
		given = append(given, one, other)
	}
	kafkatest.Produce(t, given...)
	all := b.calls.awaitDone(t, len(given))
	clickTier := b.group + "." + clicks + ".retry-200ms"
	b.settledIn(b.source, clicks, b.tier("200ms"), clickTier)
	onceEach(t, all, given)
	to := make(map[string]int)
	for range given {
		to[within(t, "copy", routed).To]++
	}
	if to[b.tier("200ms")] != 20 || to[clickTier] != 20 {
		t.Errorf("copies went to %v, want 20 to the first tier of each topic", to)
	}
}

// What a handler says with the error that it returns.
func TestHandlerSteers(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	const snooze = 300 * time.Millisecond
	var snoozed sync.Map
	b.start(func(_ context.Context, r *consumer.Record) error {
		switch string(r.Value) {
		case "snooze":
			if _, before := snoozed.LoadOrStore(r.ID(), true); !before {
				return consumer.Snooze(snooze)
			}
			return nil
		case "later":
			if r.Attempt() == 1 {
				return consumer.RetryAfter(1500*time.Millisecond, errBroken)
			}
			return nil
		case "dead":
			return consumer.DeadLetter(errors.New("gone for good"))
		case "drop":
			return consumer.Drop("superseded")
		case "panic":
			if r.Attempt() == 1 {
				panic("at the disco")
			}
			return nil
		default:
			return nil
		}
	})
	given := []*kgo.Record{record("a", "snooze"), record("b", "later"), record("c", "dead"), record("d", "drop"), record("e", "panic"), record("f", "fine")}
	b.produce(given...)
	b.calls.awaitDone(t, 4)
	b.settled()
	all := b.calls.soFar()
	neverEarly(t, all)
	for i, want := range [][]int{{1, 1}, {1, 2}, {1}, {1}, {1, 2}, {1}} {
		var got []int
		for _, x := range b.calls.of(id(given[i])) {
			got = append(got, x.attempt)
		}
		if string(given[i].Value) == "panic" { // the call that panics does not come to its end
			want = []int{2}
		}
		if !slices.Equal(got, want) {
			t.Errorf("honest-attempts: %s was handled at attempts %v, want %v", given[i].Value, got, want)
		}
	}
	for i, least := range map[int]time.Duration{0: snooze, 1: 1500 * time.Millisecond} {
		of := b.calls.of(id(given[i]))
		if gap := of[1].began.Sub(of[0].ended); gap < least {
			t.Errorf("never-early: %s came back after %v, want at least %v", given[i].Value, gap, least)
		}
	}
	letters := b.letters()
	if len(letters) != 1 || string(letters[0].Value) != "dead" {
		t.Fatalf("the dead letters are %v, want the one that was asked for", letters)
	}
	if got := header(letters[0].Headers, retrytopics.HeaderReason); len(got) != 1 || got[0] != "requested" {
		t.Errorf("the dead letter has reason %v, want requested", got)
	}
}

// A retry topic belongs to one group. A copy in it that carries another group's name is left alone.
func TestCopyOfAnotherGroupIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	m := b.start(succeeds)
	awaitReady(t, m)
	foreign := retrytopics.State{ID: b.source + "/0/7", Topic: b.source, Offset: 7, Group: "another", Attempt: 1, Due: time.Now()}
	own := foreign
	own.ID, own.Offset, own.Group = b.source+"/0/8", 8, b.group
	for _, s := range []retrytopics.State{foreign, own} {
		kafkatest.Produce(t, &kgo.Record{Topic: b.tier("200ms"), Value: []byte("copy"), Headers: s.AppendHeaders(nil, nil, 0)})
	}
	b.calls.awaitDone(t, 1)
	b.settled()
	if all := b.calls.soFar(); len(all) != 1 || all[0].id != own.ID || all[0].attempt != 2 {
		t.Errorf("own-lane: the calls are %s, want attempt 2 of %s only", listed(all), own.ID)
	}
}
