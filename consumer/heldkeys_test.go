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

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/limit"
	"github.com/redeliver/redeliver/retrytopics"
)

// A heldBench is a workbench whose pipeline holds keys, with the lanes of one partition. What is written is committed and
// comes back when the test says so.
type heldBench struct {
	*workbench
	source, tier, park *lane

	mu    sync.Mutex
	calls []string       // key@origin, in the order in which they began
	fails map[string]int // so many calls fail
	dies  bool           // what fails is not retried
	takes map[string]time.Duration
	read  map[string]int64 // the end of a topic
}

func onHeldBench(t testing.TB, change ...func(*Config)) *heldBench {
	b := &heldBench{fails: make(map[string]int), read: make(map[string]int64)}
	b.workbench = onBench(t, HandlerFunc(b.handle), append([]func(*Config){func(c *Config) {
		c.HoldKey, c.Delivery = true, ExactlyOnceRouting
		c.Retry.Tiers = []time.Duration{time.Minute}
	}}, change...)...)
	b.source, b.tier, b.park = b.lane(0, 0), b.lane(0, time.Minute), b.lane(0, retrytopics.Park)
	return b
}

func (b *heldBench) handle(_ context.Context, r *Record) error {
	what := handled(r)
	time.Sleep(b.takes[what])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, what)
	if b.fails[what] > 0 {
		b.fails[what]--
		if b.dies {
			return classify.Mark(errors.New("as the test says"), classify.Permanent)
		}
		return errors.New("as the test says")
	}
	return nil
}

// open says that the topics were read, and what is in them.
func (b *heldBench) open(sourceEnd int64, found ...func(*keyOrder)) {
	st := b.source.strand
	st.mu.Lock()
	for _, f := range found {
		f(st.holding.order)
	}
	st.holding.sourceEnd = sourceEnd
	st.holding.opened()
	st.mu.Unlock()
	st.wake()
}

func inTopic(key string, origin int64, where whereabouts) func(*keyOrder) {
	return func(o *keyOrder) { o.put(keyHash([]byte(key)), origin, where) }
}

// transaction commits what waits for one and has room in its commit.
func (b *heldBench) transaction() []*route {
	t := b.p.transactor
	t.mu.Lock()
	batch := t.queue
	t.queue = nil
	t.mu.Unlock()
	batch = t.fitting(batch)
	ms, _ := t.leave(batch)
	b.p.committer.acknowledged(ms, batch...)
	return batch
}

// commit commits what waits for a transaction, and returns what was written, as TOPIC key@origin.
func (b *heldBench) commit() (written []string) {
	batch := b.transaction()
	for _, r := range batch {
		b.p.toldWritten(r)
		b.p.outlets.pass(r, b.p.write)
		written = append(written, copied(r))
	}
	for _, r := range batch {
		if l := b.p.intake.lane(r.record.Topic, 0); l != nil {
			c := *r.record
			c.Offset = max(b.read[c.Topic], l.next)
			b.read[c.Topic] = c.Offset + 1
			b.p.received(l, []*kgo.Record{&c}, time.Now())
		}
	}
	synctest.Wait()
	return written
}

// copied is a copy as the tests write it, TOPIC key@origin.
func copied(r *route) string {
	return fmt.Sprintf("%s %s@%d", r.record.Topic[strings.LastIndexByte(r.record.Topic, '.')+1:], r.record.Key, r.entry.origin())
}

// copyFrom makes a copy of the record of a key at an offset of the source, as it stands in a lane's topic.
func (b *heldBench) copyFrom(l *lane, offset int64, key string, origin int64, due time.Time) *kgo.Record {
	s := retrytopics.State{ID: fmt.Sprintf("t/0/%d", origin), Topic: testTopic, Offset: origin, Group: testGroup, Due: due, Timestamp: time.Now(), Class: classify.Transient}
	return &kgo.Record{Topic: l.topic, Offset: offset, Key: []byte(key), Value: []byte("v"), Timestamp: time.Now(), Headers: s.AppendHeaders(nil, nil, DefaultHeaderLimit)}
}

func (b *heldBench) called() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

