package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// NewPausedPlan makes a plan from a seed in which partitions change hands while they are paused: another member joins during an
// operator's pause, and leaves later. Nothing else pauses what comes back, which would end a pause that was kept; what else disturbs the
// members leaves them, and what they are assigned, as they are.
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
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 20261128))}
	for range leastFaults + g.IntN(leastFaults) {
		after := g.between(time.Second, p.Lasts)
		what, do := pick(g, steady...)(g, p, after)
		p.Events = append(p.Events, Event{After: after, What: what, Do: do})
	}
	slices.SortStableFunc(p.Events, func(a, b Event) int { return int(a.After - b.After) })
	return p
}
