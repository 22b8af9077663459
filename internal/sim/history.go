package sim

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Partition names a partition of a topic.
type Partition struct {
	Topic  string
	Number int32
}

func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Number) }

// Place names a record by where it stands.
type Place struct {
	Partition
	Offset int64
}

func (p Place) String() string { return fmt.Sprintf("%s/%d", p.Partition, p.Offset) }

// Moment is a point of a run. Many things happen at one instant of virtual time; ticks say which of them came first.
type Moment struct {
	Tick int64
	At   time.Time
}

// IsZero reports whether the moment never came.
func (m Moment) IsZero() bool { return m.Tick == 0 }

// Before reports whether m came before o.
func (m Moment) Before(o Moment) bool { return m.Tick < o.Tick }

// History is everything that an outsider saw of a run. It is complete when [Check] gets it, and is not changed any more.
type History struct {
	Terms       Terms
	Produced    []Produced
	Calls       []Call       // in the order in which they began
	Commits     []Commit     // those that took effect, in order
	Assignments []Assignment // in order
	Log         map[Partition][]Logged
	Started     map[Partition]int64 // where the group had to begin; 0 for what is not named
	Skipped     []Skip
	Deleted     []Deletion // in order
	Replays     []Replay
	Discarded   []Discarded
	Stops       []Stop
	Upsets      []Upset
	Troubled    []Span // when the group's members and its coordinator may not have heard from each other
	Metadata    int    // the longest metadata of a commit, in bytes
	Doubted     []Span // when brokers may have taken copies and not have said so
	Refused     []Span // when they may have refused copies in a way that their client gives them up for
	Disturbed   []Span // when promptness could not be expected
	Begun       Moment
	Ended       Moment
	Settled     bool // every reading position had reached the end of its partition before the run ended
	Unsettled   string
}

// Produced is a record that was put into a source topic, by anybody but the members.
type Produced struct {
	Place     Place
	ID        string // that it must have
	Key       []byte
	Value     []byte
	Headers   []kgo.RecordHeader
	Timestamp time.Time
	At        Moment // when it was acknowledged
	Aborted   bool   // its transaction was

	transaction bool // it had one
}

// Result is how a call ended, as the handler knows it.
type Result uint8

// The results.
const (
	Unfinished  Result = iota // its member died before
	Succeeded                 // returned nil
	Failed                    // returned an error, panicked, or ran into its time-out
	Snoozed                   // asked to be called again without an attempt
	Dropped                   // asked to be dropped
	Buried                    // asked to be a dead letter
	Interrupted               // gave up since its context was cancelled
)

// String names the result.
func (r Result) String() string {
	return [...]string{"unfinished", "succeeded", "failed", "snoozed", "dropped", "buried", "interrupted"}[r]
}

// Call is one record in one invocation of a handler.
type Call struct {
	Member  string
	From    Place  // where the record stood that the call was made with: in a source or in a retry topic
	Origin  Place  // as the handler was told
	ID      string // as the handler was told
	Group   string
	Attempt int
	Replays int
	Batch   int64 // calls of one batch have one number; 0: alone

	Key       []byte
	Value     []byte
	Headers   []kgo.RecordHeader
	Timestamp time.Time

	Start     Moment
	End       Moment // zero: Unfinished
	Cancelled Moment // when its context was seen to end, as far as the handler looked
	Result    Result
	Class     string        // of a failure, as classified by the simulation
	Delay     time.Duration // that it asked for, with a failure or a snooze; 0: none
	Outage    bool          // it failed since the dependency was down

	stamp time.Time // of the record that the call was made with, the copy's own
}

// Logged is a record of a topic as the independent reader found it.
type Logged struct {
	Place     Place
	Timestamp time.Time
	Key       []byte
	Value     []byte
	Headers   []kgo.RecordHeader
	Control   bool // a transaction's marker
	Planted   bool // put into a retry topic by the simulation, not by a member
}

// Commit is a commit of one partition that took effect.
type Commit struct {
	When       Moment // when the broker got the request
	Partition  Partition
	Offset     int64
	Member     string
	Generation int32
	TopicID    string // of a retry topic, as the commit's metadata names it
	Late       bool   // its broker kept it until newer ones had taken effect, as one may when it has come over another connection
	// Ends are the ends of the group's retry and dead-letter partitions when the broker got the request: copies below
	// them were durable by then.
	Ends map[Partition]int64
}

// Assignment is what one generation of the group gave to each member.
type Assignment struct {
	When       Moment
	Generation int32
	Owners     map[Partition]Owner
}

// Owner is a member in one of its memberships: a member that the group threw out comes back under another id.
type Owner struct {
	Member string
	ID     string
}

// Deletion is a retry topic that was deleted, with what was in it. Its partitions keep a name of their own in the history: a
// topic that is made again has another.
type Deletion struct {
	Topic string
	ID    string // of the one that was deleted, as Kafka's tools print it
	As    string
	When  Moment
}

// Replay is a run over the dead letters of a source.
type Replay struct {
	Source string
	Begun  Moment
	Ended  Moment
	Killed bool // it was cut off
	Failed bool // it did not come to its end
}

// Discarded is a dead letter that an operator gives up, or is about to.
type Discarded struct {
	ID      string
	Replays int
	When    Moment
}

// Skip is a record that an operator settled.
type Skip struct {
	Place Place // where it stood or its origin
	When  Moment
}

// Stop is a member that was told to stop, and drained.
type Stop struct {
	Member string
	When   Moment
}

// UpsetKind is a way in which a member leaves the straight path.
type UpsetKind uint8

// The upsets.
const (
	Crash    UpsetKind = iota // it died: nothing that it does afterwards reaches anybody
	CutOff                    // its network was away for longer than a moment
	Evicted                   // the group took its partitions without asking
	Overrun                   // it gave partitions up with calls or routes still under way
	Unsaved                   // its last commit for a partition may have failed
	Expelled                  // the group went on without it, as when it did not hear from it
	Unmapped                  // the brokers have no room for what it has done above its commits
)

// String names the kind.
func (k UpsetKind) String() string {
	return [...]string{"crash", "cut off", "evicted", "overrun", "unsaved", "expelled", "unmapped"}[k]
}

// Upset is a time during which a member could not keep to the rules of a clean handover. Records may repeat for it, and
// the member may not know that its partitions are another's.
type Upset struct {
	Member string
	Kind   UpsetKind
	Begun  Moment
	Ended  time.Time // zero: never
}

// Span is a stretch of time.
type Span struct{ From, To time.Time }

// meets reports whether the span has a part of from to to.
func (s Span) meets(from, to time.Time) bool { return !s.To.Before(from) && !s.From.After(to) }
