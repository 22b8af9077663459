package consumer

import (
	"github.com/redeliver/redeliver/adaptive"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Outcome is what became of a record of one topic.
type Outcome uint8

const (
	Done    Outcome = iota // handled
	Retried                // a copy waits in a retry topic
	Dead                   // a copy stands in the dead-letter topic
	Dropped                // as the handler or the configuration said
	Hopped                 // from one retry topic to the next, or snoozed: no attempt
	Skipped                // by an operator
	outcomes
)

// String returns the outcome's name in metrics: done, retried, dead, dropped, hopped, skipped.
func (o Outcome) String() string {
	return [...]string{"done", "retried", "dead", "dropped", "hopped", "skipped"}[o]
}

// PauseReason is why a partition is not fetched or its records are not started. A partition goes on when it has none.
type PauseReason uint8

const (
	PauseWindow      PauseReason = iota // its share of the window is full
	PauseDue                            // its records are not due
	PauseBreaker                        // the dependency's breaker is not closed
	PauseOperator                       // an operator said pause
	PauseOutage                         // there is no credit for another dead letter, see DeadLetters.Burst
	PauseRoute                          // its window is full of records whose copies cannot be written
	PauseTopic                          // a retry or dead-letter topic that it needs is missing
	PauseDataLoss                       // records are gone that were not read
	PauseMembership                     // the group has not answered for so long that it may have given its partitions to others
	PauseHoldKeyFull                    // so many records wait behind others of their keys that no more can be remembered
	pauseReasons
)

// String returns the reason's name in metrics and status.
func (r PauseReason) String() string {
	return [...]string{"window", "due", "breaker", "operator", "outage", "route", "topic", "data_loss", "membership", "hold_key_full"}[r]
}

// PauseReasons returns every reason.
func PauseReasons() []PauseReason {
	all := make([]PauseReason, pauseReasons)
	for r := range all {
		all[r] = PauseReason(r)
	}
	return all
}

// Health says how a pipeline is, in a word.
type Health uint8

const (
	Healthy Health = iota
	Degraded
	Unhealthy
)

// String returns healthy, degraded or unhealthy.
func (h Health) String() string { return [...]string{"healthy", "degraded", "unhealthy"}[h] }

// Phase is where a pipeline is in its life.
type Phase uint8

const (
	Starting Phase = iota
	Running
	Draining
	Stopped
)

// String returns starting, running, draining or stopped.
func (p Phase) String() string { return [...]string{"starting", "running", "draining", "stopped"}[p] }

// Stats are a pipeline's counts since it started and its state now. Counts are of this process. Reading them takes no
// lock that a record waits for longer than it takes to copy them.
type Stats struct {
	Pipeline string
	Group    string
	Phase    Phase
	Delivery Delivery
	Protocol GroupProtocol
	At       time.Time
	Started  time.Time

	Received     uint64 // records of source topics that were taken up
	Completed    uint64 // records whose handler succeeded, on whichever attempt
	Retried      uint64 // copies written to a retry topic after a failure
	DeadLettered uint64
	Dropped      uint64
	Skipped      uint64
	Snoozed      uint64
	Attempts     map[classify.Class]uint64 // that ended, by class; None: success
	Failures     []FailureCount            // the failed of these, by class and severity
	FreeFailures uint64                    // calls that failed without using an attempt

	SuccessRate float64 // of the attempts in the last minute, 0 to 1; of fewer than ten as if the rest had succeeded
	ErrorRate   float64 // 1 - SuccessRate
	Score       float64 // health from 0 to 1
	Health      Health
	Reasons     []string // why it is not healthy, for people
	Ready       bool     // false while no partition can make progress
	NotReady    string   // why not

	InFlight    int // handler calls
	Concurrency int
	Windowed    int   // records in the window
	WindowBytes int64 // their bytes
	Fetched     int   // records that no partition has taken yet, beside what the clients have buffered

	// ClockSkew is how far, in the last minute or two, the clock of a member that wrote a copy was ahead of this
	// member's; attempts are started by the clock of the member that starts them.
	ClockSkew time.Duration

	// Faults counts what the cluster does not do for the pipeline now and is asked for again and again, by [FaultNames].
	Faults map[string]int

	// Credit is for how many dead letters there is credit, and Burst how many there may be, negative without a bound; see
	// DeadLetters.Burst.
	Credit float64
	Burst  int

	Limits        []LimitStats  // of the configuration
	Tenants       []TenantStats // those with the most calls in flight first
	TenantsKnown  int           // how many are told apart
	TenantsPutOff uint64        // records of any tenant that were put off over the tiers, each as often as it was
	Topics        []TopicStats
	DeadLetters   []DeadLetterCount
	Paused        map[PauseReason]int // partitions
	Partitions    []PartitionStats
	Breaker       breaker.Snapshot
	Breakers      []breaker.Snapshot // of [Config.Dependencies]
	Parts         []PartStats        // of what is watched part by part
	Handler       Histogram          // seconds per handler call
	Commit        Histogram          // seconds per commit
	RouteFailures uint64
	Transactions  uint64       // committed; with ExactlyOnceRouting only
	Aborted       uint64       // transactions that came to nothing and were tried again
	Held          []HeldRecord // records whose copy cannot be written, at most 100
	HeldRecords   int          // all records whose copy cannot be written
	Apart         []Apart      // source partitions whose retry partitions have been other members' for longer than the drain time
	HeldKeys      HeldKeys     // where keys are held: which wait, and which are closed
	HeldByPolicy  int          // records that are held since dead letters are disabled, or as the treatment of their failures says

	Lessons []adaptive.Lesson // what was learned about delays, where the policy is adaptive

	Experiment *ExperimentStats // nil: the policy has none

	WaitedFor []string          // patterns of topics that no topic matches yet
	Exhausted []ExhaustedRecord // of these the ones held longest, at most 100
}

// TopicStats are the counts of one topic, source or retry.
type TopicStats struct {
	Topic     string
	Source    string        // the source topic it belongs to, itself for a source
	Tier      time.Duration // 0 for a source
	Outcomes  [outcomes]uint64
	Backlog   int64     // records that are in the assigned partitions and not settled, as far as known
	OldestDue time.Time // of a retry topic: due time of the oldest waiting record seen, zero when none
	Lateness  Histogram // of attempts out of a retry topic: seconds from due to start
	// RetentionLeft is the time until the oldest unread record falls to the topic's retention; 0: it never does.
	RetentionLeft time.Duration
	// Lost counts the offsets that were gone from the topic before they were read, of partitions that went on with what
	// was left. Not every offset is a record's.
	Lost uint64
}

// DeadLetterCount counts the dead letters of one class, severity and reason.
type DeadLetterCount struct {
	Class    classify.Class
	Severity classify.Severity
	Reason   retrytopics.Reason
	Count    uint64
}

// FailureCount counts the failed attempts of one class and severity. The severity that a class has by itself has a count also when
// it is 0.
type FailureCount struct {
	Class    classify.Class
	Severity classify.Severity
	Count    uint64
}

// PartitionStats is the state of one assigned partition.
type PartitionStats struct {
	Topic     string
	Partition int32
	Watermark int64 // the offset that is committed next: everything below is settled
	End       int64 // the last known end of the partition, -1 when not known
	Windowed  int   // records held
	Running   int   // handler calls in flight
	Paused    []PauseReason
	PausedFor time.Duration
	// OpenTransaction is for how long a transaction that is not ended has kept readers from the records behind it, 0: none
	// does.
	OpenTransaction time.Duration
}

// HeldRecord is a record that is kept unsettled since its copy cannot be written.
type HeldRecord struct {
	ID    string
	To    string // topic
	Since time.Time
	Tries int
	Err   string
}

// ExhaustedRecord is a record that is kept unsettled since it is given up and no dead letters are kept, or since failures of its
// kind are held. It holds its place
// until [Pipeline.Skip], or until its partition is given up and whoever has it next calls its handler again.
type ExhaustedRecord struct {
	ID        string
	Topic     string // where it stands: its source or a retry topic
	Partition int32
	Offset    int64
	Since     time.Time
	Attempts  int
	Class     classify.Class // of the last failure
	Severity  classify.Severity
	Reason    retrytopics.Reason
	Asked     bool // it is held as the treatment of such failures says, see classify.Hold
	Err       string
}

// PartStats are the breakers of a dependency that is watched part by part, see [Parts].
type PartStats struct {
	Dependency string
	Known      int                   // parts, at most Parts.Most and one
	States     map[breaker.State]int // of them
	NotClosed  []breaker.Snapshot    // those that are not, at most 20
}
