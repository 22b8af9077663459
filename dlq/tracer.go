package dlq

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Tracer follows entries back to work: consumer/tracing has the one for OpenTelemetry.
type Tracer interface {
	// Replayed is told of each entry that is about to be written to a topic, by one goroutine at a time. It returns what the record's
	// trace goes on from, as the W3C's Trace Context writes it; "" for what the entry says.
	Replayed(e *Entry, topic string) (traceparent string)
}

// Traced says who follows what a replay writes. Defaults to nobody.
func Traced(t Tracer) Option { return func(q *Queue) { q.tracer = t } }

// noTraceparent keeps room for one.
const noTraceparent = "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-00"

// reserve is the state with room for a traceparent, so that the headers keep to their limit.
func (q *Queue) reserve(s *retrytopics.State) {
	if q.tracer != nil && s.Traceparent == "" {
		s.Traceparent = noTraceparent
	}
}

// trace lets the record that an entry becomes go on from its replay.
func (q *Queue) trace(e *Entry, record *kgo.Record) {
	if q.tracer == nil {
		return
	}
	traceparent := q.tracer.Replayed(e, record.Topic)
	if traceparent == "" {
		traceparent = e.State.Traceparent
	}
	record.Headers = retrytopics.WithTraceparent(record.Headers, traceparent)
}
