package consumer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// reread notes where the client is made to go on from, and how often what lies between two polls is seen to.
type reread struct {
	*sourceReading
	from     []string
	betweens int
}

func (r *reread) between(context.Context, int) { r.betweens++ }

func (r *reread) goBack(at map[string]map[int32]kgo.EpochOffset) {
	for _, ps := range at {
		for part, to := range ps {
			r.from = append(r.from, fmt.Sprintf("%d@%d", part, to.Offset))
		}
	}
}

// watchReread has nothing of the sources' reader told to the client, which knows no partitions.
func watchReread(w *workbench) *reread {
	watched := &reread{sourceReading: w.p.intake.group}
	w.p.intake.sources.of = watched
	return watched
}

// TestAStoppedLaneKeepsWhatWasPolledOfIt has two lanes polled, of which one is stopped with half of it: the other goes on, and when the first one is
// resumed it has the rest without a fetch, in order, though the poll loop waits for records by then.
func TestAStoppedLaneKeepsWhatWasPolledOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		reader, client := w.p.intake.sources, watchReread(w)
		stops, goesOn := w.lane(0, 0), w.lane(1, 0)
		reader.polled(fetchOf(stops, 0, 10))
		reader.polled(fetchOf(goesOn, 0, 10))
		equal(t, "are handed over", reader.handOver(5), 5)
		stops.missing.Store(true)
		w.p.intake.review(stops)
		equal(t, "are handed over of the other", reader.handOver(100), 10)
		equal(t, "next of the stopped one", stops.next, 5)
		equal(t, "something can be handed over", reader.lanesTake(), false)
		reader.boundStopped(int64(fetchBytes(w.p.cfg.Window)))
		poll := reader.interruptible(t.Context())
		stops.missing.Store(false)
		w.p.intake.review(stops)
		if poll.Err() == nil {
			t.Error("the poll waits for records while there are some")
		}
		equal(t, "are handed over when it is resumed", reader.handOver(100), 5)
		equal(t, "next", stops.next, 10)
		pass(0)
		equal(t, "are done", w.watermark(stops), 10)
		equal(t, "fetched once more", fmt.Sprint(client.from), "[]")
		equal(t, "wait to be taken", reader.fetched.records.Load(), 0)
	})
}

// TestWhatIsPolledOfAStoppedLaneFollowsWhatItHas polls more of a lane that was stopped after the client had fetched it.
func TestWhatIsPolledOfAStoppedLaneFollowsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		reader := w.p.intake.sources
		watchReread(w)
		l := w.lane(0, 0)
		all := fetchOf(l, 0, 10)
		part := &all[0].Topics[0].Partitions[0]
		records := part.Records
		behind := records[4]
		part.Records = records[:4] // with what follows in the same array, as the client hands it out
		reader.polled(all)
		reader.handOver(2)
		reader.polled(fetchOf(l, 4, 6))
		if records[4] != behind {
			t.Error("the client's array has another record behind those that it handed out")
		}
		equal(t, "are handed over", reader.handOver(100), 8)
		pass(0)
		equal(t, "are done", w.watermark(l), 10)
	})
}

// TestWhatWasPolledForALaneBeforeIsNotTheNextOnes closes a lane while some of what was polled of it waits, and its partition comes back.
func TestWhatWasPolledForALaneBeforeIsNotTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		reader := w.p.intake.sources
		watchReread(w)
		before := w.lane(0, 0)
		reader.polled(fetchOf(before, 0, 10))
		reader.handOver(5)
		pass(0)
		w.p.closeLanes([]*lane{before})
		after := w.lane(0, 0)
		after.next = 2
		reader.polled(fetchOf(after, 2, 3))
		reader.handOver(100)
		pass(0)
		equal(t, "next", after.next, 5)
		equal(t, "are done", w.watermark(after), 5)
		equal(t, "wait to be taken", reader.fetched.records.Load(), 0)
	})
}

