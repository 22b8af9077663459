package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

type onFailed func(Failed)

func (f onFailed) OnFailed(x Failed) { f(x) }

// TestAFailedRecordOfAChunkThatIsCutStaysOpen cuts a chunk, as the look at a slow one, a drain and a skip do, just when a
// failure of its is carried out: the record that failed must not be taken for one that the worker is through with.
func TestAFailedRecordOfAChunkThatIsCutStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st *strand
		cut := onFailed(func(Failed) {
			st.mu.Lock()
			defer st.mu.Unlock()
			if st.chunk != nil {
				st.cut(st.chunk)
			}
		})
		calls := 0
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			calls++
			return errors.New("away")
		}), func(c *Config) {
			c.Hooks = []Hook{cut}
			c.Concurrency = 1
			c.Retry.InPlace = retrytopics.InPlace{Max: 1, Delay: time.Minute}
		})
		l := w.lane(0, 0)
		st = l.strand
		w.feed(l, "a", "b", "c")
		synctest.Wait()
		if calls == 0 {
			t.Fatal("nothing was called")
		}
		equal(t, "watermark while the record waits for its next try", w.watermark(l), 0)
	})
}

// slowHook takes longer to hear of a failure than a chunk may take until it is looked at.
var slowHook = onFailed(func(Failed) { time.Sleep(2 * patience) })

// TestNothingOfAKeyStartsWhileAFailureIsDecidedOn lets a chunk be cut after a call of its failed and before it is known that the record
// is tried again in place: what is behind it waits for that.
func TestNothingOfAKeyStartsWhileAFailureIsDecidedOn(t *testing.T) {
	for ordering, want := range map[Ordering]string{ByKey: "[a@0 b@2 a@0 a@1]", ByPartition: "[a@0 a@0 a@1 b@2]"} {
		t.Run(fmt.Sprint("ordering ", ordering), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var calls []string
				w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
					mu.Lock()
					defer mu.Unlock()
					calls = append(calls, handled(r))
					if len(calls) == 1 {
						return errors.New("away")
					}
					return nil
				}), func(c *Config) {
					c.Ordering = ordering
					c.Hooks = []Hook{slowHook}
					c.Retry.InPlace = retrytopics.InPlace{Max: 1, Delay: time.Minute}
				})
				l := w.lane(0, 0)
				w.feed(l, "a", "a", "b")
				pass(2 * time.Minute)
				equal(t, "calls", fmt.Sprint(calls), want)
				equal(t, "watermark", w.watermark(l), 3)
			})
		})
	}
}

// fetch takes records into a lane's window, of which nothing is started yet: the pipeline is paused.
func (w *workbench) fetch(l *lane, records ...*kgo.Record) {
	w.p.Pause()
	w.p.received(l, records, time.Now())
}

// beginChunk hands out the next records of a lane as a chunk, of which a worker has claimed so many.
func (l *lane) beginChunk(claimed int64) *chunk {
	st := l.strand
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.takeChunk()
	st.running++
	c.cursor.Add(claimed)
	return c
}

// TestAControlRecordOfAChunkThatIsCutIsDoneOnce cuts a chunk when its worker is at a control record, as the end of each transaction
// is. Done twice it would stand for a record that is not, and that would be committed.
func TestAControlRecordOfAChunkThatIsCutIsDoneOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		l := w.lane(0, 0)
		st := l.strand
		w.fetch(l, &kgo.Record{Topic: l.topic, Offset: 0}, &kgo.Record{Topic: l.topic, Offset: 1, Attrs: controlAttrs},
			&kgo.Record{Topic: l.topic, Offset: 2}, &kgo.Record{Topic: l.topic, Offset: 3})
		c := l.beginChunk(2)
		st.mu.Lock()
		st.cut(c)
		st.mu.Unlock()
		st.endChunk(c, 2)
		equal(t, "records that are open", l.open, 2)
		st.endChunk(l.beginChunk(1), 3)
		equal(t, "watermark below the last one, which was not begun", w.watermark(l), 3)
	})
}

