package consumer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/logbook"
	"github.com/redeliver/redeliver/retrytopics"
)

// onDeadBench is a heldBench whose keys are closed by their dead letters, and where what fails dies at once.
func onDeadBench(t testing.TB, change ...func(*Config)) *heldBench {
	b := onHeldBench(t, append([]func(*Config){func(c *Config) { c.OnDeadLetter = HoldOnDeadLetter }}, change...)...)
	b.dies = true
	return b
}

// mark says that an entry was replayed to the tier, or discarded: "a@1" as it died after so many replays.
func (b *heldBench) mark(status dlq.Status, origin int64, replays int) {
	b.t.Helper()
	st := b.source.strand
	st.mu.Lock()
	died := nameAt(origin, replays)
	changed := st.dealtWith(dlq.Marked{Identity: died.id, Born: died.born, At: time.Now().UnixMilli(), Status: status, To: b.tier.topic})
	st.mu.Unlock()
	if changed {
		st.wake()
	}
	synctest.Wait()
}

// bubbleBegan is when the clock of a bubble begins, which is what it says for as long as nothing waits for it: records are born then.
var bubbleBegan = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func nameAt(origin int64, replays int) deadName {
	return nameOf(&retrytopics.State{ID: fmt.Sprintf("%s/0/%d", testTopic, origin), Group: testGroup, Timestamp: bubbleBegan, Replays: replays})
}

// replayedCopy is the copy in the tier of a record that was replayed so often.
func (b *heldBench) replayedCopy(offset int64, key string, origin int64, replays int) *kgo.Record {
	s := retrytopics.State{ID: fmt.Sprintf("%s/0/%d", testTopic, origin), Topic: testTopic, Offset: origin, Group: testGroup, Timestamp: bubbleBegan, Due: time.Now(), Replays: replays}
	r := &kgo.Record{Topic: b.tier.topic, Offset: offset, Value: []byte("v"), Timestamp: time.Now(), Headers: s.AppendHeaders(nil, nil, DefaultHeaderLimit)}
	if key != "" {
		r.Key = []byte(key)
	}
	return r
}

// replay lets a copy of it come, as the next one of the tier.
func (b *heldBench) replay(key string, origin int64, replays int) {
	b.tier.strand.mu.Lock()
	offset := b.tier.next
	b.tier.strand.mu.Unlock()
	b.p.received(b.tier, []*kgo.Record{b.replayedCopy(offset, key, origin, replays)}, time.Now())
	synctest.Wait()
}

func (b *heldBench) closed(key string) bool {
	st := b.source.strand
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.holding.dead.closes(keyHash([]byte(key)), 1<<60)
}

// TestRecordsFollowADeadLetterOfTheirKey lets the second record of a key die: those behind it in the same chunk and those that come
// later follow it, in their order and untried; another key does not notice.
func TestRecordsFollowADeadLetterOfTheirKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@1"] = 1
		b.open(0)
		b.feed(b.source, "a", "a", "b", "a", "b", "a")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "a@1", "b@2", "b@4")
		b.want("written", b.commit(), "dlq a@1")
		b.want("written when that is a dead letter", b.commit(), "dlq a@3", "dlq a@5")
		b.feed(b.source, "b", "a", "b")
		synctest.Wait()
		b.want("called of what came later", b.called()[4:], "b@6", "b@8")
		b.want("written of what came later", b.commit(), "dlq a@7")
		equal(t, "watermark", b.watermark(b.source), 9)
		equal(t, "dead letters that are remembered", b.source.strand.holding.dead.size(), 4)
		counts := make(map[retrytopics.Reason]uint64)
		for _, d := range b.p.Stats().DeadLetters {
			counts[d.Reason] += d.Count
		}
		equal(t, "dead letters with the reason behind", counts[retrytopics.ReasonBehind], 3)
	})
}

