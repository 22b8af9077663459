package retrytopics

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A DamagedHeaderError is one header of a copy that is missing or cannot be read.
// [Decode] joins all of them.
type DamagedHeaderError struct {
	Header  string
	Value   string // "" when missing; at most 64 bytes of it
	Problem string
}

// Error implements error.
func (e *DamagedHeaderError) Error() string {
	if e.Value == "" {
		return e.Header + ": " + e.Problem
	}
	return fmt.Sprintf("%s %q: %s", e.Header, e.Value, e.Problem)
}

// Decode reads the state that a copy carries: a record of a retry or a
// dead-letter topic. Of a header that stands there more than once the last
// counts.
//
// The error joins one [*DamagedHeaderError] for each header that is damaged, or
// missing where every copy has it, 32 at most. The State is then still as good as can be:
// what could be read is in it; the origin is taken from the id or the id from
// the origin, and, where both are gone, they are the copy's own position;
// times that are gone are zero, which makes the record due at once.
func Decode(r *kgo.Record) (State, error) {
	var s State
	err := s.Decode(r)
	return s, err
}

// Decode is the function [Decode] for who has a State at hand: what was in it is gone.
func (s *State) Decode(r *kgo.Record) error {
	*s = State{Partition: -1, Offset: -1, Attempt: -1}
	d := decoder{state: s}
	for i := range r.Headers {
		d.header(&r.Headers[i])
	}
	d.complete(r)
	return errors.Join(d.problems...)
}

type decoder struct {
	state    *State
	topic    []byte
	problems []error
}

// maxProblems bounds what is told of one record: there are some twenty headers, and a record may have each of them many times.
const maxProblems = 32

func (d *decoder) wrong(key string, value []byte, problem string) {
	if len(d.problems) == maxProblems {
		return
	}
	d.problems = append(d.problems, &DamagedHeaderError{Header: key, Value: cutText(string(value), 64), Problem: problem})
}

func (d *decoder) header(h *kgo.RecordHeader) {
	s := d.state
	switch h.Key {
	case HeaderID:
		if !believable(h.Value) {
			d.wrong(h.Key, h.Value, fmt.Sprintf("want 1 to %d bytes of printable text", maxIDSize))
			return
		}
		s.ID = string(h.Value)
	case HeaderOriginTopic:
		if len(h.Value) == 0 || len(h.Value) > maxTopicName || !printable(string(h.Value)) {
			d.wrong(h.Key, h.Value, "want the name of a topic")
			return
		}
		d.topic = h.Value
	case HeaderOriginPartition:
		s.Partition = int32(d.number(h, 0, math.MaxInt32, int64(s.Partition)))
	case HeaderOriginOffset:
		s.Offset = d.number(h, 0, math.MaxInt64, s.Offset)
	case HeaderOriginTimestamp:
		s.Timestamp = d.time(h, -1, s.Timestamp)
	case HeaderGroup:
		s.Group = d.text(h)
	case HeaderAttempt:
		s.Attempt = int(d.number(h, 0, math.MaxInt32, int64(s.Attempt)))
	case HeaderCounts:
		counts, err := ParseCounts(string(h.Value))
		if err != nil {
			d.wrong(h.Key, h.Value, err.Error())
		}
		s.Counts = counts
	case HeaderDue:
		s.Due = d.time(h, 0, s.Due)
	case HeaderHopDue:
		s.HopDue = d.time(h, 0, s.HopDue)
	case HeaderFirstFailed:
		s.FirstFailed = d.time(h, 0, s.FirstFailed)
	case HeaderHeld:
		s.Held = time.Duration(d.number(h, 0, int64(longest/time.Millisecond), s.Held.Milliseconds())) * time.Millisecond
	case HeaderDied:
		s.Died = d.time(h, 0, s.Died)
	default:
		d.failure(h)
	}
}

