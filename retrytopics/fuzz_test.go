package retrytopics

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// FuzzState: a state that is written is read again as it was, within the limit, but for what has to give way: the oldest
// history, and the end of the error.
func FuzzState(f *testing.F) {
	f.Add("ns:orders/3/42", "orders", "billing", uint32(3), uint64(42), uint16(7), int64(1_700_000_000_000), int64(60_000), uint8(2), "connection refused", uint8(3), uint16(4096))
	f.Add("", "", "", uint32(0), uint64(0), uint16(0), int64(0), int64(0), uint8(0), "", uint8(0), uint16(0))
	f.Add("t/0/0", "t", "g", uint32(math.MaxInt32), uint64(math.MaxInt64), uint16(65535), int64(-1), int64(math.MaxInt64), uint8(255), "\xff\x00\"\\ü\n", uint8(255), uint16(1))
	f.Fuzz(func(t *testing.T, id, topic, group string, partition uint32, offset uint64, attempt uint16, at, held int64, kind uint8, message string, tries uint8, limit uint16) {
		if topic = Legal(topic); !legalID(id) || len(group) > maxTopicName || !printable(group) {
			return // nobody makes them
		}
		at = min(max(at, 0), year9999)
		written := State{
			ID: id, Topic: topic, Partition: int32(partition % (math.MaxInt32 + 1)), Offset: int64(offset % (math.MaxInt64 + 1)), Group: group,
			Timestamp: time.UnixMilli(at), Attempt: int(attempt), Due: time.UnixMilli(at), HopDue: time.UnixMilli(at), FirstFailed: time.UnixMilli(at),
			Held: time.Duration(min(max(held, 0), int64(longest/time.Millisecond))) * time.Millisecond, Replays: int(kind),
			Class: classes[int(kind)%len(classes)], Error: message, Reason: Reasons()[int(kind)%len(Reasons())],
			Counts: Counts{}.Add("in_place", int(attempt)).Add("topic:"+topic, 1),
		}
		for n := range int(tries) {
			written.History = append(written.History, Try{N: n, At: at, Ms: held, Class: written.Class.String(), Error: message})
		}
		user := []kgo.RecordHeader{{Key: "a", Value: []byte(message)}, {Key: HeaderAttempt, Value: []byte("99")}, {Key: "a"}, {Key: message, Value: nil}}
		headers := written.AppendHeaders(nil, user, int(limit))
		size := 0
		for _, h := range headers[len(UserHeaders(user)):] {
			size += len(h.Key) + len(h.Value)
		}
		if most := max(int(limit), MinHeaderLimit); limit > 0 && size > most {
			t.Fatalf("our headers take %d bytes of %d", size, most)
		}
		read, err := Decode(&kgo.Record{Topic: "copy", Partition: 1, Offset: 1, Headers: headers})
		if err != nil && group != "" {
			t.Fatal(err)
		}
		compareStates(t, written, read)
	})
}

func legalID(id string) bool {
	namespace, topic, _, _, err := ParseID(id)
	return err == nil && believable([]byte(id)) && ValidNamespace(namespace) == nil && Legal(topic) == topic
}

// compareStates expects what was read to be what was written, as far as that has to be kept.
func compareStates(t *testing.T, written, read State) {
	t.Helper()
	if read.ID != written.ID || read.Topic != written.Topic || read.Partition != written.Partition || read.Offset != written.Offset || read.Group != written.Group {
		t.Errorf("identity: got %+v, want %+v", read, written)
	}
	if read.Attempt != written.Attempt || read.Replays != written.Replays || read.Held != written.Held || read.Class != written.Class || read.Reason != written.Reason ||
		read.Counts.String() != written.Counts.String() {
		t.Errorf("progress: got %+v, want %+v", read, written)
	}
	for _, times := range [][2]time.Time{{read.Timestamp, written.Timestamp}, {read.Due, written.Due}, {read.HopDue, written.HopDue}, {read.FirstFailed, written.FirstFailed}} {
		if !times[0].Equal(times[1]) {
			t.Errorf("times: got %v, want %v", times[0], times[1])
		}
	}
	if !utf8.ValidString(read.Error) || utf8.ValidString(written.Error) && !strings.HasPrefix(written.Error, read.Error) {
		t.Errorf("error: got %q, want the beginning of %q", read.Error, written.Error)
	}
	if len(read.History) > len(written.History) {
		t.Fatalf("%d tries became %d", len(written.History), len(read.History))
	}
	for i, try := range read.History {
		if want := written.History[len(written.History)-len(read.History)+i]; try.N != want.N || try.At != want.At || try.Ms != want.Ms || try.Class != want.Class {
			t.Errorf("history: try %d is %+v, want %+v", i, try, want)
		}
	}
}

// FuzzCounts: whatever stands in the header, what is written of it is within its bound and is read the same.
func FuzzCounts(f *testing.F) {
	for _, text := range []string{"rate_limited=3,topic:orders=1", "in_place=2", "a=1,a=2147483647", "=1", "a=-1", "a", ",", strings.Repeat("x", 299) + "=1", strings.Repeat("a=1,", 40)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := ParseCounts(text)
		if err == nil && text != "" && len(once) == 0 {
			t.Fatalf("%q is nothing and no error", text)
		}
		for _, c := range once {
			if c.N < 0 {
				t.Fatalf("%q counts %d for %q", text, c.N, c.Name)
			}
		}
		written := once.String()
		if len(written) > maxCountsText {
			t.Fatalf("wrote %d bytes", len(written))
		}
		twice, err := ParseCounts(written)
		if err != nil {
			t.Fatal(err)
		}
		if got := twice.String(); got != written {
			t.Fatalf("got %q, want %q", got, written)
		}
	})
}

