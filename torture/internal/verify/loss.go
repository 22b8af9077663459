package verify

// judgeLoss expects that every record that was produced has the outcome that is its fate, and that the group has
// committed everything.
func judgeLoss(h *History) Finding {
	f := Finding{Promise: "no-loss"}
	var lost, done, dead, gone int
	h.each(func(l *Life) {
		switch {
		case !l.Known && l.Read:
			f.broken("the source has a record at %s that nobody produced", l.Origin)
			return
		case !l.Known:
			if len(l.Calls)+len(l.Copies) > 0 {
				f.broken("%s was handled, and was never there", l.Origin)
			}
			return
		case !l.Read:
			gone++
		}
		switch {
		case l.done && l.dead && l.Fate.Kind.Dead():
			f.broken("%s (%s) is dead and was handled all the same%s", l.Origin, l.Fate, told(l))
		case l.done && l.dead && !timedOut(l):
			f.broken("%s (%s) was handled and is dead all the same%s", l.Origin, l.Fate, told(l))
		case l.done:
			done++
		case l.dead && !l.Fate.Kind.Dead() && !timedOut(l):
			f.broken("%s (%s) is dead, which is not its fate%s", l.Origin, l.Fate, told(l))
		case l.dead:
			dead++
		default:
			lost++
			f.broken("%s (%s, key %q) has no outcome%s", l.Origin, l.Fate, l.Key, told(l))
		}
	})
	f.count("%d lost", lost)
	f.count("%d produced: %d handled, %d dead", h.Produced, done, dead)
	if gone > 0 {
		f.broken("%d records were acknowledged by the brokers and are not in the source: this is not the engine's doing", gone)
	}
	if h.Lag > 0 {
		f.broken("%d records are not committed in the end", h.Lag)
	}
	if h.unsettled != "" {
		f.broken("the run did not settle: %s", h.unsettled)
	}
	return f
}

// told tells a record's calls and copies, for a message.
func told(l *Life) string {
	text := ""
	for _, c := range l.Calls {
		text += "\n" + indent + "call  " + clock(c.BeganAt) + " " + c.Member + " attempt " + number(c.Attempt) + " " + string(c.Outcome) + " at " + c.Place.String()
	}
	for _, c := range l.Copies {
		text += "\n" + indent + "copy  " + clock(c.Own*1e6) + " at " + c.Place.String() + " attempt " + number(c.Attempt) + " " + c.Reason
	}
	return text
}
