package dlq

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	indexBatch = 50_000   // letters or marks that are stored at a time
	indexBytes = 64 << 20 // of what they hold
	indexTries = 5        // where other processes are quicker
)

var errIndexNewer = errors.New("a newer release wrote it, which keeps what the topic has lost: use that release, or give this one an index of its own")

var errIndexAhead = errors.New("the topic ends before what the index holds of it, as after an unclean leader election")

// sync brings the index up to the ends of the spans, and to where the ledger ends now. starts are where the partitions begin.
// An [indexError] is one of the store.
func (x *index) sync(ctx context.Context, q *Queue, topic kadm.TopicDetail, spans []span, starts map[int32]int64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.toldAll()
	defer x.hold()()
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

// hold keeps the store from other processes, where it lets them have it.
func (x *index) hold() (release func()) {
	if store, ok := x.Store.(IndexHolder); ok {
		return store.Hold()
	}
	return func() {}
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
	if st.Version > indexVersion && x.keepsFor(st) > 0 {
		return &indexError{errIndexNewer}
	}
	why := x.fits(st, topic)
	if st.raw[0] != nil && isIndexVersion(st.Version) && st.Topic != topic.ID { // or it is of the one that was made since we looked
		if err := q.still(ctx, topic); err != nil {
			return err
		}
	}
	if isRewritten(why) && x.keepsFor(st) > 0 && st.keepsLost(starts) {
		if err := x.rewrite(ctx, q, st, topic, starts, why); err != nil {
			return err
		}
		if err := x.view(ctx, func(_ IndexView, now *indexState) error { st = now; return nil }); err != nil {
			return err
		}
		why = x.fits(st, topic)
	}
	if why != "" || st.Ledger != ledger.ID || st.marksLost(ledgerStarts) {
		forgotten := why == "" && st.Ledger != ledger.ID && st.hasMarks()
		if st, err = x.begin(ctx, st, topic, ledger, ledgerStarts, why); err != nil {
			return err
		}
		if forgotten {
			x.warn("%s was deleted: what had been replayed, discarded or parked of %s is open again, for nothing else knew of it", q.Ledger(), topic.Topic)
		}
		if why == indexEmpty && x.Keep > 0 && hasLost(starts) {
			x.warn("the index of dead letters is new, or was emptied: of what %s has lost until now it keeps nothing", topic.Topic)
		}
	}
	if st.Keep < x.Keep {
		if err := x.update(ctx, st, func(_ IndexUpdate, st *indexState) error { st.Keep = x.keepsFor(st); return nil }); err != nil {
			return err
		}
	}
	if x.Keep < st.Keep && !x.told && (x.Keep == 0 && st.keepsLost(starts) || st.keptPast(starts, x.Keep)) {
		x.told = true
		x.warn("dead letters that %s has lost are left out: the index keeps them for %s, as another configuration says, and this one says %s (index.keep). `dlq purge --before` deletes them",
			topic.Topic, daysText(st.Keep), daysText(x.Keep))
	}
	letters, err := st.unread(ctx, q, spans)
	if err != nil {
		return err
	}
	marks := st.unreadMarks(ledgerSpans)
	told := x.tell(length(letters) + length(marks))
	if len(letters) > 0 || st.keptPast(starts, x.keepsFor(st)) {
		if err := x.readLetters(ctx, q, st, topic, letters, starts, told); err != nil {
			return err
		}
	}
	if len(marks) > 0 {
		if err := x.readMarks(ctx, q, st, ledger, keysOf(topic.ID), marks, told); err != nil {
			return err
		}
	}
	if len(marks) == 0 && len(st.Purges) == 0 && !st.Purged {
		return nil
	}
	purged := false
	err = x.update(ctx, st, func(u IndexUpdate, st *indexState) error {
		err := x.purge(u, st, starts)
		purged = st.Purged
		return err
	})
	if err != nil || !purged {
		return err
	}
	if err := x.compact(ctx); err != nil {
		return err
	}
	return x.update(ctx, st, func(_ IndexUpdate, st *indexState) error { st.Purged = false; return nil })
}

// compact leaves nothing in the store of what was deleted.
func (x *index) compact(ctx context.Context) error {
	if store, ok := x.Store.(IndexCompactor); ok {
		if err := store.Compact(ctx); err != nil {
			return &indexError{err}
		}
	}
	return nil
}

// tell returns what counts records that were read, and tells of them.
func (x *index) tell(total int64) func(n int64) {
	x.toRead = x.read + total
	return func(n int64) {
		if x.read += n; x.Progress != nil {
			x.Progress(x.read, x.toRead)
		}
	}
}

// toldAll ends what is told of a catching up, however that ended.
func (x *index) toldAll() {
	if x.Progress != nil && x.read > 0 && x.read < x.toRead {
		x.Progress(x.read, x.read)
	}
	x.read, x.toRead = 0, 0
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

// hasMarks says whether something stood in the ledger, as far as it was read.
func (st *indexState) hasMarks() bool {
	for _, read := range st.Marks {
		if read.Next > read.Start {
			return true
		}
	}
	return false
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
func (x *index) begin(ctx context.Context, read *indexState, topic, ledger kadm.TopicDetail, starts map[int32]int64, why string) (*indexState, error) {
	change := func(f func(IndexUpdate, *indexState) error) error { return x.update(ctx, read, f) }
	if why != "" {
		if why != indexEmpty {
			x.warn("the index of dead letters is built anew: %s", why)
		}
		if err := x.clear(ctx); err != nil {
			return nil, err
		}
		change = func(f func(IndexUpdate, *indexState) error) error {
			return x.change(ctx, func(u IndexUpdate, st *indexState) error {
				if st.raw[0] != nil {
					return ErrIndexMoved
				}
				st.Life = newRun(time.Now())
				return f(u, st)
			})
		}
	}
	var begun *indexState
	err := change(func(u IndexUpdate, st *indexState) error {
		st.Keep = x.keepsFor(st)
		st.Version, st.Topic, st.Ledger, st.Redaction = indexVersion, topic.ID, ledger.ID, x.Redaction.name()
		st.MarksEpoch, st.Strays, st.Unborn, st.Purges = st.MarksEpoch+1, 0, false, nil
		st.Marks = make(map[int32]indexedMarks)
		for partition, start := range starts {
			st.Marks[partition] = indexedMarks{Start: start, Next: start, Known: start}
		}
		for _, p := range st.Letters {
			for _, ref := range p.Segments {
				if err := st.forgetMarks(u, ref); err != nil {
					return err
				}
			}
		}
		begun = st
		return nil
	})
	return begun, err
}

func (st *indexState) forgetMarks(u IndexUpdate, ref segmentRef) error {
	c, old, err := marked(u, ref)
	if err != nil {
		return err
	}
	marks := make([]segmentMark, c.n)
	for i := range marks {
		marks[i].copies = segmentMarkOf(old, i).copies
	}
	return st.putMarks(u, ref, &c, marks)
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

// keptPast says whether there are segments that are kept no longer by who keeps what the topic has lost for so long.
func (st *indexState) keptPast(starts map[int32]int64, keep time.Duration) bool {
	for partition, p := range st.Letters {
		if len(p.Segments) > 0 && p.Segments[0].expired(starts[partition], keep) {
			return true
		}
	}
	return false
}

// keepsFor is how long is kept what the topic has lost: the longest of who share the index.
func (x *index) keepsFor(st *indexState) time.Duration { return max(x.Keep, st.Keep) }

// longest is the index as who keeps the longest of those that share it has it; as it is where it is away, which is told where it is asked.
func (x *index) longest(ctx context.Context) *index {
	as := x.Index
	_ = x.view(ctx, func(_ IndexView, st *indexState) error { as.Keep = x.keepsFor(st); return nil })
	return &index{Index: as}
}

// hasLost says whether the topic began before these starts.
func hasLost(starts map[int32]int64) bool {
	for _, start := range starts {
		if start > 0 {
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
