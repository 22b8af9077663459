package consumer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// retryReading is what the retry topics' own client reads: the partitions of retry topics that the group assigns. The group's client has
// them too, with their commits, and fetches nothing of them. A rebalance does not wait for the poll loop, which follows the lanes between two
// polls: what was polled before is not taken for a new lane's.
type retryReading struct {
	p *Pipeline

	following map[partition]*lane // whose partitions the client fetches; the poll loop's own
	behind    atomic.Bool         // there are other lanes by now
	remadeMu  sync.Mutex
	remade    []string // topics that the client was made to forget

	sparing atomic.Int64 // until when polls are small, in Unix nanoseconds, see keep
}

const (
	// retryFetchBytes and retryPartitionBytes are how much the client of the retry topics fetches from a broker and of a partition at a time.
	// Copies compress well, to a tenth or less, and what is fetched is decoded at once, whether it is due or not. A batch that is larger
	// comes all the same.
	retryFetchBytes     = 512 << 10
	retryPartitionBytes = 64 << 10

	// maxWaiting is how many records that are not due a retry lane keeps at most, and farDue from when on they are far
	// off.
	maxWaiting = 1000
	farDue     = time.Second
	// leastPoll is how many records are polled at least while polls are small, and sparingFor how long they are after
	// something had to be given back.
	leastPoll  = 64
	sparingFor = 10 * time.Second
)

func newRetryReading(p *Pipeline) *retryReading {
	return &retryReading{p: p, following: make(map[partition]*lane)}
}

func (r *retryReading) reads(l *lane) bool { return r.following[partition{l.topic, l.partition}] == l }

// bring waits for room for what is polled.
func (r *retryReading) bring(ctx context.Context) int { return r.p.intake.retries.ask(ctx) }

// most leaves a quarter of the window to the sources, however many records are due: their calls may hang. It is a tenth of the window at
// most, for a poll that waits for records takes up what it asked for, see [intake.askAnew].
func (r *retryReading) most() int {
	in := r.p.intake
	window := r.p.cfg.Window.Records
	most := min(max(window/10, 1), maxPoll)
	if r.spares(time.Now()) {
		most = min(max(in.waitingShare()/2, leastPoll), maxPoll)
	}
	if in.weight(in.records.Load(), in.bytes.Load()) <= int64(window/2) {
		return most
	}
	left := window - window/4
	for _, l := range in.of(in.retries) {
		left -= int(in.weight(l.held.Load(), l.heldBytes.Load()))
	}
	if left <= 0 && in.allWait() {
		return 1
	}
	return max(min(most, left), 0)
}

// spares reports whether polls are small, so that lanes are paused before they take up more than their share.
func (r *retryReading) spares(now time.Time) bool { return now.UnixNano() < r.sparing.Load() }

// keep leaves what is far from due and beyond the lane's share until there is room for it again: the lane is stopped, and what the client has
// fetched of it beside that it drops. So polls are small from then on for a while, and what one of them brings beyond the share is kept.
func (r *retryReading) keep(l *lane, records []*kgo.Record, now time.Time) int {
	kept := r.keeps(l, records, now)
	if kept < len(records) {
		l.full.Store(true)
		if !l.park {
			r.sparing.Store(now.Add(sparingFor).UnixNano())
		}
	}
	return kept
}

func (r *retryReading) keeps(l *lane, records []*kgo.Record, now time.Time) int {
	share, room := r.p.intake.share(l)
	if r.spares(now) {
		share, room = share+share/2, room+room/2
	}
	l.strand.mu.Lock()
	waiting, bytes, over := l.notRunnable(), l.bytes, l.closed || l.draining
	l.strand.mu.Unlock()
	if over {
		return len(records) // which count for nothing
	}
	kept := fitting(records, share-waiting, room-bytes)
	if kept == 0 && takesMore(waiting, bytes, share, room) { // it would not be stopped
		kept = 1
	}
	if l.park {
		return kept
	}
	for ; kept < len(records); kept++ {
		state, _ := retrytopics.Decode(records[kept])
		e := entry{due: state.Due, hopDue: state.HopDue}
		if e.farOff(now) {
			break
		}
	}
	return kept
}

