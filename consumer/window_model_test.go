package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// windowModel is a window as a list: what was seen, and what of it is not settled.
type windowModel struct {
	start, next int64
	batches     [][]*kgo.Record
	open, seen  map[int64]bool // without control records
}

func (m *windowModel) watermark() int64 {
	low := m.next
	for offset := range m.open {
		low = min(low, offset)
	}
	return low
}

// sizes are the bytes of the open records, and of all that came in a poll with one of them.
func (m *windowModel) sizes() (least, most int64) {
	for _, b := range m.batches {
		all, kept := int64(0), false
		for _, r := range b {
			all += recordSize(r)
			if m.open[r.Offset] {
				least, kept = least+recordSize(r), true
			}
		}
		if kept {
			most += all
		}
	}
	return least, most
}

// TestWindowModel settles what random polls bring in any order - one by one, in ranges, twice - with gaps and control
// records between them, and holds watermark, map and room to a list. Now and then the lane goes to another owner, who
// knows what the commit says.
func TestWindowModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := New(smallest())
		if err != nil {
			t.Fatal(err)
		}
		start := rapid.Int64Range(0, 50).Draw(t, "start")
		m := &windowModel{start: start, next: start, open: make(map[int64]bool), seen: make(map[int64]bool)}
		open := func() *lane {
			l := p.newLane("t", 0, "t", 0)
			l.next, l.placed = start, true
			return l
		}
		l := open()
		var seen []*batch // of this owner, those that are done too
		poll := func() {
			records := make([]*kgo.Record, rapid.IntRange(1, 12).Draw(t, "records"))
			for i := range records {
				m.next += int64(rapid.SampledFrom([]int{0, 0, 0, 1, 7}).Draw(t, "gap"))
				records[i] = &kgo.Record{Offset: m.next, LeaderEpoch: 3, Value: make([]byte, rapid.IntRange(0, 9).Draw(t, "size"))}
				if rapid.IntRange(0, 5).Draw(t, "control") == 0 {
					records[i].Attrs = controlAttrs
				} else {
					m.open[m.next], m.seen[m.next] = true, true
				}
				m.next++
			}
			m.batches = append(m.batches, records)
			seen = append(seen, l.add(records, time.Time{}))
		}
		anywhere := func() (*batch, int) {
			b := rapid.SampledFrom(seen).Draw(t, "batch")
			return b, rapid.IntRange(0, len(b.records)-1).Draw(t, "index")
		}
		handover := func() {
			commit, watermark := l.mark(false), l.watermark()
			p.closeLanes([]*lane{l})
			next := open()
			if commit != nil {
				done, err := readDone(doneIn(commit.metadata), commit.at, p.topics.id("t"))
				if doneIn(commit.metadata) != "" && err != nil {
					t.Fatalf("%q cannot be read back: %v", commit.metadata, err)
				}
				next.next = commit.at
				next.restore(done, commit.epoch)
			}
			equalTo(t, "watermark of the next owner", next.watermark(), watermark)
			l, seen = next, nil
			for i, b := range m.batches {
				var left []*kgo.Record
				for _, r := range b {
					if r.Offset >= commit.at {
						left = append(left, r)
					}
				}
				if m.batches[i] = left; len(left) > 0 {
					seen = append(seen, l.add(left, time.Time{}))
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			before := l.watermark()
			switch what := rapid.IntRange(0, 20).Draw(t, "what"); {
			case what < 6 || len(seen) == 0:
				poll()
			case what < 12: // as an entry
				b, i := anywhere()
				first, offset := b.state[i] != recordSettled, b.records[i].Offset
				if got := l.settle(b, i); got != first {
					t.Fatalf("settled offset %d: %v, want %v", offset, got, first)
				}
				delete(m.open, offset)
			case what < 14: // made an entry of its own, that is settled later
				if b, i := anywhere(); b.state[i] == recordOpen {
					b.follow(i, &entry{lane: l, batch: b, index: i, record: b.records[i]})
				}
			case what < 20: // as a chunk, which leaves entries alone
				b, from := anywhere()
				to := rapid.IntRange(from, len(b.records)).Draw(t, "to")
				for i := from; i < to; i++ {
					if b.state[i] == recordOpen {
						delete(m.open, b.records[i].Offset)
					}
				}
				l.settleRange(b, from, to)
			default:
				handover()
			}
			equalTo(t, "watermark", l.watermark(), m.watermark())
			equalTo(t, "records in the window", l.open, len(m.open))
			least, most := m.sizes()
			if l.bytes < least || l.bytes > most {
				t.Fatalf("%d bytes are kept, for %d of open records and %d of their polls", l.bytes, least, most)
			}
			equalTo(t, "records told without the lock", l.held.Load(), int64(l.open))
			equalTo(t, "records of all lanes", p.intake.records.Load(), int64(l.open))
			equalTo(t, "bytes of all lanes", p.intake.bytes.Load(), l.bytes)
			var runs doneRuns
			at := l.progress(&runs, false)
			equalTo(t, "offset of a commit", at, m.watermark())
			done, err := readDone(runs.text(at, [16]byte{}, metadataLimit), at, [16]byte{})
			if runs.bits > 0 && err != nil {
				t.Fatal(err)
			}
			known := func(offset int64) bool {
				return slices.ContainsFunc(done, func(s span) bool { return s.from <= offset && offset < s.to })
			}
			for offset := at; offset < m.next; offset++ {
				if !m.seen[offset] { // as it is
					continue
				}
				if known(offset) == m.open[offset] {
					t.Fatalf("the map from %d on says that %d is done: %v", at, offset, known(offset))
				}
			}
			for _, s := range done { // gaps and control records alone make no run
				if !m.seen[s.from] {
					t.Fatalf("the map from %d on has a run %v that begins with no record", at, s)
				}
			}
			if known(m.next) {
				t.Fatalf("the map says that %d is done, which nobody has seen", m.next)
			}
			if l.watermark() < before {
				t.Fatalf("the watermark went back from %d to %d", before, l.watermark())
			}
			for _, b := range l.batches {
				for i, e := range b.entries {
					if e != nil && (e.index != i || e.batch != b || e.record != b.records[i]) {
						t.Fatalf("the entry of offset %d does not know its place", b.records[i].Offset)
					}
				}
			}
		}
		for len(l.batches) > 0 {
			b := l.batches[0]
			l.settle(b, b.low)
		}
		equalTo(t, "watermark in the end", l.watermark(), m.next)
		equalTo(t, "records in the end", p.intake.records.Load(), 0)
		equalTo(t, "bytes in the end", p.intake.bytes.Load(), 0)
	})
}

// controlAttrs are those of a record that ends a transaction.
var controlAttrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Control: true})
