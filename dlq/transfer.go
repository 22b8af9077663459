package dlq

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Exported is a dead letter outside Kafka, byte for byte, as one line of JSON: bytes are in base64, null is null, and the
// headers are in their order with their duplicates, Redeliver's own among them.
type Exported struct {
	ID        string           `json:"id"` // of the entry, where it was exported; an import does not need it
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	Offset    int64            `json:"offset"`
	Timestamp int64            `json:"timestamp"` // of the record, which is that of death, Unix ms; -1 where it has none
	Status    Status           `json:"status"`
	Key       []byte           `json:"key"`
	Value     []byte           `json:"value"`
	Headers   []ExportedHeader `json:"headers"`
}

// ExportedHeader is a header of an [Exported].
type ExportedHeader struct {
	Key      string `json:"key"`
	KeyBytes []byte `json:"key_base64,omitempty"` // the name where it is no UTF-8, which JSON cannot hold: it counts, and not Key
	Value    []byte `json:"value"`
}

// Export returns the entry for another place. It shares the entry's bytes.
func (e Entry) Export() Exported {
	r := e.Record
	x := Exported{
		ID: e.ID(), Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Timestamp: r.Timestamp.UnixMilli(), Status: e.Status,
		Key: r.Key, Value: r.Value, Headers: make([]ExportedHeader, len(r.Headers)),
	}
	for i, h := range r.Headers {
		x.Headers[i] = ExportedHeader{Key: h.Key, Value: h.Value}
		if !utf8.ValidString(h.Key) {
			x.Headers[i].KeyBytes = []byte(h.Key)
		}
	}
	return x
}

// latestTime is the latest time of a record that a client of franz-go writes as it is, and below 0 the earliest: in nanoseconds they are an int64.
const latestTime = math.MaxInt64 / int64(time.Millisecond)

// Check says what is wrong with it. The time is whatever a broker may have taken, also one before 1970, as far as it can be written again.
func (x Exported) Check() error {
	switch {
	case x.Topic == "" || retrytopics.Legal(x.Topic) != x.Topic:
		return fmt.Errorf("topic %q: want the name of a dead-letter topic", x.Topic)
	case x.Partition < 0:
		return fmt.Errorf("partition %d: want 0 or more", x.Partition)
	case x.Timestamp < -latestTime || x.Timestamp > latestTime:
		return fmt.Errorf("timestamp %d: want Unix ms from %d to %d, for no other can be written", x.Timestamp, -latestTime, latestTime)
	}
	return nil
}

// Expires returns when a topic of this [Queue.ImportRetention] may take it once it is imported; the zero time where it keeps it for ever, or by another
// time, as what has none or one before 1970.
func (x Exported) Expires(retention time.Duration) time.Time {
	if retention < 0 || x.Timestamp < 0 {
		return time.Time{}
	}
	return time.UnixMilli(x.Timestamp).Add(retention)
}

// ErrExpired is what an error is of [Queue.Import] for a dead letter that is older than the topic's retention: it would be taken at once.
var ErrExpired = errors.New("the topic's retention would take it at once")

// Record returns the dead letter's record as it was.
func (x Exported) Record() *kgo.Record {
	r := &kgo.Record{Topic: x.Topic, Partition: x.Partition, Key: x.Key, Value: x.Value, Timestamp: time.UnixMilli(x.Timestamp)}
	for _, h := range x.Headers {
		name := h.Key
		if len(h.KeyBytes) > 0 {
			name = string(h.KeyBytes)
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: h.Value})
	}
	return r
}

