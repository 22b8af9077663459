package dlq

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// tally is what is counted in one partition. What can be counted by the kind is: there are few.
type tally struct {
	byStatus [statuses]int64
	byKind   []kindTally
	byHour   map[int64]int64
	bytes    int64
	oldest   int64 // Unix ms
	newest   int64
	entries  int64
	copies   []copied // entries that have copies: which one is the first shows when all partitions are counted
	expiring int64    // entries
	expires  int64    // Unix ms; of the first of them
	anew     int64
}

type kindTally struct {
	entries     int64
	first, last int64        // Unix ms of death
	example     exampleEntry //
	byMinute    minutes
}

// minutes counts by the minute since 1970, in pieces of some minutes that follow one another.
type minutes struct {
	pieces map[int64]*minutePiece
	number int64 // of the piece that was counted in last
	last   *minutePiece
}

type minutePiece [minutesInPiece]int64

const minutesInPiece = 64

// add counts n in a minute.
func (m *minutes) add(minute, n int64) {
	number := floorDiv(minute, minutesInPiece)
	if m.last == nil || number != m.number {
		p := m.pieces[number]
		if p == nil {
			p = &minutePiece{}
			if m.pieces == nil {
				m.pieces = make(map[int64]*minutePiece)
			}
			m.pieces[number] = p
		}
		m.number, m.last = number, p
	}
	m.last[minute-number*minutesInPiece] += n
}

// each calls f with the minutes that something was counted in.
func (m *minutes) each(f func(minute, n int64)) {
	for number, p := range m.pieces {
		for i, n := range p {
			if n > 0 {
				f(number*minutesInPiece+int64(i), n)
			}
		}
	}
}

// exampleEntry is the entry of a kind that died last; of several the one that comes last.
type exampleEntry struct {
	key int64
	at  position
}

// copied is an entry that has copies.
type copied struct {
	key     int64
	at      position
	id      stableID
	matches bool
	status  Status
	anew    bool
	kind    uint32
	time    int64
	expires int64
	size    uint32
}

func newTally() *tally {
	return &tally{byHour: make(map[int64]int64), oldest: math.MaxInt64, newest: math.MinInt64, expires: math.MaxInt64}
}

// note counts an entry that retention may take then, where that is soon.
func (t *tally) note(x expiry, status Status, at position, expires int64) {
	if x.takes(status, at, expires) {
		t.expiring++
		t.expires = min(t.expires, expires)
	}
}

const (
	hourMillis   = int64(time.Hour / time.Millisecond)
	minuteMillis = int64(time.Minute / time.Millisecond)
	hourMinutes  = int64(time.Hour / time.Minute)
)

// floorDiv rounds down, before 1970 too.
func floorDiv(a, b int64) int64 {
	n := a / b
	if a%b < 0 {
		n--
	}
	return n
}

// kind is what is counted of a kind.
func (t *tally) kind(n uint32) *kindTally {
	for int(n) >= len(t.byKind) {
		t.byKind = append(t.byKind, kindTally{first: math.MaxInt64, last: math.MinInt64})
	}
	return &t.byKind[n]
}

// add counts an entry.
func (t *tally) add(kind uint32, key, at int64, size uint32, p position) {
	k := t.kind(kind)
	t.entries++
	t.bytes += int64(size)
	t.oldest, t.newest = min(t.oldest, at), max(t.newest, at)
	k.entries++
	k.first = min(k.first, at)
	k.died(at, exampleEntry{key, p})
	k.byMinute.add(floorDiv(at, minuteMillis), 1)
}

// died makes an entry the example, where it died last.
func (k *kindTally) died(at int64, example exampleEntry) {
	if at > k.last || at == k.last && k.example.before(example) {
		k.last, k.example = at, example
	}
}

func (e exampleEntry) before(o exampleEntry) bool {
	return cmp.Or(cmp.Compare(e.key, o.key), cmp.Compare(e.at.partition, o.at.partition), cmp.Compare(e.at.offset, o.at.offset)) < 0
}

// stats counts what the query selects, status by status of those that are wanted. ok is false where there are so many problems
// that some are not kept apart: which ones depends on the order.
func (iq *indexQuery) stats(ctx context.Context, spans []span, wanted [statuses]bool, x expiry, foreign func(group string) bool) (Stats, bool, error) {
	for tries := 0; ; tries++ {
		cleared := iq.index.cleared.Load()
		stats, ok, err := iq.countAll(ctx, spans, wanted, x, foreign)
		if err == nil {
			return stats, ok, nil
		}
		if err = iq.mend(ctx, err, tries, cleared); err != nil {
			return stats, ok, err
		}
	}
}

