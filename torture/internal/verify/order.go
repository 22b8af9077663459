package verify

import (
	"github.com/redeliver/redeliver/torture/internal/service"
	"github.com/redeliver/redeliver/torture/internal/upset"
)

// train is what is handled one at a time: the records of a key in a partition, with their retries.
type train struct {
	partition int32
	key       string
}

// judgeOrder holds the records of a key to one call at a time, and the first calls of its fresh records to offset order.
func judgeOrder(h *History) Finding {
	f := Finding{Promise: "ordered"}
	running := make(map[train]*Call) // of the calls so far, the one that ends last
	latest := make(map[train]*Call)  // of the fresh records called so far, the last
	seen := make(map[*Life]bool)     // called as a fresh record
	var judged, beside, excused, crossed int
	for _, c := range h.Calls {
		if !c.Life.Keyed {
			continue
		}
		judged++
		tr := train{c.Life.Origin.Partition, c.Life.Key}
		if r := running[tr]; r != nil && r.End > c.Begin {
			if h.mayOverlap(r, c) {
				excused++
			} else {
				beside++
				f.broken("attempt %d of %s was called on %s at %s while attempt %d of %s ran on %s, since %s until %s (%s), of the same key %q",
					c.Attempt, c.Life.Origin, c.Member, clock(c.BeganAt), r.Attempt, r.Life.Origin, r.Member, clock(r.BeganAt), clock(r.EndedAt), r.Outcome, tr.key)
			}
		}
		if r := running[tr]; r == nil || c.End > r.End {
			running[tr] = c
		}
		if c.Place.Topic != h.Terms.Topic || seen[c.Life] {
			continue
		}
		seen[c.Life] = true
		if l := latest[tr]; l != nil && l.Place.Offset > c.Place.Offset {
			crossed++
			f.broken("%s was first called on %s at %s, after %s on %s at %s of the same key %q",
				c.Place, c.Member, clock(c.BeganAt), l.Place, l.Member, clock(l.BeganAt), tr.key)
			continue
		}
		latest[tr] = c
	}
	f.count("%d beside another record of their key", beside)
	f.count("%d fresh records out of offset order", crossed)
	f.count("%d calls with a key, %d keys", judged, len(latest))
	if h.Terms.HoldKey {
		h.judgeHeld(&f)
	}
	if excused > 0 {
		f.count("%d overlaps of two members of which one had been upset", excused)
	}
	return f
}

// mayOverlap reports whether two calls may: when the first was told to give up, or when they are of two members and one
// of them, or a broker, had been upset such that it may not have known whose the partition was.
func (h *History) mayOverlap(r, c *Call) bool {
	if r.Outcome == service.Cancelled {
		return true
	}
	return h.strayed(r, c)
}

// strayed reports whether two calls are of two members of which one may not have known whose the partition was.
func (h *History) strayed(r, c *Call) bool {
	return r.Member != c.Member && h.upset(r.BeganAt, c.BeganAt, func(u *upset.Upset) bool {
		return u.OfBroker() || u.OfMember() && (u.Member == r.Member || u.Member == c.Member)
	}) != nil
}

// upset returns the last upset of a kind that had its consequences between two moments, nil if there was none.
func (h *History) upset(from, to int64, of func(*upset.Upset) bool) *upset.Upset {
	for i := len(h.Upsets) - 1; i >= 0; i-- {
		u := &h.Upsets[i]
		if u.Begun <= to && (u.Ended == 0 || u.Ended+h.Terms.Tail.Nanoseconds() >= from) && of(u) {
			return u
		}
	}
	return nil
}
