package consumer

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A window is what a lane holds of its partition: what was fetched and which of it is settled, and so how far the
// partition may be committed. Everything from the watermark to next that is not open is done: settled, or an offset that
// no record was seen for, as transaction markers, aborted and compacted records leave them. The strand's mutex guards it.
type window struct {
	batches []*batch // those with open records, in offset order
	next    int64    // the offset after the last record seen, or where the lane starts
	epoch   int32    // leader epoch of the last record seen
	open    int      // records that are not settled
	bytes   int64    // of the batches that are kept for them
	known   []span   // from next on, done by an earlier owner, in order; see restore
	knownIn int32    // the leader epoch that this was seen in, -1 unknown
	top     int64    // the highest offset that is settled, -1: none
	pinned  int64    // the highest one that a commit has said to be done and the next ones must not forget, -1: none
	version uint64   // counts what was settled: a commit of the same version would say the same
	gone    span     // of what was settled and is let go of behind the batches that are kept
}

// span is a range of offsets, to is the first behind it.
type span struct{ from, to int64 }

func (s span) empty() bool { return s.from >= s.to }

// with returns the span from the first to the last offset of both.
func (s span) with(o span) span {
	switch {
	case o.empty():
		return s
	case s.empty():
		return o
	}
	return span{min(s.from, o.from), max(s.to, o.to)}
}

// batch is what one poll brought for a lane, in offset order.
type batch struct {
	records []*kgo.Record
	state   []recordState
	entries []*entry // of the records that are followed on their own; nil until there is one
	low     int      // no open record before
	taken   int      // the first that is not taken up, though some behind it may be, see spreadFresh; source lanes only
	open    int      // records that are not settled
	data    int      // records that are no control records, as they came
	bytes   int64
	arrived time.Time
	walks   int // through it that are under way, of chunks and of who takes it up: while there is one, its indexes hold
	thinAt  int // so many open records are left when it is worth a look whether the others can be let go

	all    span   // from its first to its last record, as it came, control records aside
	before span   // of what was settled and is let go of between the batch that is kept before it and this one
	gone   []span // nil, or when some of it was let go: of those, before each record that is left
	after  span   // and behind the last
}

type recordState uint8

const (
	recordOpen    recordState = iota
	recordEntry               // an entry carries it on its own
	recordLeaving             // its copy is part of a transaction that is being committed
	recordSettled             // done, routed, dropped, or a control record
)

// add takes a poll's records into the window. Control records are settled as they come: they move the watermark over
// the end of a transaction, so that lag falls to zero. So is what an earlier owner has done, unless the log was cut off by an
// unclean election since: what a later leader has written there is new.
func (w *window) add(records []*kgo.Record, now time.Time) *batch {
	// What the client hands out is part of a slice of all that it has fetched of the partition, which would stay for one record that does.
	records = slices.Clone(records)
	b := &batch{records: records, state: make([]recordState, len(records)), arrived: now, open: len(records)}
	for i, r := range records {
		if n := len(w.known); n > 0 && w.knownIn >= 0 && r.LeaderEpoch > w.knownIn && r.Offset < w.known[n-1].to {
			w.known, w.pinned = nil, -1
		}
		control := r.Attrs.IsControl()
		if control || len(w.known) > 0 && w.doneBefore(r.Offset) {
			b.state[i] = recordSettled
			b.open--
		}
		if !control {
			b.data++
			b.all = b.all.with(span{r.Offset, r.Offset + 1})
		}
		b.bytes += recordSize(r)
	}
	last := records[len(records)-1]
	w.next, w.epoch = last.Offset+1, last.LeaderEpoch
	w.forget()
	b.thinAt = b.open / 4
	b.pass()
	if b.open == 0 {
		w.gone = w.gone.with(b.all)
		return b
	}
	b.before, w.gone = w.gone, span{}
	w.batches = append(w.batches, b)
	w.open += b.open
	w.bytes += b.bytes
	return b
}

// settle settles one record and reports whether it was open. bytes is what the window let go of.
func (w *window) settle(b *batch, i int) (settled bool, bytes int64) {
	if b.state[i] == recordSettled {
		return false, 0
	}
	return true, w.settled(b, i, i+1, func(recordState) bool { return true })
}

