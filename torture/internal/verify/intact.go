package verify

// judgeIntact compares what handlers saw and what copies hold with what was produced.
func judgeIntact(h *History) Finding {
	f := Finding{Promise: "intact"}
	changed, old := 0, 0
	h.each(func(l *Life) {
		if !l.Known {
			return
		}
		if l.Read && l.Stored != l.Sum {
			changed++
			f.broken("the source itself has other bytes at %s than were produced: this is not the engine's doing", l.Origin)
		}
		if l.Stamp < h.Terms.Begun {
			old++
		}
		for _, c := range l.Calls {
			if c.Sum != l.Sum {
				changed++
				f.broken("attempt %d of %s saw other bytes than were produced, on %s from %s", c.Attempt, l.Origin, c.Member, c.Place)
			}
		}
		for _, c := range l.Copies {
			switch {
			case c.Sum != l.Sum:
				changed++
				f.broken("the copy at %s of %s has other bytes than were produced", c.Place, l.Origin)
			case c.Damage != "":
				changed++
				f.broken("the copy at %s of %s: %s", c.Place, l.Origin, c.Damage)
			case c.Own < h.Terms.Begun:
				changed++
				f.broken("the copy at %s of %s is as old as its original (%s): retention would take it", c.Place, l.Origin, clock(c.Own*1e6))
			case c.Place.Partition != l.Origin.Partition:
				changed++
				f.broken("the copy at %s of %s has left its partition number", c.Place, l.Origin)
			}
		}
	})
	for _, s := range h.Strange {
		f.broken("%s", s)
	}
	f.count("%d with changed bytes", changed)
	f.count("%d records, of which %d a week old, %d calls, %d copies", h.Produced, old, len(h.Calls), len(h.Copies))
	return f
}
