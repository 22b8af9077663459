package consumer

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A lane holds one assigned partition: what was fetched of it, what waits, what runs and what is settled. It alone says
// how far the partition may be committed. Its life is one assignment: a partition that comes back gets a new lane, and
// a closed lane settles nothing, so that a late outcome cannot move the offset of the next owner.
//
// All fields are guarded by the strand's mutex unless they say otherwise.
type lane struct {
	topic     string
	partition int32
	source    string        // the source topic whose records it carries
	tier      time.Duration // 0: the source itself
	strand    *strand
	meter     *topicMeter

	ctx    context.Context // of the calls of its records; ends when the lane is closed
	cancel context.CancelFunc

	draining bool
	closed   bool

	batches []*batch
	next    int64 // the offset after the last record seen, or where the lane starts
	epoch   int32 // leader epoch of the last record seen
	placed  bool  // next is known

	windowed int   // records from the watermark on
	bytes    int64 // of these

	ready   queue    // entries that may start as soon as their key is free
	waiting entryDue // entries with a time before which they must not start

	begun   int64 // the highest offset that a call was made for, -1: none
	behind  int   // entries that wait for their key
	running int   // calls in flight
	routing int   // copies that are not acknowledged

	committed int64         // the last acknowledged commit
	trimmed   int64         // below this the engine has deleted what was committed
	idle      chan struct{} // closed when a draining lane is quiet
	told      bool          // it is

	// What follows is not guarded by the strand's mutex.
	held           atomic.Int64  // windowed, for who must not take the lock
	settledRecords atomic.Int64  // that the watermark has passed
	marked         atomic.Int64  // settledRecords a moment ago
	resumeBelow    atomic.Int64  // held, for a crowded lane to be resumed
	full           atomic.Bool   // what was fetched beyond its share of what may wait was given back
	crowded        atomic.Bool   // holds more than its share and hardly drains
	end            atomic.Int64  // the last known end for readers of committed records, -1 unknown
	missing        atomic.Bool   // a topic is missing that its copies go to
	lost           atomic.Bool   // unread records are gone, and the configuration says hold
	stopping       atomic.Bool   // tells a chunk's worker to stop
	pauses         atomic.Uint32 // a pauseSet; written under the intake's mutex
	stopped        bool          // the client does not fetch it; under the intake's mutex
	pausedAt       atomic.Int64  // Unix nanoseconds
}

// batch is what one poll brought for a lane, in offset order.
type batch struct {
	records []*kgo.Record
	state   []recordState
	low     int // the first that is not settled
	taken   int // the first that is not taken up; source lanes only
	bytes   int64
	arrived time.Time
}

type recordState uint8

const (
	recordOpen    recordState = iota
	recordEntry               // an entry carries it on its own
	recordSettled             // done, routed, dropped, or a control record
)

// add takes a poll's records into the window. Control records are settled as they come: they move the watermark over
// the end of a transaction, so that lag falls to zero.
func (l *lane) add(records []*kgo.Record, now time.Time) *batch {
	b := &batch{records: records, state: make([]recordState, len(records)), arrived: now}
	for i, r := range records {
		if r.Attrs.IsControl() {
			b.state[i] = recordSettled
		}
		b.bytes += recordSize(r)
	}
	l.bytes += b.bytes
	l.strand.p.intake.records.Add(int64(len(records)))
	l.strand.p.intake.bytes.Add(b.bytes)
	last := records[len(records)-1]
	l.next, l.epoch = last.Offset+1, last.LeaderEpoch
	l.windowed += len(records)
	l.held.Store(int64(l.windowed))
	l.batches = append(l.batches, b)
	l.advance() // over control records at the front
	return b
}

// data counts the records that are no control records.
func (b *batch) data() (n int) {
	for _, r := range b.records {
		if !r.Attrs.IsControl() {
			n++
		}
	}
	return n
}

// settleRange settles the records of a chunk, except those that entries carry.
func (l *lane) settleRange(b *batch, from, to int) {
	for i := from; i < to; i++ {
		if b.state[i] == recordOpen {
			b.state[i] = recordSettled
		}
	}
	l.advance()
}

// settle settles one record and reports whether it was the lane's to settle.
func (l *lane) settle(b *batch, i int) bool {
	if l.closed || b.state[i] == recordSettled {
		return false
	}
	b.state[i] = recordSettled
	l.advance()
	return true
}

// advance moves the watermark over what is settled and lets go of it.
func (l *lane) advance() {
	records, bytes := 0, int64(0)
	for len(l.batches) > 0 {
		b := l.batches[0]
		for b.low < len(b.records) && b.state[b.low] == recordSettled {
			b.low++
			records++
		}
		if b.low < len(b.records) {
			break
		}
		bytes += b.bytes // all at once: the client's memory of a batch is let go as one
		l.batches[0] = nil
		l.batches = l.batches[1:]
	}
	if records > 0 {
		l.windowed -= records
		l.bytes -= bytes
		l.held.Store(int64(l.windowed))
		l.settledRecords.Add(int64(records))
		l.strand.p.intake.released(records, bytes)
	}
}

// watermark returns the offset below which everything is settled. Offsets that no record was seen for, as transaction
// markers, aborted and compacted records leave them, count as settled.
func (l *lane) watermark() int64 {
	if len(l.batches) == 0 {
		return l.next
	}
	b := l.batches[0]
	return b.records[b.low].Offset
}

// fresh returns the first batch with a record that is not taken up, or nil.
func (l *lane) fresh() *batch {
	for _, b := range l.batches {
		for b.taken < len(b.records) && b.state[b.taken] == recordSettled {
			b.taken++
		}
		if b.taken < len(b.records) {
			return b
		}
	}
	return nil
}

// below reports whether an entry stands below a record that was begun: a draining lane brings it to its end.
func (l *lane) below(e *entry) bool { return e.record.Offset < l.begun }

// quiet reports whether nothing of the draining lane is under way or about to be.
func (l *lane) quiet() bool {
	if l.running > 0 || l.routing > 0 {
		return false
	}
	return l.ready.len()+l.behind == 0 || !l.strand.p.gate.open()
}

// signalQuiet wakes whoever waits for the lane to become quiet.
func (l *lane) signalQuiet() {
	if l.draining && !l.told && l.idle != nil && l.quiet() {
		close(l.idle)
		l.told = true
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
