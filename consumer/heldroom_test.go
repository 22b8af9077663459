package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// commitFor commits again and again for a time, as what was set aside is tried again, and returns what was written.
func (b *heldBench) commitFor(d time.Duration) (written []string) {
	for range d / asideFor {
		written = append(written, b.commit()...)
		pass(asideFor)
	}
	return written
}

// TestWhatWaitsForACopyThatIsSetAsideGivesWay has the first record of a key stand behind the second in the park topic, as where a full lane made room,
// on brokers that take no metadata. When the first fails, or dies, its copy is set aside until the second is done, which waits for it.
func TestWhatWaitsForACopyThatIsSetAsideGivesWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		dies   bool
		copy   string
		called []string
	}{
		{"fails", false, "retry-60s a@1", []string{"a@1", "a@1", "a@2"}},
		{"dies", true, "dlq a@1", []string{"a@1", "a@2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := onHeldBench(t)
				b.park.metadata = 0
				b.fails["a@1"], b.dies = 1, tt.dies
				b.open(0, inTopic("a", 1, inPark), inTopic("a", 2, inPark))
				b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, 0, "a", 2, time.Time{}), b.copyFrom(b.park, 1, "a", 1, time.Time{})}, time.Now())
				synctest.Wait()
				equal(t, "backlog of the park topic", b.backlog(retrytopics.Park), 2)
				b.want("written", b.commitFor(2*time.Minute), "retry-park a@2", tt.copy)
				b.want("called", b.called(), tt.called...)
				equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
				equal(t, "watermark of the park topic", b.watermark(b.park), 3)
			})
		})
	}
}

// TestAFullParkLaneGoesOnWithoutMetadata lets a full park lane make room, so that the first records of a key stand behind its last ones, and one of them
// fail, on brokers that take no metadata.
func TestAFullParkLaneGoesOnWithoutMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 80 })
		b.park.metadata = 0
		b.fails["a@1"] = 1
		const many = 106
		log := b.openCrowded(many)
		b.fetchAll(b.park, &log)
		b.want("called", b.called(), "b@106")
		pass(10 * time.Minute)
		var written []string
		for range 5 {
			written = append(written, b.fetchAll(b.park, &log)...)
			pass(asideFor)
		}
		if !slices.Contains(written, "retry-60s a@1") {
			t.Fatalf("written %v, not the copy of a@1, after %v was called", written, b.called())
		}
		b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 1, "a", 1, time.Now())}, time.Now())
		b.fetchAll(b.park, &log)
		want := []string{"a@0", "a@1"}
		for i := range many - 1 {
			want = append(want, fmt.Sprintf("a@%d", i+1))
		}
		b.want("called in the end", b.called()[1:], want...)
	})
}

// TestAParkLaneMakesRoomBesideACopyThatIsSetAside has the first record of a key stand in the park topic behind more of it than the lane may hold, with one of
// another key among them, which fails, on brokers that take no metadata.
func TestAParkLaneMakesRoomBesideACopyThatIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 80 })
		b.park.metadata = 0
		b.fails["b@100"] = 1
		const many = 30
		log := []*kgo.Record{b.copyFrom(b.park, 0, "a", 1, time.Time{}), b.copyFrom(b.park, 1, "b", 100, time.Time{})}
		found := []func(*keyOrder){inTopic("a", 0, inPark), inTopic("a", 1, inPark), inTopic("b", 100, inPark)}
		for i := range int64(many) {
			log = append(log, b.copyFrom(b.park, i+2, "a", i+2, time.Time{}))
			found = append(found, inTopic("a", i+2, inPark))
		}
		log = append(log, b.copyFrom(b.park, many+2, "a", 0, time.Time{}))
		b.open(0, found...)
		for range 5 {
			b.fetchAll(b.park, &log)
			pass(asideFor)
		}
		want := []string{"b@100"}
		for i := range many + 2 {
			want = append(want, fmt.Sprintf("a@%d", i))
		}
		b.want("called", b.called(), want...)
	})
}

