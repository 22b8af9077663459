package dlq

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// shipped is what became of records that are written outside of a transaction. It is safe for concurrent use until all of them are acknowledged or refused.
type shipped struct {
	mu      sync.Mutex
	over    bool // what comes now comes too late
	acked   map[*kgo.Record]bool
	refused map[*kgo.Record]*refusal
	err     error // the rest may be there, or not
}

// ship writes records, those of each partition in their order, and waits until they are acknowledged or refused, or ctx ends. heard is called with each
// acknowledgement. Where the error is set nothing more can be written.
func (p *producer) ship(ctx context.Context, records []*kgo.Record, heard func()) *shipped {
	s := &shipped{acked: make(map[*kgo.Record]bool, len(records)), refused: make(map[*kgo.Record]*refusal)}
	acked := func(r *kgo.Record) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.over {
			s.acked[r] = true
			heard()
		}
	}
	for len(records) > 0 && s.err == nil {
		sent := p.produceAll(ctx, records, &delivery{acked: acked})
		s.mu.Lock()
		maps.Copy(s.refused, sent.refused)
		if s.over = sent.err != nil; s.over {
			s.err = sent.err
			if ctx.Err() != nil {
				s.err = context.Cause(ctx)
			}
		}
		records = slices.DeleteFunc(slices.Clone(records), func(r *kgo.Record) bool { return s.acked[r] || s.refused[r] != nil })
		s.mu.Unlock()
	}
	p.unbounded()
	return s
}
