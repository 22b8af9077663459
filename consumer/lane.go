package consumer

import (
	"context"
	"hash/crc32"
	"math/bits"
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
	topicID   [16]byte // when it was assigned: of a topic that is made again the lane is of the one that is gone
	partition int32
	source    string        // the source topic whose records it carries
	tier      time.Duration // 0: the source itself
	park      bool          // its records wait behind others of their keys, see heldKeys
	scanned   bool          // which keys its records hold is known
	strand    *strand
	meter     *topicMeter

	ctx    context.Context // of the calls of its records; ends when the lane is closed
	cancel context.CancelFunc

	draining bool
	closed   bool

	window
	placed   bool       // next is known
	readable bool       // of a retry topic: it may be read
	from     kgo.Offset // of a retry topic: where it begins

	ready   readyLine // entries that may start as soon as their key is free
	waiting entryDue  // entries with a time before which they must not start

	probed  uint64   // the number of the last probe that was its turn
	running int      // calls in flight
	routing int      // copies that are not acknowledged, those that are held included
	aside   []*route // of these, those that no commit has room for, see transactor.fitting
	asideAt uint64   // the window's version then

	committed        int64 // the last acknowledged commit
	said             said  // in the last commit that was sent, acknowledged or not
	stands           said  // in the last one that was acknowledged, or that the lane begins at
	committedVersion uint64
	refusals         refusals      // of its commits, see committer.putOff
	inDoubt          bool          // what has become of a transaction with its offsets, see marks.doubt
	stuck            bool          // a commit would forget what a transaction has said to be done
	repeated         int64         // until when a late commit may have come that was corrected, see committer.sayAgain
	saved            int64         // of settledRecords, those whose commit is acknowledged
	trimmed          int64         // below this the engine has deleted what was committed
	metadata         int           // bytes that the metadata of a commit may take
	mapped           doneRuns      // what was done above the watermark when it was last looked at
	mappedVersion    uint64        // when that was
	idle             chan struct{} // closed when a draining lane is quiet
	told             bool          // it is

	// What follows is not guarded by the strand's mutex.
	held           atomic.Int64 // open records, for who must not take the lock
	heldBytes      atomic.Int64 // what is kept for them
	settledRecords atomic.Int64
	marked         atomic.Int64  // settledRecords a moment ago
	resumeBelow    atomic.Int64  // held, for a crowded lane to be resumed
	full           atomic.Bool   // there is something beyond its share of what may wait that was polled
	crowded        atomic.Bool   // holds more than its share and hardly drains
	end            atomic.Int64  // the last known end for readers of committed records, -1 unknown
	unstable       atomic.Int64  // since when a transaction that is not ended keeps it there, in Unix nanoseconds; 0: none does
	missing        atomic.Bool   // a topic is missing that its copies go to
	lost           atomic.Bool   // unread records are gone, and the configuration says hold
	stopping       atomic.Bool   // tells a chunk's worker to stop
	pauses         atomic.Uint32 // a pauseSet; written under the intake's mutex
	stopped        atomic.Bool   // the client does not fetch it, and it is handed nothing; written under the intake's mutex
	pausedAt       atomic.Int64  // Unix nanoseconds
	fetched        []*kgo.Record // what was polled of it and it has not taken yet; the poll loop's own, as what follows
	weight         int64         // how much memory these take
	weighed        bool          // that is known
	hasFetched     atomic.Bool   // there is some of that
}

// newLane makes the lane of an assigned partition and adds it to its strand. It has no place yet.
func (p *Pipeline) newLane(topic string, part int32, source string, tier time.Duration) *lane {
	l := &lane{
		topic: topic, topicID: p.topics.id(topic), partition: part, source: source, tier: tier, meter: p.meter.topic(topic, source, tier),
		window: window{epoch: -1, top: -1, pinned: -1}, committed: -1, metadata: metadataLimit,
	}
	l.end.Store(-1)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	p.join(l)
	return l
}

// ends notes where readers of committed records have to stop, and where the partition really ends.
func (l *lane) ends(stable, high int64, now time.Time) {
	if stable < 0 {
		stable = high
	}
	moved := l.end.Swap(stable) != stable
	switch {
	case high <= stable:
		l.unstable.Store(0)
	case moved || l.unstable.Load() == 0:
		l.unstable.Store(now.UnixNano())
	}
}

