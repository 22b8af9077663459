package outages

import (
	"time"

	"github.com/redeliver/redeliver/classify"
)

// optimum knows what is to come: it tries a record again when the outage that hit it ends, or at the start of the
// first quota window that has room, before all that comes later in that window. It is bound by no least and no longest
// delay. What no policy knows beforehand, it wastes nearly nothing on: only where an outage ends in a window whose quota is
// used up.
type optimum struct {
	trace    *Trace
	reserved map[time.Duration]int // by the start of the window
}

// Optimum returns the offline optimum for a trace.
func Optimum(t *Trace) Policy { return &optimum{trace: t, reserved: make(map[time.Duration]int)} }

// Failed implements [Policy].
func (o *optimum) Failed(a Attempt) (time.Duration, bool) {
	at := a.At
	if a.Class == classify.RateLimited {
		at = o.reserve(at.Truncate(quotaWindow) + quotaWindow)
	}
	for {
		clear := o.clear(at, a)
		if clear == at {
			return at - a.At, true
		}
		if at = clear; a.Class == classify.RateLimited {
			at = o.reserve(at)
		}
	}
}

// clear returns when no outage that may hit the record goes on, not before at.
func (o *optimum) clear(at time.Duration, a Attempt) time.Duration {
	for i := range o.trace.Outages {
		out := &o.trace.Outages[i]
		if out.Start > at {
			break
		}
		if out.End > at && o.trace.hits(i, a.record, a.Attempts+1) {
			at = out.End
		}
	}
	return at
}

// reserve takes a place in the window of at, or in the first after it that has one.
func (o *optimum) reserve(at time.Duration) time.Duration {
	window := at.Truncate(quotaWindow)
	for o.reserved[window] >= o.trace.Quota {
		window += quotaWindow
		at = window
	}
	o.reserved[window]++
	return at
}

// Succeeded implements [Policy].
func (*optimum) Succeeded(Attempt) {}
