package consumer

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// TestDrainStartsNothingMoreOnAnyLane revokes two partitions whose calls take 20 s, within a drain time of 30 s: every
// call that is under way ends, and none begins on either.
func TestDrainStartsNothingMoreOnAnyLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, ended := 0, 0
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			began++
			select {
			case <-time.After(20 * time.Second):
				ended++
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}), func(c *Config) { c.Concurrency = 1 })
		a, b := w.lane(0, 0), w.lane(1, 0)
		w.feed(a, "a", "b", "c")
		w.feed(b, "d", "e", "f")
		synctest.Wait()
		start := time.Now()
		w.p.drain(t.Context(), []*lane{a, b})
		equal(t, "the drain took", time.Since(start), 20*time.Second)
		equal(t, "calls", began, 1)
		equal(t, "calls that ended by themselves", ended, 1)
	})
}

// TestDrainGivesEachLaneItsTime revokes a partition whose call never ends together with one whose call ends in time.
func TestDrainGivesEachLaneItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if r.Partition == 0 {
				<-ctx.Done()
				time.Sleep(time.Hour)
				return nil
			}
			time.Sleep(10 * time.Second)
			return nil
		}))
		stuck, fine := w.lane(0, 0), w.lane(1, 0)
		w.feed(stuck, "a")
		w.feed(fine, "b")
		synctest.Wait()
		w.p.drain(t.Context(), []*lane{stuck, fine})
		equal(t, "watermark of the lane whose call ended", w.watermark(fine), 1)
		w.p.closeLanes([]*lane{stuck, fine})
		pass(2 * time.Hour)
	})
}

// TestTwoDrainsOfOneLane has a rebalance revoke a partition while the pipeline stops: both hear that it is quiet.
func TestTwoDrainsOfOneLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			time.Sleep(10 * time.Second)
			return nil
		}))
		l := w.lane(0, 0)
		w.feed(l, "a")
		synctest.Wait()
		start := time.Now()
		first := make(chan time.Duration, 1)
		go func() {
			w.p.drain(t.Context(), []*lane{l})
			first <- time.Since(start)
		}()
		synctest.Wait()
		w.p.drain(t.Context(), []*lane{l})
		equal(t, "the second drain took", time.Since(start), 10*time.Second)
		equal(t, "the first drain took", <-first, 10*time.Second)
	})
}

// TestWhatEndsWithItsLaneIsNoOutcome gives a partition up while a call is under way whose error, like that of many a
// database driver, does not say that its context was cancelled: no attempt is counted and no copy is written.
func TestWhatEndsWithItsLaneIsNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			<-ctx.Done()
			return errors.New("pq: canceling statement due to user request")
		}))
		l := w.lane(0, 0)
		w.feed(l, "a")
		synctest.Wait()
		w.p.closeLanes([]*lane{l})
		synctest.Wait()
		equal(t, "copies under way", w.p.client.BufferedProduceRecords(), 0)
		s := w.p.Stats()
		for class, n := range s.Attempts {
			equal(t, "attempts of class "+class.String(), n, 0)
		}
		equal(t, "the breaker's calls", s.Breaker.Calls, 0)
	})
}

// TestSkipWhileItsPartitionIsGivenUp skips a retry that waits for its time in a lane that drains: it is settled, and the
// commit at the end of the drain says so.
func TestSkipWhileItsPartitionIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			time.Sleep(10 * time.Second)
			return nil
		}))
		source, retries := w.lane(0, 0), w.lane(0, 10*time.Second)
		w.feed(source, "a")
		w.feedState(retries, "b", retrytopics.State{Due: time.Now().Add(time.Hour)})
		synctest.Wait()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			w.p.drain(t.Context(), []*lane{source, retries})
		}()
		pass(time.Second)
		if err := w.p.Skip(retries.topic, 0, 0, "test"); err != nil {
			t.Error(err)
		}
		equal(t, "watermark of the retry topic", w.watermark(retries), 1)
		<-drained
		w.p.closeLanes([]*lane{source, retries})
	})
}

// TestNoLaneBeginsWhatAnotherFreesInADrain gives up the partitions of a strand: what stands behind a record that waits in the first one
// must not begin in the second, before that is drained too.
func TestNoLaneBeginsWhatAnotherFreesInADrain(t *testing.T) {
	b := onHeldBench(t)
	b.p.slots.start = func(*strand, kind) {} // the test itself looks what could begin
	st := b.source.strand
	begins := func() bool {
		u, _ := st.takeWith(retry, false)
		return !u.empty()
	}
	st.mu.Lock()
	first := st.entryOf(b.source, b.source.add([]*kgo.Record{{Topic: testTopic, Key: []byte("a")}}, time.Now()), 0)
	st.hold(first)
	first.due = time.Now().Add(time.Hour)
	b.source.waiting.add(first)
	st.mu.Unlock()
	b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 0, "a", 1, time.Now().Add(-time.Second))}, time.Now())
	b.open(0)
	equal(t, "the second begins while the first waits", begins(), false)

	between := b.lane(1, 0) // of another strand: the drain gets no further than here while its lock is held
	between.strand.mu.Lock()
	drained := make(chan struct{})
	go func() {
		b.p.drain(t.Context(), []*lane{b.source, between, b.tier})
		close(drained)
	}()
	for began := false; !began; runtime.Gosched() {
		st.mu.Lock()
		began = b.source.draining
		st.mu.Unlock()
	}
	early := begins()
	between.strand.mu.Unlock()
	equal(t, "the second begins while the lanes are drained", early, false)
	<-drained
	equal(t, "the second begins when the lanes are drained", begins(), false)
	equal(t, "keys that are held in the end", len(st.keys), 0)
}

// TestALaneIsClosedOnce closes a lane twice, as a topic that is made again beside a revocation does: its records are given back once.
func TestALaneIsClosedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return nil }))
		l, other := w.lane(0, 0), w.lane(1, 0)
		w.feed(l, "a", "b")
		w.feed(other, "c")
		synctest.Wait()
		equal(t, "records whose commit is not acknowledged", w.p.intake.unsaved.Load(), 3)
		w.p.closeLanes([]*lane{l})
		w.p.closeLanes([]*lane{l})
		equal(t, "those of the other lane", w.p.intake.unsaved.Load(), 1)
	})
}

// TestAPartitionThatComesBackWhileItsLastLaneIsClosedHasOneStrand has a partition's retries assigned just when its source's lane is closed.
func TestAPartitionThatComesBackWhileItsLastLaneIsClosedHasOneStrand(t *testing.T) {
	w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return nil }))
	source := w.lane(0, 0)
	w.p.held.mu.Lock() // which is where the closing stops, when its strand has no lane
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		w.p.closeLanes([]*lane{source})
	}()
	for empty := false; !empty; {
		source.strand.mu.Lock()
		empty = len(source.strand.lanes) == 0
		source.strand.mu.Unlock()
		runtime.Gosched()
	}
	retries := w.lane(0, time.Minute)
	w.p.held.mu.Unlock()
	<-closed
	if back := w.lane(0, 0); back.strand != retries.strand {
		t.Fatal("the source and its retries have strands of their own")
	}
}