// TestNothingOfAKeyStartsBeforeItsFailureIsADeadLetter lets a chunk be cut after a call of its failed and before the key is closed.
func TestNothingOfAKeyStartsBeforeItsFailureIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t, func(c *Config) { c.Hooks = []Hook{slowHook} })
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a", "a", "b")
		pass(time.Minute)
		b.want("called", b.called(), "a@0", "b@2")
		b.want("written", b.commit(), "dlq a@0")
		b.want("written when that is a dead letter", b.commit(), "dlq a@1")
	})
}

// TestParkedRecordsFollowADeadLetter lets a record die in its tier while two of its key are parked, and one that was never read
// from there.
func TestParkedRecordsFollowADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.dies = false
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a", "a", "a")
		synctest.Wait()
		b.want("written", b.commit(), "retry-60s a@0", "retry-park a@1", "retry-park a@2")
		b.mu.Lock()
		b.dies, b.fails["a@0"] = true, 1
		b.mu.Unlock()
		pass(time.Minute)
		b.feed(b.source, "a", "b")
		synctest.Wait()
		b.want("written then", b.commit(), "dlq a@0", "retry-park a@3")
		b.want("written when that is a dead letter", b.commit(), "dlq a@1", "dlq a@2", "dlq a@3")
		b.want("called", b.called(), "a@0", "a@0", "b@4")
	})
}

// TestFreshRecordsDoNotOvertakeParkedOnesIntoTheDeadLetters has a record dead whose follower stands in the park topic unread: a
// fresh one waits behind that.
func TestFreshRecordsDoNotOvertakeParkedOnesIntoTheDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.open(0, inTopic("a", 1, inPark))
		b.die("a", 0, 0)
		b.feed(b.source, "x", "x", "a")
		synctest.Wait()
		b.want("written", b.commit(), "retry-park a@2")
		b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, b.parkNext(), "a", 1, time.Time{})}, time.Now())
		synctest.Wait()
		b.want("written then", b.commit(), "dlq a@1", "dlq a@2")
	})
}

// die says that a dead letter was found.
func (b *heldBench) die(key string, origin int64, replays int) {
	st := b.source.strand
	st.mu.Lock()
	st.holding.dead.put(keyHash([]byte(key)), deadLetter{origin: origin, died: 1, deadName: nameAt(origin, replays)})
	st.mu.Unlock()
}

func (b *heldBench) parkNext() int64 {
	b.park.strand.mu.Lock()
	defer b.park.strand.mu.Unlock()
	return b.park.next
}

// TestKeyOpensWhenItsDeadLettersAreDealtWith discards the first of two dead letters of a key and replays the second: fresh records
// run again after both, and after the copy of the second, whether the mark or the copy is seen first.
func TestKeyOpensWhenItsDeadLettersAreDealtWith(t *testing.T) {
	for _, markFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("mark first %v", markFirst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := onDeadBench(t)
				b.fails["a@0"] = 1
				b.open(0)
				b.feed(b.source, "a", "a")
				synctest.Wait()
				b.commit()
				b.commit()
				b.mark(dlq.StatusDiscarded, 0, 0)
				b.feed(b.source, "a")
				synctest.Wait()
				b.want("written behind the second", b.commit(), "dlq a@2")
				b.mark(dlq.StatusDiscarded, 2, 0)
				if markFirst {
					b.mark(dlq.StatusReplayed, 1, 0)
					b.feed(b.source, "a")
					synctest.Wait()
					b.want("called before the copy came", b.called()[1:])
					b.want("written before the copy came", b.commit(), "retry-park a@3")
					b.replay("a", 1, 1)
				} else {
					b.replay("a", 1, 1)
					b.mark(dlq.StatusReplayed, 1, 0)
					b.feed(b.source, "a")
				}
				synctest.Wait()
				b.want("called", b.called()[1:], "a@1", "a@3")
				equal(t, "closed", b.closed("a"), false)
				equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
			})
		})
	}
}

