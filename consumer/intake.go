package consumer

import (
	"sync"
	"sync/atomic"
)

// intake is what comes in: the open lanes, the window that they share, and why each of them is paused. Two readers fill it: that of the
// group's client, which reads the sources, and one with a client of its own for the retry topics, so that a tier in which millions of
// records wait costs neither memory nor the fresh records' time. A partition is paused while its set of reasons is not empty; the set dies
// with the assignment, and so does the client's own memory of the pause, which would outlive it.
type intake struct {
	p *Pipeline

	sources   *reader
	retries   *reader
	group     *sourceReading // what sources reads
	following *retryReading  // what retries reads

	mu    sync.Mutex // guards the lanes' pauses; taken before a strand's lock, never after
	lanes map[string]map[int32]*lane
	count atomic.Int64 // open lanes
	tiers atomic.Int64 // of these, of retry topics

	records atomic.Int64 // in the window
	bytes   atomic.Int64
	// unsaved are records that are settled while their commit is not acknowledged: after a crash they are handled again, so
	// that they count against the window too.
	unsaved atomic.Int64
	leaving atomic.Int64 // open records whose copies are in the transaction that is under way

	crowds    atomic.Bool  // some lane may be crowded
	largeSize atomic.Int64 // of the larger records of late, in bytes; 0: none came yet
}

func newIntake(p *Pipeline) *intake {
	in := &intake{p: p, lanes: make(map[string]map[int32]*lane)}
	in.group = &sourceReading{p: p}
	in.sources = newReader(in, in.group)
	in.following = newRetryReading(p)
	in.retries = newReader(in, in.following)
	return in
}

// readerOf returns who reads a lane.
func (in *intake) readerOf(l *lane) *reader {
	if l.tier > 0 {
		return in.retries
	}
	return in.sources
}

// lane returns the open lane of a partition, or nil.
func (in *intake) lane(topic string, partition int32) *lane {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.lanes[topic][partition]
}

// hasFetched reports whether there is something of an open lane that was polled and it has not taken.
func (in *intake) hasFetched(topic string, partition int32) bool {
	l := in.lane(topic, partition)
	return l != nil && l.hasFetched.Load()
}

// all returns the open lanes.
func (in *intake) all() (lanes []*lane) {
	in.mu.Lock()
	defer in.mu.Unlock()
	lanes = make([]*lane, 0, in.count.Load())
	for _, ps := range in.lanes {
		for _, l := range ps {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

// of returns the open lanes that a reader reads.
func (in *intake) of(r *reader) (lanes []*lane) {
	for _, l := range in.all() {
		if in.readerOf(l) == r {
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
		in.tiers.Add(1)
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
			in.tiers.Add(-1)
		}
	}
	l.pauses.Store(0)
	if l.stopped.Swap(false) {
		in.readerOf(l).client.ResumeFetchPartitions(map[string][]int32{l.topic: {l.partition}})
		if l.hasFetched.Load() {
			in.readerOf(l).interrupt() // what was polled of it is forgotten
		}
	}
	in.mu.Unlock()
	if l.tier > 0 {
		in.following.changed()
	}
}
