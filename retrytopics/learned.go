package retrytopics

import "time"

// Wait is a delay that may be learned: the policy is adaptive, and neither the
// handler nor the failure has asked for a delay.
type Wait struct {
	// Override that matched, an index into the policy's, or -1.
	Override int
	// Left is the number of retries that the record may still have, the one
	// included that is waited for.
	Left int
}

// Terms are what a learned delay is held to.
type Terms struct {
	// Min and Max bound the delay; jitter comes on top of it.
	Min, Max time.Duration
	// Jitter says that the delay is lengthened by up to [LearnedJitterShare].
	Jitter bool
	// Configured are the delays of the configured strategy, the first one before
	// the first retry. There are as many as were asked for, also of retries that a record
	// does not get.
	Configured []time.Duration
}

// Terms returns what learned delays are held to by the policy, with -1, or by
// an override; with as many configured delays. ok is false where delays are not learned.
func (s *Schedule) Terms(override, delays int) (t Terms, ok bool) {
	r := s.rule(override)
	if !r.adaptive {
		return t, false
	}
	t = Terms{Min: r.min, Max: r.max, Jitter: r.jitter, Configured: make([]time.Duration, delays)}
	var f Failed
	if override >= 0 {
		f.Class = s.overrides[override].Class
	}
	for i := range t.Configured {
		f.Attempt = i + 1
		t.Configured[i] = r.plain(i+1, f.normal())
	}
	return t, true
}

// learned asks for a learned delay, and brings it within the bounds; 0 where none is known.
func (r *rule) learned(q Question, w Wait) time.Duration {
	if !r.adaptive || q.Learned == nil {
		return 0
	}
	d := q.Learned(w)
	if d <= 0 {
		return 0
	}
	return ceilMillisecond(min(max(d, r.min), r.max))
}
