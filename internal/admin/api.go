package admin

import (
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// Pipeline is what the server needs of a pipeline; *consumer.Pipeline is one. Methods are called concurrently.
type Pipeline interface {
	Name() string
	Stats() consumer.Stats
	Pause()
	Resume(admit int)
	Skip(topic string, partition int32, offset int64, reason string) error
}

// Breaker is what the server needs of a breaker; *breaker.Breaker is one. Methods are called concurrently.
type Breaker interface {
	Snapshot() breaker.Snapshot
	Force(breaker.State)
	Auto()
}

// Status is the answer of GET /api/v1/status.
type Status struct {
	At        time.Time        `json:"at"`
	NotReady  string           `json:"not_ready,omitempty"` // why no pipeline has started yet
	Pipelines []PipelineStatus `json:"pipelines"`
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
	HeldByPolicy int                `json:"held_by_policy,omitempty"`
	Exhausted    []ExhaustedStatus  `json:"exhausted,omitempty"` // of these the oldest
	DeadLetters  []DeadLetterStatus `json:"dead_letters,omitempty"`
	Breaker      *BreakerStatus     `json:"breaker,omitempty"`
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

// ExhaustedStatus is a record that is given up and held, since no dead letters are kept.
type ExhaustedStatus struct {
	ID        string    `json:"id"`
	Topic     string    `json:"topic"` // where it stands
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Since     time.Time `json:"since"`
	Attempts  int       `json:"attempts"`
	Class     string    `json:"class"`
	Reason    string    `json:"reason"`
	Error     string    `json:"error"`
}

// DeadLetterStatus counts the dead letters of one class and reason.
type DeadLetterStatus struct {
	Class  string `json:"class"`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// BreakerStatus is how one breaker is.
type BreakerStatus struct {
	Dependency          string     `json:"dependency"`
	State               string     `json:"state"`
	Since               time.Time  `json:"since"`
	OpenUntil           *time.Time `json:"open_until,omitempty"`
	Calls               uint64     `json:"calls"` // in the window
	Failures            uint64     `json:"failures"`
	Slow                uint64     `json:"slow"`
	FailureRate         float64    `json:"failure_rate"`
	ConsecutiveFailures uint64     `json:"consecutive_failures"`
	Opened              uint64     `json:"opened"` // times
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
	for _, t := range s.Tenants {
		p.Tenants = append(p.Tenants, TenantStatus{Tenant: t.Tenant, Weight: t.Weight, InFlight: t.InFlight, Windowed: t.Windowed, PutOff: t.PutOff})
	}
	p.TenantsKnown = s.TenantsKnown
	for _, h := range s.Held {
		p.Held = append(p.Held, HeldStatus{ID: h.ID, To: h.To, Since: h.Since, Tries: h.Tries, Error: h.Err})
	}
	for _, e := range s.Exhausted {
		p.Exhausted = append(p.Exhausted, ExhaustedStatus{
			ID: e.ID, Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Since: e.Since,
			Attempts: e.Attempts, Class: e.Class.String(), Reason: string(e.Reason), Error: e.Err,
		})
	}
	for _, d := range s.DeadLetters {
		p.DeadLetters = append(p.DeadLetters, DeadLetterStatus{Class: d.Class.String(), Reason: string(d.Reason), Count: d.Count})
	}
	if s.Breaker.Dependency != "" {
		b := breakerStatus(s.Breaker)
		p.Breaker = &b
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
	return BreakerStatus{
		Dependency: s.Dependency, State: s.State.String(), Since: s.Since, OpenUntil: known(s.OpenUntil),
		Calls: uint64(s.Calls), Failures: uint64(s.Failures), Slow: uint64(s.Slow),
		FailureRate: s.FailureRate, ConsecutiveFailures: uint64(s.ConsecutiveFailures), Opened: uint64(s.Opened),
	}
}

// known returns nil for the zero time, which stands for none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
