package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestAWindowInWhichAllWaitsLetsOneMoreIn has more retry lanes than the window has records, and each keeps one that waits: what they wait for may
// stand in a lane that has none. While something runs, or waits for its commit, the window is a bound.
func TestAWindowInWhichAllWaitsLetsOneMoreIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			<-end
			return nil
		}), func(c *Config) { c.Window.Records = 2 })
		size := func() int { return w.p.intake.pollSize(maxPoll) }
		for partition := range int32(2) {
			l := w.lane(partition, time.Minute)
			w.p.received(l, []*kgo.Record{w.copyOf(l, 0, "a", retrytopics.State{Attempt: 1, Due: time.Now().Add(time.Hour), Class: classify.Transient})}, time.Now())
		}
		equal(t, "may be polled while all waits", size(), 1)
		fresh := w.lane(2, 0)
		w.feed(fresh, "b")
		synctest.Wait()
		equal(t, "may be polled while one runs", size(), 0)
		close(end)
		synctest.Wait()
		equal(t, "may be polled before its commit", size(), 0)
		w.p.intake.saved(1)
		equal(t, "may be polled after it", size(), 1)
		w.p.intake.saved(-1) // the lane gives it back when it is closed
	})
}

// TestRetriesLeaveTheSourcesAPartOfTheWindow has the calls of all retries hang that are due.
func TestRetriesLeaveTheSourcesAPartOfTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if r.Attempt() > 1 {
				<-ctx.Done()
			}
			return nil
		}), func(c *Config) { c.Window.Records = 100 })
		l := w.lane(0, time.Second)
		for offset := int64(0); offset < 1000; {
			n := w.p.intake.pollSize(w.p.intake.following.most())
			if n == 0 {
				break
			}
			records := make([]*kgo.Record, n)
			for i := range records {
				records[i] = w.copyOf(l, offset, fmt.Sprint(offset), retrytopics.State{Attempt: 1, Class: classify.Transient})
				offset++
			}
			w.p.received(l, records, time.Now())
		}
		equal(t, "records of the retry topic in the window", w.p.intake.records.Load(), 75)
		equal(t, "may be polled of the sources", w.p.intake.pollSize(w.p.intake.sources.of.most()), 12)
	})
}

// TestALaneThatHangsIsFetchedWhenOthersHaveGivenRoomBack pauses a source for the window while a call of it hangs and two records stand behind that,
// and a retry lane holds most of it. When that has drained the source is fetched: other keys of it do not wait for the call.
func TestALaneThatHangsIsFetchedWhenOthersHaveGivenRoomBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if string(r.Key) == "hangs" {
				<-ctx.Done()
			}
			return nil
		}), func(c *Config) { c.Window.Records = 20 })
		in := w.p.intake
		source, retries := w.lane(0, 0), w.lane(0, time.Minute)
		for partition := range int32(2) {
			w.lane(partition+1, 0)
		}
		w.feed(source, "hangs", "hangs", "hangs")
		in.took(17, 0) // by others
		in.sources.mark()
		pass(2 * soon)
		in.sources.pauseCrowded()
		equal(t, "fetched while the window is full", w.fetched(source), false)
		in.ease()
		equal(t, "fetched while it is full still", w.fetched(source), false)
		in.settled(17, 0)
		w.p.relieve(retries)
		in.saved(17)
		in.ease()
		equal(t, "fetched when there is room", w.fetched(source), true)
	})
}

