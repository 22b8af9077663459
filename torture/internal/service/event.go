// Package service is what the handlers of a torture run call: a process of its own, that outlives members and brokers,
// ends each call as the record's fate says, and writes down every call that it saw. A member is one connection: when that
// ends, the calls in flight on it are cut, which is how many were hit when the member was killed.
package service

import "github.com/redeliver/redeliver/torture/internal/fate"

// Hello is a member's first message.
type Hello struct {
	Member string  `json:"m"`     // one life of a member: it is another after a restart
	Tiers  []int64 `json:"tiers"` // of its policy, in milliseconds
}

// Call is one call of a handler, as the member tells it and, in the log, as the service saw it.
type Call struct {
	Member    string `json:"m,omitempty"`
	Number    uint64 `json:"n"` // of the member's calls
	ID        string `json:"id"`
	Attempt   int    `json:"a"`
	Topic     string `json:"t"` // where the record was read, with Partition and Offset: the copy, for a retry
	Partition int32  `json:"p"`
	Offset    int64  `json:"o"`
	Key       []byte `json:"k"`
	Fate      string `json:"f"`
	Sum       uint64 `json:"x"`           // of what the handler saw, see fate.Sum
	Started   int64  `json:"s"`           // when, by the member's clock in Unix ns
	Due       int64  `json:"d,omitempty"` // as the copy says, in Unix ms

	// What the service adds: moments on its counter, by which calls are one before the other, and its clock in Unix ns.
	Begin   int64   `json:"bt,omitempty"`
	End     int64   `json:"et,omitempty"`
	BeganAt int64   `json:"b,omitempty"`
	EndedAt int64   `json:"e,omitempty"`
	Outcome Outcome `json:"r,omitempty"`
}

// Outcome is how a call ended: one of the answers' names, or one of the following.
type Outcome string

// The ends of a call without an answer.
const (
	Cut       Outcome = "cut"       // the member was gone
	TimedOut  Outcome = "timed-out" // the handler gave up at its time-out, which is a failure
	Cancelled Outcome = "cancelled" // the handler was told to give up, which is no outcome
)

// GaveUp says that a handler did not wait for its answer. In the log it stands for calls that had been answered by then.
type GaveUp struct {
	Member string  `json:"m,omitempty"`
	Number uint64  `json:"n"`
	Why    Outcome `json:"why"`
}

// Gone says that a member's connection has ended.
type Gone struct {
	Member   string `json:"m"`
	Tick     int64  `json:"tick"`
	At       int64  `json:"at"`        // Unix ns
	InFlight int    `json:"in_flight"` // calls that were cut
}

// Event is a line of the log, and a message of a member: one of its fields is set.
type Event struct {
	Hello  *Hello  `json:"hello,omitempty"`
	Call   *Call   `json:"call,omitempty"`
	GaveUp *GaveUp `json:"gave_up,omitempty"`
	Gone   *Gone   `json:"gone,omitempty"`
}

// reply answers a call.
type reply struct {
	Number uint64      `json:"n"`
	Answer fate.Answer `json:"r"`
}
