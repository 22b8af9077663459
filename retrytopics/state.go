package retrytopics

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redeliver/redeliver/classify"
	"github.com/twmb/franz-go/pkg/kgo"
)

// State is what a copy of a record carries in its redeliver-* headers. Times
// travel in milliseconds.
//
// A State is plain data. Its zero value is that of a record of which nothing
// is known; begin with [Fresh] or [Decode].
type State struct {
	// ID is the record's identity on every attempt, hop and replay:
	// topic/partition/offset of the origin, see [FormatID].
	ID string
	// Topic, Partition, Offset and Timestamp say where the record first stood.
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	// Group is the consumer group that the record is retried for.
	Group string
	// Attempt is the number of attempts made so far.
	Attempt int
	// Counts are the attempts that overrides were charged with.
	Counts Counts
	// Due is when the next attempt may start; zero: at once. It is rounded up
	// to the millisecond on its way.
	Due time.Time
	// HopDue is when the tier that holds this copy lets it go. Rounded like Due.
	HopDue time.Time
	// FirstFailed is when an attempt first failed; zero: none has.
	FirstFailed time.Time
	// Held is for how long since then the record was held by pauses.
	Held time.Duration
	// Class and Error are of the last failure. Error is "<type>: <message>" of
	// the innermost cause; at most 1 KiB of it travels.
	Class classify.Class
	Error string
	// Severity is that of the last failure, SeverityNone when nobody said.
	Severity classify.Severity
	// Dependency is what the last failure was charged to, where delays are
	// learned; "" where they are not.
	Dependency string
	// Variant is what the record was assigned to when it first failed, experiment/variant; ""
	// where it is in no experiment, see [Experiment].
	Variant string
	// History lists the failed attempts, newest last. The oldest give way when
	// the headers would grow too large.
	History []Try
	// Reason says why the record is a dead letter; "" when it is none.
	Reason Reason
	// Replays is how often the record was put back from the dead letters.
	Replays int
	// Replay names the one time that it was put back last, and PriorReplay the time before that: a dead letter may be put
	// back more than once, and what dies of it then is another one each time. "": never, or by a release that gave no names.
	Replay, PriorReplay string
	// Died is when a dead letter died that was carried forward since; zero: its record's own time says it.
	Died time.Time
	// Traceparent is what the record's trace goes on from: the span that wrote this copy, as the W3C's Trace Context has it.
	// "": the producer's own header says it, or nothing. One that [ValidTraceparent] refuses does not travel.
	Traceparent string
}

// Reason says why a record became a dead letter.
type Reason string

// The reasons.
const (
	ReasonExhausted    Reason = "exhausted"     // no retries were left
	ReasonNotRetriable Reason = "not_retriable" // the class is not retried
	ReasonTimeout      Reason = "timeout"       // retried for longer than the total timeout
	ReasonRequested    Reason = "requested"     // the handler said so
	ReasonUndecodable  Reason = "undecodable"   // a typed decoder could not read the value
	ReasonReplayLimit  Reason = "replay_limit"  // replayed too often
	ReasonBehind       Reason = "behind"        // waited behind a dead letter of its key
)

// Reasons returns all of them.
func Reasons() []Reason {
	return []Reason{ReasonExhausted, ReasonNotRetriable, ReasonTimeout, ReasonRequested, ReasonUndecodable, ReasonReplayLimit, ReasonBehind}
}

// maxIDSize bounds the ids that are believed: a namespace, the longest topic
// name and two numbers fit twice over.
const maxIDSize = 512

// Fresh begins the state of a record read from a source topic. Of headers that
// are ours it believes only the id, the number and name of replays, and the trace, which a
// replay to the source topic leaves; nobody parks or exhausts a record from outside.
// namespace sets the ids of this pipeline apart, "" for none.
func Fresh(r *kgo.Record, namespace string) State {
	s := State{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp}
	for i := range r.Headers {
		switch h := &r.Headers[i]; h.Key {
		case HeaderID:
			if believable(h.Value) {
				s.ID = string(h.Value)
			}
		case HeaderReplays:
			if n, err := strconv.ParseInt(string(h.Value), 10, 32); err == nil && n >= 0 {
				s.Replays = int(n)
			}
		case HeaderReplay:
			s.Replay, s.PriorReplay, _ = parseReplayNames(h.Value)
		case HeaderTraceparent:
			if text := string(h.Value); ValidTraceparent(text) {
				s.Traceparent = text
			}
		}
	}
	if s.ID == "" {
		s.ID = FormatID(namespace, r.Topic, r.Partition, r.Offset)
	}
	return s
}