// TestAMarkOpensTheKeyOfItsOwnLetter has two dead letters open with one id, of the source's first record and of that of the topic that was there before it:
// a mark on the one leaves the key of the other closed, and its copy is awaited for that one alone.
func TestAMarkOpensTheKeyOfItsOwnLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(0)
		st := b.source.strand
		before := nameAt(0, 0)
		before.born -= time.Hour.Milliseconds()
		st.mu.Lock()
		st.holding.dead.put(keyHash([]byte("z")), deadLetter{died: 1, deadName: before})
		st.mu.Unlock()
		b.feed(b.source, "a")
		synctest.Wait()
		b.want("written", b.commit(), "dlq a@0")
		b.commit()
		mark := func(m dlq.Marked) {
			st.mu.Lock()
			st.dealtWith(m)
			st.mu.Unlock()
		}
		mark(dlq.Marked{Identity: before.id, Born: before.born - 1, At: 1, Status: dlq.StatusDiscarded})
		equal(t, "closed after a mark on a third", [2]bool{b.closed("a"), b.closed("z")}, [2]bool{true, true})
		mark(dlq.Marked{Identity: before.id, At: before.born, Status: dlq.StatusDiscarded}) // it does not say which, and is older than the other
		equal(t, "closed after the mark on that of before", [2]bool{b.closed("a"), b.closed("z")}, [2]bool{true, false})
		b.replay("a", 0, 1)
		equal(t, "closed after the copy", b.closed("a"), false)
		equal(t, "dead letters", st.holding.dead.size(), 0)
	})
}

// TestAMarkOpensAKeyWhateverItsClockSays has a dead letter marked by somebody who had seen it, and whose clock is an hour behind.
func TestAMarkOpensAKeyWhateverItsClockSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a")
		synctest.Wait()
		died := nameAt(0, 0)
		st := b.source.strand
		mark := func() {
			st.mu.Lock()
			st.dealtWith(dlq.Marked{Identity: died.id, Born: died.born, Status: dlq.StatusDiscarded, At: time.Now().Add(-time.Hour).UnixMilli(), Seen: 1})
			st.mu.Unlock()
		}
		mark() // on what it had been before
		equal(t, "closed while its letter is on its way", b.closed("a"), true)
		b.want("written", b.commit(), "dlq a@0")
		b.commit()
		mark()
		equal(t, "closed after the mark", b.closed("a"), false)
	})
}

// TestWhatWasReplayedLongAgoIsNotAwaited has marks read again, as where one was taken back, while the letter of a record that failed anew is on its way. A release
// that did not say what it had seen had replayed its entry: that holds for the letter, and the copy of then is not on its way any more.
func TestWhatWasReplayedLongAgoIsNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a")
		synctest.Wait()
		pass(time.Hour) // it takes long to write
		st, died := b.source.strand, nameAt(0, 0)
		st.mu.Lock()
		st.forgetDead()
		st.dealtWith(dlq.Marked{Identity: died.id, Born: died.born, At: bubbleBegan.Add(-time.Hour).UnixMilli(), Status: dlq.StatusReplayed, To: b.tier.topic})
		again := newDeadOrder(0)
		st.mu.Unlock()
		b.want("written", b.commit(), "dlq a@0")
		st.mu.Lock()
		st.found(again, st.holding.round)
		for _, l := range st.lanes {
			l.scanned = true
		}
		st.mu.Unlock()
		st.wake()
		equal(t, "closed", b.closed("a"), false)
		equal(t, "records that are put off", st.holding.order.size, 0)
		b.feed(b.source, "a")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "a@1")
	})
}

