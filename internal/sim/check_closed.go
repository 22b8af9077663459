package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// followed reports whether a dead letter followed another one of its key.
func (x *index) followed(k *copied) bool {
	return x.t.HoldDead && x.t.IsDLQ(k.Place.Topic) && k.reason == "behind"
}

// followedFrom reports whether k can be what became of a record that stood at a place when it followed a dead letter untried.
func (x *index) followedFrom(at Place, k *copied) bool {
	return x.followed(k) && k.attempt == x.base(at)
}

// checkClosed holds keys to their dead letters. From when a record of a key is dead until it is replayed or discarded no record of
// the key that stood behind it is called. A record that follows another has not died of anything itself, and there is one
// that it follows; those of a key follow in the order of their origin. When everything is dealt with, every key is open.
func (x *index) checkClosed(trains map[train][]*Call) {
	letters := make(map[train][]*copied)
	for _, k := range x.copies {
		if x.t.IsDLQ(k.Place.Topic) && k.Key != nil {
			tr := train{Partition{k.origin.Topic, k.origin.Number}, string(k.Key)}
			letters[tr] = append(letters[tr], k)
		}
	}
	for tr, dead := range letters {
		slices.SortFunc(dead, func(a, b *copied) int { return cmp.Compare(a.Place.Offset, b.Place.Offset) })
		x.checkCallsBehind(tr, dead, trains[tr])
		x.checkFollowers(tr, dead)
	}
	x.countCrowded(letters)
	x.checkTried()
}

// heldWindows is how many windows of records that were put off, and of dead letters behind which keys are closed, a member remembers of all its
// source partitions together.
const heldWindows = 16

// countCrowded counts the dead letters with which a source partition had more that nobody had dealt with than its member remembers.
func (x *index) countCrowded(letters map[train][]*copied) {
	type change struct {
		at time.Time
		by int
	}
	changes := make(map[Partition][]change)
	for tr, dead := range letters {
		for _, k := range dead {
			changes[tr.partition] = append(changes[tr.partition], change{k.Timestamp, 1})
			if over := x.dealtWith(k); over != 0 {
				changes[tr.partition] = append(changes[tr.partition], change{time.UnixMilli(over), -1})
			}
		}
	}
	for p, list := range changes {
		slices.SortStableFunc(list, func(a, b change) int { return a.at.Compare(b.at) })
		known, crowded := 0, 0
		for _, ch := range list {
			if known += ch.by; ch.by > 0 && known > heldWindows*x.t.Window/x.sourcesBeside(p, ch.at) {
				crowded++
			}
		}
		x.report.count(Ordered, "dead letters beyond memory", crowded)
	}
}

// sourcesBeside is how many source partitions the owner of one has at a time, that one too.
func (x *index) sourcesBeside(p Partition, at time.Time) (n int) {
	for i := range x.h.Assignments {
		a := &x.h.Assignments[i]
		if a.When.At.After(at) {
			break
		}
		n = 0
		for q, o := range a.Owners {
			if x.t.IsSource(q.Topic) && o == a.Owners[p] {
				n++
			}
		}
	}
	return max(n, 1)
}

// dealtWith returns when a dead letter was replayed or discarded, or may have been, in Unix ms; 0: never.
func (x *index) dealtWith(k *copied) (at int64) {
	for _, again := range x.byLine[lineage{k.id, k.replays + 1}] {
		if ms := unixMilli(again.Timestamp); at == 0 || ms < at {
			at = ms
		}
	}
	for _, d := range x.h.Discarded {
		if ms := unixMilli(d.When.At); d.ID == k.id && d.Replays == k.replays && (at == 0 || ms < at) {
			at = ms
		}
	}
	return at
}

func (x *index) checkCallsBehind(tr train, dead []*copied, calls []*Call) {
	for _, k := range dead {
		died, over := unixMilli(k.Timestamp), x.dealtWith(k)
		for _, c := range calls {
			start := unixMilli(c.Start.At)
			if c.Origin.Offset <= k.origin.Offset || start <= died || over != 0 && start >= over {
				continue
			}
			if !x.strayed(c, k) {
				x.report.broken(Ordered, "%s was called with attempt %d at %s, while %s of the same key %q, which stands before it, was the dead letter %s since %s",
					c.ID, c.Attempt, clock(c.Start), k.id, tr.key, k.Place, k.Timestamp.Format("15:04:05.000"))
			}
		}
	}
}

