package dlq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Index says how a queue answers without reading its topics whole: from a store that follows them. Every call first reads
// what came to the topics since the last one, so that its answers are those of a scan. The store is a cache of one queue of
// one cluster: where it is empty, damaged, of another release, or of a topic that was deleted and made again since, it is
// built anew.
type Index struct {
	Store IndexStore
	// Keep is for how long after its death an entry is kept that the topic has lost to retention. It is then listed and replayed like the
	// others, until a purge deletes what is so old ([Queue.Purge], which has to know Keep: give its queue the index). Of several that share a store
	// the one counts that keeps the longest; who keeps less sees less, and deletes nothing but by a purge. Defaults to none: the
	// index knows what the topic holds. What was kept is lost with the store.
	Keep time.Duration
	// Redaction says what must not get into the store. Of a dead letter of which it hides a part neither key nor headers are stored, nor payload and
	// error, where it hides a part of those: where it stands, its times, size, status, class, fingerprint and the like are. Its record is read from
	// the topic where it is asked for, by filters of what is not stored too, and is not kept when the topic has lost it. A payload in the wire
	// format of a schema registry is taken for hidden, if any text is, for what is in it shows only when it is decoded. Problems in [Stats] have the
	// texts of [Redaction.Problem]; reasons and edits in marks are without what is hidden. A store that was filled with another Redaction is built
	// anew, or, where it keeps what the topic has lost, written anew: what is kept stays, whole, but for that of which this Redaction hides a part.
	// Defaults to none.
	Redaction *Redaction
	// Progress is told how many records were read of those that are to be read, where the index has to catch up, for a while
	// several times a second. Both are the same at last, also when it ends early. It may be nil.
	Progress func(read, total int64)
	// Warn is told why the index was built anew, or is not used. It may be nil.
	Warn func(why string)
	// Partial is called when an answer leaves out what only the index keeps, for its store failed and the topics were read. It may be nil.
	Partial func()
}

// Indexed gives a queue an index. [Queue.Entries], [Queue.Entry] and [Queue.Stats] answer from it, and a replay or discard with a
// filter finds with it what to read; the ledger that decides is read all the same. Where the store fails, the topics are read;
// what changes entries fails then where the index keeps those that the topics have lost, which would be left out.
// While an iteration is under way, marks that another call makes may show in its later entries.
func Indexed(ix Index) Option {
	return func(q *Queue) { q.index = &index{Index: ix} }
}

const (
	indexVersion = 15

	// indexVersionOldest can be read still, so that what it keeps of what the topic has lost can be gone on with.
	indexVersionOldest = 12

	indexEmpty     = "it is empty" // which need not be told
	indexOfAnother = "another release wrote it"

	nameMeta  = "meta"
	nameKinds = "kinds"
	nameFrom  = "from"
)

// index is an Index at work.
type index struct {
	Index
	mu      sync.Mutex   // one call catches up at a time
	cleared atomic.Int64 // how often everything was forgotten
	told    bool         // that somebody else keeps more
	read    int64        // records, in the catching up that is under way
	toRead  int64        // in it, as far as is known

	cacheMu sync.Mutex
	cached  *indexState
}

// indexState is what is known of an index as a whole.
type indexState struct {
	indexMeta
	kinds []kind
	from  []provenance

	raw       [3][]byte
	numbers   map[kind]uint32
	origins   map[provenance]uint32
	moreKinds bool
	moreFrom  bool
}

// indexMeta is stored with every change.
type indexMeta struct {
	Version    int
	Topic      [16]byte // id of the dead-letter topic
	Ledger     [16]byte // none: there was none
	Redaction  string   // what was hidden, see Redaction.name
	Letters    map[int32]*indexedPartition
	Marks      map[int32]indexedMarks
	Seq        uint64         // of the last segment
	MarksEpoch uint64         // of the marks without an entry; with another ledger another begins
	Strays     int64          // marks whose entries are not in the index; never fewer than there are
	Unborn     bool           // some marks say no birth, of these or of others
	Purges     []indexedPurge // that were read, and by which nothing was taken out yet
	Purged     bool           // something was, and the store may still have bytes of it
	Keep       time.Duration  // the longest that anybody kept what the topic has lost: one look by somebody who keeps less deletes nothing of it
	Life       string         // another one when everything was forgotten
	Kinds      int            // so many are stored, and so many of whom marks are; fewer where an older release wrote last
	From       int
}

