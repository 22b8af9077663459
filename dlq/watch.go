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
}

// Marked says what became of an entry.
type Marked struct {
	Identity Identity
	Born     int64 // of the entry, see [BirthOf]; releases that noted none left 0
	At       int64 // Unix ms
	Status   Status
	To       string // the topic that a replay wrote to
	Renewed  bool   // the entry was carried forward, and nothing else became of it
}

// Holds reports whether the mark is that of the dead letter of its identity that was born and died at these times, in Unix ms. Death may be said to be later
// than it was: a copy dies after what it is a copy of.
func (m Marked) Holds(born, died int64) bool {
	return m.Born == born || m.Born == 0 && !precedes(m.At, born, died)
}

// Done reports whether nothing waits for the entry any more: it was replayed or discarded.
func (m Marked) Done() bool { return m.Status == StatusReplayed || m.Status == StatusDiscarded }

// candidate is a dead letter of which it is not known yet what has become.
type candidate struct {
	Awaited
	own    outlook    // by the latest mark with its birth
	unborn outlook    // and by the latest that says none
	other  *candidate // with the identity, born at another time
}

// outlook is what a mark makes of a candidate.
type outlook struct {
	at   int64 // Unix ms; 0: there is no mark
	done bool
	none bool // a tombstone takes back what was known
}

// done says whether nothing waits for it any more. Which of its marks counts [ledger.of] says too.
func (c *candidate) done() bool {
	if c.unborn.at <= c.own.at || c.own.at > 0 && c.unborn.none {
		return c.own.done
	}
	return c.unborn.done
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
		into := &c.own
		if m.Born != c.Born {
			into = &c.unborn
		}
		if m.Holds(c.Born, c.Died) && m.At >= into.at {
			*into = outlook{m.At, m.Done() && !tombstone, tombstone}
		}
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
		byIdentity := make(map[Identity]*candidate)
		err := fetcher.read(ctx, whole, func(records []*kgo.Record, next int64) error {
			whole.from = next
			for _, r := range records {
				if c := w.candidate(r, hash); c != nil && byIdentity[c.Identity].born(c.Born) == nil {
					c.other, byIdentity[c.Identity] = byIdentity[c.Identity], c
					found = append(found, c)
				}
			}
			if len(found) >= w.chunk && next < whole.to {
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
			if !c.done() {
				f(c.Awaited)
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
	return &candidate{Awaited: Awaited{Identity: e.identity(), Born: BirthOf(&e.State), Key: hash(r.Key), Origin: e.State.Offset, Died: e.At.UnixMilli()}}
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
	return Marked{Identity: identify(v.ID, v.Group, v.Replays, v.Replay), Born: v.Born, At: v.At, Status: status, To: v.To, Renewed: v.Renewed == v.At}
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
