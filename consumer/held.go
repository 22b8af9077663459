package consumer

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// heldRecords knows the records that are kept unsettled: those whose copy cannot be written for now, and those that
// are exhausted while no dead letters are kept.
type heldRecords struct {
	mu       sync.Mutex
	routes   map[*entry]*HeldRecord
	byPolicy map[*entry]ExhaustedRecord
}

func newHeldRecords() *heldRecords {
	return &heldRecords{routes: make(map[*entry]*HeldRecord), byPolicy: make(map[*entry]ExhaustedRecord)}
}

// shownHeld bounds how many held records Stats lists.
const shownHeld = 100

func (h *heldRecords) failed(r *route) {
	h.mu.Lock()
	h.routes[r.entry] = &HeldRecord{ID: r.entry.state.ID, To: r.record.Topic, Since: r.since, Tries: r.tries, Err: r.err.Error()}
	h.mu.Unlock()
}

func (h *heldRecords) written(r *route) { h.forget(r.entry) }

// policy says that an entry is held that would be a dead letter for the decision's reason. Nothing else has the entry yet.
func (h *heldRecords) policy(e *entry, d decision) {
	r := ExhaustedRecord{
		ID: e.state.ID, Topic: e.record.Topic, Partition: e.record.Partition, Offset: e.record.Offset,
		Since: time.Now(), Attempts: e.state.Attempt, Class: e.state.Class, Severity: e.state.Severity, Reason: d.reason, Asked: d.asked, Err: e.state.Error,
	}
	h.mu.Lock()
	h.byPolicy[e] = r
	h.mu.Unlock()
}

// forget says that an entry is held no more.
func (h *heldRecords) forget(e *entry) {
	h.mu.Lock()
	delete(h.routes, e)
	delete(h.byPolicy, e)
	h.mu.Unlock()
}

// forgetLane says that a lane was closed: whoever has the partition next starts afresh with its records.
func (h *heldRecords) forgetLane(l *lane) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := range h.routes {
		if e.lane == l {
			delete(h.routes, e)
		}
	}
	for e := range h.byPolicy {
		if e.lane == l {
			delete(h.byPolicy, e)
		}
	}
}

// anyRoute reports whether any record waits for its copy to be written.
func (h *heldRecords) anyRoute() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.routes) > 0
}

// onLane reports whether a record of the lane waits for its copy to be written.
func (h *heldRecords) onLane(l *lane) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := range h.routes {
		if e.lane == l {
			return true
		}
	}
	return false
}

// list returns the oldest held records, and how many are held since no dead letters are kept.
func (h *heldRecords) list() (routes []HeldRecord, policy int) {
	h.mu.Lock()
	for _, r := range h.routes {
		routes = append(routes, *r)
	}
	policy = len(h.byPolicy)
	h.mu.Unlock()
	slices.SortFunc(routes, func(a, b HeldRecord) int { return a.Since.Compare(b.Since) })
	return routes[:min(len(routes), shownHeld)], policy
}

// exhausted returns those that are held longest of the records that would be dead letters.
func (h *heldRecords) exhausted() []ExhaustedRecord {
	h.mu.Lock()
	all := slices.Collect(maps.Values(h.byPolicy))
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b ExhaustedRecord) int { return a.Since.Compare(b.Since) })
	return all[:min(len(all), shownHeld)]
}

// givenUp returns the entries that are held since they are given up, in the order of their offsets where they stand.
func (h *heldRecords) givenUp() []*entry {
	h.mu.Lock()
	all := slices.Collect(maps.Keys(h.byPolicy))
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.record.Offset, b.record.Offset) })
	return all
}

// count returns how many records wait for their copies to be written.
func (h *heldRecords) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.routes)
}
