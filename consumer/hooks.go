package consumer

import (
	"fmt"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Hook is told what a pipeline does. A hook implements any of the one-method interfaces below; [New] refuses a value
// that implements none. Hooks are called outside locks and from several goroutines at once; a hook that takes long
// slows down what it is told about, so hand over what needs time. No hook is called for a success: read
// [Pipeline.Stats] for counts.
type Hook any

// HookFailed is told about each failed attempt, before its record is routed.
type HookFailed interface {
	OnFailed(Failed)
}

// Failed is one attempt that failed.
type Failed struct {
	Pipeline string
	ID       string
	Topic    string // of the origin
	Attempt  int
	Free     bool // it used no attempt, for the breaker opened or was not closed
	Took     time.Duration
	Failure  classify.Failure
}

// HookRouted is told about each copy that was acknowledged by its retry or dead-letter topic.
type HookRouted interface {
	OnRouted(Routed)
}

// Routed is a copy that now stands in a retry or dead-letter topic.
type Routed struct {
	Pipeline string
	ID       string
	To       string // topic
	Outcome  Outcome
	Due      time.Time          // zero for dead letters
	Class    classify.Class     // of the last failure
	Reason   retrytopics.Reason // of a dead letter
	Attempt  int
}

// HookRouteFailed is told when a copy could not be written. The record is held and tried again.
type HookRouteFailed interface {
	OnRouteFailed(RouteFailed)
}

// RouteFailed is a copy that could not be written, for now.
type RouteFailed struct {
	Pipeline string
	ID       string
	To       string // topic
	Tries    int    // so far
	Next     time.Time
	Err      error
}

// HookPaused is told when a reason to pause partitions begins or ends.
type HookPaused interface {
	OnPaused(Paused)
}

// Paused is a reason to pause that began or ended for a partition or, with Partition -1, for all of a pipeline.
type Paused struct {
	Pipeline  string
	Topic     string
	Partition int32
	Reason    PauseReason
	Begun     bool // else ended
}

// HookBreaker is told when the pipeline's breaker changes its state.
type HookBreaker interface {
	OnBreaker(pipeline string, e breaker.Event)
}

// HookAssigned is told about partitions that were assigned to this member, after their positions are known.
type HookAssigned interface {
	OnAssigned(pipeline string, partitions map[string][]int32)
}

// HookRevoked is told about partitions that were taken from this member, after they were drained; lost says that it
// happened without a chance to drain.
type HookRevoked interface {
	OnRevoked(pipeline string, partitions map[string][]int32, lost bool)
}

// HookHealth is told how a pipeline is when its Run begins and ends, and when its health or readiness has changed in between, at
// most once a second.
type HookHealth interface {
	OnHealth(HealthChange)
}

// HealthChange is how a pipeline is now, as in [Stats].
type HealthChange struct {
	Pipeline    string
	At          time.Time
	Before      Health // equal to Health where only readiness has changed
	Health      Health
	Score       float64 // 0 to 1
	SuccessRate float64 // of the attempts in the last minute, 0 to 1
	Reasons     []string
	Ready       bool
	NotReady    string // why not
}

// HookStats is handed the pipeline's counts once a second while it runs.
type HookStats interface {
	OnStats(Stats)
}

// hooks are a pipeline's hooks, sorted by what they want to be told.
type hooks struct {
	failed      []HookFailed
	routed      []HookRouted
	routeFailed []HookRouteFailed
	paused      []HookPaused
	breaker     []HookBreaker
	assigned    []HookAssigned
	revoked     []HookRevoked
	health      []HookHealth
	stats       []HookStats
}

// sortHooks sorts hooks by the interfaces that they implement.
func sortHooks(all []Hook) (hs hooks, err error) {
	for _, h := range all {
		n := keep(&hs.failed, h) + keep(&hs.routed, h) + keep(&hs.routeFailed, h) + keep(&hs.paused, h) +
			keep(&hs.breaker, h) + keep(&hs.assigned, h) + keep(&hs.revoked, h) + keep(&hs.health, h) + keep(&hs.stats, h)
		if n == 0 {
			return hs, fmt.Errorf("consumer: Hooks: %T implements none of the hook interfaces", h)
		}
	}
	return hs, nil
}

func keep[H any](list *[]H, h Hook) int {
	if v, ok := h.(H); ok {
		*list = append(*list, v)
		return 1
	}
	return 0
}
