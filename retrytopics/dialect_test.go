package retrytopics_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// be is a number in so many bytes, big endian, as java.nio.ByteBuffer writes it.
func be(size int, n int64) string {
	b := make([]byte, size)
	for i := range b {
		b[size-1-i] = byte(n >> (8 * i))
	}
	return string(b)
}

// at is 2025-11-23 13:20:00.123 UTC in Unix ms; BigInteger.toByteArray writes it in the six bytes of bigAt.
const (
	at    = 1_763_904_000_123
	bigAt = "\x01\x9a\xb0\xdf\x10\x7b"
)

func headersOf(pairs ...string) (hs []kgo.RecordHeader) {
	for i := 0; i < len(pairs); i += 2 {
		hs = append(hs, kgo.RecordHeader{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return hs
}

// foreignLetters are dead letters as the programs write them, by the table of their headers.
var foreignLetters = []struct {
	name    string
	dialect retrytopics.Dialect
	headers []kgo.RecordHeader
	want    retrytopics.State
}{
	{
		"spring, retry topics", retrytopics.Spring,
		headersOf(
			"trace", "t",
			"kafka_original-topic", "orders", "kafka_original-partition", be(4, 2), "kafka_original-offset", be(8, 4_294_967_297),
			"kafka_original-timestamp", be(8, at), "kafka_original-timestamp-type", "CreateTime",
			"retry_topic-attempts", be(4, 4), "retry_topic-backoff-timestamp", bigAt, "retry_topic-original-timestamp", bigAt,
			"kafka_dlt-original-consumer-group", "billing",
			"kafka_exception-fqcn", "org.springframework.kafka.listener.ListenerExecutionFailedException", "kafka_exception-cause-fqcn", "java.net.ConnectException",
			"kafka_exception-message", "Connection refused", "kafka_exception-stacktrace", "at Main\n"),
		retrytopics.State{
			ID: "orders/2/4294967297", Topic: "orders", Partition: 2, Offset: 4_294_967_297, Timestamp: time.UnixMilli(at), Group: "billing", Attempt: 3,
			Error: "java.net.ConnectException: Connection refused",
		},
	},
	{
		"spring, plain recoverer: values append, the last counts", retrytopics.Spring,
		headersOf(
			"kafka_dlt-original-topic", "before", "kafka_dlt-original-topic", "orders", "kafka_dlt-original-partition", be(4, 7), "kafka_dlt-original-partition", be(4, 0),
			"kafka_dlt-original-offset", be(8, 9), "kafka_dlt-original-timestamp", be(8, at), "kafka_dlt-original-consumer-group", "shop",
			"kafka_dlt-exception-fqcn", "java.lang.IllegalStateException", "kafka_dlt-exception-message", "closed"),
		retrytopics.State{
			ID: "orders/0/9", Topic: "orders", Offset: 9, Timestamp: time.UnixMilli(at), Group: "shop", Error: "java.lang.IllegalStateException: closed",
		},
	},
	{
		"smallrye", retrytopics.SmallRye,
		headersOf(
			"dead-letter-reason", "it failed", "dead-letter-cause", "no route to host", "dead-letter-topic", "orders", "dead-letter-partition", "2", "dead-letter-offset", "41",
			"dead-letter-exception-class-name", "java.lang.RuntimeException", "dead-letter-cause-class-name", "java.io.IOException"),
		retrytopics.State{ID: "orders/2/41", Topic: "orders", Partition: 2, Offset: 41, Error: "java.lang.RuntimeException: it failed; caused by java.io.IOException: no route to host"},
	},
	{
		"smallrye, retry topics", retrytopics.SmallRye,
		headersOf(
			"delayed-retry-count", "3", "delayed-retry-original-timestamp", fmt.Sprint(at), "delayed-retry-first-processing-timestamp", fmt.Sprint(at+5),
			"delayed-retry-reason", "it failed", "delayed-retry-topic", "orders", "delayed-retry-partition", "1", "delayed-retry-offset", "40",
			"delayed-retry-exception-class-name", "java.lang.RuntimeException"),
		retrytopics.State{
			ID: "orders/1/40", Topic: "orders", Partition: 1, Offset: 40, Attempt: 3, Timestamp: time.UnixMilli(at), FirstFailed: time.UnixMilli(at + 5),
			Error: "java.lang.RuntimeException: it failed",
		},
	},
	{
		"share group", retrytopics.ShareGroup,
		headersOf("__dlq.errors.topic", "orders", "__dlq.errors.partition", "0", "__dlq.errors.offset", "12", "__dlq.errors.group", "share", "__dlq.errors.delivery.count", "5", "__dlq.errors.message", "rejected by the client"),
		retrytopics.State{ID: "orders/0/12", Topic: "orders", Offset: 12, Group: "share", Attempt: 5, Error: "rejected by the client"},
	},
	{
		"connect", retrytopics.Connect,
		headersOf(
			"__connect.errors.topic", "orders", "__connect.errors.partition", "3", "__connect.errors.offset", "77", "__connect.errors.connector.name", "s3", "__connect.errors.task.id", "0",
			"__connect.errors.stage", "VALUE_CONVERTER", "__connect.errors.class.name", "org.apache.kafka.connect.json.JsonConverter",
			"__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException", "__connect.errors.exception.message", "not JSON", "__connect.errors.exception.stacktrace", "at X"),
		retrytopics.State{ID: "orders/3/77", Topic: "orders", Partition: 3, Offset: 77, Group: "connect-s3", Error: "org.apache.kafka.connect.errors.DataException: not JSON"},
	},
	{
		"what a replay to the source left", retrytopics.SmallRye,
		headersOf("redeliver-id", "orders/0/1", "redeliver-replays", "2", "dead-letter-topic", "orders", "dead-letter-partition", "0", "dead-letter-offset", "90"),
		retrytopics.State{ID: "orders/0/1", Topic: "orders", Offset: 90, Replays: 2},
	},
}

// What SmallRye writes of a failure and its cause is the message, or what Java makes of an exception without one as text.
func TestWhatSmallRyeSaysOfAFailureIsReadOnce(t *testing.T) {
	const io, wrapper = "java.io.IOException", "java.lang.RuntimeException"
	for _, c := range []struct{ class, reason, causeClass, cause, want string }{
		{wrapper, "Order 7 not found", io, "java.io.IOException: x", "java.lang.RuntimeException: Order 7 not found; caused by java.io.IOException: x"},
		{wrapper, "Order 7 not found", io, "x", "java.lang.RuntimeException: Order 7 not found; caused by java.io.IOException: x"},
		{wrapper, "java.io.IOException: x", io, "x", "java.io.IOException: x"},
		{wrapper, "x", io, "x", "java.io.IOException: x"},
		{wrapper, "stopped by java.io.IOException: x", io, "x", "java.lang.RuntimeException: stopped by java.io.IOException: x"},
		{wrapper, "it failed", io, io, "java.lang.RuntimeException: it failed; caused by java.io.IOException"},
		{io, io, "", "", "java.io.IOException"},
		{"", "it failed", "", "x", "it failed; caused by x"},
		{"", "", io, "x", "java.io.IOException: x"},
	} {
		got, _, err := retrytopics.DecodeForeign(&kgo.Record{Headers: headersOf(
			"dead-letter-topic", "orders", "dead-letter-partition", "0", "dead-letter-offset", "1", "dead-letter-exception-class-name", c.class, "dead-letter-reason", c.reason,
			"dead-letter-cause-class-name", c.causeClass, "dead-letter-cause", c.cause)})
		if got.Error != c.want || err != nil {
			t.Errorf("got %q, %v, want %q", got.Error, err, c.want)
		}
	}
}

func TestForeignDeadLettersAreReadByTheirHeaders(t *testing.T) {
	for _, c := range foreignLetters {
		t.Run(c.name, func(t *testing.T) {
			got, dialect, err := retrytopics.DecodeForeign(&kgo.Record{Topic: "some-dlt", Headers: c.headers})
			if err != nil {
				t.Fatal(err)
			}
			if dialect != c.dialect {
				t.Errorf("dialect %q, want %q", dialect, c.dialect)
			}
			if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", c.want); g != w {
				t.Errorf("got  %s\nwant %s", g, w)
			}
		})
	}
}

// Kafka Connect says nothing of when the record was written to its source but by the time of its dead letter, where the brokers have not set that.
func TestTheTimeOfADeadLetterOfConnectIsThatOfItsSource(t *testing.T) {
	letter := headersOf("__connect.errors.topic", "orders", "__connect.errors.partition", "3", "__connect.errors.offset", "77")
	carried := append(headersOf(retrytopics.HeaderDied, strconv.FormatInt(at, 10)), letter...)
	byBrokers, byNobody := kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: 1}), kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: -1})
	for name, c := range map[string]struct {
		record kgo.Record
		want   time.Time
	}{
		"its source's":                     {kgo.Record{Headers: letter, Timestamp: time.UnixMilli(at)}, time.UnixMilli(at)},
		"carried forward":                  {kgo.Record{Headers: carried, Timestamp: time.UnixMilli(at + 1000)}, time.UnixMilli(at)},
		"none":                             {kgo.Record{Headers: letter, Timestamp: time.UnixMilli(-1)}, time.Time{}},
		"the brokers'":                     {kgo.Record{Headers: letter, Timestamp: time.UnixMilli(at), Attrs: byBrokers}, time.Time{}},
		"carried forward where brokers do": {kgo.Record{Headers: carried, Timestamp: time.UnixMilli(at), Attrs: byBrokers}, time.Time{}},
		"of brokers that knew no times":    {kgo.Record{Headers: letter, Timestamp: time.UnixMilli(at), Attrs: byNobody}, time.Time{}},
		"another program's":                {kgo.Record{Headers: headersOf("dead-letter-topic", "orders", "dead-letter-partition", "3", "dead-letter-offset", "77"), Timestamp: time.UnixMilli(at)}, time.Time{}},
	} {
		got, _, err := retrytopics.DecodeForeign(&c.record)
		if err != nil || !got.Timestamp.Equal(c.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got.Timestamp, err, c.want)
		}
	}
}

