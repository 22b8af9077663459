package consumer

import (
	"sync"
	"time"
)

// watchHealth tells the hooks how the pipeline is, now and when that changes. The function that it returns tells them how it is at
// the end, and waits for that.
func (p *Pipeline) watchHealth() (end func()) {
	if len(p.hooks.health) == 0 {
		return func() {}
	}
	last := p.toldHealth(p.Stats(), Healthy)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if s := p.Stats(); s.Health != last.Health || s.Ready != last.Ready {
					last = p.toldHealth(s, last.Health)
				}
			}
		}
	})
	return func() {
		close(stop)
		watching.Wait()
		p.toldHealth(p.Stats(), last.Health)
	}
}

func (p *Pipeline) toldHealth(s Stats, before Health) HealthChange {
	c := HealthChange{
		Pipeline: s.Pipeline, At: s.At, Before: before, Health: s.Health, Score: s.Score, SuccessRate: s.SuccessRate, Reasons: s.Reasons,
		Ready: s.Ready, NotReady: s.NotReady,
	}
	for _, h := range p.hooks.health {
		h.OnHealth(c)
	}
	return c
}
