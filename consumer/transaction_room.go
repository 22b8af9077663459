package consumer

import (
	"errors"
	"slices"
	"time"
)

// This file is about the room in commits. With its offsets a transaction says what is done above them, and so which records it has copies
// of: else these would be handled and routed once more by who has the partition next. Where brokers take less metadata than that needs, the
// transaction goes without the highest ones of a partition, which are set aside until enough of what stands below is done. No commit forgets
// what a transaction has said, see lane.mark.

// errTooLarge is the end of a transaction whose metadata brokers have refused for its size.
var errTooLarge = errors.New("the brokers take less metadata")

// asideFor is after what time it is looked again whether there is room for what was set aside.
const asideFor = 100 * time.Millisecond

// fitting sets those of a batch aside of which its commit could not tell, and returns the others.
func (t *transactor) fitting(batch []*route) (fits []*route) {
	ms, complete := t.leave(batch)
	t.stay(batch)
	if !complete { // it will come to nothing
		return batch
	}
	over := make(map[*lane][]*route)
	for _, r := range batch {
		if ms.tellOf(r) {
			fits = append(fits, r)
		} else {
			over[r.entry.lane] = append(over[r.entry.lane], r)
		}
	}
	for l, routes := range over {
		t.setAside(ms[partition{l.topic, l.partition}], routes)
	}
	return fits
}

// roomFor reports whether a commit could tell of these without the others of their batch, or would come to nothing anyway.
func (t *transactor) roomFor(part []*route) bool {
	ms, complete := t.leave(part)
	t.stay(part)
	return !complete || !slices.ContainsFunc(part, func(r *route) bool { return !ms.tellOf(r) })
}

// forgets reports whether a commit of the mark would forget what a transaction has said.
func (m *mark) forgets() bool { return m.told < 0 }

// tellOf reports whether the marks tell that the record of a copy is done.
func (ms marks) tellOf(r *route) bool {
	l := r.entry.lane
	return r.entry.record.Offset < ms[partition{l.topic, l.partition}].told
}

// setAside lets copies of a lane wait that its mark does not tell of. They are on no way meanwhile, and an operator may skip their records. All of a lane are tried
// again at once, in their order: it may be that they have room together only, as where a mark without one of them would forget what a transaction has said.
func (t *transactor) setAside(m *mark, routes []*route) {
	l := m.lane
	l.strand.mu.Lock()
	if len(l.aside) == 0 {
		time.AfterFunc(asideFor, func() { t.takeUp(l) })
	}
	together := l.stuck || m.forgets() // one that tries what is avoided goes alone, and has no room so
	for _, r := range routes {
		r.entry.status, r.joins = entryHeld, together
		l.strand.giveWay(r.entry)
	}
	l.aside, l.asideAt = append(l.aside, routes...), l.version
	l.signalQuiet()
	l.strand.mu.Unlock()
	if together {
		t.trust(routes)
	}
	for _, r := range routes {
		t.p.outlets.pass(r, t.p.write)
	}
	l.strand.wake() // what makes room may begin
}

// takeUp tries again what was set aside.
func (t *transactor) takeUp(l *lane) {
	l.strand.mu.Lock()
	routes := l.aside
	l.aside = nil
	l.strand.mu.Unlock()
	for _, r := range routes {
		t.p.tryAgain(r)
	}
}