func TestWhatSpeaksNoDialectIsNotForeign(t *testing.T) {
	r := &kgo.Record{Headers: headersOf("kafka_exception-message", "no origin", "trace", "t", "dead-letter-reason", "r")}
	if s, dialect, err := retrytopics.DecodeForeign(r); dialect != "" || err != nil || s.ID != "" {
		t.Errorf("got %+v, %q, %v", s, dialect, err)
	}
}

func TestDamagedForeignHeadersAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		headers []kgo.RecordHeader
		want    string
	}{
		"a partition in text":  {headersOf("kafka_original-topic", "orders", "kafka_original-partition", "2", "kafka_original-offset", be(8, 1)), `kafka_original-partition "2": want a number`},
		"an offset below 0":    {headersOf("kafka_original-topic", "orders", "kafka_original-partition", be(4, 2), "kafka_original-offset", be(8, -1)), "kafka_original-offset"},
		"an offset is missing": {headersOf("dead-letter-topic", "orders", "dead-letter-partition", "1"), "dead-letter-offset: is missing"},
		"no topic":             {headersOf("__dlq.errors.topic", "", "__dlq.errors.partition", "0", "__dlq.errors.offset", "1"), "__dlq.errors.topic"},
	} {
		s, _, err := retrytopics.DecodeForeign(&kgo.Record{Topic: "dlt", Partition: 1, Offset: 5, Headers: c.headers})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if s.ID != "dlt/1/5" {
			t.Errorf("%s: id %q, want the record's own position", name, s.ID)
		}
	}
}