// settleRange settles the records of a chunk, except those that entries carry, and returns how many that were.
func (w *window) settleRange(b *batch, from, to int) (records int, bytes int64) {
	before := b.open
	bytes = w.settled(b, from, to, func(s recordState) bool { return s == recordOpen })
	return before - b.open, bytes
}

func (w *window) settled(b *batch, from, to int, which func(recordState) bool) (bytes int64) {
	last, n := -1, 0
	for i := from; i < to; i++ {
		if b.state[i] == recordSettled || !which(b.state[i]) {
			continue
		}
		b.state[i] = recordSettled
		if b.entries != nil {
			b.entries[i] = nil
		}
		last = i
		n++
	}
	if n == 0 {
		return 0
	}
	b.open -= n
	w.open -= n
	w.top = max(w.top, b.records[last].Offset)
	w.version++
	b.pass()
	switch {
	case b.open == 0:
		w.drop(b)
		return b.bytes
	case b.open <= b.thinAt:
		return w.thin(b)
	}
	return 0
}

// drop lets go of a batch that is settled.
func (w *window) drop(b *batch) {
	i := slices.Index(w.batches, b)
	w.batches = slices.Delete(w.batches, i, i+1)
	w.bytes -= b.bytes
	behind := &w.gone
	if i < len(w.batches) {
		behind = &w.batches[i].before
	}
	*behind = behind.with(b.before).with(b.all)
}

// thin lets go of a batch of which little is open, so that a record that waits does not keep the memory of all that came
// with it: the open ones become copies that stand alone. A record that is handled or routed now stays where it is, and
// with it the batch. While somebody walks through the batch it is left for who ends that.
func (w *window) thin(b *batch) (bytes int64) {
	if b.walks > 0 {
		return 0
	}
	if b.thinAt = b.open / 2; b.entries == nil {
		return 0
	}
	for i, s := range b.state {
		if s != recordSettled && (s != recordEntry || !b.entries[i].rests()) {
			return 0
		}
	}
	thin := batch{arrived: b.arrived, open: b.open, taken: b.open, thinAt: b.thinAt, all: b.all, before: b.before}
	var gone span
	for i, s := range b.state {
		gone = gone.with(b.goneAt(i))
		if s == recordSettled {
			continue
		}
		thin.gone, gone = append(thin.gone, gone), span{}
		e := b.entries[i]
		e.record, e.index = standalone(e.record), len(thin.records)
		thin.records = append(thin.records, e.record)
		thin.state = append(thin.state, s)
		thin.entries = append(thin.entries, e)
		thin.bytes += recordSize(e.record)
	}
	thin.after = gone.with(b.after)
	bytes = b.bytes - thin.bytes
	w.bytes -= bytes
	*b = thin
	return bytes
}

// goneAt is the span of what was settled before a record since the one before it, and of the record itself where that is.
func (b *batch) goneAt(i int) (gone span) {
	if b.gone != nil {
		gone = b.gone[i]
	}
	if r := b.records[i]; b.state[i] == recordSettled && !r.Attrs.IsControl() {
		gone = gone.with(span{r.Offset, r.Offset + 1})
	}
	return gone
}

// standalone copies a record with all that it refers to: the client's records share the memory of a whole fetch.
func standalone(r *kgo.Record) *kgo.Record {
	c := *r
	c.Key, c.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	c.Headers = slices.Clone(r.Headers)
	for i := range c.Headers {
		c.Headers[i].Key, c.Headers[i].Value = strings.Clone(c.Headers[i].Key), bytes.Clone(c.Headers[i].Value)
	}
	return &c
}

// pass moves low over what is settled.
func (b *batch) pass() {
	for b.low < len(b.records) && b.state[b.low] == recordSettled {
		b.low++
	}
}

// follow says that an entry carries a record on its own.
func (b *batch) follow(i int, e *entry) {
	if b.entries == nil {
		b.entries = make([]*entry, len(b.records))
	}
	b.state[i], b.entries[i] = recordEntry, e
}

