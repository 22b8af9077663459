package consumer

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestAnOutageIsProbedAtAPace holds a pipeline whose every record is refused for good, as with an expired token: one record at
// a time is tried, and neither the handler nor the memory is flooded.
func TestAnOutageIsProbedAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			calls.Add(1)
			time.Sleep(time.Millisecond)
			return classify.Mark(errAway, classify.Validation)
		}), func(c *Config) { c.DeadLetters.Burst = 3 })
		l := w.lane(0, 0)
		w.feed(l, "a", "b", "c", "d", "e")
		const outage = 10 * time.Minute
		pass(outage)
		w.p.Pause()
		pass(time.Second)
		if most := int(outage/time.Second) + 10; int(calls.Load()) > most {
			t.Errorf("%d calls in an outage of %v, want at most one a second", calls.Load(), outage)
		}
		longest := 0
		st := l.strand
		st.mu.Lock()
		l.ready.each(func(e *entry) { longest = max(longest, len(e.state.History)) })
		st.mu.Unlock()
		if longest > 100 {
			t.Errorf("a record carries a history of %d tries in memory", longest)
		}
	})
}

// TestAnOutageEndsWithASuccess lets the cause be mended.
func TestAnOutageEndsWithASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			time.Sleep(time.Second)
			if mended.Load() {
				return nil
			}
			return classify.Mark(errAway, classify.Validation)
		}), func(c *Config) { c.DeadLetters.Burst = 3; c.Breaker.Disabled = true })
		l := w.lane(0, 0)
		w.feed(l, "a", "b", "c", "d", "e", "f")
		time.AfterFunc(5*time.Minute, func() { mended.Store(true) })
		pass(4 * time.Minute)
		equal(t, "dead letters", w.p.client.BufferedProduceRecords(), 3)
		equal(t, "paused", w.p.Stats().Paused[PauseOutage], 1)
		pass(2 * time.Minute)
		equal(t, "dead letters in the end", w.p.client.BufferedProduceRecords(), 3)
		equal(t, "completed", w.p.Stats().Completed, 3)
		equal(t, "paused in the end", w.p.Stats().Paused[PauseOutage], 0)
	})
}

// TestADeadLetterThatWasAskedForSaysNothingOfTheDependency sends records to the dead letters that have no handler, as what is left
// of a source that the program serves no more: the breaker of the others stays closed.
func TestADeadLetterThatWasAskedForSaysNothingOfTheDependency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := NewMux()
		mux.HandleFunc(testTopic, func(context.Context, *Record) error { return nil })
		w := onBench(t, nil, func(c *Config) { c.Mux = mux; c.Breaker = breaker.Config{Failures: 1} })
		l := w.laneOf("old", 0, time.Second)
		w.feedCopies(l, "a", "b", "c")
		synctest.Wait()
		equal(t, "breaker", w.p.breaker.State(), breaker.Closed)
		equal(t, "dead letters", w.p.client.BufferedProduceRecords(), 3)
	})
}

// TestTimeHeldIsCarriedOverAHop pauses the pipeline while a record waits, which then hops, or is snoozed: the pause does not count
// against its total time.
func TestTimeHeldIsCarriedOverAHop(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error // nil: a hop
	}{{"hop", nil}, {"snooze", Snooze(time.Hour)}, {"retry", errAway}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return tt.err }))
				l := w.lane(0, time.Minute)
				now := time.Now()
				due, hopDue := now.Add(time.Minute), time.Time{}
				if tt.err == nil {
					due, hopDue = now.Add(10*time.Hour), now.Add(time.Minute)
				}
				w.feedState(l, "a", retrytopics.State{Attempt: 1, FirstFailed: now, Due: due, HopDue: hopDue, Class: classify.Network})
				w.p.Pause()
				pass(time.Hour)
				w.p.Resume(0)
				pass(2 * time.Minute)
				copies := w.produced()
				equal(t, "copies", len(copies), 1)
				s, err := retrytopics.Decode(copies[0])
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "time held on the copy", s.Held, time.Hour)
			})
		})
	}
}

// TestWhatIsExhaustedWhileItsLaneEndsIsNotHeld gives up a partition under a call that ends with the last attempt of its record,
// where no dead letters are kept.
func TestWhatIsExhaustedWhileItsLaneEndsIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, _ *Record) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			return classify.Mark(errors.New("malformed"), classify.Validation)
		}), func(c *Config) { c.DeadLetters.Disabled = true })
		l := w.lane(0, 0)
		w.feed(l, "a")
		synctest.Wait()
		w.p.closeLanes([]*lane{l})
		pass(time.Minute)
		equal(t, "held by policy", w.p.Stats().HeldByPolicy, 0)
	})
}

// TestWhatIsExhaustedIsListedUntilItIsSkipped holds records that are given up where no dead letters are kept, and names them
// so that an operator can skip them.
func TestWhatIsExhaustedIsListedUntilItIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			return classify.Mark(errors.New("malformed"), classify.Validation)
		}), func(c *Config) { c.DeadLetters.Disabled = true })
		source, retries := w.lane(3, 0), w.lane(3, time.Second)
		began := time.Now()
		w.feed(source, "a")
		pass(time.Minute)
		w.feedCopies(retries, "b")
		pass(time.Minute)

		s := w.p.Stats()
		equal(t, "held by policy", s.HeldByPolicy, 2)
		equal(t, "listed", len(s.Exhausted), 2)
		equal(t, "held longest", s.Exhausted[0], ExhaustedRecord{ID: "t/3/0", Topic: "t", Partition: 3, Since: began, Attempts: 1,
			Class: classify.Validation, Severity: classify.Medium, Reason: retrytopics.ReasonNotRetriable, Err: "*errors.errorString: malformed"})
		equal(t, "held next", s.Exhausted[1], ExhaustedRecord{ID: "t/3/0", Topic: retries.topic, Partition: 3, Since: began.Add(time.Minute), Attempts: 2,
			Class: classify.Validation, Severity: classify.Medium, Reason: retrytopics.ReasonNotRetriable, Err: "*errors.errorString: malformed"})

		for _, one := range s.Exhausted {
			if err := w.p.Skip(one.Topic, one.Partition, one.Offset, "test"); err != nil {
				t.Fatal(err)
			}
		}
		s = w.p.Stats()
		equal(t, "held by policy after skip", s.HeldByPolicy, 0)
		equal(t, "listed after skip", len(s.Exhausted), 0)
		equal(t, "watermark of the source", w.watermark(source), 1)
		equal(t, "watermark of the retry topic", w.watermark(retries), 1)
	})
}
