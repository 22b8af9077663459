package consumer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// reader is a poll loop and its client. Nobody else polls that client or moves its partitions.
type reader struct {
	in     *intake
	of     reading
	client *kgo.Client // nil until the pipeline runs

	fetched fetched   // what was polled and no lane has taken yet; the poll loop's own, as what follows
	marked  time.Time // since when it is counted what each lane settles
	late    bool      // there was no room for longer than grace when it was last waited for: it is the calls that take the time

	pollMu  sync.Mutex
	poll    context.Context // of the poll under way
	endPoll context.CancelFunc
	// interrupted since the last poll began
	interrupted bool
	room        chan struct{} // there is room in the window again
	asked       atomic.Int64  // how many records may come into the window next
	waiting     atomic.Bool   // the poll loop waits for room
}

// reading is what a reader reads.
type reading interface {
	// reads reports whether what is polled now of the lane's partition is the lane's.
	reads(l *lane) bool
	// most is how many records lanes are handed at once at most, 0 while it has its part of the window.
	most() int
	// bring is how many records the next poll may bring, -1: all that the client has. It waits until that is one, and returns 0 when ctx ends.
	bring(ctx context.Context) int
	// keep returns how many of the records a lane takes up: at least one, unless the lane is stopped for what it does not.
	keep(l *lane, records []*kgo.Record, now time.Time) int
	// goBack makes the client go on from other offsets than it would. It is called by the poll loop.
	goBack(at map[string]map[int32]kgo.EpochOffset)
	// between sees to what may only be done between two polls, the last of which could bring so many records.
	between(ctx context.Context, brought int)
}

const (
	// maxPoll is the most records that lanes are handed at once.
	maxPoll = 2000
	// grace is how long the poll loop waits for the window to drain before it looks which lanes do, and soon within
	// what time a lane has to be through with what it holds beyond its share not to be paused. Before a lane has had what it holds for as
	// long as patient nobody knows: copies are acknowledged, and transactions end, many at a time.
	grace   = 5 * time.Millisecond
	soon    = 100 * time.Millisecond
	patient = soon / 2
	// fetchWait is how long a fetch waits for records, and with it a partition that is resumed for a fetch that it is
	// part of. ahead is how much work a lane still has when it is resumed, so that it does not run dry meanwhile.
	fetchWait = 250 * time.Millisecond
	ahead     = 2 * fetchWait
)

func newReader(in *intake, of reading) *reader {
	return &reader{in: in, of: of, room: make(chan struct{}, 1)}
}

// run polls until ctx ends. The client fetches what follows as soon as all that it had was polled, so that it does while the lanes take that.
func (r *reader) run(ctx context.Context) {
	var refused fruitless
	all := true // that there was room for was taken
	for ctx.Err() == nil {
		if r.lanesTake() && !r.wanted() {
			n := r.ask(ctx)
			if n == 0 {
				return
			}
			if r.late && all { // lanes of which nothing was polled have their turn, too
				//lint:ignore SA1012 without a context the client does not wait
				r.after(ctx, r.client.PollRecords(nil, n), n)
				if !r.in.fits(n) { // the other reader may have delivered since
					continue
				}
			}
			taken := r.handOver(n)
			if all = taken == n; taken == 0 {
				r.rest(ctx)
			}
			continue
		}
		n := r.of.bring(ctx)
		if n == 0 {
			return
		}
		fetches := r.client.PollRecords(r.interruptible(ctx), n)
		r.after(ctx, fetches, n)
		if fetches.IsClientClosed() {
			return
		}
		refused.rest(ctx, fetches)
	}
}

// after sees to what a poll brought that could bring n records. One that brought nothing, not even that it was ended, holds no rebalance, so that
// nothing may be done that lies between two polls.
func (r *reader) after(ctx context.Context, fetches kgo.Fetches, n int) {
	r.polled(fetches)
	if len(fetches) > 0 {
		r.of.between(ctx, n)
	}
}

// ask waits for room and says how many records may be handed over, see [intake.askAnew]. It returns 0 when ctx ends.
func (r *reader) ask(ctx context.Context) int {
	for {
		n := r.waitForRoom(ctx)
		if r.asked.Store(int64(n)); n == 0 || r.in.fits(n) { // the other reader may have delivered since
			return n
		}
	}
}

