package consumer

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// readyLine are a lane's entries that may start as soon as their key is free: in the order in which they came, or, where
// tenants or priorities are told apart, those of each flow by rank. There every entry in the line holds its key, so that
// nothing of a key overtakes another.
type readyLine struct {
	queue
	flows map[*flow]*ranked // nil: one line
	size  int               // in flows
}

func (r *readyLine) len() int {
	if r.flows != nil {
		return r.size
	}
	return r.queue.len()
}

// push adds an entry at the end of the line: of those that are ready now it is the last of its priority.
func (r *readyLine) push(e *entry) {
	if e.flow == nil {
		r.queue.push(e)
		return
	}
	e.rank = e.lane.strand.p.flows.rank(e, time.Now())
	r.insert(e)
}

// pushFront puts an entry back at the front of the line or, where there is a rank, where it was.
func (r *readyLine) pushFront(e *entry) {
	if e.flow == nil {
		r.queue.pushFront(e)
		return
	}
	if e.rank == 0 {
		e.rank = e.lane.strand.p.flows.rank(e, time.Now())
	}
	r.insert(e)
}

func (r *readyLine) insert(e *entry) {
	if r.flows == nil {
		r.flows = make(map[*flow]*ranked)
	}
	line := r.flows[e.flow]
	if line == nil {
		line = new(ranked)
		r.flows[e.flow] = line
	}
	heap.Push(line, e)
	r.size++
	e.enterFlow()
}

// popOf takes the first entry of a flow out.
func (r *readyLine) popOf(f *flow) *entry { return r.take(f, 0) }

func (r *readyLine) take(f *flow, i int) *entry {
	line := r.flows[f]
	e := heap.Remove(line, i).(*entry)
	if line.Len() == 0 {
		delete(r.flows, f)
	}
	r.size--
	return e
}

// first returns the first entry of a flow, or nil.
func (r *readyLine) first(f *flow) *entry {
	if line := r.flows[f]; line != nil {
		return (*line)[0]
	}
	return nil
}

func (r *readyLine) remove(e *entry) bool {
	if e.flow == nil {
		return r.queue.remove(e)
	}
	line := r.flows[e.flow]
	if line == nil {
		return false
	}
	i := slices.Index(*line, e)
	if i < 0 {
		return false
	}
	r.take(e.flow, i)
	return true
}

func (r *readyLine) each(f func(*entry)) {
	r.queue.each(f)
	for _, line := range r.flows {
		for _, e := range *line {
			f(e)
		}
	}
}

// lowest returns the entry with the lowest offset, for there may be room for that one only.
func (r *readyLine) lowest() (lowest *entry) {
	r.each(func(e *entry) {
		if lowest == nil || e.record.Offset < lowest.record.Offset {
			lowest = e
		}
	})
	return lowest
}

// probe returns the entry that is the next to be tried while that is all that may start, of the flows that may have another slot.
func (r *readyLine) probe(may func(*flow) bool) (next *entry) {
	for f, line := range r.flows {
		if !may(f) {
			continue
		}
		for _, e := range *line {
			if next == nil || probesBefore(e, next) < 0 {
				next = e
			}
		}
	}
	return next
}

// probesBefore orders entries by how much a probe of them tells: of what has failed, others come before what has just failed.
func probesBefore(a, b *entry) int {
	if a, b := a.failedBefore(), b.failedBefore(); a != b {
		if b {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.free, b.free), cmp.Compare(a.rank, b.rank), cmp.Compare(a.record.Offset, b.record.Offset))
}

// ranked is a heap of entries by rank; offset breaks ties.
type ranked []*entry

func (h ranked) Len() int { return len(h) }
func (h ranked) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].rank, h[j].rank), cmp.Compare(h[i].record.Offset, h[j].record.Offset)) < 0
}
func (h ranked) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop implement heap.Interface.
func (h *ranked) Push(x any) { *h = append(*h, x.(*entry)) }

func (h *ranked) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}

// enterFlow counts an entry among what its flow holds in the window and leaveFlow takes it out.
func (e *entry) enterFlow() {
	if e.flow != nil && !e.inFlow {
		e.inFlow = true
		e.flow.held.Add(1)
		e.flow.bytes.Add(recordSize(e.record))
	}
}

func (e *entry) leaveFlow() {
	if e.inFlow {
		e.inFlow = false
		e.flow.held.Add(-1)
		e.flow.bytes.Add(-recordSize(e.record))
	}
}