// TestStoppedLanesKeepNoMoreThanAFetch stops lane after lane, each with what was polled of it.
func TestStoppedLanesKeepNoMoreThanAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) { c.Window.Bytes = 8 << 20 })
		reader, client := w.p.intake.sources, watchReread(w)
		lanes := []*lane{w.lane(0, 0), w.lane(1, 0), w.lane(2, 0)}
		value := make([]byte, fetchBytes(w.p.cfg.Window)/5)
		for i, l := range lanes {
			l.missing.Store(true)
			w.p.intake.review(l)
			fetched := fetchOf(l, 0, 2)
			for _, r := range fetched.Records() {
				r.Value = value
			}
			reader.polled(fetched)
			reader.boundStopped(int64(fetchBytes(w.p.cfg.Window)))
			if i < 2 {
				equal(t, fmt.Sprint("fetched once more with ", i+1), fmt.Sprint(client.from), "[]")
			}
		}
		slices.Sort(client.from)
		equal(t, "fetched once more", fmt.Sprint(client.from), "[0@0 1@0 2@0]")
		equal(t, "wait to be taken", reader.fetched.records.Load(), 0)
	})
}

// TestALaneThatIsMovedForgetsWhatWasPolledOfIt has unread records gone while some wait to be taken: what is read on from there is not
// mistaken for what was seen already.
func TestALaneThatIsMovedForgetsWhatWasPolledOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) { c.OnDataLoss = SkipDataLoss })
		reader, client := w.p.intake.sources, watchReread(w)
		l := w.lane(0, 0)
		reader.polled(fetchOf(l, 0, 10))
		l.lost.Store(true)
		w.p.losses.add(l, &loss{cause: fmt.Errorf("gone"), to: 3, epoch: -1, end: 20})
		w.p.readOn(reader)
		equal(t, "is read on", fmt.Sprint(client.from), "[0@3]")
		equal(t, "are handed over", reader.handOver(100), 0)
		equal(t, "next", l.next, 3)
	})
}

// TestAReaderRestsWhereThereIsNoRoomForTheNextRecord has a record that is larger than what is left of the window's bytes wait for the one before it.
func TestAReaderRestsWhereThereIsNoRoomForTheNextRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 1 << 20
		begin := make(chan struct{})
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { <-begin; return nil }), func(c *Config) { c.Window.Bytes = window })
		reader := w.p.intake.sources
		watchReread(w)
		l := w.lane(0, 0)
		fetched := fetchOf(l, 0, 2)
		fetched.Records()[1].Value = make([]byte, 2*window)
		reader.polled(fetched)
		equal(t, "are handed over", reader.handOver(2), 1)
		equal(t, "are handed over beside it", reader.handOver(2), 0)
		rested := time.Now()
		reader.rest(t.Context())
		equal(t, "waited", time.Since(rested), grace)
		time.AfterFunc(grace/5, func() { close(begin) })
		rested = time.Now()
		reader.rest(t.Context())
		equal(t, "waited until there was room", time.Since(rested), grace/5)
		equal(t, "are handed over after it", reader.handOver(2), 1)
	})
}

// TestLanesTakeTurns has one lane resumed each time with what was polled of it, while another one waits with its own.
func TestLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		reader := w.p.intake.sources
		watchReread(w)
		lanes := []*lane{w.lane(0, 0), w.lane(1, 0), w.lane(2, 0)}
		for _, l := range lanes {
			reader.polled(fetchOf(l, 0, 6))
		}
		for range 6 {
			reader.handOver(2)
			stopAndGo(w, lanes[0])
		}
		for i, l := range lanes {
			equal(t, fmt.Sprint("next of ", i), l.next, 4)
		}
	})
}

// stopAndGo stops a lane for a moment.
func stopAndGo(w *workbench, l *lane) {
	for _, missing := range []bool{true, false} {
		l.missing.Store(missing)
		w.p.intake.review(l)
	}
}

// TestWhatWasPolledIsTakenBeforeALossIsSeen has the broker delete what stands behind what was polled of a lane: that is taken all the same, and the
// loss is of what comes after it.
func TestWhatWasPolledIsTakenBeforeALossIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		reader := w.p.intake.sources
		watchReread(w)
		l := w.lane(0, 0)
		reader.polled(fetchOf(l, 0, 10))
		gone := kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{Partition: l.partition, Err: kerr.OffsetOutOfRange}}}}}}
		reader.polled(gone)
		equal(t, "losses", w.p.Stats().Faults["loss"], 0)
		equal(t, "are handed over", reader.handOver(100), 10)
		l.lost.Store(true) // there is no cluster to ask what is left
		reader.polled(gone)
		equal(t, "losses when all before it is taken", w.p.Stats().Faults["loss"], 1)
	})
}

