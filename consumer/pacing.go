package consumer

import (
	"time"

	"github.com/redeliver/redeliver/limit"
)

// pacing spreads the starts of calls over time, as the limits say that are of the whole pipeline or of its dependency. A slot
// is given only with a call of all of them. Nil is no such limit.
type pacing struct {
	limits []Limit
	pacers []*limit.Pacer
	askers []*limit.Asker
	asked  bool // since the slots last looked; under their lock
}

func (c *pacing) with(l Limit, p *limit.Pacer) *pacing {
	if c == nil {
		c = new(pacing)
	}
	c.limits, c.pacers = append(c.limits, l), append(c.pacers, p)
	return c
}

// join stands the slots in the pacers' lines; turn is called when it is theirs.
func (c *pacing) join(turn func()) {
	if c == nil {
		return
	}
	for _, p := range c.pacers {
		c.askers = append(c.askers, p.Join(turn))
	}
}

// take asks for one call.
func (c *pacing) take() bool {
	if c == nil {
		return true
	}
	now := time.Now()
	for i, a := range c.askers {
		if !a.Take(now) {
			for _, b := range c.askers[:i] {
				b.GiveBack(now, 1)
			}
			return false
		}
	}
	return true
}

// unused gives back a call that was not made.
func (c *pacing) unused() {
	if c == nil {
		return
	}
	now := time.Now()
	for _, a := range c.askers {
		a.GiveBack(now, 1)
	}
}

// more uses calls for the other records of a batch: what comes later waits for them.
func (c *pacing) more(n int) {
	if c == nil || n == 0 {
		return
	}
	now := time.Now()
	for _, a := range c.askers {
		a.More(now, n)
	}
}

// leave says that nothing wants to start.
func (c *pacing) leave() {
	now := time.Now()
	for _, a := range c.askers {
		a.Leave(now)
	}
}

func (c *pacing) stats(now time.Time) (all []LimitStats) {
	if c == nil {
		return nil
	}
	for i, l := range c.limits {
		all = append(all, LimitStats{Name: l.Name, Per: l.Per, Rate: l.Rate, PutOff: c.askers[i].Refused(), Ahead: c.pacers[i].Ahead(now)})
	}
	return all
}

// paced asks for a call of the limits that calls are spread by.
func (s *slots) paced() bool {
	if s.pacing == nil {
		return true
	}
	s.pacing.asked = true
	return s.pacing.take()
}

// turn is called when it is this pipeline's turn to start a call. When nothing can, others have their turn.
func (s *slots) turn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pacing.asked = false
	s.serveMore()
	if !s.pacing.asked {
		s.pacing.leave()
	}
}
