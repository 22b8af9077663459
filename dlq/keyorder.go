package dlq

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// KeysAreHeld says that the group keeps a key closed while a dead letter of it is to be dealt with, so that later records of the
// key die behind it. A replay then keeps their order: it puts the entries of a key back in the order of their origin, which is
// not always that in which they died, and leaves an entry out while an earlier one of its key stays, for it would only follow
// that once more. Entries that died behind another are not bound by [Replay.MaxReplays]: they go round with that one.
//
// Such a replay reads the topic twice, and remembers some 50 bytes of each entry that is to be dealt with.
func KeysAreHeld() Option { return func(q *Queue) { q.keysHeld = true } }

// replayOrder is in which order a replay goes through the entries, where that of the topic would not do.
type replayOrder struct {
	first []position        // before all others, in this order
	moved map[position]bool // these
	stays map[position]bool // not to be replayed, for an earlier entry of their key stays
	keys  map[uint64]bool   // of which all that it covers are replayed
}

const (
	whyBehind = "an earlier dead letter of their key stays: replay or discard that first"
	whyCame   = "they died behind others of their key after the replay had begun: replay again, or pause the pipeline meanwhile"
)

// candidateEntry is an entry that waits, for an order.
type candidateEntry struct {
	key      uint64
	origin   int64
	at       position
	replayed bool // it is to be replayed now
	late     bool // it died after what the replay covers
}

var orderSeed = maphash.MakeSeed()

// order finds out in which order to replay what chosen selects.
func (s *survey) order(ctx context.Context, chosen func(*Entry) (bool, error)) (*replayOrder, error) {
	spans, err := spansOf(ctx, s.queue.admin, s.queue.topic, time.Time{}, stable)
	if err != nil {
		return nil, err
	}
	var waiting []candidateEntry
	var failed error
	err = newScan(s.scan.fetcher, spans).each(ctx, func(e *Entry) bool {
		m, status, first := s.ledger.meet(e)
		if !first || e.Record.Key == nil || s.queue.foreign(e) {
			return true
		}
		e.Status, e.Mark = status, s.ledger.describe(m)
		replayed, late := false, s.late(e)
		if !late && s.sel.match(e) && s.sel.expires(e) {
			if replayed, failed = chosen(e); failed != nil {
				return false
			}
		}
		if replayed || slices.Contains(toBeDealtWith, e.Status) {
			waiting = append(waiting, candidateEntry{orderKey(e), e.State.Offset, position{e.Partition, e.Offset}, replayed, late})
		}
		return true
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	s.ledger.met.clear()
	slices.SortFunc(waiting, func(a, b candidateEntry) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.origin, b.origin), cmp.Compare(a.at.offset, b.at.offset))
	})
	o := newReplayOrder()
	for len(waiting) > 0 {
		n := 1
		for n < len(waiting) && waiting[n].key == waiting[0].key {
			n++
		}
		o.add(waiting[:n])
		waiting = waiting[n:]
	}
	return o, nil
}

func orderKey(e *Entry) uint64 {
	return maphash.Bytes(orderSeed, e.Record.Key) + uint64(e.State.Partition)
}

// late says whether an entry stands behind the ends of what the survey covers. It waits all the same, and keeps its key closed.
func (s *survey) late(e *Entry) bool { return s.behind(e) && !s.carried(e) }

func (s *survey) behind(e *Entry) bool { return s.ends != nil && e.Offset >= s.ends[e.Partition] }

// carried says whether a copy behind the ends is of an entry that was there when they were so, as its mark and the time of its death tell: one that was
// carried forward before stands before them.
func (s *survey) carried(e *Entry) bool {
	return !s.began.IsZero() && !e.State.Died.IsZero() && !e.Mark.Renewed.IsZero() && !e.At.After(s.began)
}

// came counts what died behind others of keys that were replayed whole, after what the replay covers, and is still to be dealt with: these keys are still
// closed.
func (s *survey) came(ctx context.Context, summary *Summary) error {
	if len(s.replayOrder.keys) == 0 {
		return nil
	}
	spans, err := spansOf(ctx, s.queue.admin, s.queue.topic, time.Time{}, stable)
	if err != nil {
		return err
	}
	for i := range spans {
		spans[i].from = max(spans[i].from, s.ends[spans[i].partition])
	}
	spans = slices.DeleteFunc(spans, func(sp span) bool { return sp.from >= sp.to })
	return newScan(s.scan.fetcher, spans).each(ctx, func(e *Entry) bool {
		if e.State.Reason != retrytopics.ReasonBehind || e.Record.Key == nil || s.queue.foreign(e) || !s.replayOrder.keys[orderKey(e)] {
			return true
		}
		// What the replay waited for it may have been dealt with, or be a copy of what was replayed.
		if _, status, first := s.ledger.meet(e); first && slices.Contains(toBeDealtWith, status) {
			summary.leaveOut(e, whyCame)
		}
		return true
	})
}

func newReplayOrder() *replayOrder {
	return &replayOrder{moved: make(map[position]bool), stays: make(map[position]bool), keys: make(map[uint64]bool)}
}

// add orders the entries of one key, which come in the order of their origin.
func (o *replayOrder) add(line []candidateEntry) {
	run := slices.IndexFunc(line, func(c candidateEntry) bool { return !c.replayed })
	if run < 0 {
		run = len(line)
	}
	if run > 0 && !slices.ContainsFunc(line[run:], func(c candidateEntry) bool { return !c.late }) {
		o.keys[line[0].key] = true
	}
	for _, c := range line[run:] {
		if c.replayed {
			o.stays[c.at] = true
		}
	}
	// Up to the last one that stands behind one with a later origin all go first; from there on the topic's order will do.
	line = line[:run]
	early := 0
	least := int64(-1) // the lowest offset of those with a later origin
	for i := len(line) - 1; i >= 0; i-- {
		if least >= 0 && line[i].at.offset > least {
			early = i + 1
			break
		}
		if least < 0 || line[i].at.offset < least {
			least = line[i].at.offset
		}
	}
	for _, c := range line[:early] {
		o.first = append(o.first, c.at)
		o.moved[c.at] = true
	}
}

// eachFirst calls f with the entries that go before all others. It reports false when f did.
func (s *survey) eachFirst(ctx context.Context, f func(*Entry) bool) (goOn bool, err error) {
	goOn = true
	for _, at := range s.replayOrder.first {
		err := s.scan.fetcher.read(ctx, span{at.partition, at.offset, at.offset + 1}, func(records []*kgo.Record, _ int64) error {
			for _, r := range records {
				if r.Offset == at.offset {
					r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value) // not the whole batch that they came in
					e := entryOf(r, s.topic.ID)
					goOn = s.met(&e, f)
				}
			}
			return nil
		})
		if err != nil || !goOn {
			return false, err
		}
	}
	return true, nil
}