func (b *heldBench) want(what string, got []string, want ...string) {
	b.t.Helper()
	if !slices.Equal(got, want) {
		b.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// TestRecordsBehindARetryAreParkedInOrder lets the second record of a key fail among quick ones: what is behind it in the same
// chunk goes to the park topic, in its order and untried, and runs when the second is done.
func TestRecordsBehindARetryAreParkedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.fails["a@1"] = 1
		b.open(0)
		b.feed(b.source, "a", "a", "b", "a", "b", "a")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "a@1", "b@2", "b@4")
		b.want("written", b.commit(), "retry-60s a@1", "retry-park a@3", "retry-park a@5")
		b.want("called while it waits", b.called()[4:])
		b.feed(b.source, "a", "b")
		synctest.Wait()
		b.want("called of what came later", b.called()[4:], "b@7")
		b.want("written of what came later", b.commit(), "retry-park a@6")
		pass(time.Minute)
		b.want("called in the end", b.called()[5:], "a@1", "a@3", "a@5", "a@6")
		equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
		equal(t, "watermark", b.watermark(b.source), 8)
	})
}

// TestAParkedRecordThatFailsKeepsTheOthersParked lets the first of two parked records fail: it goes to its tier, and the other
// stays where it is.
func TestAParkedRecordThatFailsKeepsTheOthersParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.fails["a@0"], b.fails["a@1"] = 1, 1
		b.open(0)
		b.feed(b.source, "a", "a", "a")
		synctest.Wait()
		b.commit()
		pass(time.Minute)
		b.want("called", b.called(), "a@0", "a@0", "a@1")
		b.want("written", b.commit(), "retry-60s a@1")
		pass(59 * time.Second)
		b.want("called while it waits", b.called()[3:])
		pass(time.Second)
		b.want("called then", b.called()[3:], "a@1", "a@2")
	})
}

// TestRecordsBehindADeadLetterWaitUntilItIsWritten lets the first record of a key die among quick ones: what is behind it runs
// when the dead letter is written and the offset with it, or a crash would let the dead one be called again after the others.
func TestRecordsBehindADeadLetterWaitUntilItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.fails["a@1"], b.dies = 1, true
		b.open(0)
		b.feed(b.source, "b", "a", "b", "a")
		pass(time.Minute)
		b.want("called", b.called(), "b@0", "a@1", "b@2")
		b.want("written", b.commit(), "dlq a@1")
		b.want("called then", b.called()[3:], "a@3")
	})
}

// TestNothingIsStartedBeforeTheTopicsWereRead keeps a strand closed until it is known what an earlier owner has put off.
func TestNothingIsStartedBeforeTheTopicsWereRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.feed(b.source, "a", "b")
		pass(time.Minute)
		b.want("called before", b.called())
		b.open(2, inTopic("a", 0, inTier))
		synctest.Wait()
		b.want("called", b.called(), "a@0", "b@1") // a@0 is the one that was put off: it is its turn
	})
}

// TestACopyWaitsForItsSourceToBeTakenUp has a copy whose predecessor stands in the source still, as after a crash of the
// member that put it off: it runs in its turn. One whose origin is beyond the end of the source waits for nothing.
func TestACopyWaitsForItsSourceToBeTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.open(3)
		b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, 0, "a", 2, time.Time{}), b.copyFrom(b.park, 1, "z", 90, time.Time{})}, time.Now())
		pass(time.Minute)
		b.want("called before", b.called(), "z@90")
		b.feed(b.source, "x", "a")
		pass(time.Minute)
		b.want("called with its predecessor", b.called()[1:], "x@0", "a@1")
		b.feed(b.source, "y")
		synctest.Wait()
		b.want("called", b.called()[3:], "y@2", "a@2")
	})
}

// TestNothingBeginsInAStrandThatLosesItsSource takes the source partition away while a copy waits for it to be taken up: before it is known
// again what was put off, the copy is not handled.
func TestNothingBeginsInAStrandThatLosesItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.p.scans.end() // there is nothing to read
		b.open(10)
		b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 0, "a", 5, time.Now())}, time.Now())
		synctest.Wait()
		b.want("called while the source is not taken up", b.called())
		started := 0
		b.p.slots.start = func(*strand, kind) { started++ }
		b.p.closeLanes([]*lane{b.source})
		synctest.Wait()
		equal(t, "workers started without the source", started, 0)
	})
}

// TestWhatWasReadBeforeAStrandForgotIsNotEnough ends a scan of a tier that began before the strand forgot what it knew.
func TestWhatWasReadBeforeAStrandForgotIsNotEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		st := b.source.strand
		began := &heldLane{lane: b.tier, round: st.holding.round}
		st.mu.Lock()
		st.reset()
		st.mu.Unlock()
		b.p.scans.finish(began)
		equal(t, "read", b.tier.scanned, false)
		b.p.scans.finish(&heldLane{lane: b.tier, round: st.holding.round})
		equal(t, "read anew", b.tier.scanned, true)
	})
}

