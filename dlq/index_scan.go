package dlq

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/classify"
)

// Pages of an index begin small, for whoever wants a few entries, and grow for whoever wants all; they end with so much of records, too.
const (
	indexPageLeast = 16
	indexPageMost  = 4096
	indexPageBytes = 8 << 20
)

// indexQuery is what a call asks an index for.
type indexQuery struct {
	index  *index
	topic  kadm.TopicDetail
	sel    *selector
	status *[statuses]bool // nil: entries of any
	starts map[int32]int64 // of the partitions
	kept   int64           // Unix ms of death from which on what stands before the start is kept
	life   indexLife       // that it answers from; none where what the topic has lost is not asked for
	keeps  bool            // some of the spans, so that it must not begin another life
	text   *textFinder     // nil: none is asked for
	error  *textMatch
	grams  *gramQuery      // nil: a text may be anywhere
	origin map[uint64]bool // of the ids that are asked for
	key    uint64
	since  int64 // Unix ms
	until  int64

	topics *fetcher                    // where hidden records are read
	again  func(context.Context) error // catches up once more
}

// query asks the index what the filter selects of the spans, after it has caught up. It returns the spans with what is kept before
// them, up to the ends; nil: all that is kept.
func (x *index) query(ctx context.Context, q *Queue, topic kadm.TopicDetail, sel *selector, spans []span, ends map[int32]int64) (*indexQuery, []span, error) {
	if x.Store == nil {
		return nil, nil, &indexError{errors.New("it has no store")}
	}
	starts, err := listed(ctx, q.topic, q.admin.ListStartOffsets)
	if err != nil {
		return nil, nil, err
	}
	whole := spans
	if !sel.Since.IsZero() || !sel.ExpiringBefore.IsZero() || sel.positions != nil { // they leave something out that the index reads on through
		if whole, err = spansOf(ctx, q.admin, q.topic, time.Time{}, stable); err != nil {
			return nil, nil, err
		}
	}
	if err := x.sync(ctx, q, topic, whole, starts); err != nil {
		return nil, nil, err
	}
	iq := &indexQuery{
		index: x, topic: topic, sel: sel, starts: starts, kept: keptSince(x.Keep), topics: newFetcher(q.client, q.admin, topic),
		since: math.MinInt64, until: math.MaxInt64,
		again: func(ctx context.Context) error { return x.sync(ctx, q, topic, whole, starts) },
	}
	if sel.Text != "" {
		iq.text = newTextFinder(sel.Text)
	}
	if sel.Error != nil {
		iq.error = newTextMatch(sel.Error)
	}
	iq.grams = newGramQuery([]byte(sel.Text), iq.error)
	if sel.Key != nil {
		iq.key = keyHash(sel.Key)
	}
	if !sel.Since.IsZero() {
		iq.since = ceilMilli(sel.Since)
	}
	if !sel.Until.IsZero() {
		iq.until = ceilMilli(sel.Until)
	}
	if sel.positions != nil {
		iq.origin = make(map[uint64]bool)
		for id := range sel.origins {
			iq.origin[originHash(id)] = true
		}
		for id := range sel.former {
			iq.origin[originHash(id)] = true
		}
	}
	if x.Keep > 0 && sel.ExpiringBefore.IsZero() { // what the topic has lost expires no more
		spans, err = iq.withKept(ctx, spans, ends)
	}
	return iq, spans, err
}

// ceilMilli is the first millisecond that is not before the time.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// withKept adds to the spans what the index keeps before the start of the topic, and before the ends, which retention may have passed.
func (iq *indexQuery) withKept(ctx context.Context, spans []span, ends map[int32]int64) ([]span, error) {
	err := iq.index.view(ctx, func(_ IndexView, st *indexState) error {
		if st.raw[0] == nil { // it has just caught up
			return ErrKeptLost
		}
		iq.life = st.life(iq.starts)
		for partition, p := range st.Letters {
			to := iq.starts[partition]
			if ends != nil {
				to = min(to, ends[partition])
			}
			if len(p.Segments) == 0 || p.Segments[0].First >= to {
				continue
			}
			iq.keeps = true
			spans = withSpan(spans, span{partition, p.Segments[0].First, to})
		}
		return nil
	})
	return spans, err
}

