package demo

import (
	"net/http"
	"sync"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// tally hears what the engine and the service do, counts it for the screen and the story, and tells the first of each
// kind. The recount uses none of it.
type tally struct {
	pace pace
	feed *feed

	mu       sync.Mutex
	into     map[string]int  // copies by topic
	told     map[string]bool // in this telling of the story
	replayed int             // dead letters that the story put back
}

func newTally(p pace, f *feed) *tally {
	return &tally{pace: p, feed: f, into: make(map[string]int), told: make(map[string]bool)}
}

// OnRouted implements consumer.HookRouted.
func (t *tally) OnRouted(r consumer.Routed) {
	name := t.pace.shortName(r.To)
	if !t.count(r.To, name+" "+string(r.Reason)) {
		return
	}
	switch r.Outcome {
	case consumer.Dead:
		t.feed.tell("%s is a dead letter: %s failure, %s after %s", r.ID, r.Class, reasonWords(string(r.Reason)), plural(r.Attempt, "attempt"))
	case consumer.Retried:
		t.feed.tell("%s failed (%s), attempt %d: it waits in %s", r.ID, r.Class, r.Attempt, name)
	}
}

func reasonWords(reason string) string {
	switch reason {
	case "not_retriable":
		return "which is not retried,"
	case "exhausted":
		return "out of retries"
	}
	return reason
}

// count counts a copy and reports whether it is the first of its kind in this telling.
func (t *tally) count(topic, what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.into[topic]++
	return t.first(what)
}

func (t *tally) first(what string) bool {
	was := t.told[what]
	t.told[what] = true
	return !was
}

// OnBreaker implements consumer.HookBreaker.
func (t *tally) OnBreaker(_ string, e breaker.Event) {
	t.feed.tell("breaker %s: %s", stateWords(e.To), e.Why)
}

func stateWords(s breaker.State) string {
	switch s {
	case breaker.HalfOpen:
		return "half-open"
	case breaker.ForcedOpen:
		return "forced open"
	}
	return s.String()
}

// answered hears of an answer of the service.
func (t *tally) answered(o order, attempt, status int) {
	if status != http.StatusOK || attempt < 2 {
		return
	}
	t.mu.Lock()
	first := t.first("paid " + string(rune('0'+attempt)))
	t.mu.Unlock()
	if first {
		t.feed.tell("order %d is paid on attempt %d", o.Number, attempt)
	}
}

// again begins a telling: the first of each kind is told again.
func (t *tally) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.told)
}

// copies counts what was written to a topic by the engine and, into the first tier, by the story's replays.
func (t *tally) copies(topic string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.into[topic]
	if topic == names.RetryTopic(sourceTopic, t.pace.tiers[0]) {
		n += t.replayed
	}
	return n
}

// open counts the dead letters that the story has not put back.
func (t *tally) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.into[names.DLQTopic(sourceTopic)] - t.replayed
}

func (t *tally) putBack(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replayed += n
}