// TestAMarkSettlesALetterThatHasNotFailed has somebody discard what follows a dead letter, before its member hears that it is written, and by the time that brokers gave
// it, whose clock is behind: a mark of before does not open its key, and that one does.
func TestAMarkSettlesALetterThatHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a", "a")
		synctest.Wait()
		b.want("written", b.commit(), "dlq a@0")
		b.mark(dlq.StatusDiscarded, 0, 0)
		follows := nameAt(1, 0)
		mark := func(until time.Time) {
			b.source.strand.mu.Lock()
			defer b.source.strand.mu.Unlock()
			b.source.strand.dealtWith(dlq.Marked{Identity: follows.id, Born: follows.born, Status: dlq.StatusDiscarded, At: time.Now().UnixMilli(), Seen: 2, Until: until.UnixMilli()})
		}
		mark(time.Now().Add(-time.Minute - time.Second))
		equal(t, "closed after a mark of before", b.closed("a"), true)
		mark(time.Now().Add(-30 * time.Second))
		equal(t, "closed after its own", b.closed("a"), false)
	})
}

// TestAReplayWithAnotherKeyOpensTheOldOne replays a dead letter with another key, and without one: what comes for the old key does not
// wait for it, whether the mark or the copy is seen first.
func TestAReplayWithAnotherKeyOpensTheOldOne(t *testing.T) {
	for _, key := range []string{"b", ""} {
		for _, markFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("key %q, mark first %v", key, markFirst), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := onDeadBench(t)
					b.fails["a@0"] = 1
					b.open(0)
					b.feed(b.source, "a")
					synctest.Wait()
					b.want("written", b.commit(), "dlq a@0")
					if markFirst {
						b.mark(dlq.StatusReplayed, 0, 0)
					}
					b.replay(key, 0, 1)
					b.mark(dlq.StatusReplayed, 0, 0)
					b.feed(b.source, "a")
					synctest.Wait()
					b.want("written of what comes later", b.commit())
					b.want("called", b.called(), "a@0", key+"@0", "a@1")
					equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
				})
			})
		}
	}
}

// TestReplayedHeadRunsWhileThoseBehindItStayDead replays the first of three dead letters only: it runs, and what is fresh goes behind
// the others, for the key is closed still. When it dies again the others are replayed in vain: they follow it once more.
func TestReplayedHeadRunsWhileThoseBehindItStayDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 2
		b.open(0)
		b.feed(b.source, "a", "a", "a")
		synctest.Wait()
		b.want("written", append(b.commit(), b.commit()...), "dlq a@0", "dlq a@1", "dlq a@2")
		b.replay("a", 0, 1)
		b.mark(dlq.StatusReplayed, 0, 0)
		b.feed(b.source, "a")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "a@0")
		b.want("written then", b.commit(), "dlq a@0", "retry-park a@3")
		b.want("written when that is a dead letter", b.commit(), "dlq a@3")
		b.replay("a", 1, 1)
		b.mark(dlq.StatusReplayed, 1, 0)
		b.want("written of the second", b.commit(), "dlq a@1")
		b.replay("a", 0, 2)
		b.replay("a", 1, 2)
		b.replay("a", 2, 1)
		b.replay("a", 3, 1)
		synctest.Wait()
		b.want("called in the end", b.called()[2:], "a@0", "a@1", "a@2", "a@3")
		b.want("written in the end", b.commit())
		equal(t, "closed", b.closed("a"), false)
	})
}

// TestAMarkBeforeTheLetterIsKnownToBeWritten discards a dead letter whose transaction was committed, before its member hears of it.
func TestAMarkBeforeTheLetterIsKnownToBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a")
		synctest.Wait()
		equal(t, "closed", b.closed("a"), true)
		b.mark(dlq.StatusDiscarded, 0, 0)
		b.want("written", b.commit(), "dlq a@0")
		equal(t, "closed in the end", b.closed("a"), false)
		b.feed(b.source, "a")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "a@1")
	})
}

// readOf is what was read of dead letters of the key a with these origins.
func readOf(origins ...int64) *deadOrder {
	o := newDeadOrder(0)
	for _, origin := range origins {
		o.put(keyHash([]byte("a")), deadLetter{origin: origin, died: 1, deadName: nameAt(origin, 0)})
	}
	return o
}

