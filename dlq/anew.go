package dlq

// A group whose offsets were reset, or whose source was restored as it was, handles records once more that are dead letters already. What fails again then has
// the identity of the entry that it was. Where that is still to be dealt with it is a further copy of it; where it was replayed or discarded the entry is open
// again by it, until the next mark. A copy that a crash left, that was imported or carried forward stays a part of what was dealt with: it stood in the topic by
// then, or its record had failed by then.

// failedFirst is when the record of a dead letter first failed, in Unix ms: when it died, where its headers do not say.
func (e *Entry) failedFirst() int64 {
	if !e.State.FirstFailed.IsZero() {
		return e.State.FirstFailed.UnixMilli()
	}
	return e.At.UnixMilli()
}

// failedAnew says whether a record at an offset of the dead letters, which first failed then, is of a failure that came after its entry had got this status: at
// a time in Unix ms, by a call that had seen the partition up to an offset. 0: of a release that did not say, whose marks hold for all that has the identity.
func failedAnew(status Status, at, seen, offset, failed int64) bool {
	return (status == StatusReplayed || status == StatusDiscarded) && seen > 0 && offset >= seen && failed-at > clocksDiffer.Milliseconds()
}

// FailedAnew says whether the entry is open again since its record failed anew: Mark is what had become of it.
func (e *Entry) FailedAnew() bool {
	return e.Status == StatusOpen && (e.Mark.Status == StatusReplayed || e.Mark.Status == StatusDiscarded)
}

// stands is the status of a record of an entry with this mark.
func (m Mark) stands(e *Entry) Status {
	if failedAnew(m.Status, m.At.UnixMilli(), m.seen, e.Offset, e.failedFirst()) {
		return StatusOpen
	}
	return m.Status
}

// stands is the status of a record of an entry with this mark.
func (l *ledger) stands(e *Entry, m mark) Status {
	if m.at > 0 && failedAnew(m.status, m.at, l.origin[m.from].seen, e.Offset, e.failedFirst()) {
		return StatusOpen
	}
	return m.status
}

// stands is the status of entry i, which has this mark.
func (st *indexState) stands(c *columns, i int, m segmentMark) Status {
	if m.at > 0 && int(m.from) < len(st.from) && failedAnew(m.status, m.at, st.from[m.from].seen, c.offset(i), c.fails(i)) {
		return StatusOpen
	}
	return m.status
}

// anew is the identity of those records of an entry that failed after it had been dealt with.
func (id Identity) anew() Identity { return Identity{id[0], id[1] ^ 2} }

func (id stableID) anew() stableID {
	id[0] ^= 1
	return id
}

// part is the identity that the entry's copies share which stand as it does.
func (e *Entry) part() Identity {
	if e.FailedAnew() {
		return e.own().anew()
	}
	return e.own()
}
