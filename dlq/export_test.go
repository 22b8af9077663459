package dlq

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// SmallBatches makes transactions of n entries, a third of which are sent at a time, so that few entries are many transactions.
func SmallBatches(n int) Option { return func(q *Queue) { q.batch, q.ahead = n, max(n/3, 1) } }

// RenewTime is between two signs of life of a writer.
func RenewTime(d time.Duration) Option { return func(q *Queue) { q.renewTime = d } }

// Patience bounds how long a run that has to end waits for the brokers.
func Patience(d time.Duration) Option { return func(q *Queue) { q.patience = d } }

// OutcomePatience bounds how long a replay waits without an outcome.
func OutcomePatience(d time.Duration) Option { return func(q *Queue) { q.outcomePatience = d } }

// ShipPatience bounds how long a replay waits for another cluster that acknowledges nothing.
func ShipPatience(d time.Duration) Option { return func(q *Queue) { q.shipPatience = d } }

// SmallChunks makes a Watch ask the ledger after n dead letters.
func SmallChunks(w *Watch, n int) { w.chunk = n }

// OrderedEntry is an entry of one key, for OrderOf.
type OrderedEntry struct {
	Origin, Offset int64
	Replayed       bool
}

// OrderOf returns the offsets of those of a key that a replay writes, in their order.
func OrderOf(line []OrderedEntry) (offsets []int64) {
	var entries []candidateEntry
	for _, e := range line {
		entries = append(entries, candidateEntry{origin: e.Origin, at: position{0, e.Offset}, replayed: e.Replayed})
	}
	slices.SortFunc(entries, func(a, b candidateEntry) int {
		return cmp.Or(cmp.Compare(a.origin, b.origin), cmp.Compare(a.at.offset, b.at.offset))
	})
	o := newReplayOrder()
	o.add(entries)
	for _, at := range o.first {
		offsets = append(offsets, at.offset)
	}
	for _, e := range line {
		if at := (position{0, e.Offset}); e.Replayed && !o.moved[at] && !o.stays[at] {
			offsets = append(offsets, e.Offset)
		}
	}
	return offsets
}

// IndexOfTheReleaseBefore makes an index one that the release before wrote, which told problems apart in another way and had no tables of two letters.
func IndexOfTheReleaseBefore(ctx context.Context, store IndexStore) error {
	x := &index{Index: Index{Store: store}}
	return x.change(ctx, func(u IndexUpdate, st *indexState) error {
		for _, letters := range st.Letters {
			for _, ref := range letters.Segments {
				if err := u.Delete(ref.name(partErrorPairs), ref.name(partValuePairs)); err != nil {
					return err
				}
			}
		}
		st.Version, st.moreKinds = indexVersion-1, true
		for i := range st.kinds {
			st.kinds[i].Error = "as it was: " + st.kinds[i].Error
			st.kinds[i].Print = fingerprint(st.kinds[i].Class, st.kinds[i].Error)
		}
		return nil
	})
}

// UnbornMarkOfTheReleaseBefore makes it one of an index of the release before that a mark without a birth is stored, without an entry.
func UnbornMarkOfTheReleaseBefore(ctx context.Context, store IndexStore, id, group string) error {
	x := &index{Index: Index{Store: store}}
	return x.change(ctx, func(u IndexUpdate, st *indexState) error {
		st.Version = indexVersionOldest
		identity := stableIdentity(id, group, 0, "")
		now, before := st.strayName(identity.born(noBirth)), st.strayName(identity)
		got, err := u.Get(now)
		if err == nil && got[0] == nil {
			err = errors.New("there is no such mark")
		}
		if err == nil {
			err = u.Put(before, bytes.Clone(got[0]))
		}
		if err == nil {
			err = u.Delete(now)
		}
		return err
	})
}

// SeenAs is a mark whose call had seen as much as that of another.
func SeenAs(m, other Mark) Mark {
	m.seen = other.seen
	return m
}

// SealedForTest puts a checksum behind a value of an index, as if another release had written it.
func SealedForTest(b []byte) []byte { return sealed(b) }

// NameOfReplay is that of what a task does with the entry of a state.
func NameOfReplay(task string, s retrytopics.State) string { return replayName(task, &Entry{State: s}) }

// OffsetsRead returns the offsets of the records of one partition up to an end, as they are read by whoever waits so long for the next ones.
func OffsetsRead(ctx context.Context, client *kgo.Client, topic string, partition int32, to int64, patience time.Duration) (offsets []int64, err error) {
	admin := kadm.NewClient(client)
	detail, err := describe(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	f := newFetcher(client, admin, detail)
	f.patience = patience
	err = f.read(ctx, span{partition, 0, to}, func(records []*kgo.Record, _ int64) error {
		for _, r := range records {
			offsets = append(offsets, r.Offset)
		}
		return nil
	})
	return offsets, err
}