// TestWhatWasReadOfDeadLettersDoesNotUndoWhatHappenedMeanwhile has a dead letter found open that was replayed since: its copy is in
// the lane already. What was read for an earlier assignment is left alone.
func TestWhatWasReadOfDeadLettersDoesNotUndoWhatHappenedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		st := b.source.strand
		b.replay("a", 0, 1)
		st.mu.Lock()
		round := st.holding.round
		mine := st.found(readOf(0, 5), round)
		again := st.found(readOf(6), round)
		st.forgetDead()
		late := st.found(readOf(7), round)
		fits := st.found(readOf(0, 5), round+1)
		size := st.holding.dead.size()
		st.mu.Unlock()
		equal(t, "taken up", mine, true)
		equal(t, "taken up twice", again, false)
		equal(t, "taken up late", late, false)
		equal(t, "taken up anew", fits, true)
		equal(t, "dead letters", size, 1)
		b.open(0)
		synctest.Wait()
		b.want("called", b.called(), "a@0")
		b.feed(b.source, "x", "x", "x", "x", "x", "x", "a")
		synctest.Wait()
		b.want("written", b.commit(), "dlq a@6")
	})
}

// TestASkippedDeadLetterOpensItsKey skips a record whose letter cannot be written.
func TestASkippedDeadLetterOpensItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a")
		synctest.Wait()
		b.p.transactor.mu.Lock()
		batch := b.p.transactor.queue
		b.p.transactor.queue = nil
		b.p.transactor.mu.Unlock()
		b.p.written(batch[0], errNotTaken)
		equal(t, "records held", b.p.Stats().HeldRecords, 1)
		if err := b.p.Skip(testTopic, 0, 0, "as the test says"); err != nil {
			t.Fatal(err)
		}
		equal(t, "closed", b.closed("a"), false)
		equal(t, "records held when it is skipped", b.p.Stats().HeldRecords, 0)
		b.feed(b.source, "a")
		synctest.Wait()
		b.want("called", b.called(), "a@0", "a@1")
	})
}

// TestDeadLettersBehindAreNoFailures lets more records follow a dead one than the burst of dead letters that is taken for an outage.
func TestDeadLettersBehindAreNoFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t, func(c *Config) { c.DeadLetters.Burst = 2 })
		b.fails["a@0"], b.fails["c@6"] = 1, 1
		b.open(0)
		b.feed(b.source, "a", "a", "a", "a", "a", "a", "c", "b")
		synctest.Wait()
		equal(t, "written", len(b.commit())+len(b.commit()), 7)
		b.want("called", b.called(), "a@0", "c@6", "b@7")
	})
}

// TestDeadLettersCountInTheMemoryForKeys fills the memory for the order of keys with dead letters: the source partition is not
// fetched, until they are dealt with.
func TestDeadLettersCountInTheMemoryForKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t, func(c *Config) { c.Window.Records = 10 })
		b.open(0)
		limit := int64(b.p.heldLimit())
		for i := range limit {
			b.die("a", i, 0)
		}
		b.p.intake.reviewAll()
		equal(t, "fetched at the limit", b.fetched(b.source), false)
		equal(t, "partitions paused for it", b.p.Stats().Paused[PauseHoldKeyFull], 1)
		for i := range limit / 4 {
			b.mark(dlq.StatusDiscarded, i, 0)
		}
		b.p.intake.reviewAll()
		equal(t, "fetched at three quarters", b.fetched(b.source), true)
	})
}

// TestSourceIsFetchedAsFarAsDeadLettersStandBeforeIt finds so many dead letters that the memory for the order of keys is full, and the
// source partition committed below them: what is replayed of them waits for that to be taken up.
func TestSourceIsFetchedAsFarAsDeadLettersStandBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t, func(c *Config) { c.Window.Records = 10 })
		limit := int64(b.p.heldLimit())
		for i := range limit {
			b.die("a", i+1, 0)
		}
		b.open(limit + 10)
		b.p.intake.reviewAll()
		equal(t, "fetched before them", b.fetched(b.source), true)
		for range limit + 1 {
			b.feed(b.source, "x")
		}
		b.p.intake.reviewAll()
		synctest.Wait()
		equal(t, "fetched behind them", b.fetched(b.source), false)
	})
}