// Import writes dead letters that were exported back into the queue, in the partitions that they were in, and returns how
// many are acknowledged. One that still is in the queue becomes a copy of its entry: to import twice makes no second entry, and
// what the ledger says of an entry holds for what is imported. That is known by the headers: of a record whose headers
// say nothing of an origin nothing but its place says what it is, and each import makes another entry of it, unless it was carried forward ([Queue.Renew]). It ends at the first error, of letters too; what was written
// before is. Where the brokers give records their time (LogAppendTime) a header says when it died, unless one does already. One that is older than the topic's retention is [ErrExpired]: [Queue.ImportRetention] and [Exported.Expires] say so beforehand.
func (q *Queue) Import(ctx context.Context, letters iter.Seq2[Exported, error]) (int64, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return 0, err
	}
	keeps, err := q.keeping(ctx)
	if err != nil {
		return 0, err
	}
	retention := keeps.ofImports()
	client, err := kgo.NewClient(append(slices.Concat(q.client.Opts(), producing("", q.client)), kgo.RequiredAcks(kgo.AllISRAcks()))...)
	if err != nil {
		return 0, fmt.Errorf("make a client for %s: %w", q.topic, err)
	}
	defer client.Close()
	i := &importing{producer: newProducer(client, "")}
	for x, err := range letters {
		switch {
		case err != nil:
		case x.Topic != q.topic:
			err = fmt.Errorf("a dead letter of %s is not one of %s", x.Topic, q.topic)
		case int(x.Partition) >= len(topic.Partitions):
			err = fmt.Errorf("%s has %d partitions, and the dead letter was in partition %d", q.topic, len(topic.Partitions), x.Partition)
		default:
			err = x.Check()
			if at := x.Expires(retention); err == nil && !at.IsZero() && at.Before(time.Now()) {
				err = fmt.Errorf("a dead letter of %s, and %s keeps them for %s: %w", time.UnixMilli(x.Timestamp).UTC().Format(time.RFC3339), q.topic, daysText(retention), ErrExpired)
			}
		}
		if err == nil {
			r := x.Record()
			if keeps.fromWriting {
				keepDeath(r)
			}
			err = i.add(ctx, x.ID, r)
		} else {
			err = errors.Join(err, i.write(ctx)) // what came before it
		}
		if err != nil {
			return i.written, err
		}
	}
	err = i.write(ctx)
	return i.written, err
}

// keepDeath has a header say when a dead letter died whose record gets another time, so that it is known for the copy that it is.
func keepDeath(r *kgo.Record) {
	says := slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == retrytopics.HeaderDied })
	if at := r.Timestamp.UnixMilli(); at > 0 && !says {
		r.Headers = append(r.Headers, diedHeader(at))
	}
}

// diedHeader is the header that says when a dead letter died, in Unix ms.
func diedHeader(at int64) kgo.RecordHeader {
	return kgo.RecordHeader{Key: retrytopics.HeaderDied, Value: strconv.AppendInt(nil, at, 10)}
}

// importing writes dead letters as a replay does its copies, some at a time.
type importing struct {
	*producer
	records []*kgo.Record // that are to be written
	ids     []string      // of their entries where they were exported, "" where that is not told
	bytes   int           // of them
	written int64         // that are acknowledged
}

func (i *importing) add(ctx context.Context, id string, r *kgo.Record) error {
	i.records, i.ids, i.bytes = append(i.records, r), append(i.ids, id), i.bytes+sizeOf(r)
	if len(i.records) < batchRecords && i.bytes < batchBytes {
		return nil
	}
	return i.write(ctx)
}

// write writes what has been added, and waits for it.
func (i *importing) write(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := i.ship(ctx, i.records, func() { i.written++ })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for n, r := range i.records {
		letter := "a dead letter"
		if id := i.ids[n]; id != "" {
			letter = "dead letter " + id
		}
		switch why := s.refused[r]; why {
		case nil:
		case tooLarge:
			return fmt.Errorf("write to %s, partition %d: %s of %d bytes: %w: raise max.message.bytes of the topic", r.Topic, r.Partition, letter, sizeOf(r), why.code)
		default:
			return fmt.Errorf("write to %s, partition %d: %s: %w", r.Topic, r.Partition, letter, why.code)
		}
	}
	i.records, i.ids, i.bytes = nil, nil, 0
	return nil
}
