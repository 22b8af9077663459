package consumer

// Waiting reports whether a record waits, or is at work, in a partition that this process has, and nothing but the breaker keeps
// it from being handled, as far as is known: while a breaker is open that is looked at every five seconds. Who decides which process probes a dependency asks those that have
// something to probe with.
func (p *Pipeline) Waiting() bool {
	if p.gate.held.Load()&shut != 0 {
		return false
	}
	for _, l := range p.intake.all() {
		l.strand.mu.Lock()
		waits := l.open > 0 || l.end.Load() > l.next
		l.strand.mu.Unlock()
		if waits {
			return true
		}
	}
	return false
}