// TestAStrandIsReadAnewWhenItsSourceComes has a member read the retry topics of a partition that another member works still: what that one
// puts off meanwhile is found when the partition itself comes, also by a scan that had begun before.
func TestAStrandIsReadAnewWhenItsSourceComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.p.scans.end() // the test reads
		st := b.source.strand
		before := st.holding.round
		b.p.scans.finish(&heldLane{lane: b.tier, round: before})
		b.p.scan(map[string]map[int32]kgo.Offset{testTopic: {0: kgo.NewOffset().At(1)}})
		b.p.scans.finish(&heldLane{lane: b.source, end: 2, round: st.holding.round})
		b.p.scans.finish(&heldLane{lane: b.park, round: before})
		b.p.received(b.source, []*kgo.Record{{Topic: testTopic, Offset: 1, Key: []byte("a"), Timestamp: time.Now()}}, time.Now())
		synctest.Wait()
		b.want("called before the topics are read anew", b.called())
		b.p.scans.finish(&heldLane{lane: b.tier, round: st.holding.round, found: []heldRecord{{keyHash([]byte("a")), 0, 5}}})
		b.p.scans.finish(&heldLane{lane: b.park, round: st.holding.round})
		synctest.Wait()
		b.want("written behind what was put off", b.commit(), "retry-park a@1")
		b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 5, "a", 0, time.Now())}, time.Now())
		synctest.Wait()
		b.want("called", b.called(), "a@0", "a@1")
	})
}

// TestAStrandThatBeginsAnewAsksForTheEndOfItsSource has a strand forget what it knew before the end of its source was known, as where a tier of
// partitions that were just assigned is read on from what is left of it: a copy waits for the source to be taken up all the same.
func TestAStrandThatBeginsAnewAsksForTheEndOfItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		st := b.source.strand
		st.mu.Lock()
		st.reset()
		round := st.holding.round
		st.mu.Unlock()
		b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, 0, "a", 1, time.Time{})}, time.Now())
		b.p.scans.finish(&heldLane{lane: b.tier, round: round})
		b.p.scans.finish(&heldLane{lane: b.park, round: round})
		synctest.Wait()
		b.want("called before the end of the source is known", b.called())
		b.p.scans.finish(&heldLane{lane: b.source, end: 2, round: round})
		synctest.Wait()
		b.want("called before the source is taken up", b.called())
		b.feed(b.source, "a", "x")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "x@1", "a@1")
	})
}

// TestAParkLaneThatWasCrowdedReadsOn pauses a park lane for the window. When one of the two records that it holds is done the other still
// waits, for one that stands behind it in the topic: the lane is read on, though the window has no more room than before.
func TestAParkLaneThatWasCrowdedReadsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 12 })
		for partition := range int32(4) {
			b.lane(partition+1, 0)
		}
		b.takes = map[string]time.Duration{"z@6": time.Second}
		b.open(0, inTopic("a", 1, inPark), inTopic("a", 5, inPark), inTopic("z", 6, inPark))
		b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, 0, "a", 5, time.Time{}), b.copyFrom(b.park, 1, "z", 6, time.Time{})}, time.Now())
		b.p.intake.retries.mark()
		pass(100 * time.Millisecond)
		b.p.intake.took(10, 0) // others have it all
		b.p.intake.retries.pauseCrowded()
		equal(t, "fetched while it is crowded", b.fetched(b.park), false)
		pass(time.Minute)
		b.want("called", b.called(), "z@6")
		equal(t, "fetched then", b.fetched(b.park), true)
	})
}

// openCrowded opens a strand of which one record of key a waits in the tier for ten minutes, and returns the park topic, in which many less one of
// it wait for that, and behind them one of key b.
func (b *heldBench) openCrowded(many int64) (log []*kgo.Record) {
	found := []func(*keyOrder){inTopic("a", 0, inTier), inTopic("b", many, inPark)}
	for i := range many - 1 {
		log = append(log, b.copyFrom(b.park, i, "a", i+1, time.Time{}))
		found = append(found, inTopic("a", i+1, inPark))
	}
	log = append(log, b.copyFrom(b.park, many-1, "b", many, time.Time{}))
	b.open(0, found...)
	b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 0, "a", 0, time.Now().Add(10*time.Minute))}, time.Now())
	return log
}

// backlog is what waits in the topics of a tier, as a metric tells it.
func (b *heldBench) backlog(tier time.Duration) (records int64) {
	for _, topic := range b.p.Stats().Topics {
		if topic.Tier == tier {
			records += topic.Backlog
		}
	}
	return records
}

