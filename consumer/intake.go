package consumer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// pauseSet is the set of reasons why a partition is not fetched.
type pauseSet uint32

func (s pauseSet) has(r PauseReason) bool { return s&pauseSet(bit(r)) != 0 }

// intake is the only one that polls, pauses and resumes. A partition is paused while its set of reasons is not empty;
// the set dies with the assignment, and so does the client's own memory of the pause, which would outlive it.
type intake struct {
	p *Pipeline

	mu      sync.Mutex // guards the lanes' pauses; taken before a strand's lock, never after
	lanes   map[string]map[int32]*lane
	count   atomic.Int64 // open lanes
	retries atomic.Int64 // of these, of retry topics

	marked  time.Time // when mark was called last; the poll loop's own
	pollMu  sync.Mutex
	poll    context.Context // of the poll under way
	endPoll context.CancelFunc
	// interrupted since the last poll began
	interrupted bool
	room        chan struct{} // there is room in the window again
	waiting     atomic.Bool   // the poll loop waits for room
	records     atomic.Int64  // in the window
	bytes       atomic.Int64
	// unsaved are records that are settled while their commit is not acknowledged: after a crash they are handled again, so
	// that they count against the window too.
	unsaved atomic.Int64

	meanSize atomic.Int64 // of the records of late, in bytes
}

const (
	// maxPoll is the most records taken from the client at once.
	maxPoll = 2000
	// grace is how long the poll loop waits for the window to drain before it looks which lanes do, and soon within
	// what time a lane has to be through with what it holds beyond its share not to be paused.
	grace = 5 * time.Millisecond
	soon  = 100 * time.Millisecond
	// fetchWait is how long a fetch waits for records, and with it a partition that is resumed for a fetch that it is
	// part of. ahead is how much work a lane still has when it is resumed, so that it does not run dry meanwhile.
	fetchWait = 250 * time.Millisecond
	ahead     = 2 * fetchWait
	// maxWaiting is how many records that are not due a retry lane keeps at most, and farDue from when on they are far
	// off.
	maxWaiting = 1000
	farDue     = time.Second
)

func newIntake(p *Pipeline) *intake {
	return &intake{p: p, lanes: make(map[string]map[int32]*lane), room: make(chan struct{}, 1)}
}

// run polls until ctx ends.
func (in *intake) run(ctx context.Context) {
	refused := 0
	for ctx.Err() == nil {
		n := in.waitForRoom(ctx)
		if n == 0 {
			return
		}
		fetches := in.p.client.PollRecords(in.interruptible(ctx), n)
		in.deliver(fetches)
		if kept := in.p.regained(); len(kept) > 0 {
			in.p.adopt(ctx, kept)
		}
		in.p.readOn()
		in.p.client.AllowRebalance()
		if fetches.IsClientClosed() {
			return
		}
		refused = in.rest(ctx, fetches, refused)
	}
}

// rest waits after a poll that brought errors only, so that what the brokers refuse is not asked for as fast as they
// can refuse it. refused is how many such polls came in a row.
func (in *intake) rest(ctx context.Context, fetches kgo.Fetches, refused int) int {
	if fetches.NumRecords() > 0 || fetches.Err() == nil {
		return 0
	}
	timer := time.NewTimer(min(grace<<min(refused, 8), time.Second))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return refused + 1
}

// waitForRoom returns how many records may be polled: never all that is left of the window, so that it is not used up
// by one partition. While more than half of the window is taken it lets the lanes drain; lanes that hold more than
// their share and will not have drained soon are paused, so that the others go on. It returns 0 when ctx ends.
func (in *intake) waitForRoom(ctx context.Context) int {
	in.waiting.Store(true)
	defer in.waiting.Store(false)
	var timer *time.Timer
	for {
		if in.roomy() {
			return in.pollSize()
		}
		if timer == nil {
			timer = time.NewTimer(grace)
			defer timer.Stop()
			in.mark()
		}
		select {
		case <-ctx.Done():
			return 0
		case <-in.room:
			continue
		case <-timer.C:
		}
		draining := in.pauseCrowded()
		if n := in.pollSize(); n > 0 && !draining {
			return n
		}
		timer.Reset(grace)
	}
}

// roomy reports whether less than half of the window is taken by open records, and enough of it is left beside those
// whose commit is on its way.
func (in *intake) roomy() bool {
	window := int64(in.p.cfg.Window.Records)
	open := in.records.Load()
	return open < (window+1)/2 && open+in.unsaved.Load() < window-window/10 && in.bytes.Load() < in.p.cfg.Window.Bytes/2
}

