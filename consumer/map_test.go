package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/logbook"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestOneHungCallDoesNotStopItsPartition lets the first of many more records than the window holds hang: all others are
// handled, what they took of the window is free again, and a commit says so in a few bytes.
func TestOneHungCallDoesNotStopItsPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if r.Offset == 0 {
				<-ctx.Done()
			}
			return ctx.Err()
		}), func(c *Config) {
			c.Window.Records = 100
			c.HandlerTimeout, c.Drain, c.RebalanceTimeout = time.Hour, 2*time.Hour, 3*time.Hour
		})
		l := w.lane(0, 0)
		const polls, size = 500, 50
		for n := range polls {
			keys := make([]string, size)
			for i := range keys {
				keys[i] = fmt.Sprint(n, "-", i)
			}
			w.feed(l, keys...)
			pass(10 * time.Millisecond)
		}
		w.held(l, 1, recordSize(&kgo.Record{Key: []byte("0-49"), Value: []byte("v")})*size) // those of one poll
		equal(t, "watermark", w.watermark(l), 0)
		m := l.mark(false)
		done, err := readDone(doneIn(m.metadata), m.at, w.p.topics.id(l.topic))
		if err != nil || len(done) != 1 || done[0] != (span{1, polls * size}) {
			t.Errorf("the commit says that %v is done, %v: %q", done, err, m.metadata)
		}
	})
}

// TestWhatALaterLeaderHasWrittenIsNew hands a partition on whose log is cut off meanwhile by an unclean election, below what was
// done above the commit: the records that stand there now are handled, and those before it are not handled again, however often
// it is handed on.
func TestWhatALaterLeaderHasWrittenIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logbook.Book
		var mu sync.Mutex // calls run beside one another
		var calls []int64
		hang := map[int64]bool{0: true, 1: true}
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			if hang[r.Offset] {
				<-ctx.Done()
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, r.Offset)
			return nil
		}), loggingTo(&book))
		log := func(l *lane, from, to int64, epoch int32) {
			var records []*kgo.Record
			for offset := from; offset < to; offset++ {
				records = append(records, &kgo.Record{Topic: l.topic, Offset: offset, LeaderEpoch: epoch, Key: fmt.Append(nil, offset)})
			}
			w.p.received(l, records, time.Now())
			pass(10 * time.Millisecond)
		}
		handOn := func(l *lane) *lane {
			m := l.mark(false)
			w.p.closeLanes([]*lane{l})
			next := w.lane(0, 0)
			w.p.place(l.topic, 0, m.at, m.at, m.metadata)
			w.p.restore(l.topic, 0, kadm.Offset{Topic: l.topic, At: m.at, LeaderEpoch: m.epoch, Metadata: m.metadata})
			synctest.Wait()
			return next
		}
		l := w.lane(0, 0)
		log(l, 0, 10, 3)
		equal(t, "records handled", len(calls), 8)
		l = handOn(l)
		hang[1] = false
		log(l, 0, 2, 2) // of what an earlier leader wrote
		l = handOn(l)
		log(l, 0, 6, 3)
		equal(t, "records handled, with one that hung", len(calls), 9)
		log(l, 6, 8, 4)
		equal(t, "records handled, with two that took the place of others", len(calls), 11)
		equal(t, "the last one", slices.Max(calls[9:]), 7)
		equal(t, "what an operator is told", strings.Join(book.Alarms(), ""), "")
	})
}

// TestWhatWaitsDoesNotKeepWhatIsDone has one of many records wait for its next try on the spot: the window lets go of
// the memory of the others, and the record is whole when it is tried again.
func TestWhatWaitsDoesNotKeepWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			if string(r.Key) != "waits" {
				return nil
			}
			seen = append(seen, fmt.Sprintf("%s=%s %d %q", r.Key, r.Value, r.Attempt(), r.Headers))
			if len(seen) == 1 {
				return errors.New("away")
			}
			return nil
		}), func(c *Config) { c.Retry.InPlace = retrytopics.InPlace{Max: 1, Delay: time.Minute} })
		l := w.lane(0, 0)
		records := make([]*kgo.Record, 200)
		for i := range records {
			records[i] = &kgo.Record{Topic: l.topic, Offset: int64(i), Key: fmt.Append(nil, i), Value: make([]byte, 1000), Timestamp: time.Now()}
		}
		waits := records[20]
		waits.Key, waits.Value, waits.Headers = []byte("waits"), []byte("v"), []Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}}
		w.p.received(l, records, time.Now())
		pass(time.Second)
		w.held(l, 1, recordSize(waits))
		clear(waits.Value) // the client's memory is its own again
		pass(2 * time.Minute)
		if len(seen) != 2 || seen[1] != `waits=v 2 [{"h" "1"} {"h" ""}]` {
			t.Errorf("it was called with %q", seen)
		}
		w.held(l, 0, 0)
	})
}

