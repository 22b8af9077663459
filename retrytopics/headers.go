package retrytopics

import (
	"slices"
	"strings"

	"github.com/redeliver/redeliver/classify"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The headers that Redeliver writes, all values UTF-8 text. [State] says what
// they mean. They are overwritten on every copy, never appended to.
const (
	HeaderID              = "redeliver-id"
	HeaderOriginTopic     = "redeliver-origin-topic"
	HeaderOriginPartition = "redeliver-origin-partition"
	HeaderOriginOffset    = "redeliver-origin-offset"
	HeaderOriginTimestamp = "redeliver-origin-timestamp"
	HeaderGroup           = "redeliver-group"
	HeaderAttempt         = "redeliver-attempt"
	HeaderCounts          = "redeliver-counts"
	HeaderDue             = "redeliver-due"
	HeaderHopDue          = "redeliver-hop-due"
	HeaderFirstFailed     = "redeliver-first-failed"
	HeaderHeld            = "redeliver-held-ms"
	HeaderClass           = "redeliver-class"
	HeaderSeverity        = "redeliver-severity"
	HeaderDependency      = "redeliver-dependency"
	HeaderVariant         = "redeliver-variant"
	HeaderError           = "redeliver-error"
	HeaderHistory         = "redeliver-history"
	HeaderReason          = "redeliver-reason"
	HeaderReplays         = "redeliver-replays"
	HeaderReplay          = "redeliver-replay"
	HeaderDied            = "redeliver-died"
	HeaderTraceparent     = "redeliver-traceparent"
)

// The headers that producers set and Redeliver only reads. They travel with
// the user's headers, in their place.
const (
	HeaderJobType     = "redeliver-job-type"
	HeaderJobUser     = "redeliver-user"
	HeaderJobProject  = "redeliver-project"
	HeaderJobTenant   = "redeliver-tenant"
	HeaderJobPriority = "redeliver-priority" // 0 to 9
)

const (
	headerPrefix = "redeliver-"
	ownHeaders   = 23 // how many of the first group there are
)

// IsOwnHeader says whether Redeliver writes the header. Job headers are not
// among them, and neither is an unknown name that happens to begin with
// "redeliver-": both are the user's and travel unchanged.
func IsOwnHeader(key string) bool {
	if !strings.HasPrefix(key, headerPrefix) {
		return false
	}
	switch key {
	case HeaderID, HeaderOriginTopic, HeaderOriginPartition, HeaderOriginOffset, HeaderOriginTimestamp,
		HeaderGroup, HeaderAttempt, HeaderCounts, HeaderDue, HeaderHopDue, HeaderFirstFailed, HeaderHeld,
		HeaderClass, HeaderSeverity, HeaderDependency, HeaderVariant, HeaderError, HeaderHistory, HeaderReason, HeaderReplays, HeaderReplay, HeaderDied,
		HeaderTraceparent:
		return true
	}
	return false
}

// IsCopy says whether the record's headers are those of a copy in a retry or
// dead-letter topic. Whether to believe that depends on where the record
// stands: on a source topic anybody can write them, and [Fresh] ignores them.
func IsCopy(r *kgo.Record) bool {
	for i := range r.Headers {
		if r.Headers[i].Key == HeaderGroup {
			return true
		}
	}
	return false
}

// UserHeaders returns the headers without those that Redeliver writes, in
// their order, with their duplicates and null values. The result shares the
// argument's memory where nothing or only a tail had to go, and must not be
// changed in place; appending to it is safe.
func UserHeaders(headers []kgo.RecordHeader) []kgo.RecordHeader {
	user := 0
	for user < len(headers) && !IsOwnHeader(headers[user].Key) {
		user++
	}
	for i := user; i < len(headers); i++ {
		if !IsOwnHeader(headers[i].Key) {
			return appendUserHeaders(nil, headers, 0)
		}
	}
	return headers[:user:user]
}

// UserHeader returns the value of the last header of that name that is the
// producer's, and whether there is one: Redeliver's own say something else on
// every attempt. The value shares the record's memory.
func UserHeader(headers []kgo.RecordHeader, name string) (value []byte, ok bool) {
	if IsOwnHeader(name) {
		return nil, false
	}
	for i := len(headers) - 1; i >= 0; i-- {
		if headers[i].Key == name {
			return headers[i].Value, true
		}
	}
	return nil, false
}

// JobOf returns what a record's job headers say. Of one that is there more than
// once the last counts.
func JobOf(headers []kgo.RecordHeader) (j classify.Job) {
	for i := range headers {
		switch h := &headers[i]; h.Key {
		case HeaderJobType:
			j.Type = string(h.Value)
		case HeaderJobUser:
			j.User = string(h.Value)
		case HeaderJobProject:
			j.Project = string(h.Value)
		case HeaderJobTenant:
			j.Tenant = string(h.Value)
		}
	}
	return j
}

// appendUserHeaders appends those that are the user's, and leaves room for so many more.
func appendUserHeaders(dst, headers []kgo.RecordHeader, room int) []kgo.RecordHeader {
	own := 0
	for i := range headers {
		if IsOwnHeader(headers[i].Key) {
			own++
		}
	}
	dst = slices.Grow(dst, len(headers)-own+room)
	switch own {
	case 0:
		return append(dst, headers...)
	case len(headers):
		return dst
	}
	for i := range headers {
		if !IsOwnHeader(headers[i].Key) {
			dst = append(dst, headers[i])
		}
	}
	return dst
}
