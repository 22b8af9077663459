package fleet

import "time"

// Status is what a member knows, and how it is.
type Status struct {
	Topic     string
	Member    string // this process, for people
	Reachable bool
	Since     time.Time // that it can be reached, or cannot
	Trouble   string    // why it cannot be reached
	Counts    Counts
	Breakers  []BreakerStatus // those that this process shares
	Pipelines []Order         // the latest order for each pipeline of this process that has one
}

// BreakerStatus is what a member knows of a breaker that it shares.
type BreakerStatus struct {
	BreakerState
	Probing bool // this process holds the lease to probe
}

// Status returns what the member knows.
func (m *Member) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Topic: m.topic, Member: m.by, Reachable: m.trouble == nil, Since: m.since, Counts: m.counts}
	if m.trouble != nil {
		s.Trouble = m.trouble.Error()
	}
	for _, b := range m.state.Breakers() {
		c := m.charges[b.Dependency]
		if c == nil {
			continue
		}
		b.Order = m.orderFor(subject{name: b.Dependency})
		s.Breakers = append(s.Breakers, BreakerStatus{b, c.granted != none})
	}
	for _, o := range m.state.Pipelines() {
		if m.pipelines[o.Group] != nil {
			s.Pipelines = append(s.Pipelines, o)
		}
	}
	return s
}

// Shares reports whether a breaker is one of the fleet's.
func (m *Member) Shares(dependency string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.charges[dependency] != nil
}

// Steers reports whether orders for the whole fleet pause the pipeline of a group.
func (m *Member) Steers(group string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pipelines[group] != nil
}
