package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// checkReplayed holds replays to their entries: a dead letter is put back to work once, however many replays there are, and
// however they end, until its record dies anew; and only what has died is.
func (x *index) checkReplayed() {
	for line, copies := range x.byLine {
		if line.replays == 0 {
			continue
		}
		first := make(map[int64]*copied) // by due time: a replay makes its entries due at once
		for _, k := range copies {
			if !x.isReplay(line, k) || x.t.IsPark(k.Place.Topic) {
				continue
			}
			other, known := first[k.due]
			if known && !x.givenUp(k) && !movedFrom(other, k) {
				x.report.broken(ReplayedOnce, "copies %s and %s of %s are one dead letter replayed twice", other.Place, k.Place, k.id)
			}
			if !known {
				first[k.due] = k
				x.report.count(ReplayedOnce, "dead letters replayed", 1)
			}
			if !x.hasDied(lineage{line.id, line.replays - 1}, k) {
				x.report.broken(ReplayedOnce, "copy %s of %s says that it is replay %d, but it had not died so often", k.Place, k.id, k.replays)
			}
		}
		replays := slices.SortedFunc(maps.Values(first), func(a, b *copied) int { return cmp.Compare(a.due, b.due) })
		for i := 1; i < len(replays); i++ {
			if before, k := replays[i-1], replays[i]; !x.failedAnew(lineage{line.id, line.replays - 1}, before, k) {
				x.report.broken(ReplayedOnce, "a dead letter of %s was replayed by %s and once more by %s", line.id, before.Place, k.Place)
			}
		}
	}
	for _, r := range x.h.Replays {
		switch {
		case !r.Failed:
			x.report.count(ReplayedOnce, "replays completed", 1)
		case r.Killed:
			x.report.count(ReplayedOnce, "replays killed", 1)
		default:
			x.report.count(ReplayedOnce, "replays failed", 1)
		}
	}
}

// isReplay reports whether a copy was written by a replay: it has no attempts behind it, was not put off, and was due when it was written, in
// milliseconds rounded up, and it is not what a snooze or a member that gave its partition up has put there.
func (x *index) isReplay(line lineage, k *copied) bool {
	return !x.t.IsDLQ(k.Place.Topic) && k.attempt == 0 && !(x.t.PutsOff && k.hopDue != 0) && k.due <= unixMilli(k.Timestamp)+1 &&
		!slices.ContainsFunc(x.lineages[line], func(c *Call) bool {
			return !c.End.IsZero() && (c.Result == Snoozed || c.Delay > 0) && unixMilli(c.End.At.Add(c.Delay)) <= k.due
		})
}

// doubtful is how late before a replay a record may have failed first that the replay had not seen, for it to count as failed after that: clocks differ.
const doubtful = time.Minute

// failedAnew reports whether a life of a record that a replay had ended was lived once more before the next replay, as after its offset was lost: what died then
// is open again.
func (x *index) failedAnew(line lineage, replayed, again *copied) bool {
	return slices.ContainsFunc(x.byLine[line], func(d *copied) bool {
		return x.t.IsDLQ(d.Place.Topic) && d.Timestamp.After(replayed.Timestamp) && unixMilli(d.Timestamp) <= unixMilli(again.Timestamp) &&
			d.failed > unixMilli(replayed.Timestamp.Add(-doubtful))
	})
}

// hasDied reports whether a life of a record had ended as a dead letter when a copy was written.
func (x *index) hasDied(line lineage, k *copied) bool {
	return slices.ContainsFunc(x.byLine[line], func(d *copied) bool {
		return x.t.IsDLQ(d.Place.Topic) && unixMilli(d.Timestamp) <= unixMilli(k.Timestamp)
	})
}