// waitForRoom returns how many records may be taken: never all that is left of the window, so that it is not used up
// by one partition. While more than half of the window is taken it lets the lanes drain; lanes that hold more than
// their share and will not have drained soon are paused, so that the others go on. It returns 0 when ctx ends.
func (r *reader) waitForRoom(ctx context.Context) int {
	r.waiting.Store(true)
	defer r.waiting.Store(false)
	r.late = false
	var timer *time.Timer
	for {
		if r.in.roomy() {
			if n := r.in.pollSize(r.of.most()); n > 0 {
				return n
			}
		}
		if timer == nil {
			timer = time.NewTimer(grace)
			defer timer.Stop()
			r.mark()
		}
		select {
		case <-ctx.Done():
			return 0
		case <-r.room:
			continue
		case <-timer.C:
		}
		r.late = true
		draining := r.pauseCrowded()
		if n := r.in.pollSize(r.of.most()); n > 0 && !draining {
			return n
		}
		timer.Reset(grace)
	}
}

// rest waits until there is more room, or for a moment, where there is none for what comes next.
func (r *reader) rest(ctx context.Context) {
	r.waiting.Store(true)
	defer r.waiting.Store(false)
	moment := time.NewTimer(grace)
	defer moment.Stop()
	select {
	case <-ctx.Done():
	case <-r.room:
	case <-moment.C:
	}
}

// relieved says that there is room again.
func (r *reader) relieved() {
	if r.waiting.Load() {
		select {
		case r.room <- struct{}{}:
		default:
		}
	}
}

// interruptible returns a context for one poll, which interrupt ends, or has ended if it came since the last one.
func (r *reader) interruptible(ctx context.Context) context.Context {
	r.pollMu.Lock()
	defer r.pollMu.Unlock()
	if r.poll == nil || r.poll.Err() != nil {
		r.poll, r.endPoll = context.WithCancel(ctx)
	}
	if r.interrupted {
		r.interrupted = false
		r.endPoll()
	}
	return r.poll
}

// wanted reports whether the poll loop was interrupted since its last poll began.
func (r *reader) wanted() bool {
	r.pollMu.Lock()
	defer r.pollMu.Unlock()
	return r.interrupted
}

// interrupt ends a poll that waits for records, so that the poll loop sees to what only it may do.
func (r *reader) interrupt() {
	r.pollMu.Lock()
	defer r.pollMu.Unlock()
	r.interrupted = true
	if r.endPoll != nil {
		r.endPoll()
	}
}

// polled takes note of what was polled. What has no lane is not ours, or not yet.
func (r *reader) polled(fetches kgo.Fetches) {
	r.asked.Store(0)
	now := time.Now()
	fetches.EachError(func(topic string, partition int32, err error) { r.fetchFailed(topic, partition, err) })
	fetches.EachPartition(func(ftp kgo.FetchTopicPartition) {
		l := r.in.lane(ftp.Topic, ftp.Partition)
		if l == nil || l.lost.Load() || !r.of.reads(l) {
			return
		}
		if ftp.LastStableOffset >= 0 || ftp.HighWatermark > 0 {
			l.ends(ftp.LastStableOffset, ftp.HighWatermark, now)
		}
		if len(ftp.Records) > 0 {
			r.fetched.add(l, ftp.Records)
		}
	})
}

// lanesTake reports whether there is something that a lane takes now.
func (r *reader) lanesTake() bool { return slices.ContainsFunc(r.fetched.lanes, takes) }

// handOver hands up to n records to the lanes that take what was polled of them, whose turn it is longest first, and returns how many they took. A
// lane that was closed since takes them, too, and they count for nothing.
func (r *reader) handOver(n int) (taken int) {
	now := time.Now()
	r.fetched.turns(func(l *lane) (served bool) {
		if taken == n || !takes(l) {
			return false
		}
		records := l.fetched[:min(n-taken, len(l.fetched))]
		if records = records[:r.of.keep(l, records, now)]; len(records) > 0 {
			taken += len(records)
			r.in.p.received(l, records, now)
			r.fetched.took(l, len(records))
		}
		r.in.review(l)
		if l.park && l.pauses.Load() != 0 {
			l.strand.wake() // it may have to make room, and did not know of the pause, or nothing was kept
		}
		return len(records) > 0
	})
	r.asked.Store(0)
	r.in.askAnew(r)
	return taken
}