// strayed reports whether a call's member may not have known that another one had written a dead letter before.
func (x *index) strayed(c *Call, k *copied) bool {
	return slices.ContainsFunc(x.upsets[c.Member], func(u *Upset) bool {
		return u.Begun.Before(c.Start) && (u.Ended.IsZero() || !u.Ended.Before(k.Timestamp))
	})
}

func (x *index) checkFollowers(tr train, dead []*copied) {
	var last *copied
	for _, k := range dead {
		if !x.followed(k) {
			continue
		}
		x.report.count(Ordered, "records dead behind another", 1)
		skipped := x.skippedBefore(tr, k)
		if !skipped && !slices.ContainsFunc(dead, func(o *copied) bool { return o.origin.Offset < k.origin.Offset }) {
			x.report.broken(Ordered, "dead letter %s of %s says that it is behind another of its key %q, and there is none", k.Place, k.id, tr.key)
		}
		if !skipped && !slices.ContainsFunc(dead, func(o *copied) bool { return x.mayFollow(k, o) }) && !x.disturbedAt(k.Timestamp) {
			x.report.broken(Ordered, "dead letter %s of %s says that it is behind another of its key %q, and all of those had been dealt with for %v", k.Place, k.id, tr.key, markTime)
		}
		if k.replays > 0 {
			continue
		}
		if last != nil && k.origin.Offset < last.origin.Offset && !x.disordered(last, k) {
			x.report.broken(Ordered, "%s followed a dead letter at %s, behind %s of the same key %q", k.id, k.Place, last.id, tr.key)
		}
		last = k
	}
}

// skippedBefore reports whether an operator settled a record of the key that stood before another: its letter may have been on its way.
func (x *index) skippedBefore(tr train, k *copied) bool {
	for at := range x.skipped {
		if c := x.copies[at]; c != nil {
			at = c.origin
		}
		if p := x.produced[at]; p != nil && at.Partition == tr.partition && string(p.Key) == tr.key && at.Offset < k.origin.Offset {
			return true
		}
	}
	return false
}

// mayFollow reports whether a dead letter may have followed another: that was not dealt with by then, or its member may not have learned of it.
func (x *index) mayFollow(k, o *copied) bool {
	over := x.dealtWith(o)
	return o.origin.Offset < k.origin.Offset && !o.Timestamp.After(k.Timestamp) && (over == 0 || unixMilli(x.decided(k)) <= over+markTime.Milliseconds())
}

// decided returns when it may have been decided, at the earliest, that a dead letter follows another: when it was written, or since the record stood
// where it was put off before, where a member has no room in its commits for what it has decided, and waits until it has.
func (x *index) decided(k *copied) time.Time {
	if !x.t.ExactlyOnce || !slices.ContainsFunc(x.h.Upsets, func(u Upset) bool { return u.Kind == Unmapped && u.Begun.At.Before(k.Timestamp) }) {
		return k.Timestamp
	}
	at := k.Timestamp
	for _, before := range x.byLine[lineage{k.id, k.replays}] {
		if before.Timestamp.Before(k.Timestamp) {
			at = before.Timestamp
		}
	}
	return at
}

// checkTried holds every record that tries a key, after all dead letters were dealt with, to its handler's success.
func (x *index) checkTried() {
	for i := range x.h.Produced {
		p := &x.h.Produced[i]
		if !slices.ContainsFunc(p.Headers, func(h kgo.RecordHeader) bool { return h.Key == triedHeader }) {
			continue
		}
		if !slices.ContainsFunc(x.callsOf[p.ID], func(c *Call) bool { return c.Result == Succeeded }) && x.h.Settled {
			x.report.broken(Ordered, "%s was not handled, though all dead letters of its key %q had been replayed or discarded", p.ID, p.Key)
		}
		x.report.count(Ordered, "keys open in the end", 1)
	}
}