// TestWhereCallsTakeTheTimeNoMoreIsPolledThanThereIsRoomFor has the window full for a while, and then not.
func TestWhereCallsTakeTheTimeNoMoreIsPolledThanThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 100
		begin := make(chan struct{})
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { <-begin; return nil }), func(c *Config) { c.Window.Records = window })
		reader := w.p.intake.sources
		watchReread(w)
		l := w.lane(0, 0)
		bring := func() int { return reader.of.bring(t.Context()) }
		equal(t, "may come at first", bring(), -1)
		w.feed(l, keysOf(window)...)
		pass(0)
		time.AfterFunc(2*grace, func() { close(begin) })
		time.AfterFunc(3*grace, func() { w.p.committer.acknowledged(w.p.committer.marks([]*lane{l})) })
		reader.ask(t.Context())
		pass(0)
		equal(t, "may come when there was no room", bring(), window/2)
		equal(t, "may come when there was", bring(), -1)
	})
}

// TestNothingIsDoneBetweenPollsThatHoldNoRebalance has a poll that does not wait bring nothing, one that was ended, and one that brought something.
func TestNothingIsDoneBetweenPollsThatHoldNoRebalance(t *testing.T) {
	w := onBench(t, succeed)
	reader, client := w.p.intake.sources, watchReread(w)
	l := w.lane(0, 0)
	for _, tt := range []struct {
		what     string
		fetches  kgo.Fetches
		betweens int
	}{{"nothing", nil, 0}, {"that it was ended", kgo.NewErrFetch(context.Canceled), 1}, {"records", fetchOf(l, 0, 2), 2}} {
		reader.after(t.Context(), tt.fetches, 10)
		equal(t, "after "+tt.what, client.betweens, tt.betweens)
	}
}

// TestStoppedLanesGiveBackBeforeMoreIsPolled stops lanes of small records, which take more memory than their bytes, after they were polled.
func TestStoppedLanesGiveBackBeforeMoreIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) { c.Window.Bytes = 4 << 20 })
		reader, client := w.p.intake.sources, watchReread(w)
		lanes := []*lane{w.lane(0, 0), w.lane(1, 0)}
		for _, l := range lanes {
			reader.polled(fetchOf(l, 0, int(int64(fetchBytes(w.p.cfg.Window))*6/10/recordOverhead)))
		}
		reader.of.bring(t.Context())
		equal(t, "given back while lanes take", reader.wanted(), false)
		for _, l := range lanes {
			l.missing.Store(true)
			w.p.intake.review(l)
		}
		reader.of.bring(t.Context())
		equal(t, "given back before more is polled", reader.wanted(), true)
		reader.boundStopped(int64(fetchBytes(w.p.cfg.Window)))
		equal(t, "lanes that give back", len(client.from), 2)
	})
}

// TestAClosedLaneForgetsWhatWasPolledOfIt closes one that was stopped, while the poll loop waits for records.
func TestAClosedLaneForgetsWhatWasPolledOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		reader := w.p.intake.sources
		watchReread(w)
		l := w.lane(0, 0)
		fetched := fetchOf(l, 0, 10)
		array := fetched[0].Topics[0].Partitions[0].Records
		reader.polled(fetched)
		reader.handOver(5)
		if array[4] != nil || array[5] == nil {
			t.Error("what was taken is kept for what is not, or that is gone")
		}
		l.missing.Store(true)
		w.p.intake.review(l)
		poll := reader.interruptible(t.Context())
		w.p.closeLanes([]*lane{l})
		if poll.Err() == nil {
			t.Error("the poll waits for records")
		}
		reader.handOver(100)
		equal(t, "wait to be taken", reader.fetched.records.Load(), 0)
	})
}

// TestWhatIsPolledNextIsWeighedAnew has a lane polled for as many records as it had before, which are larger.
func TestWhatIsPolledNextIsWeighedAnew(t *testing.T) {
	w := onBench(t, succeed)
	l := w.lane(0, 0)
	f := new(fetched)
	for _, size := range []int{1, 100} {
		records := []*kgo.Record{{Value: make([]byte, size)}, {Value: make([]byte, size)}}
		f.add(l, records[:1])
		equal(t, "in memory of the first", l.fetchedBytes(), int64(size)+recordOverhead)
		f.add(l, records[1:])
		equal(t, fmt.Sprint("in memory of two with a value of ", size), l.fetchedBytes(), 2*(int64(size)+recordOverhead))
		f.took(l, 1)
		equal(t, "of one of them", l.fetchedBytes(), int64(size)+recordOverhead)
		f.drop(l)
	}
}
