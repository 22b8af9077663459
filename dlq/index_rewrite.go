package dlq

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// indexRedacted and indexOlder are why an index does not fit that can be written anew from what it keeps.
const (
	indexRedacted = "what is redacted is not what it was"
	indexOlder    = "an older release wrote it"
)

// isRewritten says whether an index that does not fit for that is written anew where it keeps what the topic has lost, and is the same index then.
func isRewritten(why string) bool { return why == indexRedacted || why == indexOlder }

// rewriting writes an index of another redaction, or of a release that told problems apart in another way, anew, segment by segment, where it keeps
// what the topic has lost: building it anew would lose that. What the topic has still and the other redaction had hidden is read from there, once more;
// what is hidden and can be read nowhere stays so. The index is of this redaction and release when all is done: a process that ends before begins
// again, and finds hidden what was hidden then.
type rewriting struct {
	*index
	read   *indexState // as it was before
	topic  kadm.TopicDetail
	topics *fetcher
	starts map[int32]int64 // of the partitions
	told   func(int64)

	done  map[uint64]bool // segments, by their numbers
	kinds map[uint32]bool // that they have
	lost  int             // entries that were kept, and of which a part is hidden now
}

// keepsLost says whether there are entries that the topic has lost.
func (st *indexState) keepsLost(starts map[int32]int64) bool {
	for partition, p := range st.Letters {
		if len(p.Segments) > 0 && p.Segments[0].First < starts[partition] {
			return true
		}
	}
	return false
}

// rewrite makes the index that was read one of its redaction and of this release.
func (x *index) rewrite(ctx context.Context, q *Queue, read *indexState, topic kadm.TopicDetail, starts map[int32]int64, why string) error {
	x.warn("the index of dead letters is written anew: %s", why)
	r := &rewriting{
		index: x, read: read, topic: topic, topics: newFetcher(q.client, q.admin, topic), starts: starts,
		done: make(map[uint64]bool), kinds: make(map[uint32]bool),
	}
	for {
		partition, ref, err := r.next(ctx)
		if err != nil {
			return err
		}
		if ref == nil {
			break
		}
		records, err := r.records(ctx, partition, *ref)
		if err != nil {
			return err
		}
		if err := r.change(ctx, func(u IndexUpdate, st *indexState) error { return r.segment(u, st, partition, *ref, records) }); err != nil {
			return err
		}
		r.told(int64(ref.Count))
	}
	if err := r.change(ctx, func(_ IndexUpdate, st *indexState) error { return r.state(st) }); err != nil {
		return err
	}
	if err := x.compact(ctx); err != nil {
		return err
	}
	if r.lost > 0 {
		x.warn("%d dead letters that the index kept are dropped: a part of them is redacted now, which the index must not hold", r.lost)
	}
	return r.change(ctx, func(_ IndexUpdate, st *indexState) error {
		st.Version, st.Redaction = indexVersion, x.Redaction.name()
		return r.state(st)
	})
}

// change changes the index that was read, which another process may have emptied meanwhile, begun anew, or written anew.
func (r *rewriting) change(ctx context.Context, f func(IndexUpdate, *indexState) error) error {
	return r.index.change(ctx, func(u IndexUpdate, st *indexState) error {
		if st.raw[0] == nil || st.Version != r.read.Version || st.Redaction != r.read.Redaction || !st.sameAs(r.read) {
			return ErrIndexMoved
		}
		return f(u, st)
	})
}

// next is a segment that is not written anew yet; nil where there is none.
func (r *rewriting) next(ctx context.Context) (partition int32, next *segmentRef, err error) {
	err = r.view(ctx, func(_ IndexView, st *indexState) error {
		total := int64(0)
		for number, p := range st.Letters {
			for _, ref := range p.Segments {
				if total += int64(ref.Count); !r.done[ref.Seq] && next == nil {
					partition, next = number, &ref
				}
			}
		}
		if r.told == nil {
			r.told = r.tell(total)
		}
		return nil
	})
	return partition, next, err
}

