package consumer

import (
	"github.com/redeliver/redeliver/breaker"
)

// onBreaker follows the breaker of the dependency.
func (p *Pipeline) onBreaker(e breaker.Event) {
	p.comeBack(e)
	p.gate.onBreaker(e)
	if e.From == e.To {
		return
	}
	if e.Would {
		p.log.Info("breaker would change, but is in metrics_only", "pipeline", p.cfg.Name, "dependency", e.Dependency, "from", e.From, "to", e.To, "why", e.Why)
		return
	}
	p.log.Warn("breaker", "pipeline", p.cfg.Name, "dependency", e.Dependency, "from", e.From, "to", e.To, "why", e.Why)
	for _, h := range p.hooks.breaker {
		h.OnBreaker(p.cfg.Name, e)
	}
}

// comeBack begins a slow start when a breaker has closed, whoever has found out that the dependency is back, and ends one when it
// opens.
func (p *Pipeline) comeBack(e breaker.Event) {
	d := p.dependency(e.Dependency)
	if d == nil {
		return
	}
	switch c := d.breaker.Config(); {
	case e.Would:
	case !e.From.Admits() && e.To == breaker.Closed && c.SlowStart > 0:
		p.slots.slowStart(c.HalfOpenCalls, c.SlowStart)
	case e.To == breaker.Open || e.To == breaker.ForcedOpen:
		p.slots.full()
	}
}

// holdChanged follows the pipeline's reasons to hold.
func (p *Pipeline) holdChanged(r PauseReason, begun bool) {
	if r == PauseOutage {
		if begun {
			p.log.Error("pipeline holds: there is no credit for another dead letter, so many for so few successes look like an outage",
				"pipeline", p.cfg.Name, "burst", p.cfg.DeadLetters.Burst, "per_success", p.cfg.DeadLetters.PerSuccess,
				"remedy", "mend the cause: one record at a time is tried, and successes go on with the rest; or resume the pipeline")
		} else {
			p.log.Info("pipeline goes on after an outage", "pipeline", p.cfg.Name)
		}
	}
	p.intake.reviewAll()
	for _, h := range p.hooks.paused {
		h.OnPaused(Paused{Pipeline: p.cfg.Name, Partition: -1, Reason: r, Begun: begun})
	}
}

// membershipChanged follows the claim to the partitions.
func (p *Pipeline) membershipChanged(lapsed bool) {
	if lapsed {
		p.log.Error("the group's coordinator does not answer, and may have given this member's partitions to others: nothing is started until it does",
			"pipeline", p.cfg.Name, "silent_for", p.membership.lasts)
	} else {
		p.log.Info("the group's coordinator answers again", "pipeline", p.cfg.Name)
	}
	p.gate.change(PauseMembership, p.membership.now)
}

// toldPaused tells the hooks about a lane's reasons that began or ended.
func (p *Pipeline) toldPaused(l *lane, before, after pauseSet) {
	for r := range pauseReasons {
		if before.has(r) == after.has(r) {
			continue
		}
		for _, h := range p.hooks.paused {
			h.OnPaused(Paused{Pipeline: p.cfg.Name, Topic: l.topic, Partition: l.partition, Reason: r, Begun: after.has(r)})
		}
	}
}

// Pause holds the pipeline until [Pipeline.Resume]: nothing more is started, and calls in flight end as they do.
func (p *Pipeline) Pause() { p.gate.set(PauseOperator, true) }

// Resume ends a Pause, and the hold after too many dead letters. With admit above 0 there is credit for so many dead letters
// more before the pipeline holds again; else for as many as at its start. See [DeadLetters].
func (p *Pipeline) Resume(admit int) { p.gate.resume(max(admit, 0)) }