// TestAFullMapHoldsWhatIsNew lets every second record hang until the map of what is done between them fills a commit's
// metadata: nothing new is begun then, no commit is refused, and all goes on when what hangs ends.
func TestAFullMapHoldsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			if r.Offset%2 == 0 {
				<-release
			}
			return nil
		}), func(c *Config) { c.Concurrency, c.Window.Records = 10_000, 100_000 })
		l := w.lane(0, 0)
		l.metadata = noteLimit + 300
		const records = 4000
		keys := make([]string, records)
		for i := range keys {
			keys[i] = fmt.Sprint(i)
		}
		w.feed(l, keys...)
		pass(time.Second)
		l.strand.mu.Lock()
		running, open := l.running, l.open
		l.strand.mu.Unlock()
		if running < 10 || running > records/4 {
			t.Fatalf("%d calls hang: the map has not stopped anything, or everything", running)
		}
		m := l.mark(false)
		if got := len(m.metadata); got > l.metadata {
			t.Errorf("the metadata takes %d bytes of %d", got, l.metadata)
		}
		done, err := readDone(doneIn(m.metadata), m.at, w.p.topics.id(l.topic))
		if err != nil {
			t.Fatal(err)
		}
		told := int64(0)
		for _, s := range done {
			told += s.to - s.from
		}
		equal(t, "records that the commit says are done", told, int64(records-open))
		close(release)
		pass(time.Second)
		w.held(l, 0, 0)
	})
}

// TestAFullMapLetsBeginWhatStandsBelow has every second record of a tier wait until the map of what is done between them fills a commit's metadata. Those that
// come due then stand behind others in the line that may not begin, and are what makes room.
func TestAFullMapLetsBeginWhatStandsBelow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []int64
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, r.Offset)
			return nil
		}))
		l := w.lane(0, time.Minute)
		l.metadata = noteLimit + 100
		const records = 1000
		copies := make([]*kgo.Record, records)
		for i := range copies {
			due := time.Now()
			if i%2 == 0 {
				due = due.Add(time.Minute)
			}
			copies[i] = w.copyOf(l, int64(i), fmt.Sprint(i), retrytopics.State{Attempt: 1, Due: due, Class: classify.Transient})
		}
		w.p.received(l, copies, time.Now())
		pass(time.Second)
		if open := l.held.Load(); open < records*5/8 {
			t.Fatalf("%d records are left: the map has stopped nothing", open)
		}
		mu.Lock()
		before := len(calls)
		mu.Unlock()
		pass(2 * time.Minute)
		equal(t, "open records", l.held.Load(), 0)
		mu.Lock()
		defer mu.Unlock()
		equal(t, "the first that was called then", calls[before], 0)
	})
}

// TestGapsStopNothing has a backlog of a source of which compaction, or transactions of a few records each, have left less than every second offset:
// what is between two open records is no run of the map, which would be full before anything is done.
func TestGapsStopNothing(t *testing.T) {
	for _, gap := range []int64{1, 8, 1000} {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
					time.Sleep(10 * time.Millisecond)
					return nil
				}))
				l := w.lane(0, 0)
				const polls, most = 10, 800
				for n := range int64(polls) {
					records := make([]*kgo.Record, 0, 2*most)
					for i := n * most; i < (n+1)*most; i++ {
						at := i * (1 + gap)
						records = append(records, &kgo.Record{Topic: l.topic, Offset: at, Key: fmt.Append(nil, i), Value: []byte("v"), Timestamp: time.Now()})
						if gap == 1 {
							records = append(records, &kgo.Record{Topic: l.topic, Offset: at + 1, Attrs: controlAttrs})
						}
					}
					w.p.received(l, records, time.Now())
				}
				pass(polls * most * 10 * time.Millisecond / DefaultConcurrency * 2)
				w.held(l, 0, 0)
			})
		})
	}
}

// TestABrokerThatTakesLessMetadataGetsLess halves what a commit carries until the broker takes it. One that takes none with nothing refuses it for another
// reason, whatever it says: to try that again at once would not end.
func TestABrokerThatTakesLessMetadataGetsLess(t *testing.T) {
	w := onBench(t, succeed)
	l := w.lane(0, 0)
	at := partition{l.topic, 0}
	ms := w.p.committer.marks([]*lane{l})
	for ; l.metadataLeft() > 0; ms = w.p.committer.marks([]*lane{l}) {
		if err := ms.refused(at, kerr.OffsetMetadataTooLarge); err != nil {
			t.Fatal(err)
		}
	}
	if err := ms.refused(at, kerr.OffsetMetadataTooLarge); err == nil {
		t.Error("that a commit without metadata is refused is taken for a matter of its size")
	}
	m := l.mark(false)
	equal(t, "metadata when nothing else is taken", m.metadata, "")
	if !l.roomInMap(1000) {
		t.Error("a lane stops for the sake of a map that nobody takes")
	}
}

