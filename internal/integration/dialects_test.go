package integration_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// returned is what a handler got of replayed records, by their ids.
type returned struct {
	mu      sync.Mutex
	records map[string][]*kgo.Record
	more    chan struct{}
}

func newReturned(records int) *returned {
	return &returned{records: make(map[string][]*kgo.Record), more: make(chan struct{}, 10*records)}
}

func (s *returned) handle(_ context.Context, r *consumer.Record) error {
	if r.Replays() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[r.ID()] = append(s.records[r.ID()], &kgo.Record{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: slices.Clone(r.Headers)})
	s.more <- struct{}{}
	return nil
}

// foreign says what there is of another program's dead letters, of which so many of so many problems are wanted.
func foreign(ctx context.Context, q *dlq.Queue, records, problems int) error {
	stats, err := q.Stats(ctx, dlq.Filter{})
	if err == nil && (stats.Entries != int64(records) || len(stats.Problems) != problems || stats.Damaged != 0) {
		err = fmt.Errorf("%d entries of %d problems, %d of them damaged; want %d of %d, and none", stats.Entries, len(stats.Problems), stats.Damaged, records, problems)
	}
	return err
}

// replayed replays all of a queue, twice, of which the second time finds nothing to do, and wants each of the records that it is made of to come back once, as it was.
func (s *returned) replayed(b *bundle, q *dlq.Queue, to dlq.Destination, given []*kgo.Record) {
	b.t.Helper()
	for range 2 {
		if _, err := q.Replay(b.t.Context(), dlq.Replay{To: to}); err != nil {
			b.t.Fatal(err)
		}
	}
	for range given {
		within(b.t, "a replayed record", s.more)
	}
	b.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range given {
		got := s.records[id(r)]
		if len(got) != 1 {
			b.t.Errorf("%s was replayed %d times", id(r), len(got))
			continue
		}
		same := func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }
		if !bytes.Equal(got[0].Key, r.Key) || !bytes.Equal(got[0].Value, r.Value) || !slices.EqualFunc(got[0].Headers, r.Headers, same) {
			b.t.Errorf("%s came as %q %x %v, want %q %x %v", id(r), got[0].Key, got[0].Value, got[0].Headers, r.Key, r.Value, r.Headers)
		}
	}
}

// springLetter is the dead letter that Spring for Apache Kafka makes of a record.
func springLetter(topic string, r *kgo.Record, group, message string) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: []kgo.RecordHeader{
		{Key: "trace", Value: []byte("t")},
		{Key: "kafka_original-topic", Value: []byte(r.Topic)},
		{Key: "kafka_original-partition", Value: binary.BigEndian.AppendUint32(nil, uint32(r.Partition))},
		{Key: "kafka_original-offset", Value: binary.BigEndian.AppendUint64(nil, uint64(r.Offset))},
		{Key: "kafka_original-timestamp", Value: binary.BigEndian.AppendUint64(nil, uint64(r.Timestamp.UnixMilli()))},
		{Key: "kafka_original-timestamp-type", Value: []byte("CreateTime")},
		{Key: "retry_topic-attempts", Value: binary.BigEndian.AppendUint32(nil, 4)},
		{Key: "kafka_dlt-original-consumer-group", Value: []byte(group)},
		{Key: "kafka_exception-fqcn", Value: []byte("org.springframework.kafka.listener.ListenerExecutionFailedException")},
		{Key: "kafka_exception-cause-fqcn", Value: []byte("java.net.ConnectException")},
		{Key: "kafka_exception-message", Value: []byte(message)},
	}}
}

// The dead letters of an application with Spring are listed and grouped by their headers, and a pipeline that took its group over
// gets each of them once, as it was.
func TestSpringDeadLettersAreReplayed(t *testing.T) {
	t.Parallel()
	const records = 60
	b := setup(t, 3)
	dlt := kafkatest.Topic(t, 3)
	seen := newReturned(records)
	b.start(seen.handle)
	var given, letters []*kgo.Record
	for i := range records {
		given = append(given, &kgo.Record{Partition: int32(i % 3), Key: []byte(fmt.Sprint("key-", i)), Value: []byte(fmt.Sprint("value-", i)), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t")}}})
	}
	b.produceTo(given...)
	b.calls.awaitDone(t, records)
	for i, r := range given {
		message := fmt.Sprintf("Connection to 10.0.%d.1 refused after %d ms", i, 100+i)
		if i%4 == 0 {
			message = fmt.Sprintf("order %d is closed", 5000+i)
		}
		letters = append(letters, springLetter(dlt, r, b.group, message))
	}
	kafkatest.ProduceTo(t, letters...)

	client := kafkatest.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	q, err := dlq.Open(client, dlt, dlq.ForGroup(b.group), dlq.AnyGroup(), dlq.FirstTier(func(string) string { return b.tier("200ms") }))
	if err != nil {
		t.Fatal(err)
	}
	if err := foreign(t.Context(), q, records, 2); err != nil {
		t.Fatal(err)
	}
	seen.replayed(b, q, dlq.OwnTier, given)
}

// Copies and dead letters carry the headers of other programs beside Redeliver's own, once each however often they travelled, and a
// reader that knows only those knows where the record came from.
func TestDialectsAreWritten(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.start(fails(errBroken), func(c *consumer.Config) { c.HeaderDialects = retrytopics.WrittenDialects() })
	b.produce(&kgo.Record{Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t")}}})
	b.calls.awaitCount(t, 3)
	b.settled()
	letters := b.letters()
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	for name, want := range map[string]string{
		"trace":                             "t",
		"kafka_original-topic":              b.source,
		"kafka_original-partition":          "\x00\x00\x00\x00",
		"kafka_original-offset":             "\x00\x00\x00\x00\x00\x00\x00\x00",
		"retry_topic-attempts":              "\x00\x00\x00\x04",
		"kafka_dlt-original-topic":          b.source,
		"kafka_dlt-original-consumer-group": b.group,
		"dead-letter-topic":                 b.source,
		"dead-letter-offset":                "0",
		"__dlq.errors.group":                b.group,
		"__dlq.errors.delivery.count":       "3",
	} {
		if got := header(letters[0].Headers, name); !slices.Equal(got, []string{want}) {
			t.Errorf("header %s is %q, want %q once", name, got, want)
		}
	}
	if got := header(letters[0].Headers, "delayed-retry-count"); got != nil {
		t.Errorf("the dead letter carries what only retries do: %q", got)
	}
	for _, d := range retrytopics.WrittenDialects() {
		only := slices.DeleteFunc(retrytopics.UserHeaders(letters[0].Headers), func(h kgo.RecordHeader) bool { return !d.Has(h.Key) })
		s, dialect, err := retrytopics.DecodeForeign(&kgo.Record{Headers: only})
		if err != nil || dialect != d || s.ID != retrytopics.FormatID("", b.source, 0, 0) {
			t.Errorf("%s is read as %s of %s: %v", d, s.ID, dialect, err)
		}
	}
}
