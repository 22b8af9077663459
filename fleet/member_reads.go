package fleet

import (
	"time"
)

// begins forgets the log: what was known of it is no more where it was, or was never read. Orders are kept.
func (m *Member) begins(after error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after != nil {
		m.log.Error("the control topic is not what it was: it is read anew, and what it lacks is written again", "topic", m.topic, "error", after)
	}
	for name, b := range m.state.breakers {
		if b.order.Stands() {
			m.kept[subject{name: name}] = &keptOrder{Order: b.order}
		}
	}
	for group, o := range m.state.pipelines {
		if o.Stands() {
			m.kept[subject{pipeline: true, name: group}] = &keptOrder{Order: o}
		}
	}
	for _, k := range m.learners {
		k.Unkeep()
	}
	m.state, m.next, m.caughtUp = newState(), 0, false
	for _, c := range m.charges {
		c.forget()
	}
}

// reads applies a record.
func (m *Member) reads(offset int64, at time.Time, key, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = offset + 1
	if isLearned(key) {
		if err := m.recalls(at, key, value); err != nil {
			m.ignores(offset, key, err)
			return
		}
		m.counts.Applied++
		return
	}
	r, err := decode(key, value)
	if err != nil {
		m.ignores(offset, key, err)
		return
	}
	if r.kind == kindOrder {
		delete(m.kept, r.subject)
		if p := m.pipelines[r.subject.name]; p != nil && r.subject.pipeline {
			p.live = m.caughtUp
		}
	}
	if m.state.apply(offset, at, r) == void {
		m.counts.Void++
	} else {
		m.counts.Applied++
		m.tell(r)
	}
	if c := m.charges[r.subject.name]; c != nil && !r.subject.pipeline {
		c.see(m.state.of(r.subject.name), time.Now(), m.caughtUp)
	}
	for _, g := range m.orders {
		if g.offset != none && g.offset < m.next {
			close(g.done)
			g.offset = none
		}
	}
	if m.caughtUp {
		m.stir()
	}
}

// ignores counts a record that says nothing to this program.
func (m *Member) ignores(offset int64, key []byte, err error) {
	if m.counts.Ignored++; m.counts.Ignored == 1 || m.counts.Ignored%100 == 0 {
		m.log.Warn("a record of the control topic is ignored", "topic", m.topic, "offset", offset, "key", clip(string(key)), "error", err, "so_far", m.counts.Ignored)
	}
}

// tell logs what was agreed on about the breakers of this process.
func (m *Member) tell(r record) {
	if r.subject.pipeline || m.charges[r.subject.name] == nil || !m.caughtUp {
		return
	}
	switch r.kind {
	case kindOrder:
		m.log.Warn("an operator's order for a breaker of the fleet", "dependency", r.subject.name, "order", r.Order, "by", r.By, "at", r.At)
	case kindOpen, kindClose:
		m.log.Info("breaker of the fleet", "dependency", r.subject.name, "change", r.kind, "by", r.By, "why", r.Why)
	case kindProbe:
		m.log.Debug("breaker of the fleet is probed", "dependency", r.subject.name, "by", r.By)
	}
}

// readTo takes notice that the log was read to an end.
func (m *Member) readTo(end int64) {
	m.mu.Lock()
	m.next = max(m.next, end)
	if !m.caughtUp {
		m.caughtUp = true
		for _, k := range m.kept {
			k.at = time.Now().Add(anyOf(2 * spread))
		}
	}
	m.mu.Unlock()
	m.stir()
}

// reachable takes notice of whether the topic can be reached.
func (m *Member) reachable(trouble error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case trouble != nil && m.trouble == nil:
		m.log.Error("the control topic cannot be reached: the last state holds until it can", "topic", m.topic, "error", trouble)
		m.since = time.Now()
	case trouble == nil && m.trouble != nil:
		m.log.Info("the control topic can be reached", "topic", m.topic, "after", time.Since(m.since).Round(time.Millisecond))
		m.since = time.Now()
	}
	m.trouble = trouble
}
