package dlq

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// took counts the offsets that the topic's retention took since the replay was started, of those that it covers, and that are not known to be dealt with: so
// many entries at most, for neither the ledger nor an index that keeps nothing says what stood there. One that named its entries tells of each that is
// missing, and what an index keeps is not gone.
func (t *task) took(ctx context.Context) (n int64, err error) {
	s := t.survey
	if t.of.starts == nil || t.of.Kept || s.sel.placed() {
		return 0, nil
	}
	to, err := listed(ctx, s.queue.topic, s.queue.admin.ListStartOffsets)
	if err != nil {
		return 0, err
	}
	for partition, end := range t.of.ends {
		to[partition] = min(to[partition], end)
	}
	err = t.writer.during(ctx, func(ctx context.Context) error {
		n, err = s.unaccounted(ctx, t.of.starts, to)
		return err
	})
	return n, err
}

// unaccounted counts the offsets of a range of each partition, of which the topic has none any more, that nobody says anything of: that no purge deleted, and
// that are not the place of an entry which was dealt with or carried forward. They need not be entries: of several copies of one only one has its mark, and
// transactions take offsets for themselves.
func (s *survey) unaccounted(ctx context.Context, from, to map[int32]int64) (n int64, err error) {
	gone := make(map[int32]span)
	for partition, at := range from {
		if end := to[partition]; at < end {
			gone[partition] = span{partition, at, end}
		}
	}
	if len(gone) == 0 {
		return 0, nil
	}
	told := &accounts{survey: s, gone: gone, places: make(map[position]bool)}
	if err := told.read(ctx); err != nil {
		return 0, err
	}
	for _, one := range gone {
		n += told.missing(one)
	}
	return n, nil
}

// accounts are what the ledger says of places that the topic has no more.
type accounts struct {
	survey *survey
	gone   map[int32]span
	places map[position]bool // of entries that have a mark: whether they were dealt with, or carried forward
	purges []*purgeValue
}

func (a *accounts) read(ctx context.Context) error {
	reader, spans, err := a.survey.wholeLedger(ctx)
	if err != nil {
		return err
	}
	for _, one := range spans {
		err := reader.fetcher.read(ctx, one, func(records []*kgo.Record, _ int64) error {
			for _, r := range records {
				if err := a.note(reader.keys, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *accounts) note(keys ledgerKeys, r *kgo.Record) error {
	rest, ours := strings.CutPrefix(string(r.Key), keys.prefix)
	if !ours {
		return nil
	}
	at, isMark := parsePosition(rest)
	if in, is := a.gone[at.partition]; isMark && (!is || at.offset < in.from || at.offset >= in.to) {
		return nil
	}
	v, about, err := keys.decode(r)
	switch {
	case errors.As(err, new(*damagedRecordError)): // a later one has its place, for the ledger was read
	case err != nil:
		return err
	case isMark:
		// A purge took a tombstone's mark out: of what was dealt with or was to go, or of what has its mark in a later place.
		status := a.survey.ledger.with(identify(v.ID, v.Group, v.Replays, v.Replay), v.birth()).status
		a.places[at] = r.Value == nil || v.Renewed > 0 || !slices.Contains(toBeDealtWith, status)
	case about && v.Doing == doingPurged && v.Purge != nil:
		a.purges = append(a.purges, v.Purge)
	}
	return nil
}

// missing counts what nothing is said of in a range.
func (a *accounts) missing(gone span) (n int64) {
	purged := func(offset int64) bool {
		return slices.ContainsFunc(a.purges, func(p *purgeValue) bool {
			all := p.Open && p.Until >= a.survey.began.UnixMilli() // of what was there when the range was fixed, from indexes too
			return offset < p.To[gone.partition] && (all || offset >= p.From[gone.partition])
		})
	}
	for offset := gone.from; offset < gone.to; offset++ {
		if !a.places[position{gone.partition, offset}] && !purged(offset) {
			n++
		}
	}
	return n
}

// startsSince is where what a filter with this Since covers begins in each partition.
func (q *Queue) startsSince(ctx context.Context, since time.Time) (map[int32]int64, error) {
	spans, err := spansOf(ctx, q.admin, q.topic, since, stable)
	if err != nil {
		return nil, err
	}
	starts := make(map[int32]int64, len(spans))
	for _, s := range spans {
		starts[s.partition] = s.from
	}
	return starts, nil
}