// What is written in a dialect is what the table says, byte for byte, and reads back as what it says of the state.
func TestDialectsAreWrittenAsTheirProgramsReadThem(t *testing.T) {
	s := retrytopics.State{
		ID: "orders/2/41", Topic: "orders", Partition: 2, Offset: 41, Timestamp: time.UnixMilli(at), Group: "billing", Attempt: 3, Due: time.UnixMilli(at),
		FirstFailed: time.UnixMilli(at + 5), Error: "*net.OpError: connection refused",
	}
	dead := s
	dead.Reason, dead.Due = retrytopics.ReasonExhausted, time.Time{}
	for _, c := range []struct {
		name    string
		state   retrytopics.State
		dialect retrytopics.Dialect
		want    []kgo.RecordHeader
	}{
		{"spring, copy", s, retrytopics.Spring, headersOf(
			"retry_topic-attempts", be(4, 4), "retry_topic-backoff-timestamp", bigAt, "retry_topic-original-timestamp", bigAt,
			"kafka_original-topic", "orders", "kafka_original-partition", be(4, 2), "kafka_original-offset", be(8, 41), "kafka_original-timestamp", be(8, at), "kafka_original-timestamp-type", "CreateTime",
			"kafka_exception-fqcn", "*net.OpError", "kafka_exception-cause-fqcn", "*net.OpError", "kafka_exception-message", "connection refused",
			"kafka_dlt-original-consumer-group", "billing")},
		{"spring, dead letter", dead, retrytopics.Spring, headersOf(
			"retry_topic-attempts", be(4, 4), "retry_topic-original-timestamp", bigAt,
			"kafka_original-topic", "orders", "kafka_original-partition", be(4, 2), "kafka_original-offset", be(8, 41), "kafka_original-timestamp", be(8, at), "kafka_original-timestamp-type", "CreateTime",
			"kafka_exception-fqcn", "*net.OpError", "kafka_exception-cause-fqcn", "*net.OpError", "kafka_exception-message", "connection refused",
			"kafka_dlt-original-topic", "orders", "kafka_dlt-original-partition", be(4, 2), "kafka_dlt-original-offset", be(8, 41), "kafka_dlt-original-timestamp", be(8, at), "kafka_dlt-original-timestamp-type", "CreateTime",
			"kafka_dlt-exception-fqcn", "*net.OpError", "kafka_dlt-exception-cause-fqcn", "*net.OpError", "kafka_dlt-exception-message", "connection refused",
			"kafka_dlt-original-consumer-group", "billing")},
		{"smallrye, copy", s, retrytopics.SmallRye, headersOf(
			"delayed-retry-count", "3", "delayed-retry-original-timestamp", fmt.Sprint(at), "delayed-retry-first-processing-timestamp", fmt.Sprint(at+5),
			"delayed-retry-reason", "connection refused", "delayed-retry-topic", "orders", "delayed-retry-partition", "2", "delayed-retry-offset", "41", "delayed-retry-exception-class-name", "*net.OpError")},
		{"smallrye, dead letter", dead, retrytopics.SmallRye, headersOf(
			"dead-letter-reason", "connection refused", "dead-letter-topic", "orders", "dead-letter-partition", "2", "dead-letter-offset", "41", "dead-letter-exception-class-name", "*net.OpError")},
		{"share group, copy", s, retrytopics.ShareGroup, nil},
		{"share group, dead letter", dead, retrytopics.ShareGroup, headersOf(
			"__dlq.errors.topic", "orders", "__dlq.errors.partition", "2", "__dlq.errors.offset", "41", "__dlq.errors.group", "billing", "__dlq.errors.delivery.count", "3",
			"__dlq.errors.message", "*net.OpError: connection refused")},
	} {
		t.Run(c.name, func(t *testing.T) {
			stale := headersOf("trace", "t", "kafka_original-topic", "stale", "delayed-retry-count", "9", "dead-letter-topic", "stale", "__dlq.errors.topic", "stale", "trace", "u")
			all := c.state.AppendHeaders(nil, stale, 0, c.dialect)
			var got []kgo.RecordHeader
			for _, h := range all {
				if c.dialect.Has(h.Key) {
					got = append(got, h)
				}
			}
			if !slices.EqualFunc(got, c.want, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if c.state.Reason == "" {
				return
			}
			back, dialect, err := retrytopics.DecodeForeign(&kgo.Record{Headers: c.state.AppendHeaders(nil, nil, 0, c.dialect)})
			if err != nil || dialect != c.dialect {
				t.Fatalf("read back as %q: %v", dialect, err)
			}
			if back.ID != c.state.ID || back.Error != c.state.Error {
				t.Errorf("read back as %+v", back)
			}
			if again := c.state.AppendHeaders(nil, all, 0, c.dialect); len(again) != len(all) {
				t.Errorf("a second copy has %d headers, the first one %d", len(again), len(all))
			}
			if without := retrytopics.Without(all, c.dialect); len(without) != len(all)-len(c.want) {
				t.Errorf("%d headers are left without the dialect's %d of %d", len(without), len(c.want), len(all))
			}
		})
	}
}

// Every header of a dialect that holds the text of an error is known for it, and the type that was taken off that stands in the one that is named.
func TestHeadersOfErrorTexts(t *testing.T) {
	for _, reason := range []retrytopics.Reason{"", retrytopics.ReasonExhausted} {
		for _, d := range retrytopics.WrittenDialects() {
			s := retrytopics.State{ID: "orders/0/1", Topic: "orders", Group: "pay", Error: "*pay.Error: no such card", Reason: reason}
			headers := s.AppendHeaders(nil, nil, 0, d)
			for _, h := range headers {
				class, is := retrytopics.ErrorHeader(h.Key)
				if holds := d.Has(h.Key) && strings.Contains(string(h.Value), "no such card"); is != holds {
					t.Errorf("%s is the text of an error: %t, want %t", h.Key, is, holds)
				}
				typed := slices.ContainsFunc(headers, func(h kgo.RecordHeader) bool { return h.Key == class && string(h.Value) == "*pay.Error" })
				if is && typed != (string(h.Value) == "no such card") {
					t.Errorf("%s is %q, and of the type in %q: %t", h.Key, h.Value, class, typed)
				}
			}
		}
	}
	for header, want := range map[string]string{
		"kafka_exception-stacktrace": "", "kafka_dlt-exception-stacktrace": "", "dead-letter-cause": "dead-letter-cause-class-name", "delayed-retry-cause": "delayed-retry-cause-class-name",
		"__connect.errors.exception.message": "", "__connect.errors.exception.stacktrace": "",
	} {
		if class, is := retrytopics.ErrorHeader(header); !is || class != want {
			t.Errorf("%s: got %q, %t, want %q", header, class, is, want)
		}
	}
	for _, header := range []string{"", "note", "reason", "kafka_", "kafka_exception-fqcn", "kafka_original-topic", "kafka_reason", "dead-letter-topic", "__connect.errors.stage", "redeliver-error"} {
		if _, is := retrytopics.ErrorHeader(header); is {
			t.Errorf("%q is the text of an error", header)
		}
	}
}

func TestDeadLettersOfProgramsWithRetryTopics(t *testing.T) {
	want := map[string]bool{"spring, retry topics": true, "smallrye, retry topics": true}
	for _, c := range foreignLetters {
		if got := c.dialect.RetriesOverTopics(&kgo.Record{Headers: c.headers}); got != want[c.name] {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