// TestARecordThatIsClaimedIsNotBegunInADrainingLane gives a lane up when the worker of a chunk has claimed its next record and not looked
// yet whether it may begin it. Nobody waits for what would be started then: the partition goes to another member meanwhile.
func TestARecordThatIsClaimedIsNotBegunInADrainingLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			calls++
			return nil
		}))
		l := w.lane(0, 0)
		w.fetch(l, &kgo.Record{Topic: l.topic, Offset: 0, Key: []byte("a")}, &kgo.Record{Topic: l.topic, Offset: 1, Key: []byte("a")})
		c := l.beginChunk(2)
		drained := make(chan struct{})
		go func() {
			w.p.drain(t.Context(), []*lane{l})
			close(drained)
		}()
		synctest.Wait()
		l.strand.endChunk(c, 1)
		<-drained
		w.p.Resume(0)
		synctest.Wait()
		equal(t, "calls after the lane was drained", calls, 0)
		equal(t, "watermark", w.watermark(l), 1)
	})
}

// TestOthersRunBesideASlowCallOfAChunkThatWasCut cuts a chunk, as a skip does, before it is looked at how long its call takes.
func TestOthersRunBesideASlowCallOfAChunkThatWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []string
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			mu.Lock()
			calls = append(calls, handled(r))
			mu.Unlock()
			if string(r.Key) == "a" {
				time.Sleep(10 * time.Second)
			}
			return nil
		}))
		l := w.lane(0, 0)
		w.feed(l, "a", "b", "c", "d")
		pass(patience / 2)
		if err := w.p.Skip(testTopic, 0, 2, "as the test says"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		mu.Lock()
		equal(t, "calls beside the slow one", fmt.Sprint(calls), "[a@0 b@1 d@3]")
		mu.Unlock()
		pass(10 * time.Second)
		equal(t, "watermark", w.watermark(l), 4)
	})
}

// TestAChunkSettlesWhatIsDoneWhileACallTakesLong has calls of a partition's records one after the other: first some that take nothing, of which the first one may
// take a moment, then some that take long. What is done is committed, and has its room in the window back, while they go on.
func TestAChunkSettlesWhatIsDoneWhileACallTakesLong(t *testing.T) {
	const quickOnes, all = 40, 100
	for name, o := range map[string]Ordering{"ordered by partition": ByPartition, "ordered by key": ByKey, "unordered": Unordered} {
		for _, first := range []time.Duration{0, 2 * patience} {
			t.Run(fmt.Sprintf("%s, the first takes %v", name, first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
						switch {
						case r.Offset == 0:
							time.Sleep(first)
						case r.Offset >= quickOnes:
							time.Sleep(time.Second)
						}
						return nil
					}), func(c *Config) { c.Ordering, c.Concurrency = o, 1 })
					l := w.lane(0, 0)
					w.feed(l, keysOf(all)...)
					pass(2*commitPause + first)
					for done := int64(quickOnes); done <= all; done++ {
						equal(t, "watermark", w.watermark(l), done)
						equal(t, "records in the window", w.p.intake.records.Load(), all-done)
						pass(time.Second)
					}
				})
			})
		}
	}
}

// TestAChunkOfWhichLittleIsOpenIsLetGo has a record held, without a dead-letter topic, among many whose calls take long, one after the other: what is left of all that
// came with it is that record, also where it is the last one, behind which the chunk has nothing to settle.
func TestAChunkOfWhichLittleIsOpenIsLetGo(t *testing.T) {
	const records = 200
	for _, held := range []int64{0, records - 1} {
		synctest.Test(t, func(t *testing.T) {
			w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
				if time.Sleep(2 * patience); r.Offset == held {
					time.Sleep(2 * commitPause)
					return classify.Mark(errors.New("as the test says"), classify.Permanent)
				}
				return nil
			}), func(c *Config) { c.Ordering, c.DeadLetters.Disabled = ByPartition, true })
			l := w.lane(0, 0)
			fed := w.feed(l, keysOf(records)...)
			pass(time.Minute)
			w.held(l, 1, recordSize(fed[held]))
		})
	}
}
