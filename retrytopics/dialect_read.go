package retrytopics

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// DecodeForeign reads the state of a dead letter that another program wrote: where it came from, for which group, how often it was
// tried and what it died of, as far as the dialect says. The class of the failure it never says. Of several dialects the one counts
// that was written last, and of a header that stands there more than once the last one.
//
// What Redeliver leaves on a record that it replays to its source, the id, the number and name of replays, and the trace, is believed, so that a
// record which dies again is known for what it was.
//
// The dialect is "" where the record speaks none. The error joins a [*DamagedHeaderError] for each header that is damaged or missing; the
// State is then as good as can be, with the record's own position for an origin that cannot be read.
func DecodeForeign(r *kgo.Record) (State, Dialect, error) {
	d := foreign{decoder: decoder{state: &State{Partition: -1, Offset: -1}}, last: make(map[string]*kgo.RecordHeader, len(r.Headers))}
	dialect := Dialect("")
	for i := range r.Headers {
		h := &r.Headers[i]
		d.last[h.Key] = h
		if of := topicOf(h.Key); of != "" {
			dialect = of
		}
		if h.Key == HeaderID || h.Key == HeaderReplays || h.Key == HeaderReplay || h.Key == HeaderDied || h.Key == HeaderTraceparent {
			d.header(h)
		}
	}
	switch dialect {
	case Spring:
		d.spring()
	case SmallRye:
		d.smallRye()
	case ShareGroup:
		d.shareGroup()
	case Connect:
		d.connect(r)
	default:
		return State{}, "", nil
	}
	s := d.state
	s.Error = cutText(s.Error, MaxErrorSize)
	if s.Topic == "" || s.Partition < 0 || s.Offset < 0 {
		s.Topic, s.Partition, s.Offset = r.Topic, max(r.Partition, 0), max(r.Offset, 0)
	}
	if s.ID == "" {
		s.ID = FormatID("", s.Topic, s.Partition, s.Offset)
	}
	return *s, dialect, errors.Join(d.problems...)
}

// RetriesOverTopics says whether a dead letter of this dialect is of a program that retries over topics of its own, as Spring's @RetryableTopic and
// SmallRye's delayed retries do.
func (d Dialect) RetriesOverTopics(r *kgo.Record) bool {
	of := map[Dialect]string{Spring: springTopics + "attempts", SmallRye: smallRyeDelayed + "count"}[d]
	return slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == of && of != "" })
}

// topicOf is the dialect that says with this header where the record came from.
func topicOf(header string) Dialect {
	switch header {
	case springPlain + "original-topic", springRetryable + "original-topic":
		return Spring
	case smallRyeDead + "topic", smallRyeDelayed + "topic":
		return SmallRye
	case shareGroupPrefix + "topic":
		return ShareGroup
	case connectPrefix + "topic":
		return Connect
	}
	return ""
}

// foreign reads a dialect.
type foreign struct {
	decoder
	last map[string]*kgo.RecordHeader
}

func (d *foreign) has(key string) bool { return d.last[key] != nil }

// words is the text of a header, "" where there is none.
func (d *foreign) words(key string) string {
	h := d.last[key]
	if h == nil {
		return ""
	}
	return d.text(h)
}

func (d *foreign) origin(topic, partition, offset string, number func(h *kgo.RecordHeader, size int, most int64) int64) {
	if h := d.last[topic]; len(h.Value) == 0 || len(h.Value) > maxTopicName || !printable(string(h.Value)) {
		d.wrong(topic, h.Value, "want the name of a topic")
	} else {
		d.state.Topic = string(h.Value)
	}
	for _, part := range []struct {
		key  string
		size int
		most int64
		set  func(n int64)
	}{
		{partition, 4, math.MaxInt32, func(n int64) { d.state.Partition = int32(n) }},
		{offset, 8, math.MaxInt64, func(n int64) { d.state.Offset = n }},
	} {
		if h := d.last[part.key]; h == nil {
			d.wrong(part.key, nil, "is missing or empty")
		} else {
			part.set(number(h, part.size, part.most))
		}
	}
}

// decimal reads a number in text.
func (d *foreign) decimal(h *kgo.RecordHeader, _ int, most int64) int64 {
	return d.number(h, 0, most, -1)
}

// bigEndian reads a number of so many bytes, as java.nio.ByteBuffer writes it.
func (d *foreign) bigEndian(h *kgo.RecordHeader, size int, most int64) int64 {
	n, ok := int64(-1), len(h.Value) == size
	if ok && size == 4 {
		n = int64(int32(binary.BigEndian.Uint32(h.Value)))
	} else if ok {
		n = int64(binary.BigEndian.Uint64(h.Value))
	}
	if n < 0 || n > most {
		d.wrong(h.Key, h.Value, fmt.Sprintf("want a number from 0 to %d in %d bytes, big endian", most, size))
		return -1
	}
	return n
}

