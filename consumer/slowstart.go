package consumer

import "time"

// A slowStart bounds the calls in flight after the dependency was away: what has piled up meanwhile would hit it with all
// that the pipeline has at the moment when it can take the least, and trip the breaker again. The bound grows from as many
// calls as there were probes to all slots, and falls by half when a call fails: a dependency that comes back more slowly
// than that is followed.
type slowStart struct {
	level float64 // calls at once that were allowed when it began or was last cut
	at    time.Time
	slope float64 // calls more in a second
	cut   time.Time
	rest  time.Duration // the least from one cut to the next: calls that began together fail together
}

// rampSteps is in how many steps the bound grows, where it has as far to go.
const rampSteps = 50

// slowStart begins a slow start from so many calls at once. It takes over as long as said unless calls fail.
func (s *slots) slowStart(from int, over time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.capacity <= from {
		return
	}
	now := s.now()
	s.ramp = &slowStart{level: float64(from), at: now, slope: float64(s.capacity-from) / over.Seconds(), cut: now, rest: over / rampSteps}
	s.ramping.Store(true)
	s.rampLater(over / rampSteps)
}

// falter notes that a call failed in a way that speaks against the dependency.
func (s *slots) falter() {
	if !s.ramping.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.ramp != nil && now.Sub(s.ramp.cut) >= s.ramp.rest {
		s.ramp.level, s.ramp.at, s.ramp.cut = max(s.ramp.bound(now)/2, 1), now, now
	}
}

// full ends a slow start: nothing is known of the dependency any more, or only probes are let through.
func (s *slots) full() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endRamp()
}

func (s *slots) endRamp() {
	s.ramp = nil
	s.ramping.Store(false)
}

// limit is how many calls may be in flight now.
func (s *slots) limit() int {
	if s.ramp == nil {
		return s.capacity
	}
	return min(int(s.ramp.bound(s.now())), s.capacity)
}

func (r *slowStart) bound(now time.Time) float64 { return r.level + r.slope*now.Sub(r.at).Seconds() }

// allowed returns how many calls a slow start lets be in flight now, 0 when there is none.
func (s *slots) allowed() int {
	if !s.ramping.Load() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ramp == nil {
		return 0
	}
	return s.limit()
}

// rampLater serves those in line again when the bound has grown.
func (s *slots) rampLater(step time.Duration) {
	s.later(step, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ramp == nil {
			return
		}
		if s.limit() >= s.capacity {
			s.endRamp()
		} else {
			s.rampLater(step)
		}
		s.serveMore()
	})
}
