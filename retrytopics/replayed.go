package retrytopics

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ReplayedHeaders makes the headers of the copies that put dead letters back to work, for a fraction of what it costs to write all of them anew: most
// values stay as they are, and share the letter's memory. The zero value is ready. It is not safe for concurrent use.
type ReplayedHeaders struct {
	headers []kgo.RecordHeader // room for the next ones
	values  []byte             // the same
	due     []byte             // of the copy before
	dueAt   int64              // what that is, in Unix ms
}

const (
	replayedHeaders = 4096     // that there is room for at a time
	replayedValues  = 16 << 10 // bytes
)

// Of returns the headers of the copy that s.Replayed(now, name) travels in, the user's before ours, where s is what the letter's headers say. It does so
// where these are as [State.AppendHeaders] writes them and need not be cut to the limit; elsewhere ok is false.
func (r *ReplayedHeaders) Of(s *State, letter []kgo.RecordHeader, now time.Time, name string, limit int) (headers []kgo.RecordHeader, ok bool) {
	const anew = 4 // attempt, due, number and name of the replay
	if need := len(letter) + anew; len(r.headers) < need {
		r.headers = make([]kgo.RecordHeader, max(need, replayedHeaders))
	}
	headers = r.headers[:0]
	ours, before := 0, 0 // where ours begin, and the place of the last one
	for i := range letter {
		h := &letter[i]
		place := placeOf(h.Key)
		if place < before || place > 0 && (place == before || !staysWhole(place, h.Value)) {
			return nil, false
		}
		switch before = place; {
		case place == 0:
			ours++
			headers = append(headers, *h)
		case place == placeAttempt:
			headers = r.appendAnew(headers, s, now, name)
		case stays[place]:
			headers = append(headers, *h)
		}
	}
	left := max(orDefault(limit, DefaultHeaderLimit), MinHeaderLimit)
	for _, h := range headers[ours:] {
		left -= len(h.Key) + len(h.Value)
	}
	if left < 0 {
		return nil, false
	}
	r.headers = r.headers[len(headers):]
	return headers[:len(headers):len(headers)], true
}

// appendAnew appends what is not as it was.
func (r *ReplayedHeaders) appendAnew(headers []kgo.RecordHeader, s *State, now time.Time, name string) []kgo.RecordHeader {
	names := (&State{Replay: name, PriorReplay: s.Replay}).ReplayNames()
	if need := 3*len("-9223372036854775808") + len(names); cap(r.values)-len(r.values) < need {
		r.values = make([]byte, 0, max(need, replayedValues))
	}
	number := func(key string, n int64) {
		from := len(r.values)
		r.values = strconv.AppendInt(r.values, n, 10)
		headers = append(headers, kgo.RecordHeader{Key: key, Value: r.values[from:len(r.values):len(r.values)]})
	}
	number(HeaderAttempt, 0)
	if at := ceilUnixMilli(now); at != r.dueAt || r.due == nil {
		number(HeaderDue, at)
		r.due, r.dueAt = headers[len(headers)-1].Value, at
	} else {
		headers = append(headers, kgo.RecordHeader{Key: HeaderDue, Value: r.due})
	}
	number(HeaderReplays, int64(s.Replays)+1)
	if names != "" {
		from := len(r.values)
		r.values = append(r.values, names...)
		headers = append(headers, kgo.RecordHeader{Key: HeaderReplay, Value: r.values[from:len(r.values):len(r.values)]})
	}
	return headers
}

// Where our headers stand among them, as AppendHeaders writes them; 0 is the user's.
const (
	placeID = 1 + iota
	placeTopic
	placePartition
	placeOffset
	placeTimestamp
	placeGroup
	placeAttempt
	placeCounts
	placeDue
	placeHopDue
	placeFirstFailed
	placeHeld
	placeReplays
	placeReplay
	placeDied
	placeTraceparent
	placeReason
	placeClass
	placeSeverity
	placeDependency
	placeVariant
	placeError
	placeHistory
)

// stays says which of our headers a replay leaves as they are.
var stays = [...]bool{
	placeID: true, placeTopic: true, placePartition: true, placeOffset: true, placeTimestamp: true, placeGroup: true, placeTraceparent: true,
	placeClass: true, placeSeverity: true, placeDependency: true, placeError: true, placeHistory: true,
}

// placeOf is where a header stands.
func placeOf(key string) int {
	switch key {
	case HeaderID:
		return placeID
	case HeaderOriginTopic:
		return placeTopic
	case HeaderOriginPartition:
		return placePartition
	case HeaderOriginOffset:
		return placeOffset
	case HeaderOriginTimestamp:
		return placeTimestamp
	case HeaderGroup:
		return placeGroup
	case HeaderAttempt:
		return placeAttempt
	case HeaderCounts:
		return placeCounts
	case HeaderDue:
		return placeDue
	case HeaderHopDue:
		return placeHopDue
	case HeaderFirstFailed:
		return placeFirstFailed
	case HeaderHeld:
		return placeHeld
	case HeaderReplays:
		return placeReplays
	case HeaderReplay:
		return placeReplay
	case HeaderDied:
		return placeDied
	case HeaderTraceparent:
		return placeTraceparent
	case HeaderReason:
		return placeReason
	case HeaderClass:
		return placeClass
	case HeaderSeverity:
		return placeSeverity
	case HeaderDependency:
		return placeDependency
	case HeaderVariant:
		return placeVariant
	case HeaderError:
		return placeError
	case HeaderHistory:
		return placeHistory
	}
	return 0
}

// staysWhole says whether AppendHeaders would write the value that a header of ours has, once it is decoded, as it is.
func staysWhole(place int, value []byte) bool {
	switch place {
	case placePartition, placeOffset, placeTimestamp:
		return canonical(value)
	case placeDependency:
		return len(value) > 0 && len(value) <= maxDependencySize
	case placeError:
		return len(value) > 0 && len(value) <= MaxErrorSize
	case placeClass, placeSeverity, placeHistory:
		return len(value) > 0
	}
	return true
}

// canonical says whether a number is written as strconv does.
func canonical(number []byte) bool {
	return len(number) > 0 && number[0] != '+' && (number[0] != '0' || len(number) == 1) && (number[0] != '-' || len(number) > 1 && number[1] != '0')
}