// records are those of a segment that are hidden and that the topic has, by their offsets; of many large ones the first.
func (r *rewriting) records(ctx context.Context, partition int32, ref segmentRef) (map[int64]*kgo.Record, error) {
	var offsets []int64
	err := r.view(ctx, func(v IndexView, _ *indexState) error {
		got, err := v.Get(ref.name(partColumns))
		if err != nil {
			return err
		}
		c, err := columnsOf(ref.name(partColumns), got[0])
		size := 0
		for i := c.at(r.starts[partition]); i < c.n && size < indexBytes; i++ {
			if c.hides(i, hiddenAny) {
				offsets = append(offsets, c.offset(i))
				size += int(u32(c.sizes, i))
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	records := make(map[int64]*kgo.Record, len(offsets))
	err = r.topics.readAt(ctx, partition, offsets, func(r *kgo.Record) { records[r.Offset] = r })
	return records, err
}

// segment writes one anew, with the records of the topic that the other redaction had hidden.
func (r *rewriting) segment(u IndexUpdate, st *indexState, partition int32, ref segmentRef, records map[int64]*kgo.Record) error {
	p := st.Letters[partition]
	at := -1
	if p != nil {
		at = slices.IndexFunc(p.Segments, func(s segmentRef) bool { return s.Seq == ref.Seq })
	}
	if at < 0 { // another process has put it together with others
		return nil
	}
	old, err := readSegment(u, ref)
	if err != nil {
		return err
	}
	made := []*segment{{}}
	packed := &packs{name: ref.name(partRecords), ends: old.packEnd, bytes: old.packs, open: -1}
	kept := keptSince(r.keepsFor(st))
	for i := range old.n {
		l, err := r.letter(st, old, packed, partition, i, records[old.offset(i)])
		if err != nil {
			return err
		}
		if old.offset(i) < r.starts[partition] && old.time(i) >= kept && !old.hides(i, hiddenAny) && l.hidden != 0 {
			r.lost++
		}
		s := made[len(made)-1]
		if s.full() {
			s = &segment{}
			made = append(made, s)
		}
		number := st.kind(l.kind.cloned())
		r.kinds[number] = true
		s.add(&l, number, old.marks[i])
	}
	if err := u.Delete(ref.names()...); err != nil {
		return err
	}
	var refs []segmentRef
	for _, s := range made {
		anew := s.ref(st.nextSeq())
		if err := s.put(u, st, anew); err != nil {
			return err
		}
		r.done[anew.Seq] = true
		refs = append(refs, anew)
	}
	p.Segments = slices.Replace(p.Segments, at, at+1, refs...)
	return nil
}

// letter is entry i of a segment without what is hidden now. record is what the topic has of it, where that is needed.
func (r *rewriting) letter(st *indexState, old *segment, packed *packs, partition int32, i int, record *kgo.Record) (indexedLetter, error) {
	if record != nil {
		return r.letterIn(entryOf(record, r.topic.ID)), nil
	}
	stored, valued, err := packed.record(i)
	if err != nil {
		return indexedLetter{}, err
	}
	if valued {
		stored.Value = append([]byte{}, piece(old.values, old.valueEnds, i)...)
	}
	if !old.hides(i, hiddenAny) {
		stored.Topic, stored.Partition, stored.Offset, stored.Timestamp = r.topic.Topic, partition, old.offset(i), time.UnixMilli(int64(u64(old.written, i)))
		return r.letterIn(entryOf(stored, r.topic.ID)), nil
	}
	l := indexedLetter{
		offset: old.offset(i), at: old.time(i), written: int64(u64(old.written, i)), failed: old.fails(i), id: old.identity(i), birth: old.birth(i), origin: u64(old.origins, i), key: u64(old.keys, i),
		size: u32(old.sizes, i), text: string(piece(old.errors, old.errorEnds, i)), record: stored, hidden: hidden(old.hidden[i]),
	}
	if n := old.kind(i); int(n) < len(st.kinds) {
		l.kind = st.kinds[n]
	}
	r.Redaction.concealMore(&l)
	return l, nil
}

// concealMore takes out of a letter what must not be there either, of which another redaction hid a part.
func (r *Redaction) concealMore(l *indexedLetter) {
	if !r.Hides() || len(r.Text) == 0 {
		return
	}
	problem := Redacted
	if l.hidden&hiddenError == 0 {
		shown := r.upTo(retrytopics.MaxErrorSize, l.text)
		if problem = r.String(normalize(shown)); shown != l.text {
			l.hidden, l.text = l.hidden|hiddenError, ""
		}
	}
	if l.kind.Error != "" {
		l.kind.Error = problem
	}
	if value := l.record.Value; wired(value) || len(r.find(value)) > 0 {
		l.hidden, l.record.Value = l.hidden|hiddenValue, nil
	}
	l.hidden, l.key = l.hidden|hiddenKey, 0 // it may be hidden now
}

// state takes out of the state what must not be there, when all segments are written anew.
func (r *rewriting) state(st *indexState) error {
	for _, p := range st.Letters {
		for _, ref := range p.Segments {
			if !r.done[ref.Seq] {
				return ErrIndexMoved
			}
		}
	}
	for i := range st.kinds {
		if k := &st.kinds[i]; !r.kinds[uint32(i)] && k.Error != "" && k.Error != Redacted { // nothing is of it any more
			k.Error, st.moreKinds = Redacted, true
		}
	}
	for i := range st.from {
		p := &st.from[i]
		if reason, edit := r.Redaction.String(p.reason), r.Redaction.edit(p.edit); reason != p.reason || edit != p.edit {
			p.reason, p.edit, st.moreFrom = strings.Clone(reason), strings.Clone(edit), true
		}
	}
	return nil
}
