package sim

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copied is a record of a retry or dead-letter topic with its headers read, by a decoder that shares nothing with the
// engine's.
type copied struct {
	*Logged
	id      string
	origin  Place
	stamp   int64 // origin timestamp, Unix ms
	group   string
	attempt int
	due     int64 // Unix ms, 0 none
	hopDue  int64
	failed  int64 // when an attempt failed first, Unix ms, 0 none
	reason  string
	class   string
	replays int
	history []try // newest last; the oldest may be left out

	user  []kgo.RecordHeader // the producer's headers, in order
	twice string             // one of our headers that is there more than once
	bytes int                // of our headers
	bad   string             // a header that cannot be read
}

// try is an attempt as the history of a copy tells of it.
type try struct {
	N     int    `json:"n"`
	At    int64  `json:"at"` // when it began, Unix ms
	Class string `json:"class"`
}

// ours are the headers that the contract reserves for the product.
var ours = map[string]bool{
	"redeliver-id": true, "redeliver-origin-topic": true, "redeliver-origin-partition": true, "redeliver-origin-offset": true,
	"redeliver-origin-timestamp": true, "redeliver-group": true, "redeliver-attempt": true, "redeliver-counts": true,
	"redeliver-due": true, "redeliver-hop-due": true, "redeliver-first-failed": true, "redeliver-held-ms": true,
	"redeliver-class": true, "redeliver-severity": true, "redeliver-dependency": true, "redeliver-error": true, "redeliver-history": true, "redeliver-reason": true, "redeliver-replays": true, "redeliver-replay": true,
	"redeliver-died": true, "redeliver-traceparent": true,
}

// readCopy reads the headers of a copy.
func readCopy(l *Logged) *copied {
	c := &copied{Logged: l}
	seen := make(map[string]bool)
	number := func(h kgo.RecordHeader) int64 {
		n, err := strconv.ParseInt(string(h.Value), 10, 64)
		if err != nil {
			c.bad = h.Key
		}
		return n
	}
	for _, h := range l.Headers {
		if !ours[h.Key] {
			c.user = append(c.user, h)
			continue
		}
		if seen[h.Key] {
			c.twice = h.Key
		}
		seen[h.Key] = true
		c.bytes += len(h.Key) + len(h.Value)
		switch strings.TrimPrefix(h.Key, "redeliver-") {
		case "id":
			c.id = string(h.Value)
		case "origin-topic":
			c.origin.Topic = string(h.Value)
		case "origin-partition":
			c.origin.Number = int32(number(h))
		case "origin-offset":
			c.origin.Offset = number(h)
		case "origin-timestamp":
			c.stamp = number(h)
		case "group":
			c.group = string(h.Value)
		case "attempt":
			c.attempt = int(number(h))
		case "due":
			c.due = number(h)
		case "hop-due":
			c.hopDue = number(h)
		case "first-failed":
			c.failed = number(h)
		case "reason":
			c.reason = string(h.Value)
		case "class":
			c.class = string(h.Value)
		case "replays":
			c.replays = int(number(h))
		case "history":
			if err := json.Unmarshal(h.Value, &c.history); err != nil {
				c.bad = h.Key
			}
		}
	}
	return c
}

// tellsOf reports whether the copy was written for a failed call: the newest try of its history is that call. A copy whose
// history was left out for its size may tell of any call with its number.
func (c *copied) tellsOf(call *Call) bool {
	if call.Attempt != c.attempt {
		return false
	}
	if len(c.history) == 0 {
		return unixMilli(c.Timestamp) >= unixMilli(call.End.At)
	}
	last := c.history[len(c.history)-1]
	return last.N == call.Attempt && last.At == unixMilli(call.Start.At)
}

// userHeaders are the headers of a source record that travel: all but ours.
func userHeaders(headers []kgo.RecordHeader) (user []kgo.RecordHeader) {
	for _, h := range headers {
		if !ours[h.Key] {
			user = append(user, h)
		}
	}
	return user
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// sameHeaders compares headers with their order, their duplicates and their null values.
func sameHeaders(a, b []kgo.RecordHeader) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || !sameBytes(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

// unixMilli is a time as headers carry it.
func unixMilli(t time.Time) int64 { return t.UnixMilli() }
