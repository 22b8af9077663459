package consumer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

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
	sparing  atomic.Int64 // until when polls are small, in Unix nanoseconds, see keep
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
	var refused fruitless
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
		refused.rest(ctx, fetches)
	}
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
