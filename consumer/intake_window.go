package consumer

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

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
	most := int64(maxPoll)
	if in.spares(time.Now()) {
		most = int64(max(in.waitingShare()/2, leastPoll))
	}
	return int(min(max(left/2, 1), max(bytesLeft/(in.meanSize.Load()+1), 1), most))
}

const (
	// leastPoll is how many records are polled at least while polls are small, and sparingFor how long they are after
	// something had to be given back.
	leastPoll  = 64
	sparingFor = 10 * time.Second
)

// spares reports whether polls are small, so that retry lanes are paused before they take up more than their share.
func (in *intake) spares(now time.Time) bool { return now.UnixNano() < in.sparing.Load() }

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
// due and beyond its share: the client goes back to it, for which it drops what it has fetched of all partitions. So polls are
// small from then on for a while, and what one of them brings beyond the share is kept.
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
	spares := in.spares(now)
	if spares && bytes <= in.waitingBytes() {
		left += in.waitingShare() / 2
	}
	if left = max(left, 0); left >= len(records) || l.park {
		return min(left, len(records))
	}
	for ; left < len(records); left++ {
		state, _ := retrytopics.Decode(records[left])
		e := entry{due: state.Due, hopDue: state.HopDue}
		if e.farOff(now) {
			break
		}
	}
	if left < len(records) {
		in.sparing.Store(now.Add(sparingFor).UnixNano())
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
		held, drains := l.crowd()
		if held <= limit || l.crowded.Load() || in.keepsReading(l, int(l.held.Load())) {
			continue
		}
		rate := 0.0
		if drains {
			rate = float64(l.settledRecords.Load()-l.marked.Load()) / took
		}
		if rate*soon.Seconds() >= float64(held-limit) {
			draining = true
			continue
		}
		l.resumeBelow.Store(min(max(int64(rate*ahead.Seconds()), limit/2), limit))
		l.crowded.Store(true)
		in.review(l)
		if l.park {
			l.strand.wake() // which makes room, where something stands behind whose turn it is
		}
	}
	return draining
}

// keepsReading reports whether a lane is a park lane that holds so few records that none of them are moved out of it, see
// [strand.makeRoom]: it goes on reading, for what all of them wait for may stand behind them in the topic.
func (in *intake) keepsReading(l *lane, open int) bool { return l.park && open <= in.waitingShare()/2 }
