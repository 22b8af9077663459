package retrytopics

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// appendDialect appends what a dialect says of the state. message is the text of the failure, bounded. A dead letter is one that has
// a reason; a dialect that knows no retry topics says nothing of other copies.
func (s *State) appendDialect(headers []kgo.RecordHeader, d Dialect, message string) []kgo.RecordHeader {
	w := dialectWriter{headers: headers, state: s, message: message}
	// A Go type has neither a space nor a colon in its name: what has is the message alone.
	if class, rest, ok := strings.Cut(message, ": "); ok && !strings.ContainsAny(class, " :") {
		w.class, w.message = class, rest
	}
	dead := s.Reason != ""
	switch d {
	case Spring:
		w.springTopics()
		w.springFailure(springRetryable)
		if dead {
			w.springFailure(springPlain)
		}
		w.words(springPlain+"original-consumer-group", s.Group)
	case SmallRye:
		if dead {
			w.smallRye(smallRyeDead)
		} else {
			w.smallRyeDelayed()
		}
	case ShareGroup:
		if dead {
			w.shareGroup()
		}
	}
	return w.headers
}

// dialectWriter writes one dialect.
type dialectWriter struct {
	headers        []kgo.RecordHeader
	state          *State
	class, message string
}

func (w *dialectWriter) bytes(key string, value []byte) {
	w.headers = append(w.headers, kgo.RecordHeader{Key: key, Value: value})
}

// words writes a text that there is.
func (w *dialectWriter) words(key, value string) {
	if value != "" {
		w.bytes(key, []byte(valid(value)))
	}
}

func (w *dialectWriter) decimal(key string, n int64) { w.bytes(key, strconv.AppendInt(nil, n, 10)) }

func (w *dialectWriter) decimalTime(key string, t time.Time) {
	if !t.IsZero() {
		w.decimal(key, t.UnixMilli())
	}
}

func (w *dialectWriter) springTopics() {
	s := w.state
	w.bytes(springTopics+"attempts", binary.BigEndian.AppendUint32(nil, uint32(s.Attempt+1)))
	if !s.Due.IsZero() {
		w.bytes(springTopics+"backoff-timestamp", bigInteger(ceilUnixMilli(s.Due)))
	}
	if !s.Timestamp.IsZero() {
		w.bytes(springTopics+"original-timestamp", bigInteger(s.Timestamp.UnixMilli()))
	}
}

func (w *dialectWriter) springFailure(prefix string) {
	s := w.state
	w.words(prefix+"original-topic", s.Topic)
	w.bytes(prefix+"original-partition", binary.BigEndian.AppendUint32(nil, uint32(s.Partition)))
	w.bytes(prefix+"original-offset", binary.BigEndian.AppendUint64(nil, uint64(s.Offset)))
	if !s.Timestamp.IsZero() {
		w.bytes(prefix+"original-timestamp", binary.BigEndian.AppendUint64(nil, uint64(s.Timestamp.UnixMilli())))
		w.words(prefix+"original-timestamp-type", "CreateTime") // Kafka's default: the state does not carry it
	}
	w.words(prefix+"exception-fqcn", w.class)
	w.words(prefix+"exception-cause-fqcn", w.class)
	w.words(prefix+"exception-message", w.message)
}

func (w *dialectWriter) smallRyeDelayed() {
	w.decimal(smallRyeDelayed+"count", int64(w.state.Attempt))
	w.decimalTime(smallRyeDelayed+"original-timestamp", w.state.Timestamp)
	w.decimalTime(smallRyeDelayed+"first-processing-timestamp", w.state.FirstFailed)
	w.smallRye(smallRyeDelayed)
}

func (w *dialectWriter) smallRye(prefix string) {
	s := w.state
	w.words(prefix+"reason", w.message)
	w.words(prefix+"topic", s.Topic)
	w.decimal(prefix+"partition", int64(s.Partition))
	w.decimal(prefix+"offset", s.Offset)
	w.words(prefix+"exception-class-name", w.class)
}

func (w *dialectWriter) shareGroup() {
	s := w.state
	w.words(shareGroupPrefix+"topic", s.Topic)
	w.decimal(shareGroupPrefix+"partition", int64(s.Partition))
	w.decimal(shareGroupPrefix+"offset", s.Offset)
	w.words(shareGroupPrefix+"group", s.Group)
	w.decimal(shareGroupPrefix+"delivery.count", int64(s.Attempt))
	w.words(shareGroupPrefix+"message", failed(w.class, w.message))
}

// bigInteger writes as Java's BigInteger.toByteArray does.
func bigInteger(n int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(n))
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}
