package consumer

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/redeliver/redeliver/retrytopics"
)

// TestACopyThatGotSlimmerGivesItsRoomBack makes copies smaller while they are under way, as a refusal for their size does:
// what they took of their partition's room is free again when they come back, and all others follow.
func TestACopyThatGotSlimmerGivesItsRoomBack(t *testing.T) {
	o := newOutlets(1)
	large := func() *route {
		return &route{record: &kgo.Record{Topic: "t"}, size: outletBytes, entry: &entry{state: &retrytopics.State{}}}
	}
	first, second := large(), large()
	if !o.enter(first) || o.enter(second) {
		t.Fatal("the partition has room for one large copy")
	}
	first.size = 10
	next := o.leave(first)
	if len(next) != 1 || next[0] != second {
		t.Fatalf("%d copies follow, want the second", len(next))
	}
	second.size = 10
	o.leave(second)
	if third := large(); !o.enter(third) {
		t.Error("the room of copies that came back is not free")
	}
	late := o.of(first).moved.Add(2 * routeStall)
	if held, copies := o.stalled(late); len(held) != 1 || copies != 1 {
		t.Errorf("%d partitions with %d copies stall, want the one with the third copy", len(held), copies)
	}
	if told := o.untold(late); len(told) != 1 {
		t.Errorf("%d partitions are told of, want the one", len(told))
	}
	if told := o.untold(late.Add(routeStall)); len(told) != 0 {
		t.Errorf("%d partitions are told of again at once, want none", len(told))
	}
	if told := o.untold(late.Add(2 * routeStall)); len(told) != 1 {
		t.Errorf("%d partitions are told of again after as long, want the one", len(told))
	}
}

// TestCopiesTooLargeTogetherGoInLess has two copies refused that went together: they are tried again at once, and with less on
// their way, until each goes alone.
func TestCopiesTooLargeTogetherGoInLess(t *testing.T) {
	o := newOutlets(1)
	small := func() *route {
		return &route{record: &kgo.Record{Topic: "t"}, size: 100_000, entry: &entry{state: &retrytopics.State{}}}
	}
	a, b := small(), small()
	for tries := 0; o.enter(a) && o.enter(b); tries++ {
		if tries > 10 {
			t.Fatal("they go together for ever")
		}
		for _, r := range []*route{a, b} {
			if !o.tighten(r) {
				t.Fatal("a copy that did not go alone is taken for too large itself")
			}
		}
		o.leave(a)
		o.leave(b)
	}
	if o.tighten(a) {
		t.Error("a copy that went alone is not taken for too large itself")
	}
	limit := o.of(a).limit
	o.leave(a)
	if o.of(a).limit > limit {
		t.Error("a refusal lets more on its way")
	}
}

// TestABatchThatWasTooLargeIsHalvedOnce refuses the whole batch that a transaction had for a partition, and with it every copy: none of them is taken for
// too large itself, and the next batch may have half as much, and not the size of a copy. One that had a batch for it alone is too large.
func TestABatchThatWasTooLargeIsHalvedOnce(t *testing.T) {
	o := newOutlets(4)
	batch := make([]*route, 1000)
	for i := range batch {
		batch[i] = &route{record: &kgo.Record{Topic: "t"}, size: 500, entry: &entry{state: &retrytopics.State{}}}
		if !o.enter(batch[i]) {
			t.Fatal("the partition has room for four batches")
		}
	}
	if waves := o.waves(batch); len(waves) != 1 {
		t.Fatalf("%d waves, want one", len(waves))
	}
	for i, r := range batch {
		if !o.tighten(r) {
			t.Fatalf("copy %d of a batch is taken for too large itself", i)
		}
		o.leave(r)
	}
	equal(t, "the limit after one batch was refused", o.of(batch[0]).limit, int64(outletBytes/2))

	large := &route{record: &kgo.Record{Topic: "t"}, size: outletBytes, entry: &entry{state: &retrytopics.State{}}}
	o.enter(large)
	o.enter(batch[0])
	o.waves([]*route{large, batch[0]})
	if o.tighten(large) {
		t.Error("a copy that had a batch for it alone is not taken for too large itself, as others were under way")
	}
	o.waves([]*route{batch[0], batch[1]})
	if !o.tighten(batch[0]) {
		t.Error("a copy that had a batch for it alone before, and shared one now, is taken for too large itself")
	}
}

// TestWaves divides copies of any sizes: of each partition a wave has what the limit allows or a single copy, and one after the other the waves have
// its copies in their order, in no more waves than that takes.
func TestWaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOutlets(4)
		copies := make([]*route, rapid.IntRange(1, 40).Draw(t, "copies"))
		for i := range copies {
			copies[i] = &route{
				record: &kgo.Record{Topic: "t", Partition: rapid.Int32Range(0, 2).Draw(t, "partition")},
				size:   rapid.Int64Range(1, 2*outletBytes).Draw(t, "size") >> rapid.IntRange(0, 4).Draw(t, "smaller"),
			}
		}
		want := make(map[int32][]*route)
		for _, r := range copies {
			want[r.record.Partition] = append(want[r.record.Partition], r)
		}
		got := make(map[int32][]*route)
		before := make(map[int32]int64) // bytes of the batch of the wave before
		for n, wave := range o.waves(copies) {
			batches := make(map[int32][]*route)
			for _, r := range wave {
				batches[r.record.Partition] = append(batches[r.record.Partition], r)
			}
			for part, batch := range batches {
				bytes := int64(0)
				for _, r := range batch {
					bytes += r.size
					if r.alone != (len(batch) == 1) {
						t.Fatalf("in wave %d a copy of %d is taken for alone: %v", n, len(batch), r.alone)
					}
				}
				if bytes > outletBytes && len(batch) > 1 {
					t.Fatalf("wave %d has %d bytes for a partition in %d copies", n, bytes, len(batch))
				}
				if n > 0 && before[part]+batch[0].size <= outletBytes {
					t.Fatalf("a copy of wave %d had room in the wave before", n)
				}
				before[part] = bytes
				got[part] = append(got[part], batch...)
			}
		}
		for part := range want {
			if !slices.Equal(got[part], want[part]) {
				t.Fatalf("the copies for partition %d are not those of the transaction in their order", part)
			}
		}
	})
}

// TestACopyThatIsTooLargeIsHeld refuses a copy for its size: without its history it is tried once more soon, then it is held, and
// tried with growing pauses.
func TestACopyThatIsTooLargeIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return errAway }))
		l := w.lane(0, 0)
		w.feed(l, "k")
		synctest.Wait()
		e := l.batches[0].entries[0]
		for range 8 {
			r := e.route
			w.p.written(r, kerr.MessageTooLarge)
			synctest.Wait()
			l.strand.mu.Lock() // which puts this before the next try for the race detector, too
			status := e.status
			l.strand.mu.Unlock()
			if status != entryHeld {
				t.Fatalf("a copy that was refused for its size is not held: status %v after %d tries", status, r.tries)
			}
			pass(routeBackoffMax)
		}
		if !e.route.slim {
			t.Error("its history was not left out")
		}
	})
}