// TestNothingIsStartedWhileMoreKeysAreClosedThanCanBeKnown lets so many keys be closed that there is no memory for another, which dies: its
// partition and the retries stand still, and are paused for it, and it remembers no more than it may.
func TestNothingIsStartedWhileMoreKeysAreClosedThanCanBeKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t, func(c *Config) { c.Window.Records = 10 })
		b.fails["last@0"] = 1
		b.open(0)
		limit := b.p.heldLimit()
		for i := range limit {
			b.die(fmt.Sprint("key-", i), 1000+int64(i), 0)
		}
		b.feed(b.source, "last", "x", "last")
		synctest.Wait()
		b.want("called", b.called(), "last@0")
		b.p.intake.reviewAll()
		equal(t, "partitions paused for it", b.p.Stats().Paused[PauseHoldKeyFull], len(b.source.strand.lanes))
		equal(t, "dead letters that are remembered", b.source.strand.holding.dead.size(), limit)
		equal(t, "dead letters", b.p.Stats().HeldKeys.Dead, limit+1)
	})
}

// TestNothingFollowsADeadLetterThatIsForgotten has the last one of a key forgotten for want of memory, and all of them discarded: a
// record of the key waits until the dead letters were read once more, and follows none.
func TestNothingFollowsADeadLetterThatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.open(0)
		st := b.source.strand
		st.mu.Lock()
		st.holding.dead.limit = 2
		st.mu.Unlock()
		for origin := range int64(3) {
			b.die("a", origin, 0)
		}
		for _, origin := range []int64{2, 0, 1} { // the one that is forgotten first
			b.mark(dlq.StatusDiscarded, origin, 0)
		}
		b.feed(b.source, "x", "x", "x", "a")
		synctest.Wait()
		b.want("called before they were read", b.called())
		b.want("written before they were read", b.commit())
		st.mu.Lock()
		st.reset()
		st.mu.Unlock()
		b.open(0)
		synctest.Wait()
		b.want("called", b.called(), "x@0", "x@1", "x@2", "a@3")
	})
}

// TestRecordsWithoutAKeyFollowNobody lets a record without a key die.
func TestRecordsWithoutAKeyFollowNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["@0"] = 1
		b.open(0)
		b.feed(b.source, "", "", "a")
		synctest.Wait()
		b.want("called", b.called(), "@0", "@1", "a@2")
		b.want("written", b.commit(), "dlq @0")
	})
}

// TestTiersAreReadAfterTheDeadLetters has a tier read before the dead letters were read anew, as for another lane of the strand: what
// was replayed in between may stand behind where it was read to.
func TestTiersAreReadAfterTheDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		st := b.source.strand
		read := func(round int) bool {
			b.p.scans.finish(&heldLane{lane: b.tier, round: round})
			st.mu.Lock()
			defer st.mu.Unlock()
			return b.tier.scanned
		}
		st.mu.Lock()
		before := st.holding.round
		st.mu.Unlock()
		equal(t, "read for the first time", read(before), true)
		b.lane(0, 2*time.Minute) // as it is assigned
		st.mu.Lock()
		after, scanned := st.holding.round, b.tier.scanned
		st.mu.Unlock()
		equal(t, "read when there is another lane", scanned, false)
		equal(t, "read before the dead letters", read(before), false)
		equal(t, "read after them", read(after), true)
	})
}

