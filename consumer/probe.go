package consumer

import (
	"cmp"
	"math"
	"slices"
)

// While the pipeline is held but for probes, lanes take turns: whichever was probed longest ago asks for the next slot, so
// that a record that fails whatever the state of the dependency is not the eternal probe while there are others. Lanes with
// records that were not tried yet come before the others, for what has failed before says less. A probe that has begun lets
// the next lane ask, for as many as the gate lets through side by side.

// offerProbe lets the lane whose turn it is ask for a slot. A breaker that is open on suspicion, for records that had failed
// before, is probed at once when there is one that has not.
func (p *Pipeline) offerProbe() {
	if !p.gate.open() {
		if p.gate.doubtful() && p.untriedAtHand(nil) {
			p.gate.probe()
		}
		return
	}
	var next *strand
	var of kind
	longest, untried := uint64(math.MaxUint64), false
	for _, st := range p.allStrands() {
		st.mu.Lock()
		for _, l := range st.lanes {
			if !st.mayStart() || !st.offersProbe(l) {
				continue
			}
			if first := st.untried(l); first && !untried || first == untried && l.probed < longest {
				next, of, longest, untried = st, l.kind(), l.probed, first
			}
		}
		st.mu.Unlock()
	}
	if next != nil {
		p.slots.want(next, of)
	}
}

// mayProbe reports whether a strand may use a permit for a probe of a kind: a worker that was in line, or goes on, when the
// breaker let probes through has not asked whose turn it is.
func (p *Pipeline) mayProbe(st *strand, k kind) bool {
	if k == retry {
		return !p.untriedAtHand(nil)
	}
	st.mu.Lock()
	untried := st.hasUntried()
	st.mu.Unlock()
	return untried || !p.untriedAtHand(st)
}

// untriedAtHand reports whether a strand, other than one, could start a record that was not tried yet.
func (p *Pipeline) untriedAtHand(but *strand) bool {
	return slices.ContainsFunc(p.allStrands(), func(st *strand) bool {
		if st == but {
			return false
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		return st.hasUntried()
	})
}

// hasUntried reports whether the strand could start a record that was not tried yet.
func (st *strand) hasUntried() bool {
	return st.idle() && slices.ContainsFunc(st.lanes, st.untried)
}

// untried reports whether the lane could start a record that was not tried yet. Who is offered a probe and who may use one both go by
// it: where they differed, whose turn it was would offer it on, and be offered it again.
func (st *strand) untried(l *lane) bool {
	if l.closed {
		return false
	}
	if st.p.flows != nil && l.tier == 0 {
		if e := st.rankedProbe(l); e != nil && !e.failedBefore() {
			return true
		}
	}
	return st.mayTakeFresh(l) && st.freshFirst(l)
}

// offersProbe reports whether the lane has something that could start as a probe. Where tenants share the slots, one that has all the
// calls it may have offers nothing until one of them ends: it would be asked again and again meanwhile.
func (st *strand) offersProbe(l *lane) bool {
	if st.p.flows == nil {
		return st.offers(l)
	}
	return !l.closed && (st.rankedProbe(l) != nil || st.mayTakeFresh(l))
}

// rankedProbe returns the entry of a lane's ranked line that is the next probe, of those whose flow may have another slot: one that was not
// tried yet, else one that has failed the fewest times in a row as a probe. It is nil when there is none.
func (st *strand) rankedProbe(l *lane) *entry {
	if !l.mayRunReady() {
		return nil
	}
	if !l.roomInMap(l.underway() + 1) {
		if e := l.ready.lowest(); st.p.slots.mayRunOf(e.flow) {
			return e
		}
		return nil
	}
	return l.ready.probe(st.p.slots.mayRunOf)
}

// lanesOf returns the open lanes of a kind: each time another one first, so that a tier with much to do does not keep the
// others waiting, and for a probe the one that was probed longest ago.
func (st *strand) lanesOf(k kind, probe bool) []*lane {
	lanes := st.shuffled[:0]
	st.turns++
	for i := range st.lanes {
		if l := st.lanes[(i+st.turns)%len(st.lanes)]; l.kind() == k && !l.closed {
			lanes = append(lanes, l)
		}
	}
	if probe {
		slices.SortStableFunc(lanes, func(a, b *lane) int { return cmp.Compare(a.probed, b.probed) })
	}
	st.shuffled = lanes
	return lanes
}

// probing notes that a lane has its turn.
func (st *strand) probing(l *lane) { l.probed = st.p.probes.Add(1) }
