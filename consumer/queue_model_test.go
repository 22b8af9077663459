package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// TestQueueModel holds the queue to a slice.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []*entry
		burst := rapid.SampledFrom([]int{1, 3, 2000}).Draw(t, "burst") // a large one moves what is left to the front
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch what := rapid.IntRange(0, 5).Draw(t, "what"); {
			case what < 2:
				for range rapid.IntRange(1, burst).Draw(t, "n") {
					e := &entry{index: i}
					q.push(e)
					model = append(model, e)
				}
			case what == 2:
				e := &entry{index: i}
				q.pushFront(e)
				model = slices.Insert(model, 0, e)
			case what < 5:
				for range min(rapid.IntRange(1, burst).Draw(t, "n"), len(model)) {
					if got := q.pop(); got != model[0] {
						t.Fatal("popped another entry than the first")
					}
					model = model[1:]
				}
			case len(model) > 0:
				at := rapid.IntRange(0, len(model)-1).Draw(t, "at")
				e := model[at]
				model = slices.Delete(slices.Clone(model), at, at+1)
				equalTo(t, "removed", q.remove(e), true)
				equalTo(t, "removed again", q.remove(e), false)
			}
			var got []*entry
			q.each(func(e *entry) { got = append(got, e) })
			if q.len() != len(model) || !slices.Equal(got, model) {
				t.Fatalf("%d entries, want %d, or in another order", q.len(), len(model))
			}
			for _, e := range q.items[:q.head] {
				if e != nil {
					t.Fatal("an entry that has left is held in memory")
				}
			}
		}
	})
}

// TestDueOrderModel holds the heap of what waits to a sorted slice: by the time that an entry needs attention, then by offset.
func TestDueOrderModel(t *testing.T) {
	base := time.Unix(1_700_000_000, 0)
	rapid.Check(t, func(t *rapid.T) {
		var h entryDue
		var model []*entry
		byTime := func(a, b *entry) int {
			if c := a.wakeAt().Compare(b.wakeAt()); c != 0 {
				return c
			}
			return int(a.record.Offset - b.record.Offset)
		}
		for i := range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what < 2 || len(model) == 0:
				e := &entry{record: &kgo.Record{Offset: int64(i)}, due: base.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "due")) * time.Second)}
				if rapid.Bool().Draw(t, "hops") {
					e.hopDue = base.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "hop due")) * time.Second)
				}
				h.add(e)
				equalTo(t, "status", e.status, entryWaiting)
				model = append(model, e)
				slices.SortStableFunc(model, byTime)
			case what == 2:
				e := h[0]
				if e != model[0] {
					t.Fatalf("first is offset %d at %v, want %d at %v", e.record.Offset, e.wakeAt(), model[0].record.Offset, model[0].wakeAt())
				}
				h.remove(e)
				model = model[1:]
			default:
				at := rapid.IntRange(0, len(model)-1).Draw(t, "at")
				h.remove(model[at])
				model = slices.Delete(slices.Clone(model), at, at+1)
			}
			equalTo(t, "entries", len(h), len(model))
			for at, e := range h {
				equalTo(t, "place", e.heapIndex, at)
			}
		}
	})
}

// TestWhenAWaitingEntryNeedsAttention is at its due time, or before that when its tier lets it go.
func TestWhenAWaitingEntryNeedsAttention(t *testing.T) {
	at := func(s int) time.Time {
		if s == 0 {
			return time.Time{}
		}
		return time.Unix(int64(s), 0)
	}
	for _, tt := range []struct{ due, hop, want int }{{10, 0, 10}, {10, 5, 5}, {10, 10, 10}, {10, 20, 10}} {
		e := &entry{due: at(tt.due), hopDue: at(tt.hop)}
		equal(t, "attention", e.wakeAt(), at(tt.want))
	}
}