// measured is ends for a partition that may not be fetched: when readers get further, the transaction that kept them has ended.
func (l *lane) measured(stable int64) {
	if stable > l.end.Load() {
		l.end.Store(stable)
		l.unstable.Store(0)
	}
}

// add takes a poll's records into the window.
func (l *lane) add(records []*kgo.Record, now time.Time) *batch {
	open, size := l.open, l.bytes
	b := l.window.add(records, now)
	l.strand.p.intake.took(l.open-open, l.bytes-size)
	l.tellHeld()
	return b
}

// tellHeld tells those who do not take the lock what the lane holds.
func (l *lane) tellHeld() {
	l.held.Store(int64(l.open))
	l.heldBytes.Store(l.bytes)
}

// settleRange settles the records of a chunk, except those that entries carry.
func (l *lane) settleRange(b *batch, from, to int) { l.released(l.window.settleRange(b, from, to)) }

// settle settles one record and reports whether it was the lane's to settle.
func (l *lane) settle(b *batch, i int) bool {
	if l.closed {
		return false
	}
	settled, bytes := l.window.settle(b, i)
	if settled {
		l.released(1, bytes)
	}
	return settled
}

func (l *lane) released(records int, bytes int64) {
	l.tellHeld()
	l.settledRecords.Add(int64(records))
	l.strand.p.intake.settled(records, bytes)
}

// metadataLimit is what a commit's metadata may take in bytes: the brokers' default for offset.metadata.max.bytes.
const metadataLimit = 4096

// settleBits is what settling one record adds to the map of done records at most, in bits: one run more of each kind, of which the two that a
// run of open offsets is divided into are no longer together than the lane's window is wide.
func (l *lane) settleBits() int {
	return 2 * bits.Len64(uint64(max(max(l.next, l.top+1)-l.watermark(), 1)))
}

// roomInMap reports whether the map of what is done above the watermark still fits into a commit when so many more
// records are settled: otherwise nothing new is begun, until what stands below is settled.
func (l *lane) roomInMap(more int) bool {
	limit := mapBits(l.metadata)
	if limit == 0 { // the brokers take no map
		return true
	}
	settleBits := l.settleBits()
	if l.mapped.bits+settleBits*(int(l.version-l.mappedVersion)+more) <= limit {
		return true
	}
	if l.version != l.mappedVersion {
		l.mapped.reset()
		l.progress(&l.mapped, false)
		l.mappedVersion = l.version
	}
	return l.mapped.bits+settleBits*more <= limit
}

// mapBits is how many bits of runs fit beside the note into so many bytes of metadata.
func mapBits(metadata int) int {
	return max((metadata-noteLimit-len(noteDone)-len(doneCodec))*6/8-crc32.Size, 0) * 8
}

// mayBegin reports whether a call may be begun for a record at an offset. When the map has no more room, only what
// stands below something that is done is begun, or first of all, one at a time: that makes room, or takes none.
func (l *lane) mayBegin(offset int64) bool {
	underway := l.underway()
	return l.roomInMap(underway+1) || underway == 0 && (offset < l.top || offset == l.watermark())
}

// underway is how many records may settle soon.
func (l *lane) underway() int {
	if l.strand.holding != nil { // there many leave untried, in one transaction
		return l.running + l.routing - len(l.aside)
	}
	return l.running
}

// isClosed reports whether the lane is closed, to who does not hold the strand's lock.
func (l *lane) isClosed() bool {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	return l.closed
}

// quiet reports whether nothing of the draining lane is under way. What is set aside waits for records that may not be begun any more, unless some that were
// under way have made room since: then it is looked once more.
func (l *lane) quiet() bool {
	return l.running == 0 && l.routing == len(l.aside) && (len(l.aside) == 0 || l.asideAt == l.version)
}

// signalQuiet wakes whoever waits for the lane to become quiet.
func (l *lane) signalQuiet() {
	if l.draining && !l.told && l.idle != nil && l.quiet() {
		close(l.idle)
		l.told = true
	}
}
