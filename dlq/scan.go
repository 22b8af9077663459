package dlq

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// scan reads the entries of all partitions side by side and puts them in one order: by the time of death, as far as
// each partition keeps it, so that the same queue is listed the same way every time. Of each partition at most two
// pages of what a fetch brought are held.
type scan struct {
	fetcher *fetcher
	spans   []span
	total   int64        // offsets to pass
	passed  atomic.Int64 // may be read by others
	prints  bool         // fingerprints are wanted, which the readers take side by side
	query   *indexQuery  // where to read instead of the topic; nil: nowhere
	memory  *rooms       // that pages are read into; nil: new one for each
	spent   func(*room)  // is told of memory when each has gone through what is in it
}

func newScan(f *fetcher, spans []span) *scan {
	return &scan{fetcher: f, spans: spans, total: length(spans)}
}

// page is what one fetch brought.
type page struct {
	entries []Entry
	keys    []int64 // of the entries in the common order, where they are not the times of all; nil: they are
	next    int64   // the partition was read up to here
	in      *room   // the memory of the entries
}

// lane is one partition on its way into the common order.
type lane struct {
	number int32 // of the partition
	pages  chan page
	page   page
	at     int   // of the next entry in the page
	key    int64 // of the next entry: Unix ms of the latest death up to it
	passed int64 // offset
}

// each calls f with every record, until f returns false.
func (s *scan) each(ctx context.Context, f func(*Entry) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel(nil)

	lanes := make(lanes, 0, len(s.spans))
	for _, span := range s.spans {
		l := &lane{number: span.partition, pages: make(chan page), key: math.MinInt64, passed: span.from}
		lanes = append(lanes, l)
		readers.Go(func() {
			defer close(l.pages)
			read := s.readPages
			if s.query != nil {
				read = s.query.pages
			}
			if err := read(ctx, span, l.pages); err != nil {
				cancel(err) // the first one tells why all of them end
			}
		})
	}
	waiting := lanes
	lanes = lanes[:0]
	for _, l := range waiting {
		if s.turn(l) {
			lanes = append(lanes, l)
		}
	}
	heap.Init(&lanes)
	for len(lanes) > 0 && ctx.Err() == nil {
		l := lanes[0]
		e := &l.page.entries[l.at]
		l.at++
		if !f(e) {
			return nil
		}
		s.pass(l, e.Offset+1)
		if l.at == len(l.page.entries) && !s.turn(l) {
			heap.Pop(&lanes)
		} else {
			l.settle()
			lanes.sink()
		}
	}
	return context.Cause(ctx)
}

// turn takes the lane to its next page that holds an entry, and says whether there is one.
func (s *scan) turn(l *lane) bool {
	for {
		s.pass(l, l.page.next)
		if s.spent != nil && l.page.in != nil {
			s.spent(l.page.in)
		}
		l.page = page{}
		next, ok := <-l.pages
		if !ok {
			return false
		}
		l.page, l.at = next, 0
		if len(next.entries) > 0 {
			l.settle()
			return true
		}
	}
}

// settle notes the key of the next entry. An entry that died before one that stands before it in its partition comes right after
// that: its key is that one's.
func (l *lane) settle() {
	if l.page.keys != nil {
		l.key = l.page.keys[l.at]
		return
	}
	l.key = max(l.key, l.page.entries[l.at].At.UnixMilli())
}

func (s *scan) pass(l *lane, next int64) {
	if next > l.passed {
		s.passed.Add(next - l.passed)
		l.passed = next
	}
}

// readPages reads one partition and decodes the headers, beside those of the other partitions.
func (s *scan) readPages(ctx context.Context, part span, pages chan<- page) error {
	return s.fetcher.readInto(ctx, part, s.memory, func(records []*kgo.Record, next int64, in *room) error {
		p := page{entries: in.entries.take(len(records), 1), next: next, in: in}
		clear(p.entries)
		for i, r := range records {
			p.entries[i].read(r, s.fetcher.id)
			if s.prints {
				p.entries[i].print = p.entries[i].Fingerprint()
			}
		}
		select {
		case pages <- p:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

func entryOf(r *kgo.Record, topicID kadm.TopicID) (e Entry) {
	e.read(r, topicID)
	return e
}

// read makes the entry that a record is of a zero one.
func (e *Entry) read(r *kgo.Record, topicID kadm.TopicID) {
	e.Topic, e.TopicID, e.Partition, e.Offset, e.Record = r.Topic, topicID, r.Partition, r.Offset, r
	if retrytopics.IsCopy(r) {
		e.Err = e.State.Decode(r)
	} else {
		e.State, e.Dialect, e.Err = decodeOther(r)
	}
	e.unmarkID()
	e.At = r.Timestamp
	if !e.State.Died.IsZero() {
		e.At = e.State.Died
	}
}

// decodeOther reads the headers of whoever wrote the record, where that was not Redeliver.
func decodeOther(r *kgo.Record) (retrytopics.State, retrytopics.Dialect, error) {
	if state, dialect, err := retrytopics.DecodeForeign(r); dialect != "" {
		return state, dialect, err
	}
	state, err := retrytopics.Decode(r)
	return state, "", err
}

// lanes is a heap: the earliest death first.
type lanes []*lane

func (h lanes) Len() int { return len(h) }

func (h lanes) Less(i, j int) bool {
	return h[i].before(h[j])
}

func (l *lane) before(o *lane) bool {
	return l.key < o.key || l.key == o.key && l.number < o.number
}

// sink is heap.Fix of the first one, whose next entry comes later than the last: it is called with every entry.
func (h lanes) sink() {
	at, l := 0, h[0]
	for {
		next := 2*at + 1
		if next >= len(h) {
			break
		}
		if right := next + 1; right < len(h) && h[right].before(h[next]) {
			next = right
		}
		if !h[next].before(l) {
			break
		}
		h[at], at = h[next], next
	}
	h[at] = l
}

func (h lanes) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *lanes) Push(x any)   { *h = append(*h, x.(*lane)) }

func (h *lanes) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
