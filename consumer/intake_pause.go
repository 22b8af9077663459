package consumer

import (
	"slices"
	"time"
)

// pauseSet is the set of reasons why a partition is not fetched.
type pauseSet uint32

func (s pauseSet) has(r PauseReason) bool { return s&pauseSet(bit(r)) != 0 }

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
		turns := make(map[*reader]*pauseTurn)
		for _, l := range lanes {
			if in.lanes[l.topic][l.partition] != l {
				continue
			}
			before := pauseSet(l.pauses.Load())
			after, probes := in.reasons(l, before)
			if stop := after&^forProbes != 0 || (after != 0 && !probes); stop != l.stopped.Load() {
				changed = true
				l.stopped.Store(stop)
				r := in.readerOf(l)
				if turns[r] == nil {
					turns[r] = new(pauseTurn)
				}
				turns[r].add(l)
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
		for r, t := range turns {
			t.tell(r)
		}
	}
	return told
}

// pauseTurn is what one client is told at a time.
type pauseTurn struct {
	pause, resume map[string][]int32
	ahead         bool // of one that goes on something was polled before: a poll that waits does not see that it may be handed over
}

func (t *pauseTurn) add(l *lane) {
	if l.stopped.Load() {
		t.pause = withPartition(t.pause, l)
	} else {
		t.resume = withPartition(t.resume, l)
		t.ahead = t.ahead || l.hasFetched.Load()
	}
}

func (t *pauseTurn) tell(r *reader) {
	if len(t.pause) > 0 {
		r.client.PauseFetchPartitions(t.pause)
	}
	if len(t.resume) > 0 {
		r.client.ResumeFetchPartitions(t.resume)
	}
	if t.ahead {
		r.interrupt()
	}
}

// withPartition adds a lane's partition to those of a call: most reviews change nothing, and make none.
func withPartition(all map[string][]int32, l *lane) map[string][]int32 {
	if all == nil {
		all = make(map[string][]int32)
	}
	all[l.topic] = append(all[l.topic], l.partition)
	return all
}

// forProbes are the reasons for which a lane fetches a few records all the same: whoever probes the dependency needs
// records to choose from, or the one that happens to be there is the eternal probe. In an outage, which may be one of some records
// only, it fetches until its window is full.
const forProbes = 1<<PauseBreaker | 1<<PauseOutage

// reasons returns why a lane is to be paused now, given why it was, and whether it is short of records for probes.
func (in *intake) reasons(l *lane, before pauseSet) (after pauseSet, probes bool) {
	l.strand.mu.Lock()
	open, waiting, bytes := l.open, l.notRunnable(), l.bytes
	crowd := open + int(l.uncommitted())
	probes = open-l.strand.freeFailed(l) < in.p.cfg.Window.untried(int(in.count.Load()))
	far := l.park || len(l.waiting) > 0 && l.waiting[0].farOff(time.Now())
	if l.heldFull(before.has(PauseHoldKeyFull)) {
		after |= pauseSet(bit(PauseHoldKeyFull))
	}
	l.strand.mu.Unlock()

	for _, r := range in.p.gate.reasons() {
		after |= pauseSet(bit(r))
	}
	probes = probes || after&pauseSet(bit(PauseBreaker)) == 0
	if l.crowded.Load() && (in.eased(l, crowd) || in.keepsReading(l, open)) {
		l.crowded.Store(false)
	}
	if l.crowded.Load() {
		if in.p.held.onLane(l) {
			after |= pauseSet(bit(PauseRoute))
		} else {
			after |= pauseSet(bit(PauseWindow))
		}
	}
	share, room := in.share(l)
	if !l.park && in.following.spares(time.Now()) {
		share = max(share/2, 1) // what the polls under way bring comes on top
	}
	if l.full.Load() && takesMore(waiting, bytes, share, room) {
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

// takesMore reports whether a retry lane in which so much waits, of its share, goes on when it was stopped with more at hand than it might take. Of that it
// has to take at least one record then: what is at hand of a lane that is not stopped keeps the poll loop from polling.
func takesMore(waiting int, bytes int64, share int, room int64) bool {
	return waiting == 0 || waiting <= share/2 && bytes <= room/2
}

// notRunnable is how many records a retry lane keeps for later: those that are not due and, of the park lane, all.
func (l *lane) notRunnable() int {
	if l.park {
		return l.open
	}
	return len(l.waiting)
}

// staysCrowded reports whether nothing can have changed for a lane that is paused because it holds too much: this is asked for each copy
// that is written.
func (in *intake) staysCrowded(l *lane) bool {
	return !l.park && l.crowded.Load() && !in.eased(l, int(l.held.Load())) && !in.p.held.anyRoute()
}

// eased reports whether a lane that holds so much need not be paused for it any more: it has drained, or others have, and its share has grown.
func (in *intake) eased(l *lane, holds int) bool {
	return holds <= int(max(l.resumeBelow.Load(), in.limit(l)/2))
}

// ease looks again at the lanes that are paused because they hold too much, when something was committed: they may have held what could not be
// committed before, or wait for calls that hang while the others have given room back.
func (in *intake) ease() {
	if !in.crowds.Swap(false) {
		return
	}
	crowded := slices.DeleteFunc(in.all(), func(l *lane) bool { return !l.crowded.Load() })
	if len(crowded) > 0 {
		in.crowds.Store(true)
		in.review(crowded...)
	}
}

// relieve resumes a lane that has drained enough.
func (in *intake) relieve(l *lane) {
	if l.strand.holding != nil && l.tier != 0 {
		if source := in.lane(l.source, l.partition); source != nil && source.pauses.Load() != 0 {
			in.review(source)
		}
	}
	if pauses := pauseSet(l.pauses.Load()); pauses == 0 || pauses == pauseSet(bit(PauseWindow)) && in.staysCrowded(l) {
		return
	}
	in.review(l)
	if l.lost.Load() && l.held.Load() == 0 {
		in.readerOf(l).interrupt() // it may be moved now
	}
}
