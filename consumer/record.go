package consumer

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Header is one header of a Kafka record: a key, and a value that may be nil.
type Header = kgo.RecordHeader

// Record is what a handler is called with: the record as it first stood in its source topic, on the first attempt
// and on every later one, whichever retry topic it came back from.
//
// A Record and what it points to belong to the handler only until the handler returns: the engine uses the Record
// again for the next call. [Record.Clone] makes one that may be kept. Handlers must not change Key, Value or Headers.
type Record struct {
	// Topic, Partition and Offset say where the record first stood. Of one that was replayed to its source topic, or to another one, that is
	// the place where the replay put it, for nothing else on a source topic is believed; its ID is still that of its origin.
	Topic     string
	Partition int32
	Offset    int64

	// Key and Value are the bytes as produced; nil is Kafka's null.
	Key   []byte
	Value []byte

	// Headers are the producer's own headers in their order, with their duplicates; the headers that Redeliver
	// uses are left out.
	Headers []Header

	// Timestamp is that of the record at this place, not that of a copy in a retry topic.
	Timestamp time.Time

	pipeline  string
	group     string
	namespace string
	attempt   int
	raw       *kgo.Record
	state     *retrytopics.State // nil for a record of a source topic that carries no header of ours
}

// ID returns the record's identity, topic/partition/offset of its origin (behind the id namespace, where one is
// configured). It is the same on every attempt, hop and replay: use it as the idempotency key.
func (r *Record) ID() string {
	if r.state != nil {
		return r.state.ID
	}
	return retrytopics.FormatID(r.namespace, r.Topic, r.Partition, r.Offset)
}

// Attempt returns which attempt this call is, from 1. A snooze, an open breaker or a shutdown uses no attempt: the
// call after it has the same number.
func (r *Record) Attempt() int { return r.attempt }

// Group returns the consumer group that the record is handled for.
func (r *Record) Group() string { return r.group }

// Pipeline returns the name of the pipeline that handles the record.
func (r *Record) Pipeline() string { return r.pipeline }

// Replays returns how often the record was put back from the dead letters.
func (r *Record) Replays() int {
	if r.state == nil {
		return 0
	}
	return r.state.Replays
}

// History returns the failed attempts so far, oldest first. It may have lost its oldest entries to the header bound.
func (r *Record) History() []retrytopics.Try {
	if r.state == nil {
		return nil
	}
	return r.state.History
}

// Header returns the value of the last header with the key, and whether there is one.
func (r *Record) Header(key string) ([]byte, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}

// JobHeader returns one of the job headers that producers set (job-type, user, project, tenant, priority), or "".
func (r *Record) JobHeader(name string) string {
	key := "redeliver-" + name
	for i := len(r.raw.Headers) - 1; i >= 0; i-- {
		if r.raw.Headers[i].Key == key {
			return string(r.raw.Headers[i].Value)
		}
	}
	return ""
}

// Traceparent returns what the record's trace goes on from, as the W3C's Trace Context writes it: the span that wrote the copy which
// was read or, on the first attempt, what the producer's header traceparent says. "": nothing.
func (r *Record) Traceparent() string { return retrytopics.TraceparentOf(r.state, r.raw.Headers) }

// Raw returns the Kafka record that was read: for a retry the copy in the retry topic, with all its headers.
func (r *Record) Raw() *kgo.Record { return r.raw }

// Clone returns a copy that may be kept after the handler has returned. The bytes of key, value and headers are
// shared with the original; the engine does not touch them again.
func (r *Record) Clone() *Record {
	c := *r
	if r.state != nil { // which the engine goes on with, and another record may have the memory of
		state := *r.state
		state.History = slices.Clone(state.History)
		c.state = &state
	}
	return &c
}

// fill makes r the record of one call: of raw, which state describes when it carries headers of ours.
func (r *Record) fill(raw *kgo.Record, state *retrytopics.State, attempt int) {
	r.raw, r.attempt = raw, attempt
	r.Key, r.Value = raw.Key, raw.Value
	if state != nil || r.state != nil { // which spares a write barrier
		r.state = state
	}
	if state == nil {
		r.Topic, r.Partition, r.Offset, r.Timestamp, r.Headers = raw.Topic, raw.Partition, raw.Offset, raw.Timestamp, raw.Headers
		return
	}
	r.Topic, r.Partition, r.Offset, r.Timestamp = state.Topic, state.Partition, state.Offset, state.Timestamp
	r.Headers = retrytopics.UserHeaders(raw.Headers)
}

// hasOurs reports whether any header is one that Redeliver reads or writes.
func hasOurs(headers []Header) bool {
	for i := range headers {
		if strings.HasPrefix(headers[i].Key, "redeliver-") {
			return true
		}
	}
	return false
}