// withSpan adds to the spans one that is before them. What others have of it, as where the topic's start has moved since they were listed, is read once.
func withSpan(spans []span, before span) []span {
	all := make([]span, 0, len(spans)+1)
	for _, s := range spans {
		if s.partition == before.partition {
			if s.from = max(s.from, before.to); s.from >= s.to {
				continue
			}
			if s.from == before.to {
				before.to = s.to
				continue
			}
		}
		all = append(all, s)
	}
	return append(all, before)
}

// kindsWanted says of each kind whether its entries may match.
func (iq *indexQuery) kindsWanted(kinds []kind) []bool {
	wanted := make([]bool, len(kinds))
	for i := range kinds {
		k, s := &kinds[i], iq.sel
		wanted[i] = (s.Class == classify.None || k.Class == s.Class) &&
			(s.Severity == classify.SeverityNone || k.Severity == s.Severity) &&
			(s.Reason == "" || k.Reason == s.Reason) &&
			(s.Topic == "" || k.Topic == s.Topic) &&
			(len(s.Fingerprints) == 0 || slices.Contains(s.Fingerprints, k.Print))
	}
	return wanted
}

// whereIn says where in a segment what is looked for may be.
func (iq *indexQuery) whereIn(v IndexView, ref segmentRef) (whereabouts, error) {
	if iq.grams == nil {
		return anywhere, nil
	}
	names := iq.grams.tables(ref)
	got, err := v.Get(names...)
	if err != nil {
		return whereabouts{}, err
	}
	return iq.grams.find(names, got)
}

// passesBy says whether a segment holds nothing that a text that none of its blocks holds could select, so that its columns need not be read. One that is not
// wholly asked for or there, and one with entries that have copies, which have a tally no more, is looked into all the same.
func (iq *indexQuery) passesBy(v IndexView, ref segmentRef, part span, at int64, where whereabouts) (bool, error) {
	if where.entries != 0 || ref.Hidden || at > ref.First || ref.Last >= part.to || ref.First < iq.starts[part.partition] {
		return false, nil
	}
	tally, err := tallyIn(v, ref)
	return tally != nil, err
}

// nextSegment is the first segment of a partition from an offset on that has to be looked into, which it opens; nil where there is none. The offset
// is behind those that were passed by, latest the latest time of death in them.
func (iq *indexQuery) nextSegment(v IndexView, st *indexState, part span, at, latest *int64) (*opened, error) {
	letters := st.Letters[part.partition]
	if letters == nil {
		return nil, nil
	}
	for _, ref := range letters.segmentsFrom(*at) {
		where, err := iq.whereIn(v, ref)
		if err != nil {
			return nil, err
		}
		by, err := iq.passesBy(v, ref, part, *at, where)
		if err != nil {
			return nil, err
		}
		if !by {
			return iq.open(v, part.partition, ref, iq.kindsWanted(st.kinds), where)
		}
		*at, *latest = ref.Last+1, max(*latest, ref.Newest)
	}
	return nil, nil
}

// visible says whether entry i is there: in the topic, or kept.
func (iq *indexQuery) visible(o *opened, i int) bool {
	return o.ref.First >= o.start || o.offset(i) >= o.start || o.time(i) >= iq.kept && !o.hides(i, hiddenAny)
}

// holdsNot says whether entry i does not hold the texts that are looked for, and has no copy that may.
func (iq *indexQuery) holdsNot(o *opened, i int) bool {
	return !o.in(o.where.entries, i) && !copiesAt(o.marks, i) && !o.hides(i, iq.lookedInto())
}

// lookedInto are the parts in which texts are looked for.
func (iq *indexQuery) lookedInto() (parts hidden) {
	if iq.error != nil {
		parts = hiddenError
	}
	if iq.text != nil {
		parts = hiddenError | hiddenValue
	}
	return parts
}

// expires is when the topic's retention may take entry i, as [Entry.Expires] has it, in Unix ms.
func expires(c *columns, i int, m segmentMark, retention time.Duration) int64 {
	return max(int64(u64(c.written, i)), m.renewed()) + retention.Milliseconds()
}

// decides says whether what is stored says all that the filter asks for.
func (iq *indexQuery) decides() bool {
	return iq.text == nil && iq.error == nil && iq.sel.Key == nil || !iq.index.Redaction.Hides()
}

