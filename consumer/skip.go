package consumer

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// NotHeldError says that a record cannot be skipped or released.
type NotHeldError struct {
	Topic     string
	Partition int32
	Offset    int64
	Why       string
	Release   bool // it was to be released; else skipped
}

func (e *NotHeldError) Error() string {
	change := "skipped"
	if e.Release {
		change = "released"
	}
	return fmt.Sprintf("%s/%d/%d cannot be %s: %s", e.Topic, e.Partition, e.Offset, change, e.Why)
}

// Skip settles one record without handling it, named by where it stands now or by its origin. It is for an operator
// who gives one record up to let others go on; reason goes to the log. The error is a *NotHeldError when the record is
// not held by this process or is being handled right now.
func (p *Pipeline) Skip(topic string, partition int32, offset int64, reason string) error {
	for _, l := range p.intake.all() {
		st := l.strand
		st.mu.Lock()
		e, why := st.find(l, topic, partition, offset)
		if e == nil && why == "" {
			st.mu.Unlock()
			continue
		}
		if why != "" {
			st.mu.Unlock()
			return &NotHeldError{topic, partition, offset, why, false}
		}
		switch e.status {
		case entryWaiting:
			l.waiting.remove(e)
		case entryReady:
			l.ready.remove(e)
		}
		if e.route != nil {
			l.aside = slices.DeleteFunc(l.aside, func(r *route) bool { return r == e.route })
			l.routing--
			e.route = nil
		}
		st.settle(e)
		l.signalQuiet()
		st.mu.Unlock()
		p.held.forget(e)
		p.experiment.ended(e, fateOther, e.attempts, time.Now())
		p.meter.settled(l, Skipped)
		p.log.Warn("record skipped by an operator", "pipeline", p.cfg.Name, "topic", topic, "partition", partition, "offset", offset, "reason", reason)
		p.relieve(l)
		st.wake()
		return nil
	}
	return &NotHeldError{topic, partition, offset, "this process does not hold it: it is handled already, or another member has its partition", false}
}

// find returns the entry of a record that may be skipped; why says that it is there and may not.
func (st *strand) find(l *lane, topic string, partition int32, offset int64) (e *entry, why string) {
	if c := st.chunk; c != nil && c.lane == l {
		st.cut(c)
	}
	for _, b := range l.batches {
		for i := b.low; i < len(b.records); i++ {
			if b.state[i] == recordSettled || !st.is(b.records[i], topic, partition, offset) {
				continue
			}
			if b.state[i] == recordOpen && i >= b.taken {
				// Taken up out of its turn: the lane goes over it, as over everything that is settled.
				return st.entryAside(l, b, i), ""
			}
			if b.entries != nil && b.entries[i] != nil {
				if e := b.entries[i]; e.status != entryRunning && e.status != entryRouting {
					return e, ""
				}
			}
			return nil, "it is being handled, or its copy is being written, right now"
		}
	}
	return nil, ""
}

// entryAside makes the entry of a record that is not started, in no line.
func (st *strand) entryAside(l *lane, b *batch, i int) *entry {
	e := st.entryOf(l, b, i)
	e.status = entryHeld
	return e
}

// is reports whether a fetched record is the one named, by place or by origin.
func (st *strand) is(r *kgo.Record, topic string, partition int32, offset int64) bool {
	if r.Topic == topic && r.Partition == partition && r.Offset == offset {
		return true
	}
	if !hasOurs(r.Headers) {
		return false
	}
	var rec Record
	rec.fill(r, st.p.stateOf(r), 0)
	return rec.Topic == topic && rec.Partition == partition && rec.Offset == offset
}
