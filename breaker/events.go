package breaker

import (
	"slices"
	"sync/atomic"
)

// Subscribe calls f for each change of state from now on, in their order, one at
// a time. The function it returns ends that; a call of f that is under way then
// may still be.
//
// f is called outside of locks and may call any method of the breaker, also one
// that changes its state: the event of that change follows when f has returned.
// f runs in whichever goroutine changed the state, or is telling of an earlier
// change, so it should be quick. By the time it is called the breaker may already
// have moved on.
func (b *Breaker) Subscribe(f func(Event)) (cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &subscriber{tell: f, after: b.events.count}
	b.events.subscribers = append(slices.Clone(b.events.subscribers), s)
	return func() {
		s.cancelled.Store(true)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events.subscribers = slices.DeleteFunc(slices.Clone(b.events.subscribers), func(other *subscriber) bool { return other == s })
	}
}

// keptEvents is how many past changes a breaker remembers.
const keptEvents = 50

// History returns the last 50 changes of state, oldest first.
func (b *Breaker) History() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events.past)
}

// WhenFree calls f whenever a half-open breaker gets a permit back, unused, after somebody was refused one: whoever
// waits may ask again. The state has not changed then, so that [Breaker.Subscribe] tells nothing. The function it
// returns ends that. f is called outside of locks and should be quick.
func (b *Breaker) WhenFree(f func()) (cancel func()) {
	w := &waiter{tell: f}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(slices.Clone(b.waiting), w)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waiting = slices.DeleteFunc(slices.Clone(b.waiting), func(other *waiter) bool { return other == w })
	}
}

type waiter struct{ tell func() }

// events are the changes of state that nobody was told of yet, and who is to be
// told. All of it is guarded by the breaker's lock.
type events struct {
	queue       []queued
	past        []Event       // the last of them, told or not
	count       uint64        // of all there were
	subscribers []*subscriber // replaced, never changed: tell reads it unlocked
	telling     bool          // some goroutine is in tell's loop
}

type queued struct {
	Event
	number uint64
}

type subscriber struct {
	tell      func(Event)
	after     uint64 // how many events there were at Subscribe: they are not its business
	cancelled atomic.Bool
}

func (e *events) append(event Event) {
	e.count++
	e.queue = append(e.queue, queued{event, e.count})
	if len(e.past) == keptEvents {
		e.past = slices.Delete(e.past, 0, 1)
	}
	e.past = append(e.past, event)
}

// tell gives the queued events to the subscribers, without the lock. One
// goroutine does it at a time, which keeps the order and lets a subscriber call
// back into the breaker; the others leave their events to it.
func (b *Breaker) tell() {
	if !b.untold.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events.telling {
		return
	}
	b.events.telling = true
	defer func() {
		// Also when a subscriber panicked: the next call tells the rest.
		b.events.telling = false
		b.untold.Store(len(b.events.queue) > 0)
	}()
	for len(b.events.queue) > 0 {
		event, subscribers := b.events.queue[0], b.events.subscribers
		b.events.queue = b.events.queue[1:]
		b.tellOne(event, subscribers)
	}
}

// tellOne lets go of the lock while the subscribers run.
func (b *Breaker) tellOne(event queued, subscribers []*subscriber) {
	b.mu.Unlock()
	defer b.mu.Lock()
	for _, s := range subscribers {
		if event.number > s.after && !s.cancelled.Load() {
			s.tell(event.Event)
		}
	}
}
