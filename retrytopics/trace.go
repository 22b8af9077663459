package retrytopics

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TraceparentOf returns what the trace of a record goes on from: what the copy says that was read, else the last header
// traceparent of its producer that is valid, in whatever case its name is written; "" for none.
func TraceparentOf(s *State, headers []kgo.RecordHeader) string {
	if s != nil && s.Traceparent != "" {
		return s.Traceparent
	}
	for i := len(headers) - 1; i >= 0; i-- {
		if h := &headers[i]; strings.EqualFold(h.Key, "traceparent") && ValidTraceparent(string(h.Value)) {
			return string(h.Value)
		}
	}
	return ""
}

// WithTraceparent returns the headers with one [HeaderTraceparent] of that value, or none for "". Where there is one its value
// is replaced, in a copy of the headers.
func WithTraceparent(headers []kgo.RecordHeader, value string) []kgo.RecordHeader {
	is := func(h kgo.RecordHeader) bool { return h.Key == HeaderTraceparent }
	headers = slices.Clone(headers)
	at := slices.IndexFunc(headers, is)
	switch {
	case value == "":
		return slices.DeleteFunc(headers, is)
	case at < 0:
		return append(headers, kgo.RecordHeader{Key: HeaderTraceparent, Value: []byte(value)})
	}
	headers[at].Value = []byte(value)
	return headers
}

// maxTraceparent bounds what a later version of the standard may say beside trace, parent and flags, in bytes.
const maxTraceparent = 128

// ValidTraceparent reports whether s is a traceparent of the W3C's Trace Context, version 00 or later: version, trace
// id and parent id not all zero, and flags, in lower-case hexadecimal.
func ValidTraceparent(s string) bool {
	if len(s) < 55 || len(s) > maxTraceparent || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" || (len(s) > 55 && (s[:2] == "00" || s[55] != '-')) {
		return false
	}
	return lowerHex(s[:2]) && lowerHex(s[3:35]) && lowerHex(s[36:52]) && lowerHex(s[53:55]) && !zeros(s[3:35]) && !zeros(s[36:52]) && printable(s)
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(s string) bool { return strings.Trim(s, "0") == "" }
