package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/limit"
	"github.com/redeliver/redeliver/retrytopics"
)

// calls notes the batches that a handler is called with, as key@offset.
type calls struct{ batches [][]string }

func (c *calls) add(b *Batch) int {
	var names []string
	for _, r := range b.Records {
		names = append(names, handled(r))
	}
	c.batches = append(c.batches, names)
	return len(c.batches)
}

func (c *calls) flat() string {
	var all []string
	for _, b := range c.batches {
		all = append(all, strings.Join(b, " "))
	}
	return strings.Join(all, " | ")
}

// TestBatchOfOneKeyKeepsItsOrderBesideAWait has a record wait for its next try on the spot with one of its key behind it; one
// that is newer must not come into the same batch and overtake the one in line.
func TestBatchOfOneKeyKeepsItsOrderBesideAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error {
			if c.add(b) == 1 {
				b.Fail(0, errAway)
			}
			return nil
		}, BatchOf(10, 0)), func(c *Config) { c.Retry.InPlace = retrytopics.InPlace{Max: 1, Delay: time.Second} })
		l := w.lane(0, 0)
		w.feed(l, "k")
		synctest.Wait()
		w.feed(l, "k") // stands in line behind the first
		synctest.Wait()
		st := l.strand
		st.mu.Lock()
		time.AfterFunc(time.Second, func() {}) // lets the clock go on while nothing of the strand can start
		st.mu.Unlock()
		w.p.Pause()
		pass(2 * time.Second)
		w.feed(l, "k") // arrives together with the first one's next try
		w.p.Resume(0)
		synctest.Wait()
		var offsets []string
		for _, b := range c.batches[1:] {
			offsets = append(offsets, b...)
		}
		if want := []string{"k@0", "k@1", "k@2"}; !slices.Equal(offsets, want) {
			t.Errorf("calls after the first: %v, want %v (%s)", offsets, want, c.flat())
		}
		equal(t, "watermark", w.watermark(l), 3)
	})
}

// TestABatchDoesNotPassWhatALimitPutsOff hands a batch handler three records of one key, of which the second one is over the limit of its
// user: the third one is not in the batch of the first, but comes after it.
func TestABatchDoesNotPassWhatALimitPutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error {
			c.add(b)
			return nil
		}, BatchOf(10, 0)), func(c *Config) {
			c.Limits = []Limit{{Name: "user", Rate: limit.Rate{Calls: 5, Per: time.Second}, Burst: 1, Per: PerHeader, Header: "user"}}
		})
		l := w.lane(0, 0)
		var records []*kgo.Record
		for i, user := range []string{"a", "a", "b"} {
			records = append(records, &kgo.Record{Topic: l.topic, Offset: int64(i), Key: []byte("k"), Headers: []Header{{Key: "user", Value: []byte(user)}}})
		}
		w.p.received(l, records, time.Now())
		pass(time.Second)
		equal(t, "the batches", c.flat(), "k@0 | k@1 | k@2")
	})
}

// TestBatchThatUsedNoAttemptKeepsItsOrder fails a whole batch by opening the breaker: its records come again in their order.
func TestBatchThatUsedNoAttemptKeepsItsOrder(t *testing.T) {
	for _, ordering := range []Ordering{ByKey, ByPartition} {
		t.Run(fmt.Sprint("ordering ", ordering), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c calls
				w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error {
					if c.add(b) == 1 {
						return errAway
					}
					return nil
				}, BatchOf(4, 0)), func(c *Config) {
					c.Ordering = ordering
					c.Breaker = breaker.Config{Failures: 1, OpenFor: time.Second, HalfOpenCalls: 1}
				})
				l := w.lane(0, 0)
				w.feed(l, "k", "k", "k", "k")
				pass(time.Minute)
				var again []string
				for _, b := range c.batches[1:] {
					again = append(again, b...)
				}
				if want := []string{"k@0", "k@1", "k@2", "k@3"}; !slices.Equal(again, want) {
					t.Errorf("calls after the breaker had opened: %v, want %v", again, want)
				}
				equal(t, "watermark", w.watermark(l), 4)
			})
		})
	}
}

