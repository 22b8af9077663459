package dlq

import (
	"context"
	"fmt"
	"slices"
)

// keptOnly counts entries that the topic has lost and only an index keeps.
type keptOnly struct {
	all, open int64
	unknown   bool // the index was away
}

// kept counts what the index keeps that goes with the purge, by what the index does when it reads of that. The topic has been looked at.
func (p *purge) kept(ctx context.Context) (k keptOnly, err error) {
	s := p.task.survey
	x := p.index
	if x == nil || x.Keep <= 0 || p.Before.IsZero() {
		return k, nil
	}
	iq, spans, err := x.query(ctx, s.queue, s.topic, s.sel, s.scan.spans, nil)
	if err == nil {
		k, err = p.keptIn(ctx, iq, spans)
	}
	switch {
	case !s.indexAway(ctx, err):
		return k, err
	case p.IncludeOpen: // what is still to be dealt with would be gone for good, and nobody told how much that is
		return k, fmt.Errorf("%w; what it keeps that is still to be dealt with would go with the rest, and cannot be counted, so that nothing was done in %s: try again when it is there", err, s.queue.topic)
	}
	x.warn("%v: what it keeps of that age and was dealt with goes too, and is not counted", err)
	return keptOnly{unknown: true}, nil
}

// keptIn counts in the spans that the topic has lost.
func (p *purge) keptIn(ctx context.Context, iq *indexQuery, spans []span) (k keptOnly, err error) {
	s := p.task.survey
	for i := range spans {
		spans[i].to = min(spans[i].to, iq.starts[spans[i].partition])
	}
	scan := newScan(s.scan.fetcher, slices.DeleteFunc(spans, func(s span) bool { return s.from >= s.to }))
	scan.query = iq
	until, goes, stay := p.Before.UnixMilli(), make(map[Identity]bool), identities{}
	err = scan.each(ctx, func(e *Entry) bool {
		id := e.part()
		if _, there := p.last[id]; there || e.Record.Timestamp.UnixMilli() >= until {
			return true // it has a copy in the topic, which is counted there, or it stays
		}
		open := slices.Contains(toBeDealtWith, e.Status)
		switch {
		case p.IncludeOpen || !open:
			goes[id] = goes[id] || open
		default:
			stay.add(id)
		}
		return true
	})
	for id, open := range goes {
		if stay.has(id) { // other copies of it go
			continue
		}
		if k.all++; open {
			k.open++
		}
	}
	return k, err
}
