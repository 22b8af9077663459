package consumer

// firstOffer returns the place in line of the strand of a kind with the first offer of those that may hold another slot, or
// -1: by what the strand holds, or since its tenant is owed one. A strand that offers nothing in particular, as a probe does, is served when there is no other.
func (s *slots) firstOffer(k kind) (i int, first offer) {
	i = -1
	for at, st := range s.turns[k] {
		offers := s.queued[k][st]
		if offers == nil {
			if i < 0 && s.mayHold(st, k) {
				i, first = at, offer{flow: s.flows.other}
			}
			continue
		}
		if o, ok := s.best(offers); ok && (i < 0 || o.before(first)) && (s.mayHold(st, k) || s.owed(o.flow)) {
			i, first = at, o
		}
	}
	return i, first
}

// serveFlows is serve where flows are told apart: the one that uses less of its share goes first, whatever kind its records
// are of; then the kinds have their turns.
func (s *slots) serveFlows() (*strand, kind, bool) {
	at, of, first := -1, fresh, offer{}
	for _, k := range s.order() {
		if !s.free(k) {
			continue
		}
		if i, o := s.firstOffer(k); i >= 0 && (at < 0 || o.flow != first.flow && o.before(first)) {
			at, of, first = i, k, o
		}
	}
	if at < 0 || !s.paced() {
		return nil, 0, false
	}
	return s.give(at, of), of, true
}

// matters reports whether an offer goes before another one so clearly that a slot goes from strand to strand for it: its flow
// uses less, or its priority is higher.
func (fs *flows) matters(o, than offer) bool {
	if o.flow != than.flow {
		return o.before(than)
	}
	return fs.priority != nil && o.rank+int64(fs.priority.Ageing) <= than.rank
}

// heirOfFlows is heir where flows are told apart: of those that may have the slot the one whose offer goes first.
func (s *slots) heirOfFlows(of *strand) (at int, k kind, ok bool) {
	var first offer
	for _, next := range s.order() {
		if !s.free(next) {
			continue
		}
		for i, st := range s.turns[next] {
			o, may := s.best(s.queued[next][st])
			if st != of && (!ok || may && o.before(first)) && s.inherits(st, of, next) {
				at, k, first, ok = i, next, o, true
				if !may {
					first = offer{flow: s.flows.other}
				}
			}
		}
	}
	return at, k, ok
}

// inherits reports whether a strand may have the slot that another one has just given back: if what it offers goes before what
// that one does, or, where neither does, if it holds no more than that one then.
func (s *slots) inherits(st, of *strand, k kind) bool {
	offers := s.queued[k][st]
	mine, ok := s.best(offers)
	if offers != nil && !ok {
		return false
	}
	if offers == nil {
		return s.mayHold(st, k) || s.below(st, of, k)
	}
	equal := s.mayHold(st, k) || s.below(st, of, k)
	for k := range kinds {
		own, ok := s.best(s.queued[k][of])
		if ok && !s.flows.matters(mine, own) && (!equal || s.flows.matters(own, mine)) {
			return false
		}
	}
	return true
}