// TestAPollThatOverfillsTheWindowStopsNobody has one poll bring twice the window's bytes of a partition whose calls hang: when that is paused the others
// are read, a little at a time, and with it all that they hold is bounded.
func TestAPollThatOverfillsTheWindowStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 1 << 20
		w := onBench(t, HandlerFunc(func(ctx context.Context, _ *Record) error {
			<-ctx.Done()
			return nil
		}), func(c *Config) { c.Window.Bytes = window })
		in := w.p.intake
		hangs, other := w.lane(0, 0), w.lane(1, 0)
		large := func(l *lane, n, size int) {
			records := make([]*kgo.Record, n)
			for i := range records {
				records[i] = &kgo.Record{Topic: l.topic, Partition: l.partition, Offset: l.next + int64(i), Key: fmt.Append(nil, i), Value: make([]byte, size), Timestamp: time.Now()}
			}
			w.p.received(l, records, time.Now())
		}
		large(hangs, 20, window/10)
		equal(t, "may be polled before it is paused", in.pollSize(maxPoll), 0)
		in.sources.mark()
		pass(2 * soon)
		in.sources.pauseCrowded()
		equal(t, "fetched", w.fetched(hangs), false)
		equal(t, "the others", w.fetched(other), true)
		equal(t, "may be polled of them", in.pollSize(maxPoll), 1) // as large as those, for all that is known
		equal(t, "kept of what is polled", in.sources.of.keep(other, []*kgo.Record{{Value: make([]byte, window/10)}}, time.Now()), 1)
		large(other, 1, window/10)
		equal(t, "may be polled when it holds one", in.pollSize(maxPoll), 1)
		large(other, 1, window/10)
		equal(t, "may be polled when it holds an eighth of the window", in.pollSize(maxPoll), 0)
	})
}

// TestPollsGoByTheLargerRecords has nobody know yet how large records are, then small ones come, a few large ones, and small ones again.
func TestPollsGoByTheLargerRecords(t *testing.T) {
	w := onBench(t, succeed)
	in := w.p.intake
	came := func(records int, bytes int64) int {
		in.took(records, bytes)
		in.took(-records, -bytes) // they are done
		return in.pollSize(maxPoll)
	}
	equal(t, "before any", in.pollSize(maxPoll), DefaultWindowBytes/unknownSize/2)
	equal(t, "after small ones", came(10, 1000), maxPoll)
	large := came(10, 10<<18)
	equal(t, "after large ones", large, 127)
	if after := came(10, 1000); after < large || after > large*11/10 {
		t.Errorf("after a few small ones %d, and %d after large ones", after, large)
	}
	for range 1000 {
		came(10, 1000)
	}
	equal(t, "after many small ones", in.pollSize(maxPoll), maxPoll)
}

// TestASourceGivesBackWhatTheWindowHasNoRoomFor has one poll bring twice as many bytes as the window has: a quarter more is kept than that has, or a
// single record.
func TestASourceGivesBackWhatTheWindowHasNoRoomFor(t *testing.T) {
	const window = 1 << 20
	w := onBench(t, succeed, func(c *Config) { c.Window.Bytes = window })
	l := w.lane(0, 0)
	of := func(n, size int) []*kgo.Record {
		records := make([]*kgo.Record, n)
		for i := range records {
			records[i] = &kgo.Record{Offset: int64(i), Value: make([]byte, size)}
		}
		return records
	}
	keep := func(records []*kgo.Record) int { return w.p.intake.sources.of.keep(l, records, time.Now()) }
	equal(t, "of twenty of a tenth each", keep(of(20, window/10)), 12)
	equal(t, "of two of twice the window", keep(of(2, 2*window)), 1)
	l.held.Store(1)
	equal(t, "of those, when there is one already", keep(of(2, 2*window)), 0)
}

// TestWhatATransactionSettlesLeavesRoom has half a window open, a part of which is in a transaction that cannot be written: more is read while it is under
// way, and no more when it has ended.
func TestWhatATransactionSettlesLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *workbench
		var roomy []bool
		w = onBench(t, HandlerFunc(func(context.Context, *Record) error { return errors.New("down") }), func(c *Config) {
			c.Delivery, c.Window.Records = ExactlyOnceRouting, 10
			c.ClientOptions = []kgo.Opt{kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
				roomy = append(roomy, w.p.intake.roomy())
				return nil, errors.New("there are no brokers")
			})}
		})
		w.feed(w.lane(0, 0), "a", "b", "c", "d", "e")
		synctest.Wait()
		equal(t, "before", w.p.intake.roomy(), false)
		batch, _, _ := w.p.transactor.next(time.Now())
		equal(t, "copies", len(batch), 5)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_ = w.p.transactor.transact(ctx, batch, time.Second) // which comes to nothing
		if len(roomy) == 0 || slices.Contains(roomy, false) {
			t.Errorf("room while the transaction is under way: %v", roomy)
		}
		equal(t, "after", w.p.intake.roomy(), false)
		w.p.transactor.reset()
	})
}
