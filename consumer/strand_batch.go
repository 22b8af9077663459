package consumer

import (
	"time"
)

// takeBatch hands out the records of one batch call: of one lane, no record whose key another entry holds.
func (st *strand) takeBatch(k kind, probe bool) []*entry {
	size := st.batching.size.Records
	if probe {
		size = 1
	}
	now := time.Now()
	for _, l := range st.lanesOf(k, probe) {
		if !st.batchReady(l, size, now) {
			continue
		}
		if probe {
			st.probing(l)
			if st.freshFirst(l) {
				if e := st.spreadFresh(l); e != nil {
					return []*entry{e}
				}
				if e := st.nextFresh(l); e != nil { // one that was not tried yet, as takeEntry does
					return []*entry{e}
				}
			}
		}
		var batch []*entry
		take := func(e *entry) {
			holder := st.keys[e.keyHash]
			if st.holding == nil && e.keyed && holder != nil && !e.owns && holder.behind == nil && sameBatch(batch, holder) && st.withinLimit(e) {
				if !st.overLimit(e) {
					batch = append(batch, st.begin(e)) // in offset order within one call
				}
				return
			}
			if !st.leavesLine(e) && st.mayRun(e) && !st.overLimit(e) {
				batch = append(batch, st.begin(e))
			}
		}
		for len(batch) < size && l.mayRunReady() {
			if e := l.takeReady(); e.status != entrySettled {
				take(e)
			}
		}
		for len(batch) < size && l.tier == 0 && !l.draining {
			b := l.fresh()
			if b == nil || !l.mayBegin(b.records[b.taken].Offset) {
				break
			}
			e := st.entryOf(l, b, b.taken)
			b.taken++
			take(e)
		}
		if len(batch) > 0 {
			return batch
		}
	}
	return nil
}

func sameBatch(batch []*entry, holder *entry) bool {
	for _, e := range batch {
		if e == holder {
			return true
		}
	}
	return false
}

// batchReady reports whether a lane has a full batch or its first record has waited long enough.
func (st *strand) batchReady(l *lane, size int, now time.Time) bool {
	have := l.ready.len()
	if have > 0 || st.batching.size.Wait <= 0 || size == 1 || l.draining {
		return true
	}
	for _, b := range l.batches {
		have += len(b.records) - max(b.taken, b.low)
	}
	if have >= size {
		return true
	}
	f := l.fresh()
	if f == nil {
		return false
	}
	at := f.arrived.Add(st.batching.size.Wait)
	if at.After(now) {
		st.arm(at, now)
		return false
	}
	return true
}