// fitting is how many of the records, from the first on, are not more than so many nor larger than so many bytes together.
func fitting(records []*kgo.Record, most int, bytes int64) (n int) {
	for n < min(most, len(records)) {
		if bytes -= recordSize(records[n]); bytes < 0 {
			break
		}
		n++
	}
	return n
}

func (r *retryReading) goBack(at map[string]map[int32]kgo.EpochOffset) {
	if len(at) > 0 {
		r.p.intake.retries.client.SetOffsets(at)
	}
}

func (r *retryReading) between(_ context.Context, brought int) {
	reader := r.p.intake.retries
	reader.handOver(brought)
	reader.boundStopped(r.leftAtMost())
	r.p.readOn(reader)
	r.follow()
}

// leftAtMost is how many bytes of memory that may take which was polled of lanes that were stopped with it, an eighth of what the sources may: beyond that
// the client goes back to it, for which it drops what it has fetched of all partitions.
func (r *retryReading) leftAtMost() int64 { return int64(fetchBytes(r.p.cfg.Window)) / 8 }

// changed is told that a lane was closed, or may be read from now on.
func (r *retryReading) changed() {
	if !r.behind.Swap(true) {
		r.p.intake.retries.interrupt()
	}
}

// startOver has topics forgotten that were deleted and made again: the client knows topics by their ids.
func (r *retryReading) startOver(topics []string) {
	r.p.intake.retries.client.PurgeTopicsFromClient(topics...)
	r.remadeMu.Lock()
	r.remade = append(r.remade, topics...)
	r.remadeMu.Unlock()
	r.changed()
}

// follow has the client fetch the partitions of the lanes that there are now, from where each of them is.
func (r *retryReading) follow() {
	if !r.behind.Swap(false) {
		return
	}
	r.remadeMu.Lock()
	remade := r.remade
	r.remade = nil
	r.remadeMu.Unlock()
	gone := make(map[string][]int32)
	for part, l := range r.following {
		if r.p.intake.lane(part.topic, part.number) != l || slices.Contains(remade, part.topic) {
			delete(r.following, part)
			if l.hasFetched.Load() {
				r.p.intake.retries.fetched.drop(l)
			}
			gone[part.topic] = append(gone[part.topic], part.number)
		}
	}
	come := make(map[string]map[int32]kgo.Offset)
	for _, l := range r.p.intake.of(r.p.intake.retries) {
		part := partition{l.topic, l.partition}
		if r.following[part] == l {
			continue
		}
		from, ready := l.start()
		if !ready {
			continue
		}
		r.following[part] = l
		if come[l.topic] == nil {
			come[l.topic] = make(map[int32]kgo.Offset)
		}
		come[l.topic][l.partition] = from
	}
	client := r.p.intake.retries.client
	client.RemoveConsumePartitions(gone)
	client.AddConsumePartitions(come)
}

// start returns where the lane begins to be read, once it may be.
func (l *lane) start() (from kgo.Offset, ready bool) {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	if !l.readable || l.closed || l.draining {
		return from, false
	}
	if l.from.EpochOffset().Offset == l.next { // the commit's epoch stands in it
		return l.from, true
	}
	return kgo.NewOffset().At(l.next).WithEpoch(l.epoch), true
}

// begin has the lanes of retry topics read from their offsets on, and leaves those of the sources, which the group's client reads.
func (p *Pipeline) begin(offsets map[string]map[int32]kgo.Offset) map[string]map[int32]kgo.Offset {
	begun := false
	for topic, ps := range offsets {
		for part, from := range ps {
			l := p.intake.lane(topic, part)
			if l == nil && !p.topics.note(topic).retry || l != nil && l.tier == 0 {
				continue
			}
			delete(ps, part)
			if l != nil {
				l.strand.mu.Lock()
				l.from, l.readable, begun = from, true, true
				l.strand.mu.Unlock()
			}
		}
		if len(ps) == 0 {
			delete(offsets, topic)
		}
	}
	if begun {
		p.intake.following.changed()
	}
	return offsets
}
