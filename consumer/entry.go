package consumer

import (
	"container/heap"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// entry is a record that is followed on its own: it came from a retry topic, or failed, or is handled beside others of
// its partition. Records that are handled in a chunk and succeed never have one.
type entry struct {
	lane   *lane
	batch  *batch
	index  int
	record *kgo.Record
	state  *retrytopics.State // nil until a header or a failure makes one
	room   *routeRoom         // for its first copy; nil: what that needs is made as it is needed

	keyed   bool   // has a key to be ordered by
	keyHash uint64 // collisions only make records wait for each other
	owns    bool   // holds its key
	behind  *entry // the next of its key
	// deferred says that the key order counts the entry among those that were put off, and where is what it was told last.
	deferred bool
	where    whereabouts
	// buried is since when it counts as a dead letter of its key whose letter is on its way, in Unix ms; 0: it does not.
	buried int64

	attempts int       // made so far, those on the spot included
	carried  int       // of these, those that the record itself tells of
	inPlace  int       // of these, tries on the spot since it was read or last put off
	due      time.Time // no attempt before
	putOff   bool      // due is not what the record itself says
	hopDue   time.Time // when its tier lets it go; zero: it waits here until due
	counted  time.Time // up to when time held is in state.Held

	flow   *flow // whose it is, where that is told apart
	rank   int64 // among the ready ones of its flow
	inFlow bool  // it is counted among what the flow holds

	limited  bool // a limit put it off: it goes before those that come later
	reserved bool // its call is counted already, at due

	free     int    // failures that used no attempt
	freeMark uint64 // the dependency's successes at the first of these
	freeOf   *dependency

	told bool // it was counted in the experiment, or is not to be

	status entryStatus
	route  *route // its copy that is to be written
	trace  *entryTrace

	heapIndex int
}

type entryStatus uint8

const (
	entryReady   entryStatus = iota // may start when its key is free
	entryWaiting                    // in the lane's due order
	entryBehind                     // waits for its key
	entryRunning
	entryRouting // its copy is not acknowledged
	entryHeld    // its copy could not be written, or nobody may write one
	entrySettled
)

// unsaved reports whether an entry knows what its record does not tell whoever reads it next: attempts, or a later time.
func (e *entry) unsaved(now time.Time) bool {
	return e.attempts > e.carried || e.putOff && e.due.After(now)
}

// failedBefore reports whether a call for the record has failed already.
func (e *entry) failedBefore() bool { return e.attempts > 0 || e.free > 0 }

// rests reports whether nobody works on the entry or its copy now.
func (e *entry) rests() bool {
	switch e.status {
	case entryRunning, entryRouting:
		return false
	}
	return e.route == nil
}

// queue is a first-in first-out queue of entries that can be put back at its front.
type queue struct {
	items []*entry
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(e *entry) { q.items = append(q.items, e) }

func (q *queue) pushFront(e *entry) {
	if q.head == 0 {
		q.items = append(q.items, nil)
		copy(q.items[1:], q.items)
		q.items[0] = e
		return
	}
	q.head--
	q.items[q.head] = e
}

func (q *queue) pop() *entry {
	e := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	} else if q.head > 1024 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return e
}

// remove takes e out of the queue and reports whether it was there.
func (q *queue) remove(e *entry) bool {
	for i := q.head; i < len(q.items); i++ {
		if q.items[i] == e {
			copy(q.items[i:], q.items[i+1:])
			q.items[len(q.items)-1] = nil
			q.items = q.items[:len(q.items)-1]
			return true
		}
	}
	return false
}

// each calls f for every entry.
func (q *queue) each(f func(*entry)) {
	for _, e := range q.items[q.head:] {
		f(e)
	}
}

// wakeAt is when a waiting entry needs attention: its due time, or the time its tier lets it go to the next.
func (e *entry) wakeAt() time.Time {
	if !e.hopDue.IsZero() && e.hopDue.Before(e.due) {
		return e.hopDue
	}
	return e.due
}

// farOff reports whether it is so long until a waiting entry needs attention that it need not be at hand. One that goes on to
// another tier then has time: its due time is what counts, and many of them would fill the window.
func (e *entry) farOff(now time.Time) bool {
	wait := e.wakeAt().Sub(now)
	return wait > farDue || wait > 0 && e.wakeAt().Before(e.due)
}

// entryDue is a heap of entries by the time they need attention; offset breaks ties, so that equal times keep the
// order in which they failed.
type entryDue []*entry

func (h entryDue) Len() int { return len(h) }
func (h entryDue) Less(i, j int) bool {
	a, b := h[i].wakeAt(), h[j].wakeAt()
	if a.Equal(b) {
		return h[i].record.Offset < h[j].record.Offset
	}
	return a.Before(b)
}
func (h entryDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push and Pop implement heap.Interface.
func (h *entryDue) Push(x any) {
	e := x.(*entry)
	e.heapIndex = len(*h)
	*h = append(*h, e)
}

func (h *entryDue) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}

func (h *entryDue) add(e *entry) {
	e.status = entryWaiting
	heap.Push(h, e)
}

func (h *entryDue) remove(e *entry) { heap.Remove(h, e.heapIndex) }