// TestAParkLaneWhoseMapIsFullMakesRoom has the first record of a key stand in the park topic behind so many of it, with others between them, that the map of
// what is done between them fills a commit's metadata before it is its turn.
func TestAParkLaneWhoseMapIsFullMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.park.metadata = noteLimit + 100
		const many = 400
		var log []*kgo.Record
		found := []func(*keyOrder){inTopic("a", 0, inPark)}
		for i := range int64(many) {
			other := fmt.Sprint(i)
			log = append(log, b.copyFrom(b.park, 2*i, "a", i+1, time.Time{}), b.copyFrom(b.park, 2*i+1, other, many+1+i, time.Time{}))
			found = append(found, inTopic("a", i+1, inPark), inTopic(other, many+1+i, inPark))
		}
		log = append(log, b.copyFrom(b.park, 2*many, "a", 0, time.Time{}))
		b.open(0, found...)
		b.p.received(b.park, log, time.Now())
		synctest.Wait()
		b.commitFor(time.Second)
		equal(t, "records that are put off", b.source.strand.holding.order.size, 0)
		equal(t, "calls", len(b.called()), 2*many+1)
	})
}

// TestAParkLaneThatCannotBeCommittedMakesRoom has so many records wait in a park lane, with others between them, that a commit has no room for the map of
// these, and would forget what a transaction has said. What is done behind them would fill the window, and what they wait for never be read.
func TestAParkLaneThatCannotBeCommittedMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, many = 400, 20
		b := onHeldBench(t, func(c *Config) { c.Window.Records, c.Concurrency = window, 100 })
		b.park.metadata = 30
		b.fails["c@1000"], b.takes = 1, make(map[string]time.Duration)
		var log []*kgo.Record
		found := []func(*keyOrder){inTopic("a", 0, inTier)}
		add := func(key string, origin int64) {
			log = append(log, b.copyFrom(b.park, int64(len(log)), key, origin, time.Time{}))
			found = append(found, inTopic(key, origin, inPark))
		}
		for i := range int64(many) {
			other := fmt.Sprint(i)
			add("a", i+1)
			add(other, 2000+i)
			b.takes[fmt.Sprintf("%s@%d", other, 2000+i)] = time.Second
		}
		add("c", 1000) // its copy is written before the others are done
		for i := range int64(2 * window) {
			add(fmt.Sprint("more-", i), 3000+i)
		}
		b.open(0, found...)
		next := 0
		for range 200 {
			poll := log[next:min(next+b.p.intake.pollSize(2*many+1), len(log))]
			if next += len(poll); len(poll) > 0 {
				b.p.received(b.park, poll, time.Now())
			}
			pass(asideFor)
			b.commitTo(b.park, &log)
			b.p.committer.acknowledged(b.p.committer.marks(b.p.intake.all()))
		}
		equal(t, "backlog of the park topic", b.backlog(retrytopics.Park) > 0, true)
		equal(t, "records that were read", next, len(log))
	})
}

// TestWhatStandsInLineBehindALetterThatIsSetAsideIsParked lets the first of many records of a key die, with others between them that are done, so many that a
// commit has no room for the map of these, and would forget what a transaction has said: its letter has room only when those behind it leave too.
func TestWhatStandsInLineBehindALetterThatIsSetAsideIsParked(t *testing.T) {
	for _, policy := range []DeadLetterPolicy{ReleaseOnDeadLetter, HoldOnDeadLetter} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const many = 20
				b := onHeldBench(t, func(c *Config) { c.Concurrency, c.OnDeadLetter = 100, policy })
				b.source.metadata = 30
				b.fails["a@0"], b.dies, b.takes = 1, true, map[string]time.Duration{"a@0": 2 * time.Second}
				var keys, letters []string
				var called []string
				for i := range many {
					other := fmt.Sprint(i)
					keys = append(keys, "a", other)
					b.takes[fmt.Sprintf("%s@%d", other, 2*i+1)] = time.Second
					if i > 0 {
						called = append(called, fmt.Sprintf("a@%d", 2*i))
						letters = append(letters, fmt.Sprintf("dlq a@%d", 2*i))
					}
				}
				b.fails["c@40"] = 1
				b.open(0)
				b.feed(b.source, append(keys, "c")...)
				b.want("written while the others are under way", b.commitFor(500*time.Millisecond), "dlq c@40")
				var written []string
				for _, w := range b.commitFor(10 * time.Second) {
					if strings.HasPrefix(w, "dlq") {
						written = append(written, w)
					}
				}
				if policy == HoldOnDeadLetter {
					b.want("dead letters", written, append([]string{"dlq a@0"}, letters...)...)
				} else {
					b.want("dead letters", written, "dlq a@0")
					b.want("called behind it", b.called()[2+many:], called...)
				}
				equal(t, "watermark", b.watermark(b.source), 2*many+1)
			})
		})
	}
}