func (d *decoder) failure(h *kgo.RecordHeader) {
	s := d.state
	switch h.Key {
	case HeaderClass:
		class, ok := classNamed(string(h.Value))
		if !ok {
			d.wrong(h.Key, h.Value, "no such class")
		}
		s.Class = class
	case HeaderSeverity:
		severity, err := classify.ParseSeverity(string(h.Value))
		if err != nil {
			d.wrong(h.Key, h.Value, "no such severity")
		}
		s.Severity = severity
	case HeaderDependency:
		s.Dependency = d.text(h)
	case HeaderVariant:
		s.Variant = d.text(h)
	case HeaderError:
		s.Error = d.text(h)
	case HeaderHistory:
		history, err := parseHistory(string(h.Value))
		if err != nil {
			d.wrong(h.Key, h.Value, err.Error())
		}
		s.History = history
	case HeaderReason:
		s.Reason = internReason(h.Value)
		if s.Reason == "" {
			d.wrong(h.Key, h.Value, "no such reason")
		}
	case HeaderTraceparent:
		if s.Traceparent = string(h.Value); !ValidTraceparent(s.Traceparent) {
			d.wrong(h.Key, h.Value, "want a traceparent of the W3C's Trace Context")
			s.Traceparent = ""
		}
	case HeaderReplays:
		s.Replays = int(d.number(h, 0, math.MaxInt32, int64(s.Replays)))
	case HeaderReplay:
		var ok bool
		if s.Replay, s.PriorReplay, ok = parseReplayNames(h.Value); !ok {
			d.wrong(h.Key, h.Value, "want the name of a replay, and that of the one before it")
		}
	}
}

// number reads a number within the bounds; a damaged one leaves what was.
func (d *decoder) number(h *kgo.RecordHeader, least, most, was int64) int64 {
	n, err := strconv.ParseInt(string(h.Value), 10, 64)
	if err != nil || n < least || n > most {
		d.wrong(h.Key, h.Value, fmt.Sprintf("want a number from %d to %d", least, most))
		return was
	}
	return n
}

// year9999 in Unix ms: what is later is no time that anybody meant.
const year9999 = 253402300799999

func (d *decoder) time(h *kgo.RecordHeader, least int64, was time.Time) time.Time {
	ms := d.number(h, least, year9999, math.MinInt64)
	if ms == math.MinInt64 {
		return was
	}
	return time.UnixMilli(ms)
}

func (d *decoder) text(h *kgo.RecordHeader) string {
	s := string(h.Value)
	if v := valid(s); v != s {
		d.wrong(h.Key, h.Value, "is not UTF-8")
		return v
	}
	return s
}

// complete fills in from one another what is missing of identity and origin.
func (d *decoder) complete(r *kgo.Record) {
	s := d.state
	s.Topic = sharedTopic(s.ID, d.topic)
	for _, missing := range [...]struct {
		key string
		yes bool
	}{
		{HeaderID, s.ID == ""},
		{HeaderOriginTopic, s.Topic == ""},
		{HeaderOriginPartition, s.Partition < 0},
		{HeaderOriginOffset, s.Offset < 0},
		{HeaderGroup, s.Group == ""},
		{HeaderAttempt, s.Attempt < 0},
	} {
		if missing.yes && !d.told(missing.key) {
			d.wrong(missing.key, nil, "is missing or empty")
		}
	}
	s.Attempt = max(s.Attempt, 0)
	if s.Topic == "" || s.Partition < 0 || s.Offset < 0 {
		if _, topic, partition, offset, err := ParseID(s.ID); err == nil {
			s.Topic, s.Partition, s.Offset = topic, partition, offset
		} else {
			s.Topic, s.Partition, s.Offset = r.Topic, max(r.Partition, 0), max(r.Offset, 0)
		}
	}
	if s.ID == "" {
		s.ID = FormatID("", s.Topic, s.Partition, s.Offset)
	}
}

func (d *decoder) told(key string) bool {
	return slices.ContainsFunc(d.problems, func(err error) bool { return err.(*DamagedHeaderError).Header == key })
}

// sharedTopic is the topic as a string. Most ids contain it already.
func sharedTopic(id string, topic []byte) string {
	from := strings.IndexByte(id, ':') + 1
	if end := from + len(topic); end <= len(id) && id[from:end] == string(topic) {
		return id[from:end]
	}
	return string(topic)
}

func internReason(value []byte) Reason {
	for _, r := range Reasons() {
		if string(r) == string(value) {
			return r
		}
	}
	return ""
}
