package dlq

import (
	"cmp"
	"time"
)

// A group whose offsets were reset, or whose source was restored as it was, handles records once more that are dead letters already. What fails again then has
// the identity of the entry that it was. Where that is still to be dealt with it is a further copy of it; where it was replayed or discarded the entry is open
// again by it, until the next mark. A copy that a crash left, that was imported or carried forward stays a part of what was dealt with: whoever marked that had
// seen it, or it says that its record first failed no later.

// failedFirst is when the record of a dead letter first failed, in Unix ms: when it died, where its headers do not say.
func (e *Entry) failedFirst() int64 {
	if !e.State.FirstFailed.IsZero() {
		return e.State.FirstFailed.UnixMilli()
	}
	return e.At.UnixMilli()
}

// settlement is what a mark says of what it settles.
type settlement struct {
	status Status
	at     int64 // Unix ms of the mark, which is later than those before it, whatever the clock of its call said
	seen   int64 // where the partition of the dead letters ended for that call; 0: of a release that did not say, whose marks hold for all that has the identity
	until  int64 // Unix ms, see untilOf; 0: not said, by which at counts
}

// untilOf is up to when the record of a dead letter that its call had not seen may have failed first to be a copy of an entry that is marked now. A copy says the
// same of that as the entry, whatever the clocks. Beyond that what failed within the last minute may have come after the mark, by another clock: in doubt it is
// open.
func untilOf(e *Entry, now time.Time) int64 {
	return min(max(now.Add(-clocksDiffer).UnixMilli(), e.failedFirst(), 1), year9999)
}

// failedAnew says whether a record at an offset of the dead letters, which first failed then, in Unix ms, is of a failure that came after the mark.
func (s settlement) failedAnew(offset, failed int64) bool {
	return (s.status == StatusReplayed || s.status == StatusDiscarded) && s.seen > 0 && offset >= s.seen && failed > cmp.Or(s.until, s.at)
}

// FailedAnew says whether the entry is open again since its record failed anew: Mark is what had become of it.
func (e *Entry) FailedAnew() bool {
	return e.Status == StatusOpen && (e.Mark.Status == StatusReplayed || e.Mark.Status == StatusDiscarded)
}

// stands is the status of a record of an entry with this mark.
func (m Mark) stands(e *Entry) Status {
	if (settlement{status: m.Status, at: m.At.UnixMilli(), seen: m.seen, until: m.until}).failedAnew(e.Offset, e.failedFirst()) {
		return StatusOpen
	}
	return m.Status
}

// stands is the status of a record of an entry with this mark.
func (l *ledger) stands(e *Entry, m mark) Status {
	if m.at > 0 && (settlement{status: m.status, at: m.at, seen: l.origin[m.from].seen, until: m.until}).failedAnew(e.Offset, e.failedFirst()) {
		return StatusOpen
	}
	return m.status
}

// stands is the status of entry i, which has this mark.
func (st *indexState) stands(c *columns, i int, m segmentMark) Status {
	if m.at > 0 && int(m.from) < len(st.from) && (settlement{status: m.status, at: m.at, seen: st.from[m.from].seen, until: m.until}).failedAnew(c.offset(i), c.fails(i)) {
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

// death is the identity that those copies of an entry share which say that their record first failed at the same time, or do not say when.
func (e *Entry) death() Identity {
	if e.State.FirstFailed.IsZero() {
		return e.own()
	}
	return e.own().born(e.State.FirstFailed.UnixMilli())
}

// part is the identity that the entry's copies share which stand as it does.
func (e *Entry) part() Identity {
	if e.FailedAnew() {
		return e.own().anew()
	}
	return e.own()
}

// stablePart is what an entry shares with those of its copies that stand as it does.
func (e *Entry) stablePart() stableID {
	if e.passed != nil {
		return *e.passed
	}
	id := stableIdentity(e.State.ID, e.State.Group, e.State.Replays, e.State.Replay).born(BirthOf(&e.State))
	if e.FailedAnew() {
		return id.anew()
	}
	return id
}

// part is [Entry.stablePart] of entry i.
func (c *columns) part(i int, anew bool) stableID {
	if anew {
		return c.own(i).anew()
	}
	return c.own(i)
}