// pollSize is how many records may be polled now, 0 when the window is full.
func (in *intake) pollSize() int {
	left := int64(in.p.cfg.Window.Records) - in.records.Load() - in.unsaved.Load()
	bytesLeft := in.p.cfg.Window.Bytes - in.bytes.Load()
	if left <= 0 || bytesLeft <= 0 {
		return 0
	}
	return int(min(max(left/2, 1), max(bytesLeft/(in.meanSize.Load()+1), 1), maxPoll))
}

// took takes room of the window.
func (in *intake) took(records int, bytes int64) {
	in.records.Add(int64(records))
	in.bytes.Add(bytes)
	if records > 0 {
		mean := in.meanSize.Load()
		in.meanSize.Add((bytes/int64(records) - mean) / 4)
	}
}

// settled turns open records into such whose commit is not acknowledged.
func (in *intake) settled(records int, bytes int64) {
	in.records.Add(-int64(records))
	in.bytes.Add(-bytes)
	if in.unsaved.Add(int64(records)) >= in.pressing() {
		in.p.committer.hurry()
	}
	in.relieved()
}

// pressing is from how many unsaved records on a commit does not wait for more: half the window, so that commits are few
// and the records that are settled while one is on its way have room.
func (in *intake) pressing() int64 { return int64(in.p.cfg.Window.Records+1) / 2 }

// saved gives the room of records back whose commit is acknowledged, or whose lane is closed.
func (in *intake) saved(records int64) {
	in.unsaved.Add(-records)
	in.relieved()
}

// released gives the room of open records back whose lane is closed.
func (in *intake) released(records int, bytes int64) {
	in.records.Add(-int64(records))
	in.bytes.Add(-bytes)
	in.relieved()
}

// relieved says that there is room again.
func (in *intake) relieved() {
	if in.waiting.Load() {
		select {
		case in.room <- struct{}{}:
		default:
		}
	}
}

// limit is how many records a lane may hold while the window is short: a guaranteed part of half the window, and half
// of what nobody uses, so that lanes which do not drain leave room for the others however many they are.
func (in *intake) limit() int {
	window := in.p.cfg.Window.Records
	lanes := max(int(in.count.Load()), 1)
	return max(window/(2*lanes), 1) + max(window-int(in.records.Load()), 0)/2
}

// waitingShare is how many records that are not due a retry lane may keep: together the retry lanes keep no more than
// half the window, and the other half is for what can be done now.
func (in *intake) waitingShare() int {
	lanes := max(int(in.retries.Load()), 1)
	return min(max(in.p.cfg.Window.Records/(2*lanes), 1), maxWaiting)
}

// waitingBytes is the same in bytes.
func (in *intake) waitingBytes() int64 {
	return in.p.cfg.Window.Bytes / (2 * max(in.retries.Load(), 1))
}

// keep returns how many of the records that were fetched for a lane it takes up. A retry lane gives back what is far from
// due and beyond its share: the client goes back to it.
func (in *intake) keep(l *lane, records []*kgo.Record, now time.Time) int {
	if l.tier == 0 {
		return len(records)
	}
	l.strand.mu.Lock()
	waiting, bytes := l.notRunnable(), l.bytes
	l.strand.mu.Unlock()
	left := in.waitingShare() - waiting
	if waiting > 0 && bytes > in.waitingBytes() {
		left = 0
	}
	if left = max(left, 0); left >= len(records) || l.park {
		return min(left, len(records))
	}
	state, _ := retrytopics.Decode(records[left])
	e := entry{due: state.Due, hopDue: state.HopDue}
	if e.wakeAt().Sub(now) <= farDue {
		return len(records)
	}
	return left
}

// mark notes how far each lane has settled.
func (in *intake) mark() {
	in.marked = time.Now()
	for _, l := range in.all() {
		l.marked.Store(l.settledRecords.Load())
	}
}

// pauseCrowded pauses the lanes that hold more than their share and, at the rate since the mark, will hold it for
// longer than soon. It reports whether there are others over their share, that will not: they are worth the wait, for
// pausing throws away what the client has fetched of a partition already.
func (in *intake) pauseCrowded() (draining bool) {
	limit := int64(in.limit())
	took := time.Since(in.marked).Seconds()
	for _, l := range in.all() {
		held := l.held.Load()
		if held <= limit || l.crowded.Load() {
			continue
		}
		rate := float64(l.settledRecords.Load()-l.marked.Load()) / took
		if rate*soon.Seconds() >= float64(held-limit) {
			draining = true
			continue
		}
		l.resumeBelow.Store(min(max(int64(rate*ahead.Seconds()), limit/2), limit))
		l.crowded.Store(true)
		in.review(l)
	}
	return draining
}

