package consumer

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Handler handles one record at a time. Handle may be called concurrently for different records, within the
// pipeline's [Ordering] and concurrency. The context ends at the handler's time-out, when the record's partition is
// revoked and the drain time is over, and after Handle has returned.
//
// A nil error settles the record. Any other error is classified ([Config.Classify]) and retried, dead-lettered or
// dropped as the policy says; [RetryAfter], [Snooze], [DeadLetter] and [Drop] decide on the spot. A panic is recovered
// and is a failure of class system.
type Handler interface {
	Handle(ctx context.Context, r *Record) error
}

// HandlerFunc makes a function a [Handler].
type HandlerFunc func(ctx context.Context, r *Record) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, r *Record) error { return f(ctx, r) }

// Mux routes records to handlers by their source topic, so that one group serves several topics. Register all
// handlers before the pipeline is made; a Mux is not changed afterwards.
type Mux struct {
	routes map[string]Handler
}

// NewMux returns an empty Mux.
func NewMux() *Mux { return &Mux{routes: make(map[string]Handler)} }

// Handle registers the handler of a source topic. It panics when the topic has one already, as a second registration
// is a mistake of the program that no input can cause.
func (m *Mux) Handle(topic string, h Handler) {
	if h == nil {
		panic("consumer: nil handler for topic " + topic)
	}
	if _, dup := m.routes[topic]; dup {
		panic("consumer: two handlers for topic " + topic)
	}
	m.routes[topic] = h
}

// HandleFunc registers a function as the handler of a source topic.
func (m *Mux) HandleFunc(topic string, f func(ctx context.Context, r *Record) error) {
	m.Handle(topic, HandlerFunc(f))
}

// HandleBatch registers a batch handler for a source topic.
func (m *Mux) HandleBatch(topic string, f func(ctx context.Context, b *Batch) error, size BatchSize) {
	m.Handle(topic, BatchFunc(f, size))
}

// Topics returns the topics that have a handler, sorted.
func (m *Mux) Topics() []string {
	topics := make([]string, 0, len(m.routes))
	for t := range m.routes {
		topics = append(topics, t)
	}
	slices.Sort(topics)
	return topics
}

// handler returns the handler of a topic. A record of a topic without one, as it can wait in a retry topic after its
// source has left the program, goes to the dead letters with an error that says so.
func (m *Mux) handler(topic string) Handler {
	if h, ok := m.routes[topic]; ok {
		return h
	}
	return HandlerFunc(func(context.Context, *Record) error {
		return DeadLetter(fmt.Errorf("no handler is registered for topic %q (there are handlers for %s)", topic, strings.Join(m.Topics(), ", ")))
	})
}