// TestAFullParkLaneMakesRoom has more records of one key in the park partition than its lane may hold, and behind them one of
// another key whose turn it is: they are moved to the end, in their order, until it is read.
func TestAFullParkLaneMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 80 })
		const many = 100
		log := b.openCrowded(many)
		moved := 0
		fetch := func() {
			for _, w := range b.fetchAll(b.park, &log) {
				moved++
				if !strings.HasPrefix(w, "retry-park a@") {
					t.Fatalf("written: %s", w)
				}
			}
		}
		fetch()
		b.want("called", b.called(), "b@100")
		equal(t, "backlog of the park topic", b.backlog(retrytopics.Park) > 0, true)
		if moved == 0 || moved > 2*many {
			t.Errorf("%d records were moved, want some of %d", moved, many)
		}
		pass(10 * time.Minute)
		fetch()
		want := make([]string, many)
		for i := range want {
			want[i] = fmt.Sprintf("a@%d", i)
		}
		b.want("called when the key is open", b.called()[1:], want...)
	})
}

// TestASuccessInAFullParkLaneMakesRoom has the next record of a key that is open behind many of one that is held: it is read
// after the one before it is done, though nothing else happens then.
func TestASuccessInAFullParkLaneMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 80 })
		log := []*kgo.Record{b.copyFrom(b.park, 0, "b", 0, time.Time{})}
		found := []func(*keyOrder){inTopic("a", 1, inTier), inTopic("b", 0, inPark), inTopic("b", 102, inPark)}
		for i := range int64(100) {
			log = append(log, b.copyFrom(b.park, i+1, "a", i+2, time.Time{}))
			found = append(found, inTopic("a", i+2, inPark))
		}
		log = append(log, b.copyFrom(b.park, 101, "b", 102, time.Time{}))
		b.takes = map[string]time.Duration{"b@0": time.Second} // meanwhile the others are looked at
		b.open(0, found...)
		b.fetchAll(b.park, &log)
		pass(time.Second)
		b.fetchAll(b.park, &log)
		b.want("called", b.called(), "b@0", "b@102")
	})
}

// TestARecordThatWasBeingParkedHasRoomMadeForIt has a strand forget what it knew while a copy is on its way to the park topic: it is written behind
// many of one key that is held there, and read when its turn comes.
func TestARecordThatWasBeingParkedHasRoomMadeForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 80 })
		var log []*kgo.Record
		found := []func(*keyOrder){inTopic("a", 10, inTier), inTopic("b", 0, inTier)}
		for i := range int64(100) {
			log = append(log, b.copyFrom(b.park, i, "a", 11+i, time.Time{}))
			found = append(found, inTopic("a", 11+i, inPark))
		}
		b.open(0, found...)
		b.feed(b.source, "x", "b")
		synctest.Wait()
		st := b.source.strand
		st.mu.Lock()
		st.reset()
		st.mu.Unlock()
		b.open(0, found...)
		b.want("written", b.fetchAll(b.park, &log), "retry-park b@1")
		b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 0, "b", 0, time.Now())}, time.Now())
		synctest.Wait()
		b.fetchAll(b.park, &log)
		b.want("called", b.called(), "x@0", "b@0", "b@1")
	})
}

// fetchAll fetches a lane's topic, a log of the test's, as the poll loop does, until nothing changes any more. What is written
// to the topic meanwhile, which it returns, is fetched in its turn.
func (b *heldBench) fetchAll(l *lane, log *[]*kgo.Record) (written []string) {
	for range 1000 {
		written = append(written, b.commitTo(l, log)...)
		l.strand.mu.Lock()
		next := l.next
		l.strand.mu.Unlock()
		if next >= int64(len(*log)) || !b.fetched(l) {
			continue
		}
		batch := slices.Clone((*log)[next:min(next+10, int64(len(*log)))])
		b.p.intake.retries.deliver(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: l.topic, Partitions: []kgo.FetchPartition{{Records: batch, LastStableOffset: int64(len(*log))}}}}}})
		synctest.Wait()
	}
	return written
}

// commitTo is commit for a lane whose topic is a log of the test's.
func (b *heldBench) commitTo(l *lane, log *[]*kgo.Record) (written []string) {
	for _, r := range b.transaction() {
		b.p.toldWritten(r)
		b.p.outlets.pass(r, b.p.write)
		written = append(written, copied(r))
		if c := *r.record; c.Topic == l.topic {
			c.Offset = int64(len(*log))
			*log = append(*log, &c)
		}
	}
	synctest.Wait()
	return written
}