// takes reports whether a lane is handed now what was polled of it.
func takes(l *lane) bool { return !l.stopped.Load() }

// stopped are the lanes that are stopped with something that was polled of them, and what that takes in memory.
func (r *reader) stopped() (lanes []*lane, bytes int64) {
	for _, l := range r.fetched.lanes {
		if !takes(l) {
			lanes = append(lanes, l)
			bytes += l.fetchedBytes()
		}
	}
	return lanes, bytes
}

// boundStopped gives back what was polled of lanes that are stopped, when it takes more than so many bytes: one after the other may have been
// stopped with what came of it.
func (r *reader) boundStopped(most int64) {
	if stopped, bytes := r.stopped(); bytes > most {
		r.giveBack(stopped)
	}
}

// giveBack has the client bring once more what lanes have not taken.
func (r *reader) giveBack(lanes []*lane) {
	var back map[string]map[int32]kgo.EpochOffset
	for _, l := range lanes {
		if back == nil {
			back = make(map[string]map[int32]kgo.EpochOffset)
		}
		if back[l.topic] == nil {
			back[l.topic] = make(map[int32]kgo.EpochOffset)
		}
		back[l.topic][l.partition] = kgo.EpochOffset{Epoch: -1, Offset: l.fetched[0].Offset}
		r.fetched.took(l, len(l.fetched))
	}
	r.fetched.tidy()
	r.of.goBack(back)
}

// mark notes how far each lane has settled, unless that was a moment ago.
func (r *reader) mark() {
	now := time.Now()
	if now.Sub(r.marked) < soon {
		return
	}
	r.marked = now
	for _, l := range r.in.of(r) {
		l.marked.Store(l.settledRecords.Load())
	}
}

// pauseCrowded pauses the lanes that hold more than their share and, at the rate of late, will hold it for longer than soon. It reports
// whether there are others over their share, that will not, or of which that is not known yet: they are worth the wait, for pausing throws away
// what the client has fetched of a partition already. The mark is never much older than soon: what a lane settled before says nothing of how it
// drains now.
func (r *reader) pauseCrowded() (draining bool) {
	now := time.Now()
	if now.Sub(r.marked) >= soon {
		defer r.mark()
	}
	for _, l := range r.in.of(r) {
		held, drains, arrived := l.crowd()
		limit := r.in.limit(l)
		if held <= limit || l.crowded.Load() || r.in.keepsReading(l, int(l.held.Load())) {
			continue
		}
		rate := 0.0
		if drains {
			took := max(min(now.Sub(r.marked), now.Sub(arrived)), grace)
			if took < patient && held > maxChunk { // of less there is not much to throw away, and others may wait behind it in the client
				draining = true
				continue
			}
			rate = float64(l.settledRecords.Load()-l.marked.Load()) / took.Seconds()
		}
		if rate*soon.Seconds() >= float64(held-limit) {
			draining = true
			continue
		}
		l.resumeBelow.Store(min(max(int64(rate*ahead.Seconds()), limit/2), limit))
		l.crowded.Store(true)
		r.in.crowds.Store(true)
		r.in.review(l)
		if l.park {
			l.strand.wake() // which makes room, where something stands behind whose turn it is
		}
	}
	return draining
}

// fetchFailed says what is wrong with a partition. The client goes on by itself after most errors.
func (r *reader) fetchFailed(topic string, partition int32, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	if l := r.in.lane(topic, partition); l != nil && !r.of.reads(l) {
		return // of an assignment that is over
	}
	var loss *kgo.ErrDataLoss
	var session *kgo.ErrGroupSession
	switch {
	case errors.As(err, &session): // its own hook tells, see groupErrors
	case topic == "": // of the client, not of a partition
		r.in.p.faults.note("group", "", -1, err)
	case errors.Is(err, kerr.OffsetOutOfRange) && r.in.hasFetched(topic, partition):
		// What came before that is taken first. The client goes on asking, and says so again.
	case errors.As(err, &loss), errors.Is(err, kerr.OffsetOutOfRange):
		r.in.p.dataLost(topic, partition, err)
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.UnknownTopicOrPartition):
		r.in.p.topics.missing(topic)
		r.in.p.faults.note("fetch", topic, partition, err)
	default:
		r.in.p.faults.note("fetch", topic, partition, err)
	}
}