// match says whether entry i matches the filter, whatever its status, or may match it, where that cannot be said as it is hidden.
func (iq *indexQuery) match(o *opened, partition int32, i int) bool {
	kind, at := o.kind(i), o.time(i)
	switch {
	case int(kind) >= len(o.wanted) || !o.wanted[kind],
		at < iq.since || at >= iq.until,
		iq.sel.Key != nil && u64(o.keys, i) != iq.key && !o.hides(i, hiddenKey):
		return false
	}
	if iq.sel.positions != nil {
		if _, ok := iq.sel.positions[position{partition, o.offset(i)}]; !ok && !iq.origin[u64(o.origins, i)] {
			return false
		}
	}
	if iq.error == nil && iq.text == nil {
		return true
	}
	if !o.in(o.where.entries, i) && !o.hides(i, iq.lookedInto()) || o.err != nil {
		return false
	}
	found := (iq.error == nil || o.hides(i, hiddenError) || iq.error.match(o.errorText(i))) &&
		(iq.text == nil || o.hides(i, hiddenError|hiddenValue) || o.holds(iq.text, i))
	return found && o.err == nil
}

// pages sends what the query selects of one partition, and every entry that has copies, in the order of their offsets.
func (iq *indexQuery) pages(ctx context.Context, part span, pages chan<- page) error {
	at, latest, limit := part.from, int64(math.MinInt64), indexPageLeast
	for tries := 0; at < part.to; {
		var p page
		passed, cleared := latest, iq.index.cleared.Load()
		err := iq.view(ctx, part, func(v IndexView, st *indexState) (err error) {
			p, err = iq.page(v, st, part, at, &passed, limit)
			return err
		})
		if err != nil {
			if err = iq.mend(ctx, err, tries, cleared); err != nil {
				return err
			}
			tries++
			continue
		}
		if err := iq.disclose(ctx, part.partition, &p); err != nil {
			return err
		}
		at, latest, limit, tries = p.next, passed, min(limit*2, indexPageMost), 0
		if len(p.entries) == 0 && at < part.to { // nobody has to wait for it: partitions come one by one where most hold nothing
			select {
			case pages <- p:
			case <-ctx.Done():
				return context.Cause(ctx)
			default:
			}
			continue
		}
		select {
		case pages <- p:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// page is what the query selects from an offset on, up to the end of a segment or to so many entries. latest is the latest time of
// death that was passed.
func (iq *indexQuery) page(v IndexView, st *indexState, part span, at int64, latest *int64, limit int) (page, error) {
	p := page{next: part.to}
	o, err := iq.nextSegment(v, st, part, &at, latest)
	if o == nil {
		return p, err
	}
	ref := o.ref
	p.next = min(ref.Last+1, part.to)
	var records *packs
	held := 0
	for i := o.at(at); i < o.n && o.offset(i) < part.to; i++ {
		if !iq.visible(o, i) {
			continue
		}
		*latest = max(*latest, o.time(i))
		if iq.holdsNot(o, i) {
			continue
		}
		m := segmentMarkOf(o.marks, i)
		status := st.stands(&o.columns, i, m)
		selected := (iq.status == nil || iq.status[status]) && iq.match(o, part.partition, i)
		if o.err != nil {
			return p, o.err
		}
		if !selected && !m.copies {
			continue
		}
		var e Entry
		if !selected && iq.status != nil { // who only looks needs no more of it
			e.Partition, e.Offset, e.passed = part.partition, o.offset(i), new(o.part(i, status != m.status))
		} else if o.hides(i, hiddenAny) {
			e.Partition, e.Offset = part.partition, o.offset(i) // its record is read later
		} else if e, records, err = iq.stored(o, records, part.partition, i); err != nil {
			return p, err
		}
		e.copies, e.Status, e.Mark = m.copies, status, st.mark(m)
		if kind := o.kind(i); int(kind) < len(st.kinds) {
			e.print = st.kinds[kind].Print
		}
		p.entries, p.keys = append(p.entries, e), append(p.keys, *latest)
		if e.passed == nil {
			held += int(u32(o.sizes, i))
		}
		if e.Record != nil {
			held += headerBytes(e.Record)
		}
		if len(p.entries) == limit || held >= indexPageBytes {
			p.next = min(o.offset(i)+1, part.to)
			break
		}
	}
	return p, nil
}
