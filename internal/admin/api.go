package admin

import (
	"context"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/retrytopics"
)

// Pipeline is what the server needs of a pipeline; *consumer.Pipeline is one. Methods are called concurrently.
type Pipeline interface {
	Name() string
	Stats() consumer.Stats
	Pause()
	Resume(admit int)
	Skip(topic string, partition int32, offset int64, reason string) error
	Release(topic string, partition int32, offset int64) error
	ReleaseAll() int
}

// Breaker is what the server needs of a breaker; *breaker.Breaker is one. Methods are called concurrently.
type Breaker interface {
	Snapshot() breaker.Snapshot
	Force(breaker.State)
	Auto()
	History() []breaker.Event
}

// Fleet is what the server needs of a process's part in a fleet; *fleet.Member is one. Methods are called concurrently.
type Fleet interface {
	Status() fleet.Status
	Shares(dependency string) bool
	Steers(group string) bool
	Give(context.Context, fleet.Order) error
}

// Status is the answer of GET /api/v1/status.
type Status struct {
	At        time.Time        `json:"at"`
	NotReady  string           `json:"not_ready,omitempty"` // why no pipeline has started yet
	Pipelines []PipelineStatus `json:"pipelines"`
	Fleet     *FleetStatus     `json:"fleet,omitempty"`
}

// FleetStatus is how this process takes part in a fleet.
type FleetStatus struct {
	Topic     string    `json:"topic"`
	Member    string    `json:"member"`
	Reachable bool      `json:"reachable"`
	Since     time.Time `json:"since"` // that it can be reached, or cannot
	Trouble   string    `json:"trouble,omitempty"`
}