// TestNothingFollowsALetterThatIsNotWritten has the dead letters away when a record of a key dies, fresh or retried. What is behind it stays where it is, or
// is parked, and so it does for whoever has the partition next, for whom the record is not dead: it is called again, and may succeed.
func TestNothingFollowsALetterThatIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logbook.Book
		b := onDeadBench(t, loggingTo(&book))
		b.p.phase.Store(uint32(Running))
		b.fails["a@0"] = 1
		b.open(0)
		b.feed(b.source, "a", "a", "b")
		synctest.Wait()
		b.refuse(1)
		b.feed(b.source, "a")
		synctest.Wait()
		letters := b.p.dlqTopic(testTopic)
		equal(t, "lines that tell of it", book.Count("level=ERROR", "copy cannot be written", "to="+letters, errNotTaken.Error()), 1)
		s := b.p.Stats()
		equal(t, "records held", s.HeldRecords, 1)
		equal(t, "ready", s.Ready, false)
		equal(t, "why not", s.NotReady, "copies cannot be written to "+letters+": "+errNotTaken.Error())
		b.want("written while the dead letter is not", b.commit())
		pass(time.Second)
		b.want("written when it is tried again", b.commit(), "dlq a@0")
		b.want("written behind it", b.commit(), "dlq a@1", "dlq a@3")
		b.want("called", b.called(), "a@0", "b@2")
	})
	synctest.Test(t, func(t *testing.T) {
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(0, inTopic("a", 0, inTier), inTopic("a", 1, inPark))
		b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, 0, "a", 1, time.Time{})}, time.Now())
		b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 0, "a", 0, time.Now())}, time.Now())
		synctest.Wait()
		b.refuse(1)
		b.feed(b.source, "x", "x", "a")
		synctest.Wait()
		b.want("written while the dead letter is not", b.commit(), "retry-park a@2")
		pass(time.Second)
		b.want("written when it is tried again", b.commit(), "dlq a@0")
		b.want("written behind it", b.commit(), "dlq a@1", "dlq a@2")
		b.want("called", b.called(), "a@0", "x@0", "x@1")
		equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
	})
	synctest.Test(t, func(t *testing.T) { // as after a crash of the member that parked the one behind it
		b := onDeadBench(t)
		b.fails["a@0"] = 1
		b.open(2, inTopic("a", 1, inPark))
		b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, 0, "a", 1, time.Time{})}, time.Now())
		b.feed(b.source, "a", "x")
		synctest.Wait()
		b.refuse(1)
		b.want("written while the dead letter is not", b.commit())
		pass(time.Second)
		b.want("written when it is tried again", b.commit(), "dlq a@0")
		b.want("written behind it", b.commit(), "dlq a@1")
		b.want("called", b.called(), "a@0", "x@1")
	})
}

// refuse has so many copies refused that wait for a transaction, which are all.
func (b *heldBench) refuse(copies int) {
	b.t.Helper()
	b.p.transactor.mu.Lock()
	refused := b.p.transactor.queue
	b.p.transactor.queue = nil
	b.p.transactor.mu.Unlock()
	equal(b.t, "copies that are not written", len(refused), copies)
	for _, r := range refused {
		b.p.written(r, errNotTaken)
	}
}

// TestAReplayOfALetterThatIsNotKnownToBeWrittenKeepsItsPlace replays a dead letter whose transaction was committed, before its member hears of it: what is
// behind it waits for the copy of the replay, whether the mark or the copy is seen first.
func TestAReplayOfALetterThatIsNotKnownToBeWrittenKeepsItsPlace(t *testing.T) {
	for _, markFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("mark first %v", markFirst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := onDeadBench(t)
				b.fails["a@0"] = 1
				b.open(0)
				b.feed(b.source, "a", "a")
				synctest.Wait()
				if markFirst {
					b.mark(dlq.StatusReplayed, 0, 0)
				} else {
					b.takes = map[string]time.Duration{"a@0": time.Minute}
					b.replay("a", 0, 1)
				}
				b.want("written", b.commit(), "dlq a@0")
				b.want("called while the copy is on its way, or under way", b.called(), "a@0")
				if markFirst {
					b.replay("a", 0, 1)
				} else {
					b.want("written of the one behind it", b.commit(), "retry-park a@1")
				}
				pass(time.Hour)
				b.commit()
				synctest.Wait()
				b.want("called in the end", b.called()[1:], "a@0", "a@1")
				equal(t, "closed", b.closed("a"), false)
				equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
			})
		})
	}
}
