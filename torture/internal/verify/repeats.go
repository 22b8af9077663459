package verify

import (
	"cmp"
	"maps"
	"slices"

	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/service"
	"github.com/redeliver/redeliver/torture/internal/upset"
)

// judgeRepeats looks for records that were handled again where they stood, and for what explains that. A repeat after a
// member was killed is a record that it had begun and not committed: at most its window and its calls in flight, and as many
// again for each upset by which it may have lost what it had shortly before. After other upsets a member that does not know
// better repeats what its successor does, and the other way round; as much again is allowed for each other upset whose
// consequences fall together with those of the one that is named, for a connection may be reset while a broker is paused.
func judgeRepeats(h *History) Finding {
	f := Finding{Promise: "bounded"}
	byUpset := make(map[*upset.Upset]int)
	beside := make(map[*upset.Upset]map[*upset.Upset]bool) // of an upset, the others by which its repeats may have come to be
	places := make(map[Place]*Call)
	var all, stopped, unexplained int
	for _, c := range h.Calls {
		first := places[c.Place]
		places[c.Place] = c
		if first == nil || !handled(first.Outcome) {
			continue
		}
		all++
		u := h.explains(first, c)
		switch {
		case u != nil:
			byUpset[u]++
			if other := h.beside(u, first, c); other != nil {
				if beside[u] == nil {
					beside[u] = make(map[*upset.Upset]bool)
				}
				beside[u][other] = true
			}
		case h.kill(upset.Stop, first.Member, c.BeganAt) != nil:
			stopped++
			f.broken("%s was handled again by %s at %s, after %s had handled it (attempt %d %s at %s) and had been stopped as it should",
				c.Place, c.Member, clock(c.BeganAt), first.Member, first.Attempt, first.Outcome, clock(first.EndedAt))
		default:
			unexplained++
			f.broken("%s was handled again by %s at %s, after %s had handled it (attempt %d %s at %s), and nothing explains it",
				c.Place, c.Member, clock(c.BeganAt), first.Member, first.Attempt, first.Outcome, clock(first.EndedAt))
		}
	}
	bound := h.Terms.Window + h.Terms.Concurrency
	kinds := make(map[upset.Kind]int)
	worst, worstAlone := 0, 0
	for u, n := range byUpset {
		kinds[u.Kind] += n
		limit := (1 + len(beside[u])) * bound
		if u.Kind == upset.Kill {
			worst = max(worst, n)
			if len(beside[u]) == 0 {
				worstAlone = max(worstAlone, n)
			}
		} else {
			limit *= 2 // its own and its successor's
		}
		if n > limit && !u.OfBroker() {
			f.broken("%d repeats after %s of %s at %s, at most %d", n, u.Kind, u.Member, clock(u.Begun), limit)
		}
	}
	f.count("%d repeats after a clean stop", stopped)
	f.count("%d that nothing explains", unexplained)
	f.count("%d repeats in all", all)
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b upset.Kind) int { return cmp.Compare(a, b) }) {
		f.count("%d after %s", kinds[k], k)
	}
	f.count("at most %d after a kill, and %d where nothing else had happened (%d allowed for each that happened)", worst, worstAlone, bound)
	h.judgeKills(&f)
	h.judgeFlights(&f)
	return f
}

// handled reports whether a call ended such that its record need not be handled where it stood again.
func handled(o service.Outcome) bool {
	switch o {
	case service.Cancelled, outcome(fate.Snoozed): // a snooze may be waited out where the record stands
		return false
	}
	return true
}

// explains returns what explains that a record was handled again.
func (h *History) explains(before, again *Call) *upset.Upset {
	if u := h.kill(upset.Kill, before.Member, again.BeganAt); u != nil {
		return u
	}
	if u := h.upset(before.BeganAt, again.BeganAt, func(u *upset.Upset) bool {
		return u.OfMember() && (u.Member == before.Member || u.Member == again.Member)
	}); u != nil {
		return u
	}
	return h.upset(before.BeganAt, again.BeganAt, func(u *upset.Upset) bool { return u.OfBroker() })
}

// beside returns another upset than the one that explains a repeat by which the record may have been handled again, nil if
// there was none: by which a member had lost the partition before it was killed, or a broker or either member of the repeat
// was upset as well.
func (h *History) beside(u *upset.Upset, first, again *Call) *upset.Upset {
	to, members := again.BeganAt, []string{first.Member, again.Member}
	if u.Kind == upset.Kill {
		to, members = u.Begun, members[:1]
	}
	return h.upset(first.BeganAt, to, func(other *upset.Upset) bool {
		return other != u && (other.OfBroker() || other.OfMember() && slices.Contains(members, other.Member))
	})
}

// kill returns how a life of a member was ended before a moment, nil if it was not or in another way.
func (h *History) kill(k upset.Kind, member string, before int64) *upset.Upset {
	for i := range h.Upsets {
		if u := &h.Upsets[i]; u.Kind == k && u.Member == member && u.Begun <= before {
			return u
		}
	}
	return nil
}

// judgeKills counts the kills that hit members at work. The others prove nothing.
func (h *History) judgeKills(f *Finding) {
	hit, idle, cut, inside := 0, 0, 0, 0
	for i := range h.Upsets {
		if u := &h.Upsets[i]; u.Kind == upset.Kill {
			if n := h.Gone[u.Member].InFlight; n > 0 {
				hit, cut = hit+1, cut+n
			} else {
				idle++
			}
			if u.Inside {
				inside++
			}
		}
	}
	f.count("%d kills hit %d calls in flight", hit, cut)
	if h.Terms.ExactlyOnce {
		f.count("%d kills left a transaction open", inside)
	}
	if idle > 0 {
		f.count("%d kills hit an idle member and do not count", idle)
	}
}

// judgeFlights holds members to their slots.
func (h *History) judgeFlights(f *Finding) {
	type change struct {
		tick   int64
		member string
		by     int
	}
	var changes []change
	for _, c := range h.Calls {
		changes = append(changes, change{c.Begin, c.Member, 1}, change{c.End, c.Member, -1})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.tick, b.tick) })
	flying := make(map[string]int)
	most := 0
	for _, ch := range changes {
		flying[ch.member] += ch.by
		most = max(most, flying[ch.member])
		if flying[ch.member] > h.Terms.Concurrency && ch.by > 0 {
			f.broken("%s had %d calls in flight, of %d", ch.member, flying[ch.member], h.Terms.Concurrency)
		}
	}
	f.count("at most %d calls in flight of a member (%d allowed)", most, h.Terms.Concurrency)
}
