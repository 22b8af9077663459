package consumer

import (
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// HeldKeys is what waits for its turn where keys are held, of the partitions of this process.
type HeldKeys struct {
	Keys    int   // with a record that is retried, or waits behind one
	Records int   // of these keys, put off and not settled
	Parked  int64 // of these, in a park topic
	// Closed keys have a dead letter that was neither replayed nor discarded, and Dead counts these; with HoldOnDeadLetter only.
	Closed, Dead int
	// Oldest is since when the one of these waits that has been parked or dead longest, as far as known; zero when none is.
	Oldest time.Time
	// Reading counts the source partitions of which it is not known yet which keys are held: nothing of them is started.
	Reading int
}

// heldKeys counts what is held.
func (p *Pipeline) heldKeys(topics []TopicStats) (h HeldKeys) {
	if !p.cfg.HoldKey {
		return h
	}
	for _, t := range topics {
		if t.Tier == retrytopics.Park {
			h.Parked += t.Backlog
		}
	}
	older := func(at time.Time) {
		if !at.IsZero() && (h.Oldest.IsZero() || at.Before(h.Oldest)) {
			h.Oldest = at
		}
	}
	for _, st := range p.allStrands() {
		st.mu.Lock()
		if !st.holding.open {
			h.Reading++
		}
		h.Keys += len(st.holding.order.lines)
		h.Records += st.holding.order.size
		for _, l := range st.lanes {
			if l.park {
				older(l.oldestUnread())
			}
		}
		if dead := st.holding.dead; dead != nil {
			h.Closed += len(dead.lines)
			h.Dead += dead.size() + dead.unkept
			if at := dead.oldest(); at != 0 {
				older(time.UnixMilli(at))
			}
		}
		st.mu.Unlock()
	}
	return h
}