// TestCopiesThatHaveRoomTogetherOnlyAreTriedTogether has something avoided of two copies, of which a commit has room to tell together only, for a
// transaction has said what is done behind them. Whatever tries what is avoided goes alone.
func TestCopiesThatHaveRoomTogetherOnlyAreTriedTogether(t *testing.T) {
	for name, avoid := range map[string]func(b *heldBench, first *route){
		"their destination": func(b *heldBench, first *route) {
			b.p.transactor.avoid[first.to()] = &avoided{until: time.Now()}
		},
		"the first, which was refused for its size": func(_ *heldBench, first *route) {
			first.tries, first.err = 1, kerr.MessageTooLarge
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := onHeldBench(t)
				b.fails["a@0"], b.fails["b@1"] = 1, 1
				b.open(0)
				b.feed(b.source, "a", "b", "c")
				synctest.Wait()
				b.source.metadata, b.source.pinned = 0, 2
				avoid(b, b.p.transactor.queue[0])
				var fits []*route
				for range 10 {
					for batch, _, _ := b.p.transactor.next(time.Now()); len(batch) > 0 && len(fits) == 0; batch, _, _ = b.p.transactor.next(time.Now()) {
						fits = b.p.transactor.fitting(batch)
					}
					pass(asideFor)
				}
				equal(t, "copies that have room", len(fits), 2)
			})
		})
	}
}

// TestATransactionIsWhatACommitHasRoomFor asks whether a transaction may be committed with a part of its copies, where a commit has room to tell of them
// together only.
func TestATransactionIsWhatACommitHasRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t)
		b.fails["a@0"], b.fails["b@1"] = 1, 1
		b.open(0)
		b.feed(b.source, "a", "b", "c")
		synctest.Wait()
		b.source.metadata, b.source.pinned, b.source.stuck = 0, 2, true
		batch, _, _ := b.p.transactor.next(time.Now())
		equal(t, "copies", len(batch), 2)
		equal(t, "room for the first alone", b.p.transactor.roomFor(batch[:1]), false)
		equal(t, "room for both", b.p.transactor.roomFor(batch), true)
	})
}

// TestAParkLaneUsesWhatNobodyElseKeeps gives a park lane, whose records wait for others of their keys, what is left of the half of the window that is for
// records that wait, and no other lane. As that is used up, there is less of it.
func TestAParkLaneUsesWhatNobodyElseKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window = Window{Records: 400, Bytes: 40_000} })
		b.open(0)
		in := b.p.intake
		in.tiers.Store(100) // as with many partitions
		own, room := in.waitingShare(), in.waitingBytes()
		records, bytes := in.share(b.tier)
		equal(t, "records that a lane of a tier may keep", records, own)
		equal(t, "their bytes", bytes, room)
		records, bytes = in.share(b.park)
		equal(t, "records that a park lane may keep", records, own+100)
		equal(t, "their bytes", bytes, room+10_000)

		var waiting []*kgo.Record
		for i := range 150 {
			waiting = append(waiting, b.copyFrom(b.park, int64(i), "a", int64(i+1), time.Time{}))
		}
		reading := &retryReading{p: b.p}
		if kept := reading.keep(b.park, waiting, time.Now()); kept <= own || kept > own+100 {
			t.Errorf("a park lane keeps %d of 150 records", kept)
		}
		in.records.Add(400)
		in.bytes.Add(40_000)
		records, bytes = in.share(b.park)
		equal(t, "records that a park lane may keep when the window is full", records, own)
		equal(t, "their bytes", bytes, room)
	})
}

// TestAParkLaneMakesRoomWhenOthersNeedIt has a park lane keep more than its own part of the window, and others take up what it had besides. It cannot take up
// what it reads next then, and what it waits for stands there.
func TestAParkLaneMakesRoomWhenOthersNeedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Window.Records = 400 })
		in := b.p.intake
		in.tiers.Store(100) // as with many partitions
		log := b.openCrowded(100)
		const kept = 20
		b.p.received(b.park, log[:kept], time.Now())
		synctest.Wait()
		b.want("written while there is room", b.commit())
		in.records.Add(400)
		b.fetchAll(b.park, &log)
		b.want("called", b.called(), "b@100")
	})
}
