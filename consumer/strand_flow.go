package consumer

import (
	"time"
)

// Where tenants or priorities are told apart a strand looks ahead: it takes up all that was fetched as entries, in the order
// of offsets, each of which holds its key or stands behind it, and starts those that hold it in the order of flow and rank.
// There are no chunks.

// takeUp makes entries of all that was fetched of the source. What a flow holds too much of goes to the tiers.
func (st *strand) takeUp() {
	now := time.Now()
	for _, l := range st.lanes {
		if l.tier != 0 || l.draining || l.closed {
			continue
		}
		for b := l.fresh(); b != nil; b = l.fresh() {
			e := st.entryOf(l, b, b.taken)
			b.taken++
			e.flow = st.p.flows.of(e.record)
			if until, leaves := st.p.excess(e.flow, now); leaves {
				st.sendOff(e, until, now)
				continue
			}
			if st.leavesLine(e) {
				continue
			}
			e.rank = st.p.flows.rank(e, now)
			if st.mayRun(e) {
				e.status = entryReady
				l.ready.insert(e)
			} else if e.status == entryBehind {
				e.enterFlow()
			}
		}
	}
}

// makeReady lets an entry start whose time has come, unless its flow holds too much already.
func (st *strand) makeReady(e *entry, now time.Time) {
	if st.p.flows != nil {
		e.flow = st.p.flows.of(e.record)
		if until, leaves := st.p.excess(e.flow, now); leaves && !e.lane.park {
			st.sendOff(e, until, now)
			return
		}
	}
	e.status = entryReady
	e.lane.ready.push(e)
}

// offered returns what a strand has to start of a kind: of each flow the rank of its first.
func (st *strand) offered(k kind) (offers []offer) {
	if st.p.flows == nil {
		return nil
	}
	for _, l := range st.lanes {
		if l.kind() != k || l.closed || !l.mayRunReady() {
			continue
		}
		if !l.roomInMap(l.underway() + 1) {
			e := l.ready.lowest()
			offers = addOffer(offers, offer{e.flow, e.rank})
			continue
		}
		for f, line := range l.ready.flows {
			offers = addOffer(offers, offer{f, (*line)[0].rank})
		}
	}
	return offers
}

func addOffer(offers []offer, o offer) []offer {
	for i := range offers {
		if offers[i].flow == o.flow {
			offers[i].rank = min(offers[i].rank, o.rank)
			return offers
		}
	}
	return append(offers, o)
}

// takeRanked hands out the next entry of a kind: of the flow whose turn it is the one with the lowest rank.
func (st *strand) takeRanked(k kind, probe bool) (*entry, *flow) {
	if probe {
		return st.takeRankedProbe(k)
	}
	for {
		offers := st.offered(k)
		f := st.p.slots.choose(offers)
		if f == nil {
			return nil, nil
		}
		if e := st.begins(st.popRanked(k, f)); e != nil {
			return e, f
		}
		st.p.slots.flowEnded(f, false, false)
	}
}

// popRanked takes the first entry of a flow out of the lanes of a kind.
func (st *strand) popRanked(k kind, f *flow) *entry {
	var from *lane
	var first *entry
	for _, l := range st.lanes {
		if l.kind() != k || l.closed || !l.mayRunReady() {
			continue
		}
		e := l.ready.first(f)
		if !l.roomInMap(l.underway() + 1) {
			if e = l.ready.lowest(); e.flow != f {
				continue
			}
		}
		if e != nil && (first == nil || e.rank < first.rank) {
			from, first = l, e
		}
	}
	if first != nil {
		from.ready.remove(first)
	}
	return first
}

// begins starts an entry that was taken out of the line, if it still may.
func (st *strand) begins(e *entry) *entry {
	if e == nil || e.status == entrySettled {
		return nil
	}
	if !st.mayRun(e) || st.overLimit(e) {
		return nil
	}
	return st.begin(e)
}

// takeRankedProbe is takeRanked for a probe, which is a record that was not tried yet, if there is one.
func (st *strand) takeRankedProbe(k kind) (*entry, *flow) {
	for _, l := range st.lanesOf(k, true) {
		for e := st.rankedProbe(l); e != nil; e = st.rankedProbe(l) {
			st.probing(l)
			f := st.p.slots.choose([]offer{{e.flow, e.rank}})
			if f == nil { // since it was asked
				break
			}
			l.ready.remove(e)
			if e := st.begins(e); e != nil {
				return e, f
			}
			st.p.slots.flowEnded(f, false, false)
		}
	}
	return nil, nil
}

// takeRankedBatch hands out the entries of one batch call: of one lane and one flow.
func (st *strand) takeRankedBatch(k kind, probe bool) (batch []*entry, f *flow) {
	e, f := st.takeRanked(k, probe)
	if e == nil {
		return nil, nil
	}
	batch = append(batch, e)
	if probe {
		return batch, f
	}
	for l := e.lane; len(batch) < st.batching.size.Records && l.ready.first(f) != nil && l.roomInMap(l.underway()+1); {
		if next := st.begins(l.ready.popOf(f)); next != nil {
			batch = append(batch, next)
		}
	}
	return batch, f
}
