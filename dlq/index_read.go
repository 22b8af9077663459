package dlq

import (
	"context"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readPart is what was read of one partition, in order.
type readPart[T any] struct {
	partition  int32
	items      []T
	from, next int64
}

// readLetters reads the spans of the dead letters side by side and stores them as they come.
func (x *index) readLetters(ctx context.Context, q *Queue, st *indexState, topic kadm.TopicDetail, spans []span, starts map[int32]int64, told func(int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	pages := readSpans(ctx, cancel, newFetcher(q.client, q.admin, topic), spans, func(records []*kgo.Record) ([]indexedLetter, error) {
		letters := make([]indexedLetter, len(records))
		for i, r := range records {
			letters[i] = x.letterIn(entryOf(r, topic.ID))
		}
		return letters, nil
	})
	return inBatches(ctx, cancel, pages, told, (*indexedLetter).bytes, func(parts []readPart[indexedLetter]) error {
		return x.update(ctx, st, func(u IndexUpdate, st *indexState) error { return x.addLetters(u, st, parts, starts) })
	})
}

// bytes is what is held of a letter before it is stored.
func (l *indexedLetter) bytes() int { return int(l.size) + len(l.text) + headerBytes(l.record) }

func headerBytes(r *kgo.Record) (n int) {
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// readSpans reads spans side by side, and sends what decode makes of them.
func readSpans[T any](ctx context.Context, cancel context.CancelCauseFunc, f *fetcher, spans []span, decode func([]*kgo.Record) ([]T, error)) <-chan readPart[T] {
	pages := make(chan readPart[T])
	var readers sync.WaitGroup
	for _, s := range spans {
		readers.Go(func() {
			at := s.from
			err := f.read(ctx, s, func(records []*kgo.Record, next int64) error {
				items, err := decode(records)
				if err != nil {
					return err
				}
				select {
				case pages <- readPart[T]{s.partition, items, at, next}:
					at = next
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			if err != nil {
				cancel(err)
			}
		})
	}
	go func() {
		readers.Wait()
		close(pages)
	}()
	return pages
}

// inBatches gathers pages and stores them when there are enough, and at the end what is left, once at least. It ends the readers.
func inBatches[T any](ctx context.Context, cancel context.CancelCauseFunc, pages <-chan readPart[T], told func(int64), size func(*T) int, store func([]readPart[T]) error) (err error) {
	defer func() {
		cancel(err)
		for range pages { // the readers have ended when it is closed
		}
	}()
	var parts []readPart[T]
	count, bytes, stored := 0, 0, false
	flush := func() error {
		err := store(parts)
		for _, p := range parts {
			told(p.next - p.from)
		}
		parts, count, bytes, stored = nil, 0, 0, true
		return err
	}
	for page := range pages {
		parts = append(parts, page)
		count += len(page.items)
		for i := range page.items {
			bytes += size(&page.items[i])
		}
		if count >= indexBatch || bytes >= indexBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(parts) > 0 || !stored {
		return flush()
	}
	return nil
}

// letterIn is what the index keeps of an entry.
func (x *index) letterIn(e Entry) indexedLetter {
	s, r := &e.State, e.Record
	text := normalize(s.Error)
	l := indexedLetter{
		offset: e.Offset, at: e.At.UnixMilli(), written: r.Timestamp.UnixMilli(), failed: e.failedFirst(), id: stableIdentity(s.ID, s.Group, s.Replays, s.Replay), birth: BirthOf(s), origin: originHash(s.ID), key: keyHash(r.Key),
		size: uint32(len(r.Key) + len(r.Value)), text: s.Error, record: r,
		kind: kind{
			Class: s.Class, Severity: s.Severity, Reason: s.Reason, Topic: s.Topic, Group: s.Group,
			Damaged: e.Err != nil, Print: fingerprint(s.Class, text), Error: text,
		},
	}
	x.Redaction.conceal(&l, &e)
	return l
}

// readMarks reads the spans of the ledger side by side and stores what they say as it comes.
func (x *index) readMarks(ctx context.Context, q *Queue, st *indexState, ledger kadm.TopicDetail, keys ledgerKeys, spans []span, told func(int64)) error {
	reader := &ledgerReader{fetcher: newFetcher(q.client, q.admin, ledger), keys: keys}
	ctx, cancel := context.WithCancelCause(ctx)
	decode := func(records []*kgo.Record) ([]ledgerValue, error) { return reader.decode(ctx, records) }
	pages := readSpans(ctx, cancel, reader.fetcher, spans, decode)
	return inBatches(ctx, cancel, pages, told, func(v *ledgerValue) int { return len(v.Edit) + len(v.Reason) }, func(parts []readPart[ledgerValue]) error {
		return x.update(ctx, st, func(u IndexUpdate, st *indexState) error {
			marks := make(map[stableID]segmentMark)
			for _, p := range parts {
				read := st.Marks[p.partition]
				if read.Next != p.from && (read.Next != 0 || read.Start != 0) {
					return ErrIndexMoved
				}
				read.Next = p.next
				st.Marks[p.partition] = read
				for i := range p.items {
					v := &p.items[i]
					if v.Doing == doingPurged && v.Purge != nil {
						st.Purges = append(st.Purges, indexedPurge{*v.Purge, st.known(v.Purge.Ledger)})
					}
					if v.Doing != "" {
						continue
					}
					id := stableIdentity(v.ID, v.Group, v.Replays, v.Replay)
					if of := id.born(v.birth()); marks[of].at <= v.At {
						marks[of] = x.markIn(v, st)
					}
					if v.forgetsUnborn() && marks[id].at <= v.At {
						marks[id] = segmentMark{moments: moments{at: v.At}, none: true}
					}
				}
			}
			return st.addMarks(u, marks)
		})
	})
}

// markIn is what the index keeps of a mark.
func (x *index) markIn(v *ledgerValue, st *indexState) segmentMark {
	if v.forgets {
		return segmentMark{moments: moments{at: v.At}, none: true, unborn: v.birth() == noBirth}
	}
	status, _ := ParseStatus(v.Status)
	from := v.provenance()
	from.reason, from.edit = x.Redaction.String(from.reason), x.Redaction.edit(from.edit)
	return segmentMark{moments: v.moments(), until: v.Until, times: v.times(), status: status, from: st.origin(from), unborn: v.birth() == noBirth}
}

// cloned takes the strings of a kind out of the records that they were read in, for it stays.
func (k kind) cloned() kind {
	k.Topic, k.Group, k.Error = strings.Clone(k.Topic), strings.Clone(k.Group), strings.Clone(k.Error)
	return k
}
