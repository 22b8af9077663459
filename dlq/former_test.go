package dlq_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/redeliver/redeliver/dlq"
)

// carried writes six dead letters of partition 0, and one of partition 1, and carries some of the former forward, twice: their ids then, by their origins, and the ids that they have
// now. The topic has lost what they were before.
func (b *bundle) carried(origins ...string) (was, is map[string][]string) {
	b.t.Helper()
	for i := range int64(6) {
		b.produce(letter(death(0, i)))
	}
	b.produce(letter(death(1, 0)))
	q := b.open()
	was, is = make(map[string][]string), make(map[string][]string)
	ids := func(into map[string][]string) {
		for _, e := range b.entries(q, dlq.Filter{IDs: origins}) {
			into[e.State.ID] = append(into[e.State.ID], e.ID())
		}
	}
	ids(was)
	renew := dlq.Renew{Filter: dlq.Filter{IDs: origins}}
	_, err := q.Renew(b.ctx(), renew)
	must(b.t, err)
	b.takes(0, 6)
	ids(was)
	_, err = q.Renew(b.ctx(), renew)
	must(b.t, err)
	b.takes(0, b.end(0)-int64(len(origins))-1) // behind them is the end of the transaction
	ids(is)
	return was, is
}

// end is where a partition of the dead letters ends.
func (b *bundle) end(partition int32) int64 {
	b.t.Helper()
	ends, err := b.admin.ListEndOffsets(b.ctx(), dead)
	must(b.t, err)
	return ends[dead][partition].Offset
}

// An entry that was carried forward is found by each id that it had, in every way that ids are taken, with and without an index.
func TestFormerIDs(t *testing.T) {
	t.Parallel()
	readers := map[string]func(*bundle) *dlq.Queue{
		"a scan": func(b *bundle) *dlq.Queue { return b.open() },
		"an index": func(b *bundle) *dlq.Queue {
			ix := b.indexed(filepath.Join(b.t.TempDir(), "index"), 0)
			b.entries(ix.Queue, dlq.Filter{}) // which builds it
			return ix.Queue
		},
		"an index that is not built": func(b *bundle) *dlq.Queue { return b.indexed(filepath.Join(b.t.TempDir(), "index"), 0).Queue },
		"an index in Redis": func(b *bundle) *dlq.Queue {
			ix := b.redisIndexed(miniredis.RunT(t).Addr(), 0, new([]string))
			b.entries(ix.Queue, dlq.Filter{})
			return ix.Queue
		},
	}
	for name, open := range readers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			was, is := b.carried("orders/0/1", "orders/0/3")
			q := open(b)
			_, err := b.open().Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/1/0"}}, Reason: "a mark beside them"})
			must(t, err)
			const one, other = "orders/0/1", "orders/0/3"
			for origin, ids := range was {
				equal(t, "ids that it had", len(ids), 2)
				for _, id := range append(slices.Clone(ids), untagged(ids[0])) {
					e, err := q.Entry(b.ctx(), id)
					must(t, err)
					equal(t, id+" is of", e.State.ID, origin)
					equal(t, id+" is now", e.ID(), is[origin][0])
					equal(t, "the id that was asked for", e.Former, []string{id})
				}
			}
			listed := b.entries(q, dlq.Filter{IDs: []string{was[one][0], was[one][1], is[other][0]}})
			equal(t, "listed", originsOf(listed), one+" "+other)
			equal(t, "the ids that were asked for", [][]string{listed[0].Former, listed[1].Former}, [][]string{was[one], nil})
			missing, err := q.Absent(b.ctx(), []string{was[one][0], "0-2", was[other][1]})
			must(t, err)
			equal(t, "absent", missing, []string{"0-2"})

			s, err := q.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{was[one][0]}}, Reason: "for later"})
			must(t, err)
			equal(t, "parked", s.Done, 1)
			equal(t, "missing", len(s.Missing), 0)
			_, err = b.open().Purge(b.ctx(), dlq.Purge{}) // which keeps the marks of what is there
			must(t, err)
			s, err = q.Reopen(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{was[one][1]}, Topic: "another"}})
			must(t, err)
			equal(t, "left out by the other filters", s.Unselected, []string{was[one][1]})
			s, err = q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{IDs: []string{was[one][0]}}})
			must(t, err)
			equal(t, "renewed", s.Done, 1)
			for _, dry := range []bool{true, false} {
				s = b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: was[one]}, DryRun: dry})
				equal(t, "replayed", s.Done, 1)
				equal(t, "missing", len(s.Missing), 0)
			}
			s, err = q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{was[other][0], was[one][0]}}, Reason: "no longer needed"})
			must(t, err)
			equal(t, "discarded", s.Done, 1)
			equal(t, "replayed before", s.Replayed, 1)
			equal(t, "open", len(b.entries(q, dlq.Filter{})), 0)
			equal(t, "replayed once more", b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: was[one]}, Again: true}).Done, 1)
		})
	}
}

