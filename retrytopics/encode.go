package retrytopics

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redeliver/redeliver/classify"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Bounds of what travels, in bytes of header names and values.
const (
	// DefaultHeaderLimit bounds all headers of ours together.
	DefaultHeaderLimit = 4 << 10
	// MinHeaderLimit is the least that a limit may be: what must never be cut
	// fits into it for all names that Kafka allows.
	MinHeaderLimit = 2 << 10
	// MaxErrorSize bounds the error text.
	MaxErrorSize = 1 << 10
	// maxDependencySize bounds the name of a dependency.
	maxDependencySize = 128
)

// AppendHeaders appends to dst the user's headers, in order, with duplicates
// and null values, without those of ours that may be among them, and then the
// state. Nothing of user's memory is changed; dst must not share it.
//
// All of ours together take at most limit bytes: 0 means 4 KiB, and less than
// 2 KiB is taken as 2 KiB. The oldest history gives way first, then the error
// text. What must never be cut, identity and counts, is always whole.
//
// The dialects are written too, in the place of what user has of them. They are not in the limit: each takes what the identity
// takes, and the error text once or, in Spring's of a dead letter, twice.
//
// The values share one buffer, so that a copy costs two allocations without a dialect.
func (s *State) AppendHeaders(dst, user []kgo.RecordHeader, limit int, dialects ...Dialect) []kgo.RecordHeader {
	user = Without(user, dialects...)
	e := encoder{
		headers: appendUserHeaders(dst, user, s.headerBound()),
		left:    max(orDefault(limit, DefaultHeaderLimit), MinHeaderLimit),
	}
	message := cutText(valid(cutText(s.Error, MaxErrorSize)), MaxErrorSize)
	e.buf = make([]byte, 0, s.sizeBound(len(message), e.left))
	e.identity(s)
	e.progress(s)
	e.failure(s, message)
	for _, d := range dialects {
		e.headers = s.appendDialect(e.headers, d, message)
	}
	return e.headers
}

// encoder writes values one behind the other into buf. Should buf have to
// grow, the headers written before keep the old one.
type encoder struct {
	headers []kgo.RecordHeader
	buf     []byte
	left    int // of the limit
}

func (e *encoder) identity(s *State) {
	e.text(HeaderID, cutText(valid(s.ID), maxIDSize))
	e.text(HeaderOriginTopic, valid(s.Topic))
	e.number(HeaderOriginPartition, int64(s.Partition))
	e.number(HeaderOriginOffset, s.Offset)
	if !s.Timestamp.IsZero() {
		e.number(HeaderOriginTimestamp, s.Timestamp.UnixMilli())
	}
	e.text(HeaderGroup, valid(s.Group))
}

func (e *encoder) progress(s *State) {
	e.number(HeaderAttempt, int64(s.Attempt))
	if len(s.Counts) > 0 {
		start := len(e.buf)
		e.buf = s.Counts.appendText(e.buf)
		e.header(HeaderCounts, start)
	}
	if !s.Due.IsZero() {
		e.number(HeaderDue, ceilUnixMilli(s.Due))
	}
	if !s.HopDue.IsZero() {
		e.number(HeaderHopDue, ceilUnixMilli(s.HopDue))
	}
	if !s.FirstFailed.IsZero() {
		e.number(HeaderFirstFailed, s.FirstFailed.UnixMilli())
	}
	if s.Held > 0 {
		e.number(HeaderHeld, s.Held.Milliseconds())
	}
	if s.Replays > 0 {
		e.number(HeaderReplays, int64(s.Replays))
		if text := s.ReplayNames(); text != "" {
			e.text(HeaderReplay, text)
		}
	}
	if !s.Died.IsZero() {
		e.number(HeaderDied, s.Died.UnixMilli())
	}
	if ValidTraceparent(s.Traceparent) {
		e.text(HeaderTraceparent, s.Traceparent)
	}
	if s.Reason != "" {
		e.text(HeaderReason, valid(string(s.Reason)))
	}
}

// failure comes last: it gets what the others left of the limit.
func (e *encoder) failure(s *State, message string) {
	if s.Class != classify.None {
		e.text(HeaderClass, s.Class.String())
	}
	if s.Severity != classify.SeverityNone {
		e.text(HeaderSeverity, s.Severity.String())
	}
	if s.Dependency != "" {
		e.text(HeaderDependency, cutText(valid(s.Dependency), maxDependencySize))
	}
	if s.Variant != "" {
		e.text(HeaderVariant, cutText(valid(s.Variant), maxVariantLabel))
	}
	if message = cutText(message, e.left-len(HeaderError)); message != "" {
		e.text(HeaderError, message)
	}
	if len(s.History) > 0 {
		start := len(e.buf)
		e.buf = appendHistory(e.buf, s.History, e.left-len(HeaderHistory))
		if len(e.buf) > start {
			e.header(HeaderHistory, start)
		}
	}
}

func (e *encoder) text(key, value string) {
	start := len(e.buf)
	e.buf = append(e.buf, value...)
	e.header(key, start)
}

func (e *encoder) number(key string, value int64) {
	start := len(e.buf)
	e.buf = strconv.AppendInt(e.buf, value, 10)
	e.header(key, start)
}

func (e *encoder) header(key string, start int) {
	end := len(e.buf)
	e.headers = append(e.headers, kgo.RecordHeader{Key: key, Value: e.buf[start:end:end]})
	e.left -= len(key) + end - start
}

// headerBound is how many headers of ours there will be, at most.
func (s *State) headerBound() int {
	n := ownHeaders
	for _, none := range [...]bool{
		s.Timestamp.IsZero(), len(s.Counts) == 0, s.Due.IsZero(), s.HopDue.IsZero(), s.FirstFailed.IsZero(), s.Held <= 0, s.Replays <= 0, s.Replay == "", s.Died.IsZero(),
		s.Reason == "", s.Class == classify.None, s.Severity == classify.SeverityNone, s.Dependency == "", s.Variant == "", s.Error == "", len(s.History) == 0, s.Traceparent == "",
	} {
		if none {
			n--
		}
	}
	return n
}

// sizeBound is how many bytes of values there will be, at most or nearly so: what has to be escaped comes on top.
func (s *State) sizeBound(message, limit int) int {
	const numbers = 14*8 + 20 // eight in milliseconds or smaller, and an offset
	n := len(s.ID) + len(s.Topic) + len(s.Group) + len(s.Reason) + len(s.Dependency) + len(s.Variant) + len(s.Replay) + len(s.PriorReplay) + len(s.Traceparent) + numbers + message + len("authentication") + len("critical")
	for _, c := range s.Counts {
		n += c.size()
	}
	for i := len(s.History) - 1; i >= 0 && n < limit; i-- {
		n += s.History[i].plain()
	}
	return min(n, limit)
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// ceilUnixMilli rounds up: a due time that lost its microseconds would be
// early.
func ceilUnixMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}
