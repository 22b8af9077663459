package outages

import "time"

// optimum knows what is to come: it tries a record again at the very moment at which no outage hits it any more. It
// wastes nothing, and no policy is quicker but by luck, where calls fail at random. It is bound by no least and no longest delay.
type optimum struct{ trace *Trace }

// Optimum returns the offline optimum for a trace.
func Optimum(t *Trace) Policy { return optimum{t} }

// Failed implements [Policy].
func (o optimum) Failed(a Attempt) (time.Duration, bool) {
	at := a.At
	for i := range o.trace.Outages { // in the order of their starts, so that one pass finds the end of those that overlap
		out := &o.trace.Outages[i]
		if out.Start > at {
			break
		}
		if out.End > at && o.trace.hits(i, a.record, a.Attempts+1) {
			at = out.End
		}
	}
	return at - a.At, true
}

// Succeeded implements [Policy].
func (optimum) Succeeded(Attempt) {}
