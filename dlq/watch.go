package dlq

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Watch tells a consumer whose records wait behind dead letters which of them are still to be dealt with, and what becomes of
// them. It is of a queue as its topics are now: where one of them was deleted and made again, another Watch is needed. Its
// methods may be called concurrently.
type Watch struct {
	queue   *Queue
	letters kadm.TopicDetail
	ledger  kadm.TopicDetail
	keys    ledgerKeys
	chunk   int
}

// watchChunk is how many dead letters of a partition are remembered before the ledger is read for them, so that memory is
// bounded however many there have been.
const watchChunk = 100_000

// Watch looks the queue's topics up. The error is ErrNoTopic when the dead-letter topic does not exist, or its ledger.
func (q *Queue) Watch(ctx context.Context) (*Watch, error) {
	letters, err := q.describe(ctx)
	if err != nil {
		return nil, err
	}
	ledger, err := describe(ctx, q.admin, q.Ledger())
	if err != nil {
		return nil, err
	}
	return &Watch{queue: q, letters: letters, ledger: ledger, keys: keysOf(letters.ID), chunk: watchChunk}, nil
}

// Awaited is a dead letter that is still to be dealt with, and whose record has a key.
type Awaited struct {
	Identity Identity
	Born     int64  // see [BirthOf]
	Key      uint64 // as the caller hashes it
	Origin   int64  // offset of its origin
	Died     int64  // Unix ms
	Offset   int64  // in its own topic: where the last of its copies stands of which that holds
	Failed   int64  // when the record of one of these first failed, in Unix ms: the latest
}

// Marked says what became of an entry.
type Marked struct {
	Identity Identity
	Born     int64 // of the entry, see [BirthOf]; of a release that noted none it is 0, and so is Seen
	At       int64 // Unix ms
	Status   Status
	To       string // the topic that a replay wrote to
	Renewed  bool   // the entry was carried forward, and nothing else became of it
	Seen     int64  // where the partition of the dead letters ended for whoever marked it; 0: not known
	Until    int64  // of what stands behind that the mark settles what first failed up to then, in Unix ms; 0: up to At
}

// Holds reports whether the mark is that of the dead letter of its identity that was born and died at these times, in Unix ms. Death may be said to be later
// than it was: a copy dies after what it is a copy of.
func (m Marked) Holds(born, died int64) bool {
	if m.unborn() {
		return !precedes(m.At, born, died)
	}
	return m.Born == born
}

// unborn says whether the mark is of a release that noted no birth.
func (m Marked) unborn() bool { return m.Born == 0 && m.Seen == 0 }

// Done reports whether the entry was replayed or discarded. Whether a dead letter of it is waited for still, [Marked.Settles] says.
func (m Marked) Done() bool { return m.Status == StatusReplayed || m.Status == StatusDiscarded }

// Settles reports whether nothing waits for a dead letter of the entry any more that stands at this offset, and whose record first failed then, in Unix ms, as an
// [Awaited] says both: one that came after the mark and failed anew is open.
func (m Marked) Settles(offset, failed int64) bool {
	return m.Done() && !settlement{status: m.Status, at: m.At, seen: m.Seen, until: m.Until}.failedAnew(offset, failed)
}

// candidate is a dead letter of which it is not known yet what has become.
type candidate struct {
	Awaited
	further []Awaited  // copies of it
	own     outlook    // by the latest mark with its birth
	unborn  outlook    // and by the latest of a release that noted none
	other   *candidate // with the identity, born at another time
}

// outlook is what a mark makes of a candidate: nothing where there is none.
type outlook struct {
	settlement
	none bool // of a tombstone, which takes back what was known
}

// settles says whether nothing waits for a copy of the candidate any more.
func (o *outlook) settles(a *Awaited) bool {
	return Marked{At: o.at, Seen: o.seen, Until: o.until, Status: o.status}.Settles(a.Offset, a.Failed)
}

// awaits returns what is still to be dealt with. Which of its marks counts [ledger.of] says too.
func (c *candidate) awaits() (a Awaited, is bool) {
	counts := &c.unborn
	if c.unborn.at <= c.own.at || c.own.at > 0 && c.unborn.none {
		counts = &c.own
	}
	if !counts.settles(&c.Awaited) {
		a, is = c.Awaited, true
	}
	for i := range c.further {
		switch one := &c.further[i]; {
		case counts.settles(one):
		case is:
			a.Offset, a.Failed = max(a.Offset, one.Offset), max(a.Failed, one.Failed)
		default:
			a, is = *one, true
		}
	}
	return a, is
}

// born is the one of these that was born then.
func (c *candidate) born(birth int64) *candidate {
	for c != nil && c.Born != birth {
		c = c.other
	}
	return c
}

// mark takes note of a mark of one with the identity, or of the tombstone of one.
func (c *candidate) mark(m Marked, tombstone bool) {
	for ; c != nil; c = c.other {
		if !m.Holds(c.Born, c.Died) {
			continue
		}
		if tombstone {
			m.Status = StatusOpen
		}
		said := outlook{settlement{status: m.Status, at: m.At, seen: m.Seen, until: m.Until}, tombstone}
		if m.unborn() && m.At >= c.unborn.at {
			c.unborn = said
		}
		if m.unborn() && (!tombstone || c.Born != 0) || m.At < c.own.at { // see forgetsUnborn
			continue
		}
		c.own = said
	}
}