// OrderStatus is what an operator wants of a breaker or pipeline in all processes of a fleet.
type OrderStatus struct {
	Order string    `json:"order"` // open, close, metrics-only, pause
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

// PipelineStatus is how one pipeline is in one process. What waits is that of its own partitions.
type PipelineStatus struct {
	Pipeline    string   `json:"pipeline"`
	Group       string   `json:"group"`
	Phase       string   `json:"phase,omitempty"` // starting, running, draining, stopped
	Ready       bool     `json:"ready"`
	NotReady    string   `json:"not_ready,omitempty"` // why
	Health      string   `json:"health,omitempty"`    // healthy, degraded, unhealthy
	Score       float64  `json:"score"`               // 0 to 1
	SuccessRate float64  `json:"success_rate"`        // of the attempts in the last minute
	Reasons     []string `json:"reasons,omitempty"`   // why it is not healthy

	Received     uint64 `json:"received"`
	Completed    uint64 `json:"completed"`
	Retried      uint64 `json:"retried"`
	DeadLettered uint64 `json:"dead_lettered"`
	Dropped      uint64 `json:"dropped"`
	Skipped      uint64 `json:"skipped"`
	Snoozed      uint64 `json:"snoozed"`

	InFlight    int   `json:"in_flight"`
	Concurrency int   `json:"concurrency"`
	Windowed    int   `json:"windowed"`
	WindowBytes int64 `json:"window_bytes"`

	Lag          int64              `json:"lag"`     // records that wait in the source topics
	Retries      int64              `json:"retries"` // records that wait in the retry topics
	Topics       []TopicStatus      `json:"topics"`
	WaitsFor     []string           `json:"waits_for,omitempty"` // patterns that no topic matches yet
	Limits       []LimitStatus      `json:"limits,omitempty"`
	Tenants      []TenantStatus     `json:"tenants,omitempty"`
	TenantsKnown int                `json:"tenants_known,omitempty"`
	Paused       map[string]int     `json:"paused"` // partitions by reason
	Partitions   []PartitionStatus  `json:"partitions,omitempty"`
	Held         []HeldStatus       `json:"held,omitempty"`
	HeldKeys     *HeldKeysStatus    `json:"held_keys,omitempty"` // where keys are held, and something is
	HeldByPolicy int                `json:"held_by_policy,omitempty"`
	Exhausted    []ExhaustedStatus  `json:"exhausted,omitempty"` // of these the oldest
	DeadLetters  []DeadLetterStatus `json:"dead_letters,omitempty"`
	Admission    *AdmissionStatus   `json:"admission,omitempty"` // of dead letters, where there is a bound
	Breaker      *BreakerStatus     `json:"breaker,omitempty"`
	Breakers     []BreakerStatus    `json:"breakers,omitempty"` // of its other dependencies
	Parts        []PartsStatus      `json:"parts,omitempty"`    // of the dependencies that are watched part by part
	Order        *OrderStatus       `json:"order,omitempty"`    // in the fleet
	Learned      []LearnedStatus    `json:"learned,omitempty"`  // where the policy is adaptive
}

// SourceTier is the tier of a source topic.
const SourceTier = "source"

// TopicStatus is what waits in one topic.
type TopicStatus struct {
	Topic     string     `json:"topic"`
	Source    string     `json:"source"`
	Tier      string     `json:"tier"` // source, the delay, or park
	Backlog   int64      `json:"backlog"`
	OldestDue *time.Time `json:"oldest_due,omitempty"`
	// RetentionLeft is the time until the topic's retention deletes an unread record, in seconds; 0: never.
	RetentionLeft float64 `json:"retention_left_seconds,omitempty"`
}

// shownTenants bounds the tenants that are listed.
const shownTenants = 100

// TenantStatus is what one tenant has of the pipeline.
type TenantStatus struct {
	Tenant   string  `json:"tenant"` // "": records without the header
	Weight   float64 `json:"weight"`
	InFlight int     `json:"in_flight"`
	Windowed int     `json:"windowed"`
	PutOff   uint64  `json:"put_off"` // records, each as often as it was put off over the tiers
}

// LimitStatus is one limit of the pipeline.
type LimitStatus struct {
	Name   string  `json:"name"`
	Per    string  `json:"per"` // pipeline, dependency, header
	Rate   string  `json:"rate"`
	PutOff uint64  `json:"put_off"`          // records, each as often as it was; or calls that had to wait
	Ahead  float64 `json:"ahead_seconds"`    // until the turn of what was put off furthest
	Keys   int     `json:"keys,omitempty"`   // values of the header that are known
	Forgot uint64  `json:"forgot,omitempty"` // values that were forgotten though they had used something
}

// PartitionStatus is one assigned partition that is paused.
type PartitionStatus struct {
	Topic     string   `json:"topic"`
	Partition int32    `json:"partition"`
	Paused    []string `json:"paused"`
	PausedFor float64  `json:"paused_for_seconds"`
}

// HeldStatus is a record whose copy cannot be written.
type HeldStatus struct {
	ID    string    `json:"id"`
	To    string    `json:"to"`
	Since time.Time `json:"since"`
	Tries int       `json:"tries"`
	Error string    `json:"error"`
}

// HeldKeysStatus is what waits for its turn where keys are held.
type HeldKeysStatus struct {
	Keys    int        `json:"keys"`    // with a record that is retried, or waits behind one
	Records int        `json:"records"` // of these keys, put off and not settled
	Parked  int64      `json:"parked"`  // of these, in a park topic
	Closed  int        `json:"closed"`  // keys with a dead letter that nobody has dealt with
	Dead    int        `json:"dead"`    // these dead letters
	Oldest  *time.Time `json:"oldest,omitempty"`
	Reading int        `json:"reading"` // source partitions that are not started before it is known which keys are held
}

// ExhaustedStatus is a record that is given up and held, since no dead letters are kept or failures of its kind are held.
type ExhaustedStatus struct {
	ID        string    `json:"id"`
	Topic     string    `json:"topic"` // where it stands
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Since     time.Time `json:"since"`
	Attempts  int       `json:"attempts"`
	Class     string    `json:"class"`
	Severity  string    `json:"severity"`
	Reason    string    `json:"reason"`
	Asked     bool      `json:"asked,omitempty"` // failures of its kind are held
	Error     string    `json:"error"`
}

// DeadLetterStatus counts the dead letters of one class and reason.
type DeadLetterStatus struct {
	Class    string `json:"class"`
	Severity string `json:"severity"`
	Reason   string `json:"reason"`
	Count    uint64 `json:"count"`
}

// AdmissionStatus is the credit for dead letters.
type AdmissionStatus struct {
	Credit float64 `json:"credit"`
	Burst  int     `json:"burst"` // at most, but for what an operator grants
}

// BreakerStatus is how one breaker is.
type BreakerStatus struct {
	Dependency          string     `json:"dependency"`
	State               string     `json:"state"`
	Would               string     `json:"would_be,omitempty"` // in metrics_only: the state that it would be in
	Mode                string     `json:"mode"`               // auto, forced_open, disabled, metrics_only, as it is configured
	Why                 string     `json:"why"`                // it came to the state
	Since               time.Time  `json:"since"`
	OpenUntil           *time.Time `json:"open_until,omitempty"`
	Calls               uint64     `json:"calls"` // in the window
	Failures            uint64     `json:"failures"`
	Slow                uint64     `json:"slow"`
	FailureRate         float64    `json:"failure_rate"`
	ConsecutiveFailures uint64     `json:"consecutive_failures"`
	Opened              uint64     `json:"opened"`          // times
	OpenedInARow        uint64     `json:"opened_in_a_row"` // of these, without staying closed in between

	Fleet *FleetBreakerStatus `json:"fleet,omitempty"` // of one that is the fleet's
}

// FleetBreakerStatus is what the processes of a fleet agree on about a breaker.
type FleetBreakerStatus struct {
	Open     bool         `json:"open"`
	Since    *time.Time   `json:"since,omitempty"`
	OpenedBy string       `json:"opened_by,omitempty"` // the process whose breaker tripped
	Why      string       `json:"why,omitempty"`
	Prober   string       `json:"prober,omitempty"` // the process that probes, or did last
	Order    *OrderStatus `json:"order,omitempty"`
}

// PartsStatus are the breakers of a dependency that is watched part by part.
type PartsStatus struct {
	Dependency string          `json:"dependency"`
	Known      int             `json:"known"`
	States     map[string]int  `json:"states"`
	NotClosed  []BreakerStatus `json:"not_closed,omitempty"` // at most 20 of them
}

// BreakerEvent is a change of a breaker's state.
type BreakerEvent struct {
	Dependency string    `json:"dependency"`
	At         time.Time `json:"at"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	Would      bool      `json:"would,omitempty"` // it only would have changed: the breaker is in metrics_only
	Why        string    `json:"why"`
}

// Skip is the body of POST /api/v1/skip.
type Skip struct {
	Pipeline  string `json:"pipeline,omitempty"` // may be left out where one pipeline has the topic
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Reason    string `json:"reason"`
}

// Done is the answer to a change that was made.
type Done struct {
	Message string `json:"message"`
}

// Failed is the answer to a request that failed.
type Failed struct {
	Error string `json:"error"`
}

func statusOf(s consumer.Stats) PipelineStatus {
	p := PipelineStatus{
		Pipeline: s.Pipeline, Group: s.Group, Phase: s.Phase.String(), Ready: s.Ready, NotReady: s.NotReady,
		Health: s.Health.String(), Score: s.Score, SuccessRate: s.SuccessRate, Reasons: s.Reasons,
		Received: s.Received, Completed: s.Completed, Retried: s.Retried, DeadLettered: s.DeadLettered,
		Dropped: s.Dropped, Skipped: s.Skipped, Snoozed: s.Snoozed,
		InFlight: s.InFlight, Concurrency: s.Concurrency, Windowed: s.Windowed, WindowBytes: s.WindowBytes,
		Topics: make([]TopicStatus, 0, len(s.Topics)), Paused: make(map[string]int, len(s.Paused)), HeldByPolicy: s.HeldByPolicy,
		Learned: learned(s.Lessons),
	}
	for _, t := range s.Topics {
		p.Topics = append(p.Topics, topicStatus(t))
		if t.Tier == 0 {
			p.Lag += t.Backlog
		} else {
			p.Retries += t.Backlog
		}
	}
	for _, pattern := range s.WaitedFor {
		p.WaitsFor = append(p.WaitsFor, "/"+pattern+"/")
	}
	for reason, n := range s.Paused {
		if n > 0 {
			p.Paused[reason.String()] = n
		}
	}
	for _, partition := range s.Partitions {
		if len(partition.Paused) > 0 {
			p.Partitions = append(p.Partitions, partitionStatus(partition))
		}
	}
	for _, l := range s.Limits {
		p.Limits = append(p.Limits, LimitStatus{
			Name: l.Name, Per: l.Per.String(), Rate: l.Rate.String(), PutOff: l.PutOff, Ahead: l.Ahead.Seconds(), Keys: l.Keys, Forgot: l.Forgot,
		})
	}
	for _, t := range s.Tenants[:min(len(s.Tenants), shownTenants)] {
		p.Tenants = append(p.Tenants, TenantStatus{Tenant: t.Tenant, Weight: t.Weight, InFlight: t.InFlight, Windowed: t.Windowed, PutOff: t.PutOff})
	}
	p.TenantsKnown = s.TenantsKnown
	for _, h := range s.Held {
		p.Held = append(p.Held, HeldStatus{ID: h.ID, To: h.To, Since: h.Since, Tries: h.Tries, Error: h.Err})
	}
	if k := s.HeldKeys; k != (consumer.HeldKeys{}) {
		p.HeldKeys = &HeldKeysStatus{Keys: k.Keys, Records: k.Records, Parked: k.Parked, Closed: k.Closed, Dead: k.Dead, Oldest: known(k.Oldest), Reading: k.Reading}
	}
	for _, e := range s.Exhausted {
		p.Exhausted = append(p.Exhausted, ExhaustedStatus{
			ID: e.ID, Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Since: e.Since,
			Attempts: e.Attempts, Class: e.Class.String(), Severity: e.Severity.String(), Reason: string(e.Reason), Asked: e.Asked, Error: e.Err,
		})
	}
	for _, d := range s.DeadLetters {
		p.DeadLetters = append(p.DeadLetters, DeadLetterStatus{Class: d.Class.String(), Severity: d.Severity.String(), Reason: string(d.Reason), Count: d.Count})
	}
	if s.Burst >= 0 {
		p.Admission = &AdmissionStatus{Credit: s.Credit, Burst: s.Burst}
	}
	if s.Breaker.Dependency != "" {
		b := breakerStatus(s.Breaker)
		p.Breaker = &b
	}
	for _, b := range s.Breakers {
		p.Breakers = append(p.Breakers, breakerStatus(b))
	}
	for _, parts := range s.Parts {
		p.Parts = append(p.Parts, partsStatus(parts))
	}
	return p
}

func topicStatus(t consumer.TopicStats) TopicStatus {
	out := TopicStatus{Topic: t.Topic, Source: t.Source, Tier: SourceTier, Backlog: t.Backlog, OldestDue: known(t.OldestDue), RetentionLeft: t.RetentionLeft.Seconds()}
	if t.Tier > 0 {
		out.Tier = retrytopics.TierName(t.Tier)
	}
	return out
}

func partitionStatus(p consumer.PartitionStats) PartitionStatus {
	out := PartitionStatus{Topic: p.Topic, Partition: p.Partition, PausedFor: p.PausedFor.Seconds()}
	for _, reason := range p.Paused {
		out.Paused = append(out.Paused, reason.String())
	}
	return out
}

func breakerStatus(s breaker.Snapshot) BreakerStatus {
	status := BreakerStatus{
		Dependency: s.Dependency, State: s.State.String(), Mode: "auto", Why: s.Why, Since: s.Since, OpenUntil: known(s.OpenUntil),
		Calls: uint64(s.Calls), Failures: uint64(s.Failures), Slow: uint64(s.Slow),
		FailureRate: s.FailureRate, ConsecutiveFailures: uint64(s.ConsecutiveFailures), Opened: uint64(s.Opened),
		OpenedInARow: uint64(s.OpenedInARow),
	}
	if s.Mode != breaker.Closed {
		status.Mode = s.Mode.String()
	}
	if s.State == breaker.MetricsOnly {
		status.Would = s.Would.String()
	}
	return status
}

func partsStatus(s consumer.PartStats) PartsStatus {
	p := PartsStatus{Dependency: s.Dependency, Known: s.Known, States: make(map[string]int, len(s.States))}
	for state, n := range s.States {
		p.States[state.String()] = n
	}
	for _, b := range s.NotClosed {
		p.NotClosed = append(p.NotClosed, breakerStatus(b))
	}
	return p
}

func breakerEvents(all []breaker.Event) []BreakerEvent {
	events := make([]BreakerEvent, 0, len(all))
	for _, e := range all {
		events = append(events, BreakerEvent{Dependency: e.Dependency, At: e.At, From: e.From.String(), To: e.To.String(), Would: e.Would, Why: e.Why})
	}
	return events
}

// known returns nil for the zero time, which stands for none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