// fresh returns the first batch with a record that is not taken up, or nil.
func (w *window) fresh() *batch {
	for _, b := range w.batches {
		for b.taken < len(b.records) && b.state[b.taken] != recordOpen { // settled, or taken up before its turn
			b.taken++
		}
		if b.taken < len(b.records) {
			return b
		}
	}
	return nil
}

// watermark returns the offset below which everything is done.
func (w *window) watermark() int64 {
	if len(w.batches) > 0 {
		b := w.batches[0]
		return b.records[b.low].Offset
	}
	if len(w.known) > 0 && w.known[0].from <= w.next {
		return w.known[0].to
	}
	return w.next
}

// progress returns the watermark and adds to runs what is done above it. With leaving, the records whose copies are part
// of the transaction under way count as done. What no record was seen for belongs to the open run before or behind it, unless it lies between
// records that are done: compaction and the ends of transactions leave as many gaps as there are records, which would fill the map and say nothing.
func (w *window) progress(runs *doneRuns, leaving bool) (at int64) {
	at = -1
	from := int64(0) // where the run of open records begins that is not written yet
	var done span    // since its last record
	for _, b := range w.batches {
		done = done.with(b.before)
		if b.low > 0 {
			done = done.with(span{b.all.from, b.records[b.low-1].Offset + 1})
		}
		first := -1 // of those in a row that are done
		for i := b.low; i < len(b.records); i++ {
			if b.gone != nil {
				done = done.with(b.gone[i])
			}
			if s := b.state[i]; s == recordSettled || leaving && s == recordLeaving {
				if first < 0 && !b.records[i].Attrs.IsControl() {
					first = i
				}
				continue
			}
			if first >= 0 {
				done = done.with(span{b.records[first].Offset, b.records[i-1].Offset + 1})
				first = -1
			}
			switch offset := b.records[i].Offset; {
			case at < 0:
				at, from = offset, offset
			case !done.empty():
				runs.add(done.from-from, done.to-done.from)
				from = done.to
			}
			done = span{}
		}
		if first >= 0 {
			done = done.with(span{b.records[first].Offset, b.records[len(b.records)-1].Offset + 1})
		}
		done = done.with(b.after)
	}
	known := w.known
	if at < 0 {
		if at = w.next; len(known) > 0 && known[0].from <= at {
			at, known = known[0].to, known[1:]
		}
		from = at
	} else {
		if done = done.with(w.gone); len(known) > 0 && known[0].from <= w.next {
			done, known = done.with(known[0]), known[1:]
		}
		if !done.empty() {
			runs.add(done.from-from, done.to-done.from)
			from = done.to
		}
	}
	for _, s := range known { // what is not fetched yet is open but for these
		runs.add(s.from-from, s.to-s.from)
		from = s.to
	}
	return at
}

// restore tells the window what an earlier owner has done above the offset where the lane starts, as its last commit
// says: these records are settled as they come. epoch is the commit's: nothing of a later one was seen by then, -1: unknown.
func (w *window) restore(done []span, epoch int32) {
	w.known, w.knownIn = done, epoch
	if n := len(done); n > 0 {
		w.top = max(w.top, done[n-1].to-1)
		w.pinned = w.top // somebody's transaction may have said so
	}
	w.forget()
}

func (w *window) doneBefore(offset int64) bool {
	for _, s := range w.known {
		if offset < s.to {
			return offset >= s.from
		}
	}
	return false
}

// seenIn returns the leader epoch of all that is done: of the last record seen, or what is known of those that follow.
func (w *window) seenIn() int32 {
	if len(w.known) > 0 {
		return max(w.epoch, w.knownIn)
	}
	return w.epoch
}

// forget drops what is known of offsets that the window has passed.
func (w *window) forget() {
	for len(w.known) > 0 && w.known[0].to <= w.next {
		w.known = w.known[1:]
	}
	if len(w.known) > 0 {
		w.known[0].from = max(w.known[0].from, w.next)
	}
}

// recordSize is what a record counts against the window: key, value and headers.
func recordSize(r *kgo.Record) int64 {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return int64(n)
}