// countAll is one try of stats.
func (iq *indexQuery) countAll(ctx context.Context, spans []span, wanted [statuses]bool, x expiry, foreign func(group string) bool) (stats Stats, ok bool, err error) {
	tallies := make([]*tally, len(spans))
	var kinds []kind
	var life string // in another one kinds have other numbers
	if err := iq.index.view(ctx, func(_ IndexView, st *indexState) error { life = st.Life; return nil }); err != nil {
		return stats, true, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var counters sync.WaitGroup
	var mu sync.Mutex // of kinds
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, part := range spans {
		tallies[i] = newTally()
		counters.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			known, err := iq.count(ctx, life, part, wanted, x, tallies[i])
			if err != nil {
				cancel(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(known) > len(kinds) {
				kinds = known // they only grow
			}
		})
	}
	counters.Wait()
	if err := context.Cause(ctx); err != nil {
		return stats, true, err
	}
	return iq.sum(tallies, kinds, wanted, x, foreign)
}

// count counts one partition, in a life of the index.
func (iq *indexQuery) count(ctx context.Context, life string, part span, wanted [statuses]bool, x expiry, t *tally) (kinds []kind, err error) {
	latest := int64(math.MinInt64)
	for at := part.from; at < part.to; {
		err := iq.view(ctx, part, func(v IndexView, st *indexState) error {
			if st.Life != life {
				return &indexError{ErrIndexMoved}
			}
			kinds = st.kinds
			var segments []segmentRef
			if letters := st.Letters[part.partition]; letters != nil {
				segments = letters.segmentsFrom(at)
			}
			if len(segments) == 0 {
				at = part.to
				return nil
			}
			wantedKinds := iq.kindsWanted(st.kinds)
			for _, ref := range segments {
				counted, err := iq.countTally(v, ref, part, at, wanted, wantedKinds, x, &latest, t)
				if err != nil {
					return err
				}
				if !counted {
					break
				}
				at, segments = ref.Last+1, segments[1:]
			}
			if len(segments) == 0 {
				at = part.to
				return nil
			}
			if at >= part.to {
				return nil
			}
			o, err := iq.nextSegment(v, st, part, &at, &latest)
			if o == nil {
				at = part.to
				return err
			}
			iq.countSegment(st, o, part, at, wanted, x, &latest, t)
			at = o.ref.Last + 1
			return o.err
		})
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	return kinds, nil
}

func (iq *indexQuery) countSegment(st *indexState, o *opened, part span, at int64, wanted [statuses]bool, x expiry, latest *int64, t *tally) {
	hour, inHour := int64(math.MinInt64), int64(0)
	for i := o.at(at); i < o.n; i++ {
		offset, died := o.offset(i), o.time(i)
		if offset >= part.to {
			break
		}
		if !iq.visible(o, i) {
			continue
		}
		*latest = max(*latest, died)
		if iq.holdsNot(o, i) {
			continue
		}
		m := segmentMarkOf(o.marks, i)
		status := st.stands(&o.columns, i, m)
		again := status != m.status
		matches := iq.match(o, part.partition, i)
		takenAt := expires(&o.columns, i, m, x.retention)
		if !iq.sel.ExpiringBefore.IsZero() {
			matches = matches && x.retention >= 0 && takenAt < ceilMilli(iq.sel.ExpiringBefore)
		}
		if m.copies {
			t.copies = append(t.copies, copied{*latest, position{part.partition, offset}, o.part(i, again), matches, status, again, o.kind(i), died, takenAt, u32(o.sizes, i)})
			continue
		}
		if !matches {
			continue
		}
		t.note(x, status, position{part.partition, offset}, takenAt)
		if t.byStatus[status]++; !wanted[status] {
			continue
		}
		if again {
			t.anew++
		}
		t.add(o.kind(i), *latest, died, u32(o.sizes, i), position{part.partition, offset})
		if h := floorDiv(died, hourMillis); h != hour {
			if inHour > 0 {
				t.byHour[hour] += inHour
			}
			hour, inHour = h, 0
		}
		inHour++
	}
	if inHour > 0 {
		t.byHour[hour] += inHour
	}
}

// sum makes the counts of all partitions one.
func (iq *indexQuery) sum(tallies []*tally, kinds []kind, wanted [statuses]bool, x expiry, foreign func(string) bool) (Stats, bool, error) {
	s := newStats()
	s.Expiry.Retention = x.retention
	last := newTally() // of the entries that have copies
	tallies = append(tallies, last)
	var copies []copied
	for _, t := range tallies {
		copies = append(copies, t.copies...)
	}
	slices.SortFunc(copies, func(a, b copied) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at.partition, b.at.partition), cmp.Compare(a.at.offset, b.at.offset))
	})
	met := make(map[stableID]bool)
	for _, c := range copies {
		if met[c.id] {
			if c.matches && wanted[c.status] {
				s.Duplicates++
			}
			continue
		}
		met[c.id] = true
		if !c.matches {
			continue
		}
		last.note(x, c.status, c.at, c.expires)
		if last.byStatus[c.status]++; wanted[c.status] {
			last.add(c.kind, c.key, c.time, c.size, c.at)
			if c.anew {
				last.anew++
			}
			last.byHour[floorDiv(c.time, hourMillis)]++
		}
	}

	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	problems := newGrouping()
	examples := make(map[Fingerprint]exampleEntry)
	for _, t := range tallies {
		for status, n := range t.byStatus {
			if n > 0 {
				s.ByStatus[Status(status)] += n
			}
		}
		s.Entries += t.entries
		if s.Expiry.Entries += t.expiring; t.expiring > 0 {
			if at := time.UnixMilli(t.expires); s.Expiry.First.IsZero() || at.Before(s.Expiry.First) {
				s.Expiry.First = at
			}
		}
		s.Bytes += t.bytes
		s.FailedAnew += t.anew
		oldest, newest = min(oldest, t.oldest), max(newest, t.newest)
		for hour, n := range t.byHour {
			s.ByHour[time.UnixMilli(hour*hourMillis).UTC()] += n
		}
		for n := range t.byKind {
			k := &t.byKind[n]
			if k.entries == 0 {
				continue
			}
			if n >= len(kinds) {
				return s, true, &indexError{ErrIndexDamaged}
			}
			s.countKind(&kinds[n], k.entries, foreign)
			if !problems.addKind(&kinds[n], k, iq.topic.ID, examples) {
				return s, false, nil
			}
		}
	}
	if s.Entries > 0 {
		s.Oldest, s.Newest = time.UnixMilli(oldest), time.UnixMilli(newest)
	}
	s.Problems, s.Trends = problems.sorted()
	return s, true, nil
}

