package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/limit"
	"github.com/redeliver/redeliver/retrytopics"
)

// feedWith is feed of one record with a header.
func (b *heldBench) feedWith(key, header, value string) {
	b.source.strand.mu.Lock()
	offset := b.source.next
	b.source.strand.mu.Unlock()
	b.p.received(b.source, []*kgo.Record{{
		Topic: testTopic, Offset: offset, Key: []byte(key), Value: []byte("v"), Timestamp: time.Now(), Headers: []Header{{Key: header, Value: []byte(value)}},
	}}, time.Now())
	synctest.Wait()
}

// TestRecordsThatStandInLineAreParkedBeforeThoseThatCome lets the first record of a key fail while the second stands behind it, and a record
// of a higher priority take the only slot: the second is parked at once, and a third that comes then behind it.
func TestRecordsThatStandInLineAreParkedBeforeThoseThatCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Concurrency, c.Priority = 1, &Priority{} })
		b.fails["a@0"], b.takes = 1, map[string]time.Duration{"a@0": time.Second, "b@2": 10 * time.Second}
		b.open(0)
		b.feed(b.source, "a", "a")
		synctest.Wait()
		b.feedWith("b", retrytopics.HeaderJobPriority, "9")
		pass(2 * time.Second)
		b.feed(b.source, "a")
		synctest.Wait()
		b.want("written while another record has the slot", b.commit(), "retry-60s a@0", "retry-park a@1", "retry-park a@3")
		pass(2 * time.Minute)
		b.commit()
		pass(2 * time.Minute)
		b.want("called in the end", b.called(), "a@0", "b@2", "a@0", "a@1", "a@3")
	})
}

// TestRecordsThatFollowOneInLineDoSoInOrder does so with a first record that dies: both follow it, in their order.
func TestRecordsThatFollowOneInLineDoSoInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) { c.Concurrency, c.Priority, c.OnDeadLetter = 1, &Priority{}, HoldOnDeadLetter })
		b.fails["a@0"], b.dies, b.takes = 1, true, map[string]time.Duration{"a@0": time.Second, "b@2": 10 * time.Second}
		b.open(0)
		b.feed(b.source, "a", "a")
		synctest.Wait()
		b.feedWith("b", retrytopics.HeaderJobPriority, "9")
		pass(2 * time.Second)
		b.feed(b.source, "a")
		pass(time.Minute)
		b.want("written", append(b.commit(), b.commit()...), "dlq a@0", "dlq a@1", "dlq a@3")
	})
}

// TestNothingIsParkedBeforeWhatALimitLeavesInLine has a limit send the fourth record of a key to the tiers, while the first is under way and
// two stand behind it. The fifth, which comes then and is nobody's, waits for the fourth. When the first fails, those two are parked, and the fifth behind them.
func TestNothingIsParkedBeforeWhatALimitLeavesInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) {
			c.Limits = []Limit{{Name: "per-user", Per: PerHeader, Header: "user", Rate: limit.Rate{Calls: 1, Per: time.Hour}, Burst: 2}}
		})
		b.fails["a@0"], b.takes = 1, map[string]time.Duration{"a@0": time.Second}
		b.open(0)
		for range 4 {
			b.feedWith("a", "user", "one")
		}
		b.feed(b.source, "a")
		pass(500 * time.Millisecond)
		b.want("written while the first is under way", b.commit(), "retry-60s a@3")
		pass(time.Second)
		b.want("written when it has failed", b.commit(), "retry-60s a@0", "retry-park a@1", "retry-park a@2", "retry-park a@4")
	})
}

// TestATenantIsNotKeptOutByWhatWaitsForIt has the share of a tenant hold one record, which is parked behind another one of it. When that one comes
// due it is called, though others wait in the window: put off, it would be so for ever.
func TestATenantIsNotKeptOutByWhatWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := onHeldBench(t, func(c *Config) {
			c.Window.Records, c.Concurrency, c.Tenants = 20, 1, &Tenants{Weights: map[string]float64{"other": 9}}
		})
		b.open(0, inTopic("a", 10, inTier), inTopic("a", 11, inPark))
		b.feedWith("x", retrytopics.HeaderJobTenant, "other")
		var copies []*kgo.Record
		for i := range int64(6) {
			copies = append(copies, b.copyFrom(b.tier, i, "w", 20+i, time.Now().Add(time.Hour)))
		}
		b.p.received(b.tier, copies, time.Now())
		b.p.received(b.park, []*kgo.Record{b.copyFrom(b.park, 0, "a", 11, time.Time{})}, time.Now())
		synctest.Wait()
		b.p.received(b.tier, []*kgo.Record{b.copyFrom(b.tier, 6, "a", 10, time.Now())}, time.Now())
		synctest.Wait()
		b.want("put off", b.commit())
		b.want("called", b.called(), "x@0", "a@10", "a@11")
	})
}