// held expects that a lane holds so many records, and at most so many bytes for them.
func (w *workbench) held(l *lane, records int, bytes int64) {
	w.t.Helper()
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	equal(w.t, "open records", l.open, records)
	if l.bytes > bytes {
		w.t.Errorf("%d bytes are kept, want %d at most", l.bytes, bytes)
	}
}

// TestACommitMovesOnWithWhatWasToldBefore hands a partition on with a record done above its commit, which somebody's transaction may have said, on brokers that
// take no more metadata than that needs. When the first record is done, and many above it, the commit says so of the first, and of nothing above that but what it
// said before.
func TestACommitMovesOnWithWhatWasToldBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records, told = 40, 20
		b := onHeldBench(t)
		b.open(0)
		l := b.source
		b.takes = make(map[string]time.Duration)
		keys := make([]string, records)
		for i := range keys {
			keys[i] = fmt.Sprint(i)
			if i%2 != 0 {
				b.takes[fmt.Sprintf("%d@%d", i, i)] = time.Minute
			}
		}
		mark := func() *mark {
			m := l.mark(false)
			if m != nil {
				b.p.committer.acknowledged(marks{partition{l.topic, l.partition}: m})
			}
			return m
		}
		l.strand.mu.Lock()
		var before doneRuns
		before.add(told, 1)
		l.stands = said{0, b.p.topics.note(l.topic).metadata(before.text(0, l.topicID, metadataLimit))}
		l.window.restore([]span{{told, told + 1}}, -1)
		l.metadata = len(l.stands.metadata)
		l.strand.mu.Unlock()
		b.feed(l, keys[:1]...)
		pass(time.Second)
		b.feed(l, keys[1:]...)
		pass(time.Second)
		m := mark()
		if m == nil {
			t.Fatal("nothing is committed, though the first record is done")
		}
		done, err := readDone(doneIn(m.metadata), m.at, l.topicID)
		if want := []span{{told, told + 1}}; err != nil || m.at != 1 || !slices.Equal(done, want) {
			t.Errorf("committed is %d, with %v done above it, %v; want 1, and %v", m.at, done, err, want)
		}
		if again := mark(); again != nil {
			t.Errorf("%d is committed once more, where nothing is new that has room", again.at)
		}
		b.p.committer.late.Store(time.Now().UnixNano()) // until now one may have come behind it that says less
		if again := mark(); again == nil || again.said() != m.said() {
			t.Errorf("a commit that may have come late is corrected by %+v, want %v once more", again, m.said())
		}
		pass(time.Minute)
		if m := mark(); m == nil || m.at != records {
			t.Errorf("committed at last is %v, want %d", m, records)
		}
	})
}

// TestACommitThatBrokersTakeNoMoreIsNotTriedAgain has brokers take less metadata by now than that of the commit before, without which none may be made: they are asked
// once more than they have to be, and what they take of others is not forgotten.
func TestACommitThatBrokersTakeNoMoreIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const told, limit = 20, 64
		b := onHeldBench(t)
		b.open(0)
		l := b.source
		l.strand.mu.Lock()
		var before doneRuns
		for range 200 {
			before.add(told, 1)
		}
		l.stands = said{0, b.p.topics.note(l.topic).metadata(before.text(0, l.topicID, metadataLimit))}
		done, err := readDone(doneIn(l.stands.metadata), 0, l.topicID)
		if err != nil {
			t.Fatal(err)
		}
		l.window.restore(done, -1)
		l.metadata = limit
		l.strand.mu.Unlock()
		b.feed(l, "a")
		pass(time.Second)
		at := partition{l.topic, l.partition}
		m := l.mark(false)
		if m == nil || !m.less || len(m.metadata) <= limit {
			t.Fatalf("the commit is %+v, want one that says what the one before said", m)
		}
		if err := m.refused(at, kerr.OffsetMetadataTooLarge); err != nil {
			t.Error(err)
		}
		if again := l.mark(false); again != nil {
			t.Errorf("committed is %d with %d bytes, though the brokers do not take them", again.at, len(again.metadata))
		}
		equal(t, "metadata that commits may have", l.metadataLeft(), limit)
	})
}

// TestWhatALostLogSaidIsForgotten puts a lane back to what is left of its partition, after an unclean election: what commits have said of what stood behind that
// binds the next ones no more.
func TestWhatALostLogSaidIsForgotten(t *testing.T) {
	w := onBench(t, succeed)
	l := w.lane(0, 0)
	l.strand.mu.Lock()
	l.next, l.pinned, l.stands, l.stuck = 200, 150, said{200, "what is done"}, true
	l.strand.mu.Unlock()
	from, moved := l.moveTo(&loss{to: 80, end: 80, epoch: 6}, false)
	equal(t, "from", from, 200)
	equal(t, "moved", moved, moveNow)
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	if l.pinned != -1 || l.stands != (said{}) || l.stuck {
		t.Errorf("pinned is %d, what stands %v, stuck %v", l.pinned, l.stands, l.stuck)
	}
}