// interruptible returns a context for one poll, which interrupt ends, or has ended if it came since the last one.
func (in *intake) interruptible(ctx context.Context) context.Context {
	in.pollMu.Lock()
	defer in.pollMu.Unlock()
	if in.poll == nil || in.poll.Err() != nil {
		in.poll, in.endPoll = context.WithCancel(ctx)
	}
	if in.interrupted {
		in.interrupted = false
		in.endPoll()
	}
	return in.poll
}

// interrupt ends a poll that waits for records, so that the poll loop sees to what only it may do.
func (in *intake) interrupt() {
	in.pollMu.Lock()
	defer in.pollMu.Unlock()
	in.interrupted = true
	if in.endPoll != nil {
		in.endPoll()
	}
}

// deliver hands what was polled to the lanes. What has no lane is not ours, or not yet.
func (in *intake) deliver(fetches kgo.Fetches) {
	now := time.Now()
	var back map[string]map[int32]kgo.EpochOffset
	fetches.EachError(func(topic string, partition int32, err error) { in.fetchFailed(topic, partition, err) })
	fetches.EachPartition(func(ftp kgo.FetchTopicPartition) {
		l := in.lane(ftp.Topic, ftp.Partition)
		if l == nil || l.lost.Load() {
			return
		}
		if ftp.LastStableOffset >= 0 || ftp.HighWatermark > 0 {
			l.ends(ftp.LastStableOffset, ftp.HighWatermark, now)
		}
		if len(ftp.Records) > 0 {
			records := ftp.Records
			if _, given := back[l.topic][l.partition]; given {
				return // what follows in the same poll comes again too
			}
			if n := in.keep(l, records, now); n < len(records) {
				l.full.Store(true)
				if back == nil {
					back = make(map[string]map[int32]kgo.EpochOffset)
				}
				if back[l.topic] == nil {
					back[l.topic] = make(map[int32]kgo.EpochOffset)
				}
				back[l.topic][l.partition] = kgo.EpochOffset{Epoch: -1, Offset: records[n].Offset}
				records = records[:n]
			}
			if len(records) > 0 {
				in.p.received(l, records, now)
			}
			in.review(l)
		}
	})
	in.p.goBack(back)
}

// lane returns the open lane of a partition, or nil.
func (in *intake) lane(topic string, partition int32) *lane {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.lanes[topic][partition]
}