type indexedPartition struct {
	From     int64 // offset that was read first; 0 where an older release did
	Next     int64 // offset to read on from
	Segments []segmentRef
}

type indexedMarks struct {
	Start, Next int64
	Known       int64 // all was read up to here before the last catching up began
}

// kind is what entries have in common that filters and counts ask for.
type kind struct {
	Class    classify.Class
	Severity classify.Severity
	Reason   retrytopics.Reason
	Topic    string
	Group    string
	Damaged  bool
	Print    Fingerprint
	Error    string // normalized
}

// indexError is an error of the store, and not of the topics.
type indexError struct{ err error }

func (e *indexError) Error() string { return "the index of dead letters: " + e.err.Error() }
func (e *indexError) Unwrap() error { return e.err }

func (x *index) warn(format string, args ...any) {
	if x.Warn != nil {
		x.Warn(fmt.Sprintf(format, args...))
	}
}

// view calls f with what is stored. Errors of f come back as they are, those of the store as an indexError.
func (x *index) view(ctx context.Context, f func(IndexView, *indexState) error) error {
	var own error
	err := x.Store.View(ctx, func(v IndexView) error {
		st, err := x.state(v)
		if err != nil {
			return err
		}
		own = f(storeView{v}, st)
		return own
	})
	if err != nil && !errors.Is(err, own) || errors.Is(err, ErrIndexDamaged) {
		return storeError(err)
	}
	return err
}

// state reads the state, or takes the one that was read before where it is the same. It must not be changed.
func (x *index) state(v IndexView) (*indexState, error) {
	raw, err := v.Get(nameMeta, nameKinds, nameFrom)
	if err != nil {
		return nil, err
	}
	x.cacheMu.Lock()
	defer x.cacheMu.Unlock()
	if c := x.cached; c != nil && bytes.Equal(c.raw[0], raw[0]) && bytes.Equal(c.raw[1], raw[1]) && bytes.Equal(c.raw[2], raw[2]) {
		return c, nil
	}
	st, err := stateOf(raw)
	if err == nil {
		x.cached = st
	}
	return st, err
}

func stateOf(raw [][]byte) (*indexState, error) {
	st := &indexState{indexMeta: indexMeta{Letters: make(map[int32]*indexedPartition), Marks: make(map[int32]indexedMarks)}}
	for i, into := range []any{&st.indexMeta, &st.kinds, &st.from} {
		if raw[i] == nil {
			continue
		}
		name := []string{nameMeta, nameKinds, nameFrom}[i]
		st.raw[i] = bytes.Clone(raw[i])
		body, err := unsealed(name, raw[i])
		if err != nil {
			return nil, err
		}
		if i == 0 && json.Unmarshal(body, &struct{ Version *int }{&st.Version}) == nil && !isIndexVersion(st.Version) {
			_ = json.Unmarshal(body, &struct{ Keep *time.Duration }{&st.Keep})
			break // the rest may look otherwise
		}
		if err := json.Unmarshal(body, into); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrIndexDamaged, name, err)
		}
	}
	for _, p := range st.Letters {
		if p == nil {
			return nil, fmt.Errorf("%w: %s has a partition that is nothing", ErrIndexDamaged, nameMeta)
		}
	}
	for name, missing := range map[string]bool{nameKinds: len(st.kinds) < st.Kinds, nameFrom: len(st.from) < st.From} {
		if missing && isIndexVersion(st.Version) {
			return nil, fmt.Errorf("%w: some of %s is not there", ErrIndexDamaged, name)
		}
	}
	return st, nil
}

func isIndexVersion(n int) bool { return n >= indexVersionOldest && n <= indexVersion }

// sameAs says whether two states are of one index: in the same life, and of the same topics.
func (st *indexState) sameAs(read *indexState) bool {
	return st.Life == read.Life && st.Topic == read.Topic && st.Ledger == read.Ledger
}

// update is change of the index that was read, in the same life and of the same topics: another process may have emptied it meanwhile, or begun it
// anew, and what was read for the one before would leave a gap in it. It is of this redaction, too: who has written it anew for another one must find
// nothing in it that was hidden by this one only.
func (x *index) update(ctx context.Context, read *indexState, f func(IndexUpdate, *indexState) error) error {
	return x.change(ctx, func(u IndexUpdate, st *indexState) error {
		if st.raw[0] == nil || st.Version != indexVersion || st.Redaction != x.Redaction.name() || !st.sameAs(read) {
			return ErrIndexMoved
		}
		return f(u, st)
	})
}