// untagged is an id without what stands for its queue.
func untagged(id string) string {
	_, place, _ := strings.Cut(id, "-")
	return place
}

// An id of what the topic has lost is of nothing else: not of what stands in another partition, nor of the same record when it failed anew after that was dealt with, and not
// when the entry is gone.
func TestFormerIDsOfWhatIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	was, is := b.carried("orders/0/1", "orders/0/3")
	q := b.open()
	equal(t, "never renewed", b.absent(q, "0-0", "0-2"), []string{"0-0", "0-2"})
	_, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: is["orders/0/3"]}, Reason: "given up"})
	must(t, err)
	again := death(0, 3)
	again.FirstFailed = time.Now().Add(time.Hour) // as after the offsets of its group were reset
	b.produce(letter(again))
	b.takes(0, b.end(0)-1)
	open := b.entries(q, dlq.Filter{})
	equal(t, "open is what failed anew", originsOf(open), "orders/0/3 orders/1/0")
	equal(t, "it was", b.absent(q, is["orders/0/3"]...), is["orders/0/3"])
	equal(t, "it is gone", b.absent(q, was["orders/0/1"]...), was["orders/0/1"])
	s, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: is["orders/0/3"]}, Reason: "given up"})
	must(t, err)
	equal(t, "discarded", s.Done, 0)
	equal(t, "missing", s.Missing, is["orders/0/3"])
}

func (b *bundle) absent(q *dlq.Queue, ids ...string) []string {
	b.t.Helper()
	absent, err := q.Absent(b.ctx(), ids)
	must(b.t, err)
	return absent
}

// Of what an index keeps the id stays, and names it once, also when it was carried forward.
func TestFormerIDsOfWhatAnIndexKeeps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(14*day, 12*day, time.Hour)
	ix := b.kept()
	id := b.entries(ix.Queue, dlq.Filter{})[1].ID()
	_, err := ix.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{IDs: []string{id}}})
	must(t, err)
	b.takes(0, 2)
	kept := b.entries(ix.Queue, dlq.Filter{IDs: []string{id}})
	equal(t, "kept", len(kept), 1)
	equal(t, "its id", kept[0].ID(), id)
	equal(t, "ids that it had", len(kept[0].Former), 0)
	carried := b.entries(b.open(), dlq.Filter{IDs: []string{id}})
	equal(t, "without the index", len(carried), 1)
	equal(t, "ids that it had", carried[0].Former, []string{id})
	s, err := ix.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{id}}, Reason: "given up"})
	must(t, err)
	equal(t, "discarded", s.Done, 1)
	equal(t, "left", originsOf(b.entries(b.open(), dlq.Filter{})), "orders/0/2")
}

// A replay that is written down with an id covers the entry also where that is carried forward and loses its place before the replay is gone on with.
func TestFormerIDsOfAReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, time.Hour)
	q := b.open()
	id := b.entries(q, dlq.Filter{})[0].ID()
	task, err := q.Start(b.ctx(), dlq.Replay{Filter: dlq.Filter{IDs: []string{id}}})
	must(t, err)
	_, err = q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{IDs: []string{id}}})
	must(t, err)
	b.takes(0, 1)
	s, err := q.Resume(b.ctx(), task.ID, dlq.Work{})
	must(t, err)
	equal(t, "replayed", s.Done, 1)
	equal(t, "missing", len(s.Missing), 0)
}
