package dlq

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Letter makes the dead-letter record of a record that is not retried any more: its key, value and user headers as they
// are, the state in our headers, which take at most limit bytes (see [retrytopics.State.AppendHeaders]), and the
// partition number of its origin. s.Reason and s.Class say why it is dead. The letter's own timestamp is now, the time of
// death: retention deletes by it. The dialects are written beside our headers.
//
// origin is the record as it was read, from the source or from a retry topic. The letter shares its key and value.
func Letter(origin *kgo.Record, s retrytopics.State, topic string, limit int, dialects ...retrytopics.Dialect) *kgo.Record {
	s.Due, s.HopDue = time.Time{}, time.Time{} // it waits for nothing any more
	return &kgo.Record{
		Topic:     topic,
		Partition: s.Partition,
		Key:       origin.Key,
		Value:     origin.Value,
		Headers:   s.AppendHeaders(nil, origin.Headers, limit, dialects...),
		Timestamp: time.Now(),
	}
}
