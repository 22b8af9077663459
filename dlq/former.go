package dlq

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// An entry's id is the place of its first copy, so that it has another one when the topic has taken that. The one before stands in tickets and in the notes of
// people: it names the entry still. The mark that was made at a place stays in the ledger for as long as the entry is there, under the key of the place, and says whose
// that was.

// former is an entry that stood at a place which the topic has lost.
type former struct {
	at    position
	of    Identity
	birth int64 // or noBirth
	mark  Mark  // that was made there
}

// is says whether it is this entry.
func (f former) is(e *Entry) bool {
	switch birth := BirthOf(&e.State); {
	case f.of != e.identity(), f.birth != noBirth && f.birth != birth, f.birth == noBirth && precedes(f.mark.latest().UnixMilli(), birth, e.At.UnixMilli()):
		return false
	}
	return f.mark.stands(e) == f.mark.Status // what failed anew since is not what was named
}

// findFormer finds out which entries stood at those of the places that are named which the topic has lost.
func (q *Queue) findFormer(ctx context.Context, topic kadm.TopicDetail, sel *selector) error {
	lost, err := q.lostPlaces(ctx, topic, sel)
	if err != nil || len(lost) == 0 {
		return err
	}
	reader, err := q.ledgerReader(ctx, topic.ID)
	if errors.Is(err, ErrNoTopic) {
		return nil
	}
	if err != nil {
		return err
	}
	spans, err := spansOf(ctx, q.admin, q.Ledger(), time.Time{}, stable)
	if err != nil {
		return err
	}
	for _, part := range spans {
		if err := reader.marksAt(ctx, part, lost[part.partition], sel.former); err != nil {
			return err
		}
	}
	return nil
}

// lostPlaces are those that are named and that the topic has lost, by partition and the key of their marks.
func (q *Queue) lostPlaces(ctx context.Context, topic kadm.TopicDetail, sel *selector) (map[int32]map[string]position, error) {
	if len(sel.positions) == 0 {
		return nil, nil
	}
	starts, err := listed(ctx, q.topic, q.admin.ListStartOffsets)
	lost, keys := make(map[int32]map[string]position), keysOf(topic.ID)
	for at := range sel.positions {
		if at.offset >= starts[at.partition] {
			continue
		}
		if lost[at.partition] == nil {
			lost[at.partition] = make(map[string]position)
		}
		lost[at.partition][string(keys.mark(at.partition, at.offset))] = at
	}
	return lost, err
}

// marksAt adds to the entries by their origin those whose marks are at these places, as the last record of each key says.
func (r *ledgerReader) marksAt(ctx context.Context, part span, places map[string]position, entries map[string][]former) error {
	if len(places) == 0 {
		return nil
	}
	values := make(map[position]ledgerValue)
	err := r.fetcher.read(ctx, part, func(records []*kgo.Record, _ int64) error {
		for _, record := range records {
			at, asked := places[string(record.Key)]
			if !asked {
				continue
			}
			delete(values, at)
			v, about, err := r.keys.decode(record)
			switch {
			case errors.As(err, new(*damagedRecordError)): // who reads all marks tells
			case err != nil:
				return err
			case about && !v.forgets:
				values[at] = v
			}
		}
		return nil
	})
	for _, at := range slices.SortedFunc(maps.Keys(values), func(a, b position) int { return cmp.Compare(a.offset, b.offset) }) {
		v := values[at]
		status, _ := ParseStatus(v.Status) // decode has
		mark := v.moments().mark(status, v.times(), v.Until, v.provenance())
		entries[v.ID] = append(entries[v.ID], former{at, identify(v.ID, v.Group, v.Replays, v.Replay), v.birth(), mark})
	}
	return err
}
