package consumer

import (
	"bytes"
	"math"
)

// Probes of fresh records are spread over what a lane holds of them, and so are most calls of a slow start. Records that fail
// whatever the state of the dependency often stand together, as they were produced together: whoever takes the first ones
// of the line would take one of them after the other, and never learn that everything behind them succeeds.

const (
	// spreadOver is how many fresh records of a lane are looked at.
	spreadOver = 2048
	// spreadTries is how many of them are tried until one is found that may start.
	spreadTries = 16
	// spreadTurns says how many calls of a slow start there are for one of the front of the line: that moves, too.
	spreadTurns = 3
)

// spreadFresh makes an entry of one of the source lane's fresh records, each time of another part of them, or returns nil
// when it finds none that may overtake those before it.
func (st *strand) spreadFresh(l *lane) *entry {
	if l.tier != 0 || l.draining || st.holding != nil || st.p.cfg.Ordering == ByPartition {
		return nil
	}
	l.fresh() // so that each batch knows where its fresh records begin
	n := 0
	for _, b := range l.batches {
		n = min(n+len(b.records)-b.taken, spreadOver)
	}
	if n < 2 {
		return nil
	}
	// The multiples of the golden ratio fall, each time, into one of the largest gaps that those before have left.
	_, part := math.Modf(float64(st.p.spreads.Add(1)) * (math.Phi - 1))
	at := int(part * float64(n))
	for try := range min(spreadTries, n) {
		b, i := l.freshAt((at + try) % n)
		if b == nil || b.state[i] != recordOpen || !st.mayOvertake(l, b, i) {
			continue
		}
		e := st.entryOf(l, b, i)
		if e.keyed {
			st.hold(e)
		}
		return st.begin(e)
	}
	return nil
}

// freshAt returns where the nth record from the first fresh one stands.
func (l *lane) freshAt(n int) (*batch, int) {
	for _, b := range l.batches {
		if left := len(b.records) - b.taken; n >= left {
			n -= left
			continue
		}
		return b, b.taken + n
	}
	return nil, 0
}

// mayOvertake reports whether a fresh record may be started before those that stand before it: none of them, and nothing
// that was taken up, has its key.
func (st *strand) mayOvertake(l *lane, of *batch, i int) bool {
	r := of.records[i]
	if r.Attrs.IsControl() || !l.mayBegin(r.Offset) {
		return false
	}
	if st.p.cfg.Ordering == Unordered || r.Key == nil {
		return true
	}
	if _, busy := st.keys[keyHash(r.Key)]; busy {
		return false
	}
	for _, b := range l.batches {
		end := len(b.records)
		if b == of {
			end = i
		}
		for j := b.taken; j < end; j++ {
			if b.state[j] == recordOpen && bytes.Equal(b.records[j].Key, r.Key) {
				return false
			}
		}
		if b == of {
			break
		}
	}
	return true
}

// spreadsNow reports whether the next call is to be of a record from anywhere in the lane.
func (st *strand) spreadsNow(probe bool) bool {
	if probe {
		return true
	}
	if !st.p.slots.ramping.Load() {
		return false
	}
	st.spreadTurn = (st.spreadTurn + 1) % spreadTurns
	return st.spreadTurn != 0
}
