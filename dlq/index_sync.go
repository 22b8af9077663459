package dlq

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	indexBatch = 50_000   // letters or marks that are stored at a time
	indexBytes = 64 << 20 // of values and errors
	indexTries = 5        // where other processes are quicker
)

var errIndexAhead = errors.New("the topic ends before what the index holds of it, as after an unclean leader election")

// sync brings the index up to the ends of the spans, and to where the ledger ends now. starts are where the partitions begin.
// An [indexError] is one of the store.
func (x *index) sync(ctx context.Context, q *Queue, topic kadm.TopicDetail, spans []span, starts map[int32]int64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	rebuilt := false
	for tries := 0; ; tries++ {
		err := x.catchUp(ctx, q, topic, spans, starts)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, ErrIndexMoved) && tries < indexTries:
		case (errors.Is(err, ErrIndexDamaged) || errors.Is(err, errIndexAhead)) && !rebuilt:
			rebuilt = true
			x.warn("%v: it is built anew", err)
			if err := x.clear(ctx); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

func (x *index) catchUp(ctx context.Context, q *Queue, topic kadm.TopicDetail, spans []span, starts map[int32]int64) error {
	var st *indexState
	if err := x.view(ctx, func(_ IndexView, now *indexState) error { st = now; return nil }); err != nil {
		return err
	}
	ledger, ledgerSpans, ledgerStarts, err := q.ledgerSpans(ctx)
	if err != nil {
		return err
	}
	why := st.fits(topic)
	if why != "" || st.Ledger != ledger.ID || st.marksLost(ledgerStarts) {
		if st, err = x.begin(ctx, topic, ledger, ledgerStarts, why); err != nil {
			return err
		}
	}
	letters, err := st.unread(ctx, q, spans)
	if err != nil {
		return err
	}
	marks := st.unreadMarks(ledgerSpans)
	told := x.tell(length(letters) + length(marks))
	if len(letters) > 0 || st.expired(starts, x.Keep) {
		if err := x.readLetters(ctx, q, topic, letters, starts, told); err != nil {
			return err
		}
	}
	if len(marks) > 0 {
		return x.readMarks(ctx, q, ledger, keysOf(topic.ID), marks, told)
	}
	return nil
}

// tell returns what counts records that were read, and tells of them.
func (x *index) tell(total int64) func(n int64) {
	var read atomic.Int64
	return func(n int64) {
		if at := read.Add(n); x.Progress != nil {
			x.Progress(at, total)
		}
	}
}

// ledgerSpans are what a read_committed reader of the ledger sees now. A ledger that does not exist has no id.
func (q *Queue) ledgerSpans(ctx context.Context) (topic kadm.TopicDetail, spans []span, starts map[int32]int64, err error) {
	topic, err = describe(ctx, q.admin, q.Ledger())
	if errors.Is(err, ErrNoTopic) {
		return kadm.TopicDetail{}, nil, nil, nil
	}
	if err != nil {
		return topic, nil, nil, err
	}
	if starts, err = listed(ctx, q.Ledger(), q.admin.ListStartOffsets); err != nil {
		return topic, nil, nil, err
	}
	ends, err := listed(ctx, q.Ledger(), q.admin.ListCommittedOffsets)
	for partition, from := range starts {
		if to := ends[partition]; from < to {
			spans = append(spans, span{partition, from, to})
		}
	}
	return topic, spans, starts, err
}

// marksLost says whether somebody took marks away that a scan would not find any more.
func (st *indexState) marksLost(starts map[int32]int64) bool {
	for partition, read := range st.Marks {
		if starts[partition] > read.Start {
			return true
		}
	}
	return false
}

// begin makes an index that is of the topics as they are now. Of one that is of another ledger the letters are kept.
func (x *index) begin(ctx context.Context, topic, ledger kadm.TopicDetail, starts map[int32]int64, why string) (*indexState, error) {
	if why != "" {
		if why != indexEmpty {
			x.warn("the index of dead letters is built anew: %s", why)
		}
		if err := x.clear(ctx); err != nil {
			return nil, err
		}
	}
	var begun *indexState
	err := x.update(ctx, func(u IndexUpdate, st *indexState) error {
		if why != "" && st.raw[0] != nil {
			return ErrIndexMoved
		}
		st.Version, st.Topic, st.Ledger = indexVersion, topic.ID, ledger.ID
		st.MarksEpoch, st.Strays = st.MarksEpoch+1, 0
		st.Marks = make(map[int32]indexedMarks)
		for partition, start := range starts {
			st.Marks[partition] = indexedMarks{Start: start, Next: start}
		}
		for _, p := range st.Letters {
			for _, ref := range p.Segments {
				if err := forgetMarks(u, ref); err != nil {
					return err
				}
			}
		}
		begun = st
		return nil
	})
	return begun, err
}

func forgetMarks(u IndexUpdate, ref segmentRef) error {
	got, err := u.Get(ref.name(partMarks))
	if err != nil {
		return err
	}
	old, err := marksIn(ref, ref.Count, got[0])
	if err != nil {
		return err
	}
	marks := make([]segmentMark, ref.Count)
	for i := range marks {
		marks[i].copies = segmentMarkOf(old, i).copies
	}
	return u.Put(ref.name(partMarks), marksBytes(marks))
}

// unread is what of the spans is not in the index.
func (st *indexState) unread(ctx context.Context, q *Queue, spans []span) ([]span, error) {
	var unread []span
	var ahead []int32
	for _, s := range spans {
		if p := st.Letters[s.partition]; p != nil {
			if p.Next > s.to {
				ahead = append(ahead, s.partition)
			}
			s.from = max(s.from, p.Next)
		}
		if s.from < s.to {
			unread = append(unread, s)
		}
	}
	if len(ahead) == 0 {
		return unread, nil
	}
	ends, err := listed(ctx, q.topic, q.admin.ListCommittedOffsets) // another process may have read on meanwhile
	if err != nil {
		return nil, err
	}
	for _, partition := range ahead {
		if st.Letters[partition].Next > ends[partition] {
			return nil, errIndexAhead
		}
	}
	return unread, nil
}

func (st *indexState) unreadMarks(spans []span) []span {
	var unread []span
	for _, s := range spans {
		if s.from = max(s.from, st.Marks[s.partition].Next); s.from < s.to {
			unread = append(unread, s)
		}
	}
	return unread
}

// expired says whether there are segments that may go.
func (st *indexState) expired(starts map[int32]int64, keep time.Duration) bool {
	for partition, p := range st.Letters {
		if len(p.Segments) > 0 && p.Segments[0].expired(starts[partition], keep) {
			return true
		}
	}
	return false
}

func (s segmentRef) expired(start int64, keep time.Duration) bool {
	return s.Last < start && s.Newest < keptSince(keep)
}

// keptSince is the time of death, in Unix ms, from which on what the topic lost is kept.
func keptSince(keep time.Duration) int64 {
	if keep <= 0 {
		return math.MaxInt64
	}
	return time.Now().Add(-keep).UnixMilli()
}

// readPart is what was read of one partition, in order.
type readPart[T any] struct {
	partition  int32
	items      []T
	from, next int64
}

// readLetters reads the spans of the dead letters side by side and stores them as they come.
func (x *index) readLetters(ctx context.Context, q *Queue, topic kadm.TopicDetail, spans []span, starts map[int32]int64, told func(int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	pages := readSpans(ctx, cancel, newFetcher(q.client, q.admin, topic), spans, func(records []*kgo.Record) ([]indexedLetter, error) {
		letters := make([]indexedLetter, len(records))
		for i, r := range records {
			letters[i] = letterIn(entryOf(r, topic.ID))
		}
		return letters, nil
	})
	return inBatches(ctx, cancel, pages, told, func(l *indexedLetter) int { return int(l.size) + len(l.text) }, func(parts []readPart[indexedLetter]) error {
		return x.update(ctx, func(u IndexUpdate, st *indexState) error {
			return x.addLetters(u, st, parts, starts)
		})
	})
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
func letterIn(e Entry) indexedLetter {
	s, r := &e.State, e.Record
	text := normalize(s.Error)
	return indexedLetter{
		offset: e.Offset, at: e.At.UnixMilli(), written: r.Timestamp.UnixMilli(), id: stableIdentity(s.ID, s.Group, s.Replays, s.Replay), origin: originHash(s.ID), key: keyHash(r.Key),
		size: uint32(len(r.Key) + len(r.Value)), text: s.Error, record: r,
		kind: kind{
			Class: s.Class, Severity: s.Severity, Reason: s.Reason, Topic: s.Topic, Group: s.Group,
			Damaged: e.Err != nil, Print: fingerprint(s.Class, text), Error: text,
		},
	}
}

// readMarks reads the spans of the ledger side by side and stores what they say as it comes.
func (x *index) readMarks(ctx context.Context, q *Queue, ledger kadm.TopicDetail, keys ledgerKeys, spans []span, told func(int64)) error {
	reader := &ledgerReader{fetcher: newFetcher(q.client, q.admin, ledger), keys: keys}
	ctx, cancel := context.WithCancelCause(ctx)
	pages := readSpans(ctx, cancel, reader.fetcher, spans, reader.decode)
	return inBatches(ctx, cancel, pages, told, func(v *ledgerValue) int { return len(v.Edit) + len(v.Reason) }, func(parts []readPart[ledgerValue]) error {
		return x.update(ctx, func(u IndexUpdate, st *indexState) error {
			marks := make(map[stableID]segmentMark)
			for _, p := range parts {
				read := st.Marks[p.partition]
				if read.Next != p.from && (read.Next != 0 || read.Start != 0) {
					return ErrIndexMoved
				}
				read.Next = p.next
				st.Marks[p.partition] = read
				for i := range p.items {
					if v := &p.items[i]; v.Doing == "" {
						status, _ := ParseStatus(v.Status)
						id := stableIdentity(v.ID, v.Group, v.Replays, v.Replay)
						if marks[id].at <= v.At {
							from := provenance{by: v.By, run: v.Run, task: cmp.Or(v.TaskID, v.Run), to: v.To, reason: v.Reason, edit: v.Edit}
							marks[id] = segmentMark{at: v.At, renewed: v.Renewed, status: status, from: st.origin(from)}
						}
					}
				}
			}
			return st.addMarks(u, marks)
		})
	})
}

// cloned takes the strings of a kind out of the records that they were read in, for it stays.
func (k kind) cloned() kind {
	k.Topic, k.Group, k.Error = strings.Clone(k.Topic), strings.Clone(k.Group), strings.Clone(k.Error)
	return k
}

// addLetters stores letters that were read, and takes out what has expired.
func (x *index) addLetters(u IndexUpdate, st *indexState, parts []readPart[indexedLetter], starts map[int32]int64) error {
	if err := st.dropExpired(u, starts, x.Keep); err != nil {
		return err
	}
	made := newSegments()
	byPartition := make(map[int32]*segment)
	for _, part := range parts {
		p := st.Letters[part.partition]
		if p == nil {
			p = &indexedPartition{Next: part.from}
			st.Letters[part.partition] = p
		}
		if p.Next > part.from || p.Next < part.from && part.from > starts[part.partition] {
			return ErrIndexMoved
		}
		p.Next = part.next
		for i := range part.items {
			l := &part.items[i]
			s := byPartition[part.partition]
			if s == nil || s.full() {
				s = &segment{}
				byPartition[part.partition] = s
				made.of[part.partition] = append(made.of[part.partition], s)
			}
			made.add(s, l, st)
		}
	}
	if err := made.meet(u, st); err != nil {
		return err
	}
	for _, partition := range slices.Sorted(maps.Keys(made.of)) {
		for _, s := range made.of[partition] {
			if err := st.append(u, partition, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// append stores a segment as the last one of its partition. Small ones are put together with it when they are many.
func (st *indexState) append(u IndexUpdate, partition int32, s *segment) error {
	p := st.Letters[partition]
	small := len(p.Segments)
	for small > 0 && p.Segments[small-1].Count < segmentSmall {
		small--
	}
	if tail := p.Segments[small:]; len(tail) >= segmentsSmall && s.n < segmentSmall {
		joined := &segment{}
		for _, ref := range tail {
			read, err := readSegment(u, ref)
			if err != nil {
				return err
			}
			joined.join(read)
			if err := u.Delete(ref.names()...); err != nil {
				return err
			}
		}
		s.pack()
		joined.join(s)
		s, p.Segments = joined, p.Segments[:small]
	}
	st.Seq++
	ref := s.ref(st.Seq)
	p.Segments = append(p.Segments, ref)
	return s.put(u, ref)
}

// dropExpired takes out the segments whose entries the topic has lost and that are not kept.
func (st *indexState) dropExpired(u IndexUpdate, starts map[int32]int64, keep time.Duration) error {
	for partition, p := range st.Letters {
		for len(p.Segments) > 0 && p.Segments[0].expired(starts[partition], keep) {
			ref := p.Segments[0]
			got, err := u.Get(ref.name(partColumns), ref.name(partMarks))
			if err != nil {
				return err
			}
			c, err := columnsOf(ref.name(partColumns), got[0])
			if err != nil {
				return err
			}
			marks, err := marksIn(ref, c.n, got[1])
			if err != nil {
				return err
			}
			strays := make(map[stableID]segmentMark)
			for i := range c.n {
				if m := segmentMarkOf(marks, i); m.at > strays[c.id(i)].at {
					strays[c.id(i)] = m
				}
			}
			if err := st.stray(u, strays); err != nil {
				return err
			}
			if err := u.Delete(ref.names()...); err != nil {
				return err
			}
			p.Segments = p.Segments[1:]
		}
	}
	return nil
}
