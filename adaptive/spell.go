package adaptive

import "time"

const (
	// quietLeast and quietMost bound for how long nothing may fail until an outage is taken to be over; between them it is
	// as long as the outage has lasted: a long one is believed in for longer.
	quietLeast = 5 * time.Second
	quietMost  = time.Minute
)

// spells are the outage that is under way, as far as failures tell, and the one before it. What fails in one outage shares its age, which all
// records together know better than each of them does: one that fails for the first time in the third minute of an outage
// is not a second from its end.
type spells struct{ now, before spell }

// spell is a time in which records failed. Its zero value is none.
type spell struct{ first, last time.Time }

// failed takes note of a failure. from is when its record failed before; zero: it had not.
func (s *spells) failed(at, from time.Time) {
	if !s.on(at) {
		s.end()
		s.now.first = at
	}
	if at.After(s.now.last) {
		s.now.last = at
	}
	// Not everything fails for one reason: what succeeded may have ended a spell that goes on for others. What failed in it
	// and fails again shows that.
	if b := s.before; !from.IsZero() && !from.Before(b.first) && !from.After(b.last) {
		s.now.first = b.first
		s.before = spell{}
	}
}

// succeeded takes note of the retry of a record that had failed at a time: the spell in which it did is over.
func (s *spells) succeeded(from time.Time) {
	if !s.now.first.IsZero() && !from.Before(s.now.first) {
		s.end()
	}
}

func (s *spells) end() {
	if s.now != (spell{}) {
		s.before, s.now = s.now, spell{}
	}
}

// on reports whether the latest spell goes on.
func (s *spells) on(at time.Time) bool {
	return s.now != (spell{}) && at.Sub(s.now.last) <= min(max(s.now.last.Sub(s.now.first), quietLeast), quietMost)
}

// older returns by how much the spell is older in which a record failed first.
func (s *spells) older(first time.Time) time.Duration {
	for _, one := range [...]spell{s.now, s.before} {
		if one.first.Before(first) && !first.After(one.last) {
			return first.Sub(one.first)
		}
	}
	return 0
}
