package retrytopics

import "time"

// Lane is the answer of [Schedule.Hop] for a record that travels no further.
const Lane = -1

// Hop says where a record goes that has left to wait: the index of the tier to
// travel, or [Lane]: wait the rest out where it is, in due order. travelled is
// the delay of the tier that it sits in now, 0 for none; that tier need not be
// one of the schedule's any more.
//
// It is the longest tier that does not overshoot. A record that has travelled
// waits out in the lane what is no longer than the shortest tier or than a
// quarter of the tier it has just travelled: copying it again would cost more
// than it clears. A quarter is also the most that jitter adds.
func (s *Schedule) Hop(left, travelled time.Duration) int {
	if travelled > 0 && left <= max(s.tiers[0], travelled/4) {
		return Lane
	}
	for i := len(s.tiers) - 1; i >= 0; i-- {
		if s.tiers[i] <= left {
			return i
		}
	}
	return Lane
}

// Route lists the tiers that a record with this delay travels, by plan, and
// what remains to be waited out in the last lane.
func (s *Schedule) Route(delay time.Duration) (hops []time.Duration, rest time.Duration) {
	left, travelled := delay, time.Duration(0)
	for {
		i := s.Hop(left, travelled)
		if i == Lane {
			return hops, left
		}
		travelled = s.tiers[i]
		left -= travelled
		hops = append(hops, travelled)
	}
}