// Read goes through the dead letters of one partition of the queue's group, and calls f with each that is still to be dealt
// with, in the order in which they died, and, before that, marked with every mark of the ledger, in no order. What transactions that
// are open now have written is waited for. hash makes the key. It returns the offset of the ledger's partition, which has the same number, from which on
// marks have to be followed; what it returns with damaged are marks that cannot be read: their entries count as open.
func (w *Watch) Read(ctx context.Context, partition int32, hash func(key []byte) uint64, marked func(Marked), f func(Awaited)) (follow int64, damaged error, err error) {
	whole, err := w.spanOf(ctx, w.queue.topic, partition)
	if err != nil {
		return 0, nil, err
	}
	fetcher := newFetcher(w.queue.client, w.queue.admin, w.letters)
	follow = -1
	for {
		var found []*candidate
		met := 0
		byIdentity := make(map[Identity]*candidate)
		err := fetcher.read(ctx, whole, func(records []*kgo.Record, next int64) error {
			whole.from = next
			for _, r := range records {
				c := w.candidate(r, hash)
				if c == nil {
					continue
				}
				met++
				if known := byIdentity[c.Identity].born(c.Born); known != nil {
					known.further = append(known.further, c.Awaited)
					continue
				}
				c.other, byIdentity[c.Identity] = byIdentity[c.Identity], c
				found = append(found, c)
			}
			if met >= w.chunk && next < whole.to {
				return errChunkFull
			}
			return nil
		})
		full := errors.Is(err, errChunkFull)
		if err != nil && !full {
			return 0, nil, err
		}
		at, bad, err := w.marks(ctx, partition, byIdentity, marked)
		if err != nil {
			return 0, nil, err
		}
		damaged = errors.Join(damaged, bad)
		if follow < 0 { // marks for what was read first may come while the rest is read
			follow = at
		}
		for _, c := range found {
			if a, is := c.awaits(); is {
				f(a)
			}
		}
		if !full {
			return follow, damaged, nil
		}
	}
}

var errChunkFull = errors.New("so many dead letters were read that the ledger is asked about them")

// candidate makes one of a dead letter; nil when nobody waits for it.
func (w *Watch) candidate(r *kgo.Record, hash func([]byte) uint64) *candidate {
	if r.Key == nil {
		return nil
	}
	e := entryOf(r, w.letters.ID)
	if !e.OriginKnown() || w.queue.foreign(&e) {
		return nil
	}
	return &candidate{Awaited: Awaited{Identity: e.identity(), Born: BirthOf(&e.State), Key: hash(r.Key), Origin: e.State.Offset, Died: e.At.UnixMilli(), Offset: e.Offset, Failed: e.failedFirst()}}
}

// marks reads the ledger, for the candidates and for whoever is told of every mark, up to where it ends now.
func (w *Watch) marks(ctx context.Context, partition int32, candidates map[Identity]*candidate, marked func(Marked)) (end int64, damaged, err error) {
	whole, err := w.spanOf(ctx, w.queue.Ledger(), partition)
	if err != nil {
		return 0, nil, err
	}
	err = newFetcher(w.queue.client, w.queue.admin, w.ledger).read(ctx, whole, func(records []*kgo.Record, _ int64) error {
		for _, r := range records {
			v, about, err := w.keys.decode(r)
			if err != nil {
				damaged = err // one of them tells enough
				continue
			}
			if !about || v.Doing != "" {
				continue
			}
			m := v.marked()
			if !v.forgets { // what is gone is waited for no longer, unless it was imported since
				marked(m)
			}
			candidates[m.Identity].mark(m, v.forgets)
		}
		return nil
	})
	return whole.to, damaged, err
}

func (v *ledgerValue) marked() Marked {
	status, _ := ParseStatus(v.Status)
	return Marked{Identity: identify(v.ID, v.Group, v.Replays, v.Replay), Born: v.Born, At: v.At, Status: status, To: v.To, Renewed: v.Renewed == v.At, Seen: v.Seen, Until: v.Until}
}

// Mark reads a record of the ledger that was followed. ok is false when it says nothing of an entry of the queue.
func (w *Watch) Mark(r *kgo.Record) (m Marked, ok bool, err error) {
	v, about, err := w.keys.decode(r)
	if err != nil || !about || v.Doing != "" || v.forgets {
		return m, false, err
	}
	return v.marked(), true, nil
}

// spanOf is all that was written to a partition, by transactions that are open too.
func (w *Watch) spanOf(ctx context.Context, topic string, partition int32) (span, error) {
	ends, err := listed(ctx, topic, w.queue.admin.ListEndOffsets)
	if err != nil {
		return span{}, err
	}
	starts, err := listed(ctx, topic, w.queue.admin.ListStartOffsets)
	if err != nil {
		return span{}, err
	}
	to, known := ends[partition]
	if !known {
		return span{}, fmt.Errorf("topic %s has no partition %d: give it as many as its source with `redeliver topics apply`", topic, partition)
	}
	return span{partition, starts[partition], to}, nil
}
