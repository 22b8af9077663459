package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// laneModel is a lane as a list: what was seen, and what of it is not settled.
type laneModel struct {
	next    int64
	batches [][]*kgo.Record
	open    map[int64]bool
}

func (m *laneModel) watermark() int64 {
	low := m.next
	for offset := range m.open {
		low = min(low, offset)
	}
	return low
}

// windowed are the records from the watermark on, control records included.
func (m *laneModel) windowed() (n int) {
	for _, b := range m.batches {
		for _, r := range b {
			if r.Offset >= m.watermark() {
				n++
			}
		}
	}
	return n
}

// bytes are those of the polls of which anything is not settled, or stands behind what is not.
func (m *laneModel) bytes() (n int64) {
	for i, b := range m.batches {
		if slices.ContainsFunc(m.batches[:i+1], func(b []*kgo.Record) bool {
			return slices.ContainsFunc(b, func(r *kgo.Record) bool { return m.open[r.Offset] })
		}) {
			for _, r := range b {
				n += recordSize(r)
			}
		}
	}
	return n
}

// TestLaneModel settles what random polls bring in any order - one by one, in ranges, twice - with gaps and control
// records between them, and holds watermark and window to a list.
func TestLaneModel(t *testing.T) {
	p, err := New(smallest())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 50).Draw(t, "start")
		l := &lane{topic: "t", strand: &strand{p: p}, next: start, placed: true, begun: -1}
		m := &laneModel{next: start, open: make(map[int64]bool)}
		offset := start
		poll := func() {
			records := make([]*kgo.Record, rapid.IntRange(1, 12).Draw(t, "records"))
			for i := range records {
				offset += int64(rapid.SampledFrom([]int{0, 0, 0, 1, 7}).Draw(t, "gap"))
				records[i] = &kgo.Record{Offset: offset, LeaderEpoch: 3, Value: make([]byte, rapid.IntRange(0, 9).Draw(t, "size"))}
				if rapid.IntRange(0, 5).Draw(t, "control") == 0 {
					records[i].Attrs = controlAttrs
				} else {
					m.open[offset] = true
				}
				offset++
			}
			m.batches, m.next = append(m.batches, records), offset
			l.add(records, time.Time{})
		}
		anywhere := func() (*batch, int) {
			b := rapid.SampledFrom(l.batches).Draw(t, "batch")
			return b, rapid.IntRange(0, len(b.records)-1).Draw(t, "index")
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			before := l.watermark()
			switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
			case what < 3 || len(l.batches) == 0:
				poll()
			case what < 6: // as an entry
				b, i := anywhere()
				first := b.state[i] != recordSettled
				if got := l.settle(b, i); got != first {
					t.Fatalf("settled offset %d: %v, want %v", b.records[i].Offset, got, first)
				}
				delete(m.open, b.records[i].Offset)
			case what < 7: // made an entry of its own, that is settled later
				if b, i := anywhere(); b.state[i] == recordOpen {
					b.state[i] = recordEntry
				}
			default: // as a chunk, which leaves entries alone
				b, from := anywhere()
				to := rapid.IntRange(from, len(b.records)).Draw(t, "to")
				for i := from; i < to; i++ {
					if b.state[i] == recordOpen {
						delete(m.open, b.records[i].Offset)
					}
				}
				l.settleRange(b, from, to)
			}
			equalTo(t, "watermark", l.watermark(), m.watermark())
			equalTo(t, "records in the window", l.windowed, m.windowed())
			equalTo(t, "bytes in the window", l.bytes, m.bytes())
			equalTo(t, "records told without the lock", l.held.Load(), int64(l.windowed))
			equalTo(t, "records of all lanes", p.intake.records.Load(), int64(l.windowed))
			equalTo(t, "bytes of all lanes", p.intake.bytes.Load(), l.bytes)
			if l.watermark() < before {
				t.Fatalf("the watermark went back from %d to %d", before, l.watermark())
			}
		}
		for _, b := range slices.Clone(l.batches) {
			for i := range b.records {
				l.settle(b, i)
			}
		}
		equalTo(t, "watermark in the end", l.watermark(), offset)
		equalTo(t, "records in the end", p.intake.records.Load(), 0)
		equalTo(t, "bytes in the end", p.intake.bytes.Load(), 0)
	})
}

// controlAttrs are those of a record that ends a transaction.
var controlAttrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Control: true})