// since1970 is a time in Unix ms; the zero time for one that nobody meant.
func (d *foreign) since1970(h *kgo.RecordHeader, ms int64, ok bool) time.Time {
	if !ok || ms < 0 || ms > year9999 {
		d.wrong(h.Key, h.Value, "want a time in Unix ms")
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func (d *foreign) decimalTime(key string) time.Time {
	h := d.last[key]
	if h == nil {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(string(h.Value), 10, 64)
	return d.since1970(h, ms, err == nil)
}

// failed makes the text of a failure, "<type>: <message>" as Redeliver's own is. What Java makes of an exception as text begins with its type already, and
// is that where it has no message.
func failed(class, message string) string {
	switch {
	case class == "", message == class, strings.HasPrefix(message, class+": "):
		return message
	case message == "":
		return class
	}
	return class + ": " + message
}

// spring reads Spring's headers. A record that went through retry topics says in kafka_original-* where it first stood; that of the
// plain recoverer is then the dead-letter topic that it was read from.
func (d *foreign) spring() {
	prefix := springPlain
	if d.has(springRetryable + "original-topic") {
		prefix = springRetryable
	}
	d.origin(prefix+"original-topic", prefix+"original-partition", prefix+"original-offset", d.bigEndian)
	d.state.Group = cmp.Or(d.words(springPlain+"original-consumer-group"), d.words(springRetryable+"original-consumer-group"))
	if h := d.last[springTopics+"attempts"]; h != nil {
		// It counts the attempt that comes next: the first retry carries 2.
		d.state.Attempt = int(max(d.bigEndian(h, 4, math.MaxInt32)-1, 0))
	}
	if h := d.last[prefix+"original-timestamp"]; h != nil {
		ms := d.bigEndian(h, 8, year9999)
		d.state.Timestamp = d.since1970(h, ms, true)
	} else if h := d.last[springTopics+"original-timestamp"]; h != nil {
		ms, ok := readBigInteger(h.Value)
		d.state.Timestamp = d.since1970(h, ms, ok)
	}
	exception := prefix + "exception-"
	if !d.has(exception+"fqcn") && !d.has(exception+"message") {
		exception = springPlain + "exception-"
	}
	// The class is often that of a wrapper, the same for all failures: its cause says more.
	d.state.Error = failed(cmp.Or(d.words(exception+"cause-fqcn"), d.words(exception+"fqcn")), d.words(exception+"message"))
}

func (d *foreign) smallRye() {
	prefix := smallRyeDelayed
	if d.has(smallRyeDead + "topic") {
		prefix = smallRyeDead
	}
	d.origin(prefix+"topic", prefix+"partition", prefix+"offset", d.decimal)
	if h := d.last[smallRyeDelayed+"count"]; h != nil {
		d.state.Attempt = int(max(d.decimal(h, 4, math.MaxInt32), 0))
	}
	d.state.Timestamp = d.decimalTime(smallRyeDelayed + "original-timestamp")
	d.state.FirstFailed = d.decimalTime(smallRyeDelayed + "first-processing-timestamp")
	reason, cause := d.words(prefix+"reason"), d.words(prefix+"cause")
	d.state.Error = causedBy(
		failed(d.words(prefix+"exception-class-name"), reason), reason,
		failed(d.words(prefix+"cause-class-name"), cause), cause)
}

// causedBy makes one text of an exception and its cause, each with its message, in which nothing is said twice. An exception of which the message is
// that of its cause, as Java makes it of new RuntimeException(cause), is a wrapper that says nothing itself.
func causedBy(exception, message, cause, ofCause string) string {
	switch {
	case cause == "":
		return exception
	case message == "", message == ofCause, message == cause:
		return cause
	case strings.Contains(message, cause):
		return exception
	}
	return exception + "; caused by " + cause
}

func (d *foreign) shareGroup() {
	d.origin(shareGroupPrefix+"topic", shareGroupPrefix+"partition", shareGroupPrefix+"offset", d.decimal)
	d.state.Group = d.words(shareGroupPrefix + "group")
	if h := d.last[shareGroupPrefix+"delivery.count"]; h != nil {
		d.state.Attempt = int(max(d.decimal(h, 4, math.MaxInt32), 0))
	}
	d.state.Error = d.words(shareGroupPrefix + "message")
}

// connect reads what a sink connector says. Its consumer group is not among that: it has the connector's name. When the record was written to its source no
// header says either: its dead letter has the same timestamp, unless the brokers of its topic set it, and what was carried forward has that in [HeaderDied].
func (d *foreign) connect(r *kgo.Record) {
	if createTime := r.Attrs.TimestampType() == 0; createTime && !d.state.Died.IsZero() {
		d.state.Timestamp = d.state.Died
	} else if createTime && r.Timestamp.UnixMilli() > 0 {
		d.state.Timestamp = r.Timestamp
	}
	d.origin(connectPrefix+"topic", connectPrefix+"partition", connectPrefix+"offset", d.decimal)
	if name := d.words(connectPrefix + "connector.name"); name != "" {
		d.state.Group = "connect-" + name
	}
	d.state.Error = failed(d.words(connectPrefix+"exception.class.name"), d.words(connectPrefix+"exception.message"))
}

// readBigInteger reads what Java's BigInteger.toByteArray writes: two's complement, big endian, in as few bytes as will do.
func readBigInteger(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	n := int64(int8(b[0]))
	for _, next := range b[1:] {
		n = n<<8 | int64(next)
	}
	return n, true
}

// HeaderText returns the value of a header for people: numbers that a dialect writes in binary as numbers. ok is false where the
// header is none of those.
func HeaderText(h kgo.RecordHeader) (text string, ok bool) {
	suffix, is := strings.CutPrefix(h.Key, springTopics)
	if is && suffix != "attempts" {
		if n, ok := readBigInteger(h.Value); ok && Spring.Has(h.Key) {
			return strconv.FormatInt(n, 10), true
		}
		return "", false
	}
	binaryNumber := strings.HasSuffix(h.Key, "-partition") || strings.HasSuffix(h.Key, "-offset") || strings.HasSuffix(h.Key, "-timestamp") || suffix == "attempts"
	switch {
	case !binaryNumber || !Spring.Has(h.Key):
	case len(h.Value) == 4:
		return strconv.Itoa(int(int32(binary.BigEndian.Uint32(h.Value)))), true
	case len(h.Value) == 8:
		return strconv.FormatInt(int64(binary.BigEndian.Uint64(h.Value)), 10), true
	}
	return "", false
}