// TestSourceIsPausedWhileTooManyRecordsArePutOff fills the memory for the order of keys: the source partition is not fetched, and
// is when a quarter of it is free again.
func TestSourceIsPausedWhileTooManyRecordsArePutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 10 })
		limit := int64(b.p.heldLimit())
		equal(t, "the limit", limit, 160)
		b.open(0)
		st := b.source.strand
		put := func(from, to int64, put bool) {
			st.mu.Lock()
			for i := from; i < to; i++ {
				if put {
					st.holding.order.put(1, i, inTier)
				} else {
					st.holding.order.remove(1, i)
				}
			}
			st.mu.Unlock()
			b.p.intake.reviewAll()
		}
		put(0, limit-1, true)
		equal(t, "fetched below the limit", b.fetched(b.source), true)
		put(limit-1, limit, true)
		equal(t, "fetched at the limit", b.fetched(b.source), false)
		equal(t, "partitions paused for it", b.p.Stats().Paused[PauseHoldKeyFull], 1)
		equal(t, "fetched of the tier", b.fetched(b.tier), true)
		put(0, limit/4-1, false)
		equal(t, "fetched above three quarters", b.fetched(b.source), false)
		put(limit/4-1, limit/4, false)
		equal(t, "fetched at three quarters", b.fetched(b.source), true)
	})
}

// TestSourceIsFetchedAsFarAsWhatWasPutOffWaitsForIt finds the memory for the order of keys full at the assignment, and the source
// partition committed below all of it, as behind a record that hangs: the copies wait for that to be taken up, so that it is fetched
// that far all the same.
func TestSourceIsFetchedAsFarAsWhatWasPutOffWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 10 })
		limit := int64(b.p.heldLimit())
		var found []func(*keyOrder)
		for i := range limit {
			found = append(found, inTopic("a", i+1, inTier))
		}
		found = append(found, inTopic("b", limit+1000, inTier)) // of a source that is gone
		b.open(limit+10, found...)
		b.p.intake.reviewAll()
		b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 0, "a", 1, time.Now())}, time.Now())
		synctest.Wait()
		b.want("called before the source was taken up", b.called())
		equal(t, "fetched of the source", b.fetched(b.source), true)
		b.feed(b.source, "x", "x")
		b.p.intake.reviewAll()
		synctest.Wait()
		b.want("called", b.called(), "x@0", "x@1", "a@1")
		equal(t, "fetched while some wait", b.fetched(b.source), true)
		for range limit - 1 {
			b.feed(b.source, "x")
		}
		b.p.intake.reviewAll()
		synctest.Wait()
		equal(t, "fetched beyond", b.fetched(b.source), false)
	})
}

// TestSourceIsFetchedAsFarAsReplaysWaitForIt lets more records be replayed, while their source is read once more from an earlier offset, than there is memory for
// in the order of keys: they wait for it to be taken up.
func TestSourceIsFetchedAsFarAsReplaysWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 10 })
		limit := int64(b.p.heldLimit())
		b.open(limit + 10)
		for i := range limit {
			b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, i, fmt.Sprint("k", i), i+1, time.Now())}, time.Now())
		}
		b.p.intake.reviewAll()
		b.want("called before the source was taken up", b.called())
		equal(t, "fetched of the source", b.fetched(b.source), true)
		for range limit + 1 {
			b.feed(b.source, "x")
		}
		synctest.Wait()
		equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
	})
}

// TestRecordsBehindOneThatIsHeldWait lets the first record of a chunk be kept unsettled, as its treatment says.
func TestRecordsBehindOneThatIsHeldWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Classes = classify.Treatments{classify.Permanent: {Handling: classify.Hold}} })
		b.dies = true
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a", "a", "b")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "b@2")
		b.want("written", b.commit(), "retry-park a@1")
		equal(t, "records that were released", b.p.ReleaseAll(), 1)
		synctest.Wait()
		b.want("called in the end", b.called()[2:], "a@0", "a@1")
	})
}

// TestRecordsBehindOneThatIsOverItsLimitWait lets a record of a chunk be put off over the tiers by a limit that the next one of its key is
// not under.
func TestRecordsBehindOneThatIsOverItsLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) {
			c.Limits = []Limit{{Name: "per-user", Per: PerHeader, Header: "user", Rate: limit.Rate{Calls: 1, Per: time.Hour}}}
		})
		b.open(0)
		records := make([]*kgo.Record, 3)
		for i, user := range []string{"one", "one", "two"} {
			records[i] = &kgo.Record{Topic: testTopic, Offset: int64(i), Key: []byte{"xaa"[i]}, Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "user", Value: []byte(user)}}}
		}
		b.p.received(b.source, records, time.Now())
		synctest.Wait()
		b.want("called", b.called(), "x@0")
		b.want("written", b.commit(), "retry-60s a@1", "retry-park a@2")
	})
}