// change calls f with a state that it may change, and stores that with what f puts.
func (x *index) change(ctx context.Context, f func(IndexUpdate, *indexState) error) error {
	err := x.Store.Update(ctx, func(u IndexUpdate) error {
		raw, err := u.Get(nameMeta, nameKinds, nameFrom)
		if err != nil {
			return err
		}
		st, err := stateOf(raw)
		if err != nil {
			return err
		}
		if err := f(u, st); err != nil {
			return err
		}
		return st.put(u)
	})
	return storeError(err)
}

func (st *indexState) put(u IndexUpdate) error {
	st.Kinds, st.From = len(st.kinds), len(st.from)
	for _, part := range []struct {
		name    string
		changed bool
		value   any
	}{{nameMeta, true, st.indexMeta}, {nameKinds, st.moreKinds, st.kinds}, {nameFrom, st.moreFrom, st.from}} {
		if !part.changed {
			continue
		}
		body, err := json.Marshal(part.value)
		if err != nil {
			return err
		}
		if err := u.Put(part.name, sealedForAll(body)); err != nil {
			return err
		}
	}
	return nil
}

// kind is the number of a kind, a new one where there is none.
func (st *indexState) kind(k kind) uint32 {
	return numberOf(k, &st.kinds, &st.numbers, &st.moreKinds)
}

// origin is the number of a provenance.
func (st *indexState) origin(p provenance) uint32 {
	return numberOf(p, &st.from, &st.origins, &st.moreFrom)
}

// numberOf is the place of one in all, where it is put when it is not there: then there is more than was stored. numbers is made of
// all when it is needed first.
func numberOf[T comparable](one T, all *[]T, numbers *map[T]uint32, more *bool) uint32 {
	if *numbers == nil {
		*numbers = make(map[T]uint32, len(*all))
		for i, known := range *all {
			(*numbers)[known] = uint32(i)
		}
	}
	n, ok := (*numbers)[one]
	if !ok {
		n = uint32(len(*all))
		*all, *more = append(*all, one), true
		(*numbers)[one] = n
	}
	return n
}

// mark is what the ledger says, as the index knows it.
func (st *indexState) mark(m segmentMark) Mark {
	if m.at == 0 || m.none || m.anew || int(m.from) >= len(st.from) {
		return Mark{}
	}
	return m.mark(m.status, m.times, m.until, st.from[m.from])
}

// fits says whether the state is of this topic, release and redaction; "" where it is, or why not.
func (x *index) fits(st *indexState, topic kadm.TopicDetail) string {
	switch {
	case st.raw[0] == nil:
		return indexEmpty
	case !isIndexVersion(st.Version):
		return indexOfAnother
	case st.Topic != topic.ID:
		return fmt.Sprintf("%s was deleted and made again", topic.Topic)
	case st.Redaction != x.Redaction.name():
		return indexRedacted
	case st.Version != indexVersion:
		return indexOlder
	}
	return ""
}

// cold says whether there is nothing in the index yet that is of this topic.
func (x *index) cold(ctx context.Context, topic kadm.TopicDetail) bool {
	if x.Store == nil {
		return false
	}
	cold := false
	err := x.view(ctx, func(_ IndexView, st *indexState) error {
		why := x.fits(st, topic)
		cold = why != "" && (!isRewritten(why) || x.Keep == 0) // which may keep what is asked for
		return nil
	})
	return cold && err == nil
}

// MarshalJSON and UnmarshalJSON keep a provenance in an index, where its times stand with the mark.
func (p provenance) MarshalJSON() ([]byte, error) {
	return json.Marshal([...]string{p.by, p.run, p.task, p.to, p.reason, p.edit, strconv.FormatInt(p.seen, 10)})
}

func (p *provenance) UnmarshalJSON(b []byte) error {
	var s [7]string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	seen, err := strconv.ParseInt(s[6], 10, 64)
	*p = provenance{by: s[0], run: s[1], task: s[2], to: s[3], reason: s[4], edit: s[5], seen: seen}
	return err
}

// segmentsFrom are the segments of a partition that hold entries from an offset on.
func (p *indexedPartition) segmentsFrom(offset int64) []segmentRef {
	i, _ := slices.BinarySearchFunc(p.Segments, offset, func(s segmentRef, offset int64) int {
		if s.Last < offset {
			return -1
		}
		return 1
	})
	return p.Segments[i:]
}