// Replayed puts the record back to work at now: due at once, with counts,
// first failure, held time, attempts and variant afresh, one replay more, which has a
// name, and its history kept.
func (s State) Replayed(now time.Time, name string) State {
	s.Attempt, s.Counts, s.FirstFailed, s.Held = 0, nil, time.Time{}, 0
	s.Due, s.HopDue, s.Reason, s.Died, s.Variant = now, time.Time{}, "", time.Time{}, ""
	s.Replays++
	s.Replay, s.PriorReplay = name, s.Replay
	return s
}

// Prior is the state, as far as it tells dead letters apart, of the dead letter
// that a replayed record was.
func (s State) Prior() State {
	s.Replays--
	s.Replay, s.PriorReplay = s.PriorReplay, ""
	return s
}

// ReplayNames is the value of [HeaderReplay]; "" for none.
func (s *State) ReplayNames() string {
	switch {
	case s.Replay == "" || !replayName(s.Replay) || !replayName(s.PriorReplay):
		return ""
	case s.PriorReplay == "":
		return s.Replay
	}
	return s.Replay + " " + s.PriorReplay
}

func parseReplayNames(value []byte) (name, prior string, ok bool) {
	name, prior, _ = strings.Cut(string(value), " ")
	if name == "" || !replayName(name) || !replayName(prior) {
		return "", "", false
	}
	return name, prior, true
}

// replayName bounds what is taken for the name of a replay.
func replayName(name string) bool {
	const limit = 64
	for i := 0; i < len(name); i++ {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return len(name) <= limit
}

// FormatID makes the id of a record that has none: "topic/partition/offset",
// or "namespace:topic/partition/offset". Topic names contain neither ':' nor
// '/', so that no two records share an id.
func FormatID(namespace, topic string, partition int32, offset int64) string {
	var onStack [384]byte // enough for every legal name
	buf := onStack[:0]
	if namespace != "" {
		buf = append(append(buf, namespace...), ':')
	}
	buf = append(append(buf, topic...), '/')
	buf = append(strconv.AppendInt(buf, int64(partition), 10), '/')
	return string(strconv.AppendInt(buf, offset, 10))
}

// ParseID takes an id that [FormatID] made apart.
func ParseID(id string) (namespace, topic string, partition int32, offset int64, err error) {
	rest := id
	if i := strings.LastIndexByte(id, ':'); i >= 0 {
		namespace, rest = id[:i], id[i+1:]
	}
	topic, numbers, ok := strings.Cut(rest, "/")
	first, second, ok2 := strings.Cut(numbers, "/")
	p, errP := strconv.ParseInt(first, 10, 32)
	o, errO := strconv.ParseInt(second, 10, 64)
	if !ok || !ok2 || topic == "" || errP != nil || errO != nil || p < 0 || o < 0 {
		return "", "", 0, 0, fmt.Errorf("id %q: want topic/partition/offset, as in orders/3/1042", id)
	}
	return namespace, topic, int32(p), o, nil
}

// ValidNamespace says what is wrong with an id namespace.
func ValidNamespace(namespace string) error {
	const limit = 64
	if len(namespace) > limit || !printable(namespace) || strings.ContainsAny(namespace, ":/ ") {
		return fmt.Errorf("%q: want at most %d printable characters without space, ':' or '/'", namespace, limit)
	}
	return nil
}

// believable bounds an id that came from outside: it becomes an HTTP header
// and a key.
func believable(id []byte) bool {
	return len(id) > 0 && len(id) <= maxIDSize && printable(string(id))
}

// printable: valid UTF-8 without control characters.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}
