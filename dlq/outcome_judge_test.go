package dlq

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// judging is outcomes of a replay, of which so many are known.
func judging(r Replay, taken, succeeded, failed int64) *outcomes {
	o := newOutcomes(&Queue{group: "shop"}, [16]byte{}, nil, &Task{Replay: r})
	o.taken, o.succeeded, o.failed = taken, succeeded, failed
	return o
}

// A share is that which was written, and not the binary number next to it.
func TestSharesAreExact(t *testing.T) {
	for percent := int64(1); percent <= 100; percent++ {
		for _, rate := range []float64{float64(percent) / 100, mustShare(t, fmt.Sprintf("%de-2", percent))} {
			for _, of := range []int64{25, 50, 100, 1000} {
				if percent*of%100 != 0 {
					continue
				}
				n := percent * of / 100
				if judging(Replay{Canary: int(of), CanaryRate: rate}, of, n, of-n).judge() != nil {
					t.Errorf("%d of %d canaries are too few for %d %%", n, of, percent)
				}
				if judging(Replay{Canary: int(of), CanaryRate: rate}, of, n-1, of-n+1).judge() == nil {
					t.Errorf("%d of %d canaries are enough for %d %%", n-1, of, percent)
				}
				if judging(Replay{StopAt: rate}, of, of-n, n).judge() != nil {
					t.Errorf("%d of %d failures are too many for %d %%", n, of, percent)
				}
				if n < of && judging(Replay{StopAt: rate}, of, of-n-1, n+1).judge() == nil {
					t.Errorf("%d of %d failures are not too many for %d %%", n+1, of, percent)
				}
			}
		}
	}
}

func mustShare(t *testing.T, text string) (f float64) {
	t.Helper()
	if _, err := fmt.Sscan(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// A canary that was refused has not succeeded, and neither has one of which nothing is known.
func TestCanariesThatAreRefusedHaveNotSucceeded(t *testing.T) {
	for _, c := range []struct {
		taken, succeeded, failed int64
		exhausted                bool
		want                     string
	}{
		{5, 0, 0, false, "the replay was stopped: 5 of the 5 that went first could not be replayed"},
		{5, 3, 1, false, "the replay was stopped: 1 of the 5 that went first failed again, 1 of the 5 that went first could not be replayed"},
		{5, 5, 0, false, "<nil>"},
		{2, 1, 0, true, "the replay was stopped: 1 of the 2 that went first could not be replayed"},
		{2, 2, 0, true, "<nil>"},
		{0, 0, 0, true, "<nil>"},
	} {
		o := judging(Replay{Canary: 5}, c.taken, c.succeeded, c.failed)
		o.exhausted = c.exhausted
		if got := fmt.Sprint(o.judge()); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// Of an entry that is being written nobody waits to hear, for its transaction may be aborted.
func TestWhatIsBeingWrittenIsNotPending(t *testing.T) {
	o := judging(Replay{}, 0, 0, 0)
	o.router = &router{task: "t"}
	items := make([]*item, 3)
	for n := range items {
		items[n] = &item{entry: &Entry{State: retrytopics.State{ID: fmt.Sprint(n), Topic: "orders", Group: "shop"}}, copy: &kgo.Record{Topic: "orders", Offset: int64(n)}}
		if err := o.take(t.Context(), items[n], nil); err != nil {
			t.Fatal(err)
		}
	}
	o.written(items[0].entry, items[0].copy, false)
	o.written(items[1].entry, items[1].copy, true)
	if _, _, pending, _ := o.counts(); pending != 1 {
		t.Errorf("%d are pending of one that was written, one that was refused and one that is being written", pending)
	}
}

// What is under way while a failure rate is watched is no more than what is known.
func TestWhatIsAtStakeGrowsWithWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		replay Replay
		known  int64
		want   int
	}{
		{Replay{StopAt: 0.2}, 0, 10},
		{Replay{StopAt: 0.2}, 10, 10},
		{Replay{StopAt: 0.2}, 300, 300},
		{Replay{StopAt: 0.2}, 5000, defaultInFlight},
		{Replay{StopAt: 0.2, Concurrency: 3}, 300, 3},
		{Replay{Wait: true}, 0, defaultInFlight},
		{Replay{Canary: 20, StopAt: 0.2}, 0, 20},
		{Replay{Canary: 20, Concurrency: 7}, 0, 7},
	} {
		o := judging(c.replay, c.known, c.known, 0)
		under := 0
		for o.room() {
			o.taken++
			under++
			o.flying[identify(fmt.Sprint(under), "", 0, "")] = flight{}
		}
		if under != c.want {
			t.Errorf("%+v with %d known: %d under way, want %d", c.replay, c.known, under, c.want)
		}
	}
}

// Dead letters that a look comes upon are no failure rate before it knows what has succeeded meanwhile.
func TestOutcomesCountTogether(t *testing.T) {
	o := judging(Replay{StopAt: 0.5}, 0, 0, 0)
	for i := range 20 {
		state := retrytopics.State{ID: retrytopics.FormatID("", "orders", 0, int64(i)), Topic: "orders", Offset: int64(i), Group: "shop", Replays: 1}
		o.flying[IdentityOf(&state)] = flight{group: "shop"}
		o.seen(&kgo.Record{Topic: "d", Headers: state.AppendHeaders(nil, nil, 0)}, true)
	}
	if err := o.judge(); err != nil || len(o.flying) != 20 {
		t.Errorf("in the middle of a look: %v, %d under way", err, len(o.flying))
	}
	o.count(nil, nil)
	if err := o.judge(); !errors.Is(err, ErrStopped) || o.failed != 20 {
		t.Errorf("at its end: %v, %d failed", err, o.failed)
	}
}

// The topics of a group are those that its pipeline names so, and those of a group that nobody names have the default names.
func TestNamesOfGroups(t *testing.T) {
	var q Queue
	RetryNames(retrytopics.Names{Group: "shop", DLQ: "dead.{group}.{topic}"}, retrytopics.Names{Group: "till", DLQ: "lost.{group}"})(&q)
	for group, want := range map[string]string{"shop": "dead.shop.orders", "till": "lost.till", "else": "else.orders.dlq"} {
		if got := q.namesOf(group).DLQTopic("orders"); got != want {
			t.Errorf("%s: %s, want %s", group, got, want)
		}
	}
}