// TestAPoisonRecordOfABatchIsNotTheEternalProbe opens the breaker with a record that always fails: the probes are records that were not
// tried yet, which close the breaker.
func TestAPoisonRecordOfABatchIsNotTheEternalProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error {
			c.add(b)
			for i, r := range b.Records {
				if string(r.Key) == "poison" {
					b.Fail(i, errAway)
				}
			}
			return nil
		}, BatchOf(4, 0)), func(c *Config) {
			c.Breaker = breaker.Config{Failures: 1, OpenFor: time.Second, HalfOpenCalls: 2}
		})
		l := w.lane(0, 0)
		w.feed(l, "poison")
		synctest.Wait()
		w.feed(l, "a", "b", "c")
		pass(time.Second)
		if len(c.batches) < 3 || c.batches[0][0] != "poison@0" || len(c.batches[1]) != 1 || len(c.batches[2]) != 1 ||
			strings.HasPrefix(c.batches[1][0]+c.batches[2][0], "poison") || strings.HasPrefix(c.batches[2][0], "poison") {
			t.Errorf("calls %s, want two probes of one record each, of those that were not tried yet", c.flat())
		}
	})
}

// TestRetriesDoNotWaitForABatchToFill has many retries come due while a fresh record waits for its batch to fill.
func TestRetriesDoNotWaitForABatchToFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late time.Duration
		retries := 0
		w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error {
			for _, r := range b.Records {
				if r.Attempt() > 1 {
					retries++
					late = max(late, time.Since(r.Timestamp))
				}
			}
			return nil
		}, BatchOf(100, time.Minute)))
		source, tier := w.lane(0, 0), w.lane(0, time.Second)
		w.feed(source, "a")
		for i := range 2 * turnLength {
			w.feedCopies(tier, fmt.Sprint("b", i))
			pass(100 * time.Millisecond)
		}
		pass(2 * time.Minute)
		equal(t, "retries handled", retries, 2*turnLength)
		if late > time.Second {
			t.Errorf("a retry was handled %v late: it waited for fresh records to fill a batch", late)
		}
	})
}

// TestBatchOutcomes has each record of a batch end in another way.
func TestBatchOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error {
			for i, r := range b.Records {
				switch string(r.Key) {
				case "drop":
					b.Fail(i, Drop("old"))
				case "taken back":
					b.Fail(i, errAway)
					b.Fail(i, nil)
				case "dead":
					b.Fail(i, DeadLetter(errAway))
				case "retry":
					b.Fail(i, errAway)
				case "snooze":
					b.Fail(i, Snooze(time.Hour))
				}
			}
			return nil
		}, BatchOf(10, 0)))
		l := w.lane(0, 0)
		w.feed(l, "fine", "drop", "taken back", "dead", "retry", "snooze")
		synctest.Wait()
		s := w.p.Stats()
		equal(t, "completed", s.Completed, 2)
		equal(t, "dropped", s.Dropped, 1)
		equal(t, "attempts of class none", s.Attempts[classify.None], 2)
		equal(t, "attempts of class transient", s.Attempts[classify.Transient], 2)
		equal(t, "copies under way", w.p.client.BufferedProduceRecords(), 3)
		equal(t, "watermark", w.watermark(l), 3)
	})
}