func (s *Stats) countKind(k *kind, n int64, foreign func(string) bool) {
	s.ByClass[k.Class] += n
	s.ByReason[k.Reason] += n
	s.ByTopic[k.Topic] += n
	if k.Damaged {
		s.Damaged += n
	}
	if foreign(k.Group) {
		s.OtherGroup += n
	}
}

// addKind adds the entries of a kind that were counted; false where there are too many problems.
func (g *grouping) addKind(k *kind, t *kindTally, topic [16]byte, examples map[Fingerprint]exampleEntry) bool {
	p := g.problems[k.Print]
	if p == nil {
		if len(g.problems) == maxProblems {
			return false
		}
		p = &problem{Problem: Problem{Fingerprint: k.Print, Class: k.Class, Error: k.Error, First: time.UnixMilli(t.first)}, steps: make(map[int64]int64)}
		g.problems[k.Print] = p
	}
	first, last := time.UnixMilli(t.first), time.UnixMilli(t.last)
	if first.Before(p.First) {
		p.First = first
	}
	if p.Entries == 0 || last.After(p.Last) || last.Equal(p.Last) && examples[k.Print].before(t.example) {
		p.Last, p.topic, p.at = last, topic, t.example.at
		examples[k.Print] = t.example
	}
	p.Entries += t.entries
	t.byMinute.each(func(minute, n int64) {
		step := g.step(minute) // which may put new steps in the place of the problem's
		p.steps[step] += n
	})
	return true
}

func newStats() Stats {
	return Stats{
		ByStatus: make(map[Status]int64),
		ByClass:  make(map[classify.Class]int64),
		ByReason: make(map[retrytopics.Reason]int64),
		ByTopic:  make(map[string]int64),
		ByHour:   make(map[time.Time]int64),
	}
}
