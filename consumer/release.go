package consumer

import "time"

// Release hands one record to its handler again that is held since it is given up: no dead letters are kept, or failures of its
// kind are held. It is named by where it stands now or by its origin, and starts afresh, as a replay does: with no attempts made.
// The error is a *NotHeldError when this process does not hold such a record.
func (p *Pipeline) Release(topic string, partition int32, offset int64) error {
	why := "this process does not hold it as given up: it is settled or waits for a retry, or another member has its partition"
	for _, e := range p.held.givenUp() {
		if !e.lane.strand.is(e.record, topic, partition, offset) {
			continue
		}
		if p.release(e) {
			p.log.Warn("record released by an operator", "pipeline", p.cfg.Name, "topic", topic, "partition", partition, "offset", offset)
			return nil
		}
		why = "it is being handled, or its partition is being given up, right now"
	}
	return &NotHeldError{topic, partition, offset, why, true}
}

// ReleaseAll is [Pipeline.Release] for all records that are held so, and returns how many there were.
func (p *Pipeline) ReleaseAll() (n int) {
	for _, e := range p.held.givenUp() {
		if p.release(e) {
			n++
		}
	}
	if n > 0 {
		p.log.Warn("all held records released by an operator", "pipeline", p.cfg.Name, "records", n)
	}
	return n
}

// release makes an entry ready that is held since it is given up. It reports whether it was.
func (p *Pipeline) release(e *entry) bool {
	st := e.lane.strand
	st.mu.Lock()
	if e.status != entryHeld || e.route != nil || e.lane.draining || e.lane.closed {
		st.mu.Unlock()
		return false
	}
	s := e.state
	s.Attempt, s.Counts, s.FirstFailed, s.Held, s.Variant = 0, nil, time.Time{}, 0, ""
	e.told = true // like a replay
	e.attempts, e.carried, e.inPlace, e.free = 0, 0, 0, 0
	e.status = entryReady
	e.lane.ready.push(e)
	p.held.forget(e) // before it can be held again
	st.mu.Unlock()
	st.wake()
	return true
}