// FuzzID: an id that can be read names a place, and the id of that place is read the same.
func FuzzID(f *testing.F) {
	for _, id := range []string{"orders/3/1042", "eu:orders/3/1042", "a:b:c/1/2", "orders/+3/01", "/1/2", "orders/2147483648/0", "orders/1/9223372036854775808", "x/1/2/3"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		namespace, topic, partition, offset, err := ParseID(id)
		if err != nil {
			return
		}
		again, topicAgain, partitionAgain, offsetAgain, err := ParseID(FormatID(namespace, topic, partition, offset))
		if err != nil || again != namespace || topicAgain != topic || partitionAgain != partition || offsetAgain != offset {
			t.Fatalf("%q is %q %q %d %d, and then %q %q %d %d (%v)", id, namespace, topic, partition, offset, again, topicAgain, partitionAgain, offsetAgain, err)
		}
	})
}

// FuzzNames: a name that is made is legal and is known again; one that looks like it is taken apart without harm.
func FuzzNames(f *testing.F) {
	f.Add("billing", "orders", int64(time.Minute), "billing.orders.retry-60s")
	f.Add("a.b", "ü/", int64(1), "a.b..retry-1ns")
	f.Add("", "", int64(math.MaxInt64), ".")
	f.Fuzz(func(t *testing.T, group, topic string, delay int64, other string) {
		n := Names{Group: group}
		d := min(max(time.Duration(delay), time.Millisecond), 30*365*24*time.Hour).Truncate(time.Millisecond) // longer ones have no name
		name := n.RetryTopic(topic, d)
		if Legal(name) != name {
			t.Fatalf("%q is no name that Kafka takes", name)
		}
		source, found, ok := n.Match(name)
		if !ok || found != d {
			t.Fatalf("%q is not known again, or for another delay: %v, want %v", name, found, d)
		}
		if source != "" && source != topic && Legal(topic) == topic {
			t.Fatalf("%q is of %q, want %q", name, source, topic)
		}
		if source, found, ok := n.Match(other); ok && found <= 0 {
			t.Fatalf("%q has the delay %v of %q", other, found, source)
		}
	})
}

// FuzzDecodeForeign: whatever stands in the headers of other programs, what is read of them is text, a place and a time that can be,
// or is told as damaged; and what is read can be written again in our own headers.
func FuzzDecodeForeign(f *testing.F) {
	f.Add("kafka_original-topic", []byte("orders"), "kafka_original-partition", []byte{0, 0, 0, 2}, "kafka_original-offset", []byte{0, 0, 0, 0, 0, 0, 0, 9})
	f.Add("dead-letter-topic", []byte("orders"), "dead-letter-partition", []byte("2"), "delayed-retry-original-timestamp", []byte("1763904000123"))
	f.Add("__dlq.errors.topic", []byte("orders"), "__dlq.errors.delivery.count", []byte("-5"), "__dlq.errors.message", []byte{0xff})
	f.Add("__connect.errors.topic", []byte("orders"), "__connect.errors.offset", []byte("99999999999999999999"), "redeliver-replays", []byte("1"))
	f.Add("kafka_dlt-original-topic", []byte("o"), "retry_topic-original-timestamp", []byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0}, "retry_topic-attempts", []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, k1 string, v1 []byte, k2 string, v2 []byte, k3 string, v3 []byte) {
		r := &kgo.Record{Topic: "dlt", Partition: 1, Offset: 5, Headers: []kgo.RecordHeader{{Key: k1, Value: v1}, {Key: k2, Value: v2}, {Key: k3, Value: v3}}}
		for _, h := range r.Headers {
			if text, ok := HeaderText(h); ok && !utf8.ValidString(text) {
				t.Fatalf("header %q is shown as %q", h.Key, text)
			}
		}
		s, dialect, err := DecodeForeign(r)
		if dialect == "" {
			if err != nil || s.ID != "" {
				t.Fatalf("no dialect, but %+v, %v", s, err)
			}
			return
		}
		if s.ID == "" || s.Topic == "" || s.Partition < 0 || s.Offset < 0 || s.Attempt < 0 || s.Replays < 0 || len(s.Error) > MaxErrorSize || !utf8.ValidString(s.Error) || !utf8.ValidString(s.Group) {
			t.Fatalf("read as %+v", s)
		}
		for _, at := range []time.Time{s.Timestamp, s.FirstFailed} {
			if !at.IsZero() && (at.UnixMilli() < 0 || at.UnixMilli() > year9999) {
				t.Fatalf("a time that nobody meant: %v", at)
			}
		}
		s.Group = "g"
		back, err := Decode(&kgo.Record{Headers: s.AppendHeaders(nil, Without(r.Headers, dialect), 0, WrittenDialects()...)})
		if err != nil || back.ID != s.ID || back.Offset != s.Offset || back.Error != s.Error {
			t.Fatalf("written again and read as %+v, %v; want %+v", back, err, s)
		}
	})
}