// all returns the open lanes.
func (in *intake) all() (lanes []*lane) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, ps := range in.lanes {
		for _, l := range ps {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

// open takes up a new lane.
func (in *intake) open(l *lane) {
	in.mu.Lock()
	if in.lanes[l.topic] == nil {
		in.lanes[l.topic] = make(map[int32]*lane)
	}
	in.lanes[l.topic][l.partition] = l
	in.mu.Unlock()
	in.count.Add(1)
	if l.tier > 0 {
		in.retries.Add(1)
	}
	in.review(l)
}

// closed forgets a lane and takes its pause out of the client.
func (in *intake) closed(l *lane) {
	in.mu.Lock()
	if in.lanes[l.topic][l.partition] == l {
		delete(in.lanes[l.topic], l.partition)
		in.count.Add(-1)
		if l.tier > 0 {
			in.retries.Add(-1)
		}
	}
	l.pauses.Store(0)
	if l.stopped {
		l.stopped = false
		in.p.client.ResumeFetchPartitions(map[string][]int32{l.topic: {l.partition}})
	}
	in.mu.Unlock()
}

// reviewAll reviews every lane, after something has changed for all of them.
func (in *intake) reviewAll() { in.review(in.all()...) }

// review works out the lanes' reasons to pause and tells the client, in one call for all of them, where a set becomes
// empty or is empty no more: a fetch that is under way does not take up partitions that are resumed after it began.
func (in *intake) review(lanes ...*lane) {
	for _, c := range in.decide(lanes) {
		in.p.toldPaused(c.lane, c.before, c.after)
	}
}

// pauseChange is a change of a lane's reasons.
type pauseChange struct {
	lane          *lane
	before, after pauseSet
}

func (in *intake) decide(lanes []*lane) (told []pauseChange) {
	in.mu.Lock()
	defer in.mu.Unlock()
	// More than once: who settled records while we looked saw no pause to relieve.
	for changed := true; changed; {
		changed = false
		pause, resume := make(map[string][]int32), make(map[string][]int32)
		for _, l := range lanes {
			if in.lanes[l.topic][l.partition] != l {
				continue
			}
			before := pauseSet(l.pauses.Load())
			after, probes := in.reasons(l, before)
			if stop := after&^forProbes != 0 || (after != 0 && !probes); stop != l.stopped {
				changed = true
				l.stopped = stop
				if stop {
					pause[l.topic] = append(pause[l.topic], l.partition)
				} else {
					resume[l.topic] = append(resume[l.topic], l.partition)
				}
			}
			if before == after {
				continue
			}
			changed = true
			if len(in.p.hooks.paused) > 0 {
				told = append(told, pauseChange{l, before, after})
			}
			l.pauses.Store(uint32(after))
			if before == 0 {
				l.pausedAt.Store(time.Now().UnixNano())
			}
		}
		if len(pause) > 0 {
			in.p.client.PauseFetchPartitions(pause)
		}
		if len(resume) > 0 {
			in.p.client.ResumeFetchPartitions(resume)
		}
	}
	return told
}

// forProbes are the reasons for which a lane fetches a few records all the same: whoever probes the dependency needs
// records to choose from, or the one that happens to be there is the eternal probe.
const forProbes = 1<<PauseBreaker | 1<<PauseOutage

// reasons returns why a lane is to be paused now, given why it was, and whether it is short of records for probes.
func (in *intake) reasons(l *lane, before pauseSet) (after pauseSet, probes bool) {
	l.strand.mu.Lock()
	open, waiting, bytes := l.open, l.notRunnable(), l.bytes
	probes = open-l.strand.freeFailed(l) < untried
	far := l.park || len(l.waiting) > 0 && time.Until(l.waiting[0].wakeAt()) > farDue
	if l.heldFull(before.has(PauseHoldKeyFull)) {
		after |= pauseSet(bit(PauseHoldKeyFull))
	}
	l.strand.mu.Unlock()

	for _, r := range in.p.gate.reasons() {
		after |= pauseSet(bit(r))
	}
	if l.crowded.Load() && open <= int(l.resumeBelow.Load()) {
		l.crowded.Store(false)
	}
	if l.crowded.Load() {
		if in.p.held.onLane(l) {
			after |= pauseSet(bit(PauseRoute))
		} else {
			after |= pauseSet(bit(PauseWindow))
		}
	}
	share := in.waitingShare()
	if l.full.Load() && (waiting == 0 || waiting <= share/2 && bytes <= in.waitingBytes()/2) {
		l.full.Store(false)
	}
	if l.full.Load() || waiting >= share && far || before.has(PauseDue) && waiting > share/2 {
		after |= pauseSet(bit(PauseDue))
	}
	if l.missing.Load() {
		after |= pauseSet(bit(PauseTopic))
	}
	if l.lost.Load() {
		after |= pauseSet(bit(PauseDataLoss))
	}
	return after, probes
}

// notRunnable is how many records a retry lane keeps for later: those that are not due and, of the park lane, all.
func (l *lane) notRunnable() int {
	if l.park {
		return l.open
	}
	return len(l.waiting)
}

// relieve resumes a lane that has drained enough.
func (in *intake) relieve(l *lane) {
	if l.strand.holding != nil && l.tier != 0 {
		if source := in.lane(l.source, l.partition); source != nil && source.pauses.Load() != 0 {
			in.review(source)
		}
	}
	if l.pauses.Load() == 0 {
		return
	}
	in.review(l)
	if l.lost.Load() && l.held.Load() == 0 {
		in.interrupt() // it may be moved now
	}
}

// fetchFailed says what is wrong with a partition. The client goes on by itself after most errors.
func (in *intake) fetchFailed(topic string, partition int32, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	var loss *kgo.ErrDataLoss
	var session *kgo.ErrGroupSession
	switch {
	case errors.As(err, &session): // its own hook tells, see groupErrors
	case topic == "": // of the client, not of a partition
		in.p.faults.note("group", "", -1, err)
	case errors.As(err, &loss), errors.Is(err, kerr.OffsetOutOfRange):
		in.p.dataLost(topic, partition, err)
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.UnknownTopicOrPartition):
		in.p.topics.missing(topic)
		in.p.faults.note("fetch", topic, partition, err)
	default:
		in.p.faults.note("fetch", topic, partition, err)
	}
}
