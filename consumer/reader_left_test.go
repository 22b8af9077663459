package consumer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// copiesDue are the copies of a retry lane from an offset on, each due so long after the one before it, the first one after as long.
func (w *workbench) copiesDue(l *lane, from int64, n, size int, every time.Duration) kgo.Fetches {
	batch := make([]*kgo.Record, n)
	for i := range batch {
		offset := from + int64(i)
		due := time.Now().Add(time.Duration(i+1) * every)
		batch[i] = w.copyOf(l, offset, fmt.Sprint(offset), retrytopics.State{Attempt: 1, Due: due, Class: classify.Transient})
		batch[i].Value = make([]byte, size)
	}
	return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{Partition: l.partition, Records: batch, LastStableOffset: from + int64(n)}}}}}}
}

// rereadRetries notes where the client of the retry topics is made to go on from.
type rereadRetries struct {
	*retryReading
	from []string
}

func (r *rereadRetries) goBack(at map[string]map[int32]kgo.EpochOffset) {
	for _, ps := range at {
		for part, to := range ps {
			r.from = append(r.from, fmt.Sprintf("%d@%d", part, to.Offset))
		}
	}
}

// watchRetries has the reader of the retry topics poll this and see to what lies between two polls.
func (w *workbench) watchRetries() (poll func(kgo.Fetches), client *rereadRetries) {
	client = &rereadRetries{retryReading: w.p.intake.following}
	reader := w.p.intake.retries
	reader.of = client
	return func(fetches kgo.Fetches) {
		reader.polled(fetches)
		reader.of.between(w.t.Context(), fetches.NumRecords())
	}, client
}

// taken is where a lane reads on, and how many of its records are open.
func taken(l *lane) (next int64, open int) {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	return l.next, l.open
}

// TestWhatIsFarFromDueIsNotFetchedTwice polls more of a retry lane than may wait in it: the rest waits beside the window, and is taken when there is room, in
// order; what the client has fetched of other partitions is not thrown away for it.
func TestWhatIsFarFromDueIsNotFetchedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) { c.Window.Records = 100 })
		poll, client := w.watchRetries()
		l := w.lane(0, time.Minute)
		const copies = 200
		poll(w.copiesDue(l, 0, copies, 1, 2*time.Second))
		if next, _ := taken(l); next == 0 || next == copies || !l.stopped.Load() {
			t.Fatalf("%d of %d are taken, and the lane is stopped: %v; want a part, and that it is", next, copies, l.stopped.Load())
		}
		reader := w.p.intake.retries
		for at := 1; at <= 2*copies; at++ {
			waits := reader.interruptible(t.Context())
			pass(time.Second)
			if waits.Err() != nil || reader.wanted() {
				for reader.lanesTake() {
					reader.handOver(copies)
				}
			}
			synctest.Wait()
			if next, open := taken(l); at%2 == 0 && next-int64(open) != int64(at/2) {
				t.Fatalf("after %d s %d records are done, want all that were due", at, next-int64(open))
			}
		}
		next, _ := taken(l)
		equal(t, "taken at last", next, copies)
		equal(t, "fetched once more", fmt.Sprint(client.from), "[]")
	})
}

// TestWhatIsLeftOfRetriesIsBounded leaves more bytes than may be left: the client brings them once more.
func TestWhatIsLeftOfRetriesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) { c.Window = Window{Records: 1000, Bytes: 8 << 20} })
		poll, client := w.watchRetries()
		l := w.lane(0, time.Minute)
		size := int(client.leftAtMost() / 4)
		share, _ := w.p.intake.share(l)
		fits := min(share, int(w.p.intake.p.cfg.Window.Bytes/2)/size)
		poll(w.copiesDue(l, 0, fits+3, size, time.Hour))
		equal(t, "given back of what may be left", fmt.Sprint(client.from), "[]")
		left := len(l.fetched)
		if left == 0 {
			t.Fatal("nothing is left")
		}
		next, _ := taken(l)
		poll(w.copiesDue(l, next+int64(left), 4, size, time.Hour))
		equal(t, "given back of more", fmt.Sprint(client.from), fmt.Sprintf("[0@%d]", next))
		equal(t, "left then", len(l.fetched), 0)
	})
}

// TestWhatIsLeftIsForgottenWithItsLane closes a retry lane of which something is left, and opens it anew: what is left is none of the new one's, whose
// client begins where that does.
func TestWhatIsLeftIsForgottenWithItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) { c.Window.Records = 100 })
		poll, client := w.watchRetries()
		l := w.lane(0, time.Minute)
		poll(w.copiesDue(l, 0, 200, 1, time.Minute))
		if len(l.fetched) == 0 {
			t.Fatal("nothing is left")
		}
		l.strand.mu.Lock()
		l.draining = true
		l.strand.mu.Unlock()
		equal(t, "what a lane has to take that is about to go", client.keep(l, l.fetched, time.Now()), len(l.fetched))
		w.p.closeLanes([]*lane{l})
		anew := w.lane(0, time.Minute)
		poll(nil)
		equal(t, "left of the closed one", len(l.fetched), 0)
		next, _ := taken(anew)
		equal(t, "taken by the new one", next, 0)
		equal(t, "fetched once more", fmt.Sprint(client.from), "[]")
		if w.p.intake.retries.lanesTake() {
			t.Error("there is something to hand over")
		}
	})
}

// TestWhatIsLeftStopsItsLaneOrIsTaken leaves a record that is larger than all that a lane may have wait, behind a small one: as long as the lane is not
// stopped for it the poll loop hands it over, and polls nothing else meanwhile.
func TestWhatIsLeftStopsItsLaneOrIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, func(c *Config) { c.Window = Window{Records: 1000, Bytes: 8 << 20} })
		poll, _ := w.watchRetries()
		l := w.lane(0, time.Minute)
		fetches := w.copiesDue(l, 0, 4, 1, time.Hour)
		_, room := w.p.intake.share(l)
		for _, r := range fetches.Records()[1:] {
			r.Value = make([]byte, 2*room)
		}
		poll(fetches)
		reader := w.p.intake.retries
		for range 4 {
			if reader.lanesTake() && reader.handOver(4) == 0 {
				next, _ := taken(l)
				t.Fatalf("the lane is not stopped with %d of its records taken, and takes no more", next)
			}
		}
		if next, _ := taken(l); reader.lanesTake() || !l.stopped.Load() || next == 4 {
			t.Errorf("%d of 4 are taken, the lane is stopped: %v; want a part, and that it is", next, l.stopped.Load())
		}
	})
}

// TestALaneInWhichNothingWaitsTakesWhatIsLeft has a large record's call hang, in a lane of which a record that is far from due is at hand: nothing waits in it,
// so it is not stopped, and the poll loop has to be rid of the record to poll for the others.
func TestALaneInWhichNothingWaitsTakesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { <-hang; return nil }), func(c *Config) { c.Window = Window{Records: 1000, Bytes: 8 << 20} })
		defer close(hang)
		poll, _ := w.watchRetries()
		l := w.lane(0, time.Minute)
		_, room := w.p.intake.share(l)
		large := w.copiesDue(l, 0, 1, int(room)+1, 0)
		poll(large)
		synctest.Wait()
		poll(w.copiesDue(l, 1, 1, 1, time.Hour))
		if next, _ := taken(l); next != 2 && w.p.intake.retries.lanesTake() {
			t.Errorf("%d of 2 are taken, and the lane is not stopped", next)
		}
	})
}
