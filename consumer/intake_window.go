package consumer

// roomy reports whether less than half of the window is taken by open records, without those that a transaction is about to settle, and enough of it
// is left beside those and what waits for its commit.
func (in *intake) roomy() bool {
	window := int64(in.p.cfg.Window.Records)
	open := in.records.Load()
	return open-in.leaving.Load() < (window+1)/2 && open+in.unsaved.Load() < window-window/10 && in.bytes.Load() < in.p.cfg.Window.Bytes/2
}

// pollSize is how many records may be polled now, most at most, and 0 when the window is full. Where all that is in it waits, one may be polled all
// the same: what they wait for may not be fetched yet. A lane that keeps its share of what waits is paused, so that there is one more of each lane
// at most.
func (in *intake) pollSize(most int) int {
	left, bytesLeft := in.left()
	if left <= 0 || bytesLeft <= 0 {
		if in.allWait() {
			return 1
		}
		return 0
	}
	return int(min(max(left/2, 1), max(bytesLeft/2/in.recordSize(), 1), int64(most)))
}

// left is what the window has room for. What lanes that are paused for holding too much have of its bytes counts as seven eighths of them at most: of
// records that are larger than those before them, or were compressed well, one poll may bring more than there was room for, and the others
// go on beside it.
func (in *intake) left() (records, bytes int64) {
	w := &in.p.cfg.Window
	records, bytes = int64(w.Records)-in.records.Load()-in.unsaved.Load(), w.Bytes-in.bytes.Load()
	if in.crowds.Load() {
		crowded := int64(0)
		for _, l := range in.all() {
			if l.crowded.Load() {
				crowded += l.heldBytes.Load()
			}
		}
		bytes += max(crowded-(w.Bytes-w.Bytes/8), 0)
	}
	return records, bytes
}

// unknownSize is how large records are taken for, in bytes, before any came: brokers take no larger ones by default.
const unknownSize = 1 << 20

// recordSize is how large a record is that may come next.
func (in *intake) recordSize() int64 {
	if size := in.largeSize.Load(); size > 0 {
		return size
	}
	return unknownSize
}

// allWait reports whether nothing in the window can be done now, nor waits for its commit.
func (in *intake) allWait() bool {
	waiting := int64(0)
	for _, l := range in.of(in.retries) {
		l.strand.mu.Lock()
		waiting += int64(l.notRunnable())
		l.strand.mu.Unlock()
	}
	return in.records.Load()+in.unsaved.Load() <= waiting
}

// fits reports whether there is room for so many records, or for one of any size.
func (in *intake) fits(records int) bool {
	left, bytesLeft := in.left()
	if left <= 0 || bytesLeft <= 0 {
		return records == 1 && in.allWait()
	}
	return int64(records) <= left && (records == 1 || int64(records)*in.recordSize() <= bytesLeft)
}

// askAnew ends a poll of the other reader that waits for more records than there is room for, now that a reader has delivered: it may have
// begun long ago, and asks anew for what is left.
func (in *intake) askAnew(delivered *reader) {
	for _, r := range []*reader{in.sources, in.retries} {
		if n := int(r.asked.Load()); r != delivered && n > 0 && !in.fits(n) {
			r.interrupt()
		}
	}
}

// took takes room of the window.
func (in *intake) took(records int, bytes int64) {
	in.records.Add(int64(records))
	in.bytes.Add(bytes)
	if records == 0 {
		return
	}
	// What is larger counts at once, and is forgotten slowly: among many small records a few large ones take the room.
	size := bytes/int64(records) + 1
	if large := in.largeSize.Load(); size >= large {
		in.largeSize.Store(size)
	} else {
		in.largeSize.Add((size - large) / sizeForgotten)
	}
}

// sizeForgotten is the part of the difference, one in so many, that the size of records comes down by with what one poll brings of a partition.
const sizeForgotten = 32

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

// leave tells of how many open records the copies are in the transaction that is under way; 0: none is. They have their room until it has ended.
func (in *intake) leave(records int) {
	in.leaving.Store(int64(records))
	in.relieved()
}

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
	in.sources.relieved()
	in.retries.relieved()
}

// limit is how many records a lane may hold while the window is short: a guaranteed part of half the window, and half
// of what nobody uses, so that lanes which do not drain leave room for the others however many they are. Of a lane whose records are so large that
// they take more of the window's bytes than of its records it is as many fewer.
func (in *intake) limit(l *lane) int64 {
	window := int64(in.p.cfg.Window.Records)
	lanes := max(in.count.Load(), 1)
	limit := max(window/(2*lanes), 1) + max(window-in.weight(in.records.Load(), in.bytes.Load()), 0)/2
	held := l.held.Load()
	if weight := in.weight(held, l.heldBytes.Load()); weight > held {
		limit = max(limit*held/weight, 1)
	}
	return limit
}

// weight is what records of so many bytes take of the window, in records: their number, or as many as have so many bytes when all that have room have
// the same.
func (in *intake) weight(records, bytes int64) int64 {
	w := &in.p.cfg.Window
	return max(records, int64(float64(bytes)/float64(w.Bytes)*float64(w.Records)))
}

// waitingShare is how many records that are not due a retry lane may keep: together the retry lanes keep no more than
// half the window, and the other half is for what can be done now.
func (in *intake) waitingShare() int {
	lanes := max(int(in.tiers.Load()), 1)
	return min(max(in.p.cfg.Window.Records/(2*lanes), 1), maxWaiting)
}

// waitingBytes is the same in bytes.
func (in *intake) waitingBytes() int64 {
	return in.p.cfg.Window.Bytes / (2 * max(in.tiers.Load(), 1))
}

// share is how many records that are not due a retry lane may keep, and their bytes. What nobody uses of that half of the window park lanes may use
// besides, half of it each: what waits in them waits for others of its key, and when one is full, it is written anew before more is read.
func (in *intake) share(l *lane) (records int, bytes int64) {
	records, bytes = in.waitingShare(), in.waitingBytes()
	if l.park {
		w := &in.p.cfg.Window
		records = min(records+max(w.Records/2-int(in.records.Load()), 0)/2, maxWaiting)
		bytes += max(w.Bytes/2-in.bytes.Load(), 0) / 2
	}
	return records, bytes
}

// keepsReading reports whether a lane is a park lane that holds so few records that none of them are moved out of it, see
// [strand.makeRoom]: it goes on reading, for what all of them wait for may stand behind them in the topic.
func (in *intake) keepsReading(l *lane, open int) bool {
	if !l.park {
		return false
	}
	share, _ := in.share(l)
	return open <= share/2
}
