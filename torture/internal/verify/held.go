package verify

import (
	"cmp"
	"slices"
	"strings"
)

// judgeHeld holds every key to the order of its records across their retries, by what handlers saw: once a record was called, none that
// stands before it in its partition and has its key is called any more, for the first time or again. One that was done before then may be
// repeated after a kill; one that has failed may not, for what it became was committed before another record could be called.
func (h *History) judgeHeld(f *Finding) {
	keys := make(map[train][]*Life)
	h.each(func(l *Life) {
		if l.Keyed && len(l.Calls) > 0 {
			tr := train{l.Origin.Partition, l.Key}
			keys[tr] = append(keys[tr], l)
		}
	})
	var waited, late, excused int
	for tr, lives := range keys {
		slices.SortFunc(lives, func(a, b *Life) int { return cmp.Compare(a.Origin.Offset, b.Origin.Offset) })
		for i, l := range lives {
			first := l.Calls[0]
			if h.parked(first.Place) {
				waited++
			}
			for _, before := range lives[:i] {
				c := before.calledAfter(first)
				switch {
				case c == nil:
				case h.strayed(first, c):
					excused++
				default:
					late++
					f.broken("attempt %d of %s (%s) was called on %s at %s, after %s, which stands behind it, on %s at %s, of the same key %q%s", c.Attempt, before.Origin,
						before.Fate, c.Member, clock(c.BeganAt), l.Origin, first.Member, clock(first.BeganAt), tr.key, told(before))
				}
			}
		}
	}
	f.count("%d called after a record behind them of their key", late)
	f.count("%d waited behind another", waited)
	if excused > 0 {
		f.count("%d out of order between two members of which one had been upset", excused)
	}
	if waited == 0 {
		f.broken("no record waited behind another: that keys are held was not put to the test")
	}
}

// calledAfter returns the first call that began after another record's, nil where there is none, or the record was done before that.
func (l *Life) calledAfter(other *Call) *Call {
	if l.Calls[len(l.Calls)-1].Begin < other.Begin {
		return nil
	}
	for _, c := range l.Calls {
		if c.Begin > other.Begin {
			return c
		}
		if ends(c.Outcome) && c.End < other.Begin {
			return nil
		}
	}
	return nil
}

// parked reports whether records wait at a place behind others of their keys.
func (h *History) parked(at Place) bool {
	return h.Terms.HoldKey && strings.HasSuffix(at.Topic, ".retry-park")
}
