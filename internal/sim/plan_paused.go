package sim

import (
	"fmt"
	"time"
)

// NewPausedPlan makes a plan from a seed in which partitions change hands while they are paused: another member joins during an
// operator's pause, and leaves later. Nothing else pauses what comes back, which would end a pause that was kept.
func NewPausedPlan(seed uint64) *Plan {
	p := NewPlan(seed)
	at, lasts := p.Lasts/8, 15*time.Second
	if p.Temper == Calm {
		at += joined
	}
	p.Members, p.Temper = 1, Gentle
	p.Setup.Config.Breaker.Disabled = true
	var other *Member
	p.Events = []Event{
		{After: at, What: fmt.Sprintf("an operator pauses for %v", lasts), Do: func(w *World) { w.PauseFor(lasts) }},
		{After: at + 3*time.Second, What: "a member joins", Do: func(w *World) { other = w.Join() }},
		{After: at + lasts + 10*time.Second, What: "that member stops", Do: func(*World) { other.Leave() }},
	}
	return p
}