// TestBatchThatFailsAsAWhole fails every record that was not named.
func TestBatchThatFailsAsAWhole(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		f    func(context.Context, *Batch) error
		want []error
	}{
		{"an error fails those not named", func(_ context.Context, b *Batch) error { b.Fail(1, errAway); return boom }, []error{boom, errAway, boom}},
		{"nil fails none", func(context.Context, *Batch) error { return nil }, []error{nil, nil, nil}},
		{"nil and those named", func(_ context.Context, b *Batch) error { b.Fail(2, errAway); return nil }, []error{nil, nil, errAway}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &Batch{Records: make([]*Record, 3), errs: make([]error, 3)}
			h := BatchFunc(tt.f, BatchOf(3, 0)).(*batchHandler)
			h.call(t.Context(), b)
			for i := range tt.want {
				equal(t, fmt.Sprint("error of record ", i), b.errs[i], tt.want[i])
			}
		})
	}
}

func TestFailOfARecordThatIsNotThere(t *testing.T) {
	b := &Batch{Records: make([]*Record, 2), errs: make([]error, 2)}
	for _, i := range []int{-1, 2, 100} {
		func() {
			defer func() {
				if got, want := fmt.Sprint(recover()), fmt.Sprintf("consumer: Fail(%d) on a batch of 2 records", i); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}()
			b.Fail(i, errAway)
		}()
	}
}

// TestBatchPanics has the handler panic: every record of the batch fails with class system.
func TestBatchPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error { panic("boom") }, BatchOf(3, 0)))
		w.feed(w.lane(0, 0), "a", "b", "c")
		synctest.Wait()
		equal(t, "attempts of class system", w.p.Stats().Attempts[classify.System], 3)
	})
}

// TestBatchesAreNoLargerThanAsked and hold what is there, or wait for more.
func TestBatchesAreNoLargerThanAsked(t *testing.T) {
	for _, tt := range []struct {
		name string
		size BatchSize
		feed [][]string // a second apart
		want string
	}{
		{"what is there", BatchOf(3, 0), [][]string{{"a", "b", "c", "d"}, {"e"}}, "a@0 b@1 c@2 | d@3 | e@4"},
		{"waits for more", BatchOf(3, 5*time.Second), [][]string{{"a"}, {"b"}, {"c"}, {"d"}}, "a@0 b@1 c@2 | d@3"},
		{"but not longer", BatchOf(3, 1500*time.Millisecond), [][]string{{"a"}, {"b"}, {"c"}, {"d"}}, "a@0 b@1 | c@2 d@3"},
		{"of one", BatchOf(1, time.Hour), [][]string{{"a", "b"}}, "a@0 | b@1"},
		{"zero is one", BatchOf(0, 0), [][]string{{"a", "b"}}, "a@0 | b@1"},
		{"one key in one batch, in its order", BatchOf(5, 0), [][]string{{"k", "x", "k"}}, "k@0 x@1 k@2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c calls
				w := onBench(t, BatchFunc(func(_ context.Context, b *Batch) error { c.add(b); return nil }, tt.size))
				l := w.lane(0, 0)
				for _, keys := range tt.feed {
					w.feed(l, keys...)
					pass(time.Second)
				}
				pass(10 * time.Second)
				equal(t, "batches", c.flat(), tt.want)
			})
		})
	}
}

// TestAPoisonRecordAtTheHeadOfAPartitionIsNotTheEternalProbe opens the breaker with a record that always fails, where a partition is
// handled in order: when it has failed three times without using an attempt those behind it have their turn.
func TestAPoisonRecordAtTheHeadOfAPartitionIsNotTheEternalProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			order = append(order, handled(r))
			if string(r.Key) == "poison" {
				return errAway
			}
			return nil
		}), func(c *Config) {
			c.Ordering = ByPartition
			c.Breaker = breaker.Config{Failures: 1, OpenFor: time.Second, HalfOpenCalls: 1}
		})
		l := w.lane(0, 0)
		w.feed(l, "poison", "a", "b")
		pass(10 * time.Second)
		if want := []string{"poison@0", "poison@0", "poison@0", "a@1"}; len(order) < len(want) || !slices.Equal(order[:len(want)], want) {
			t.Errorf("calls %v, want them to begin with %v", order, want)
		}
	})
}
