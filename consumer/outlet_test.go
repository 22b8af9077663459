package consumer

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// TestACopyThatGotSlimmerGivesItsRoomBack makes copies smaller while they are under way, as a refusal for their size does:
// what they took of their partition's room is free again when they come back, and all others follow.
func TestACopyThatGotSlimmerGivesItsRoomBack(t *testing.T) {
	o := newOutlets()
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
	o := newOutlets()
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
