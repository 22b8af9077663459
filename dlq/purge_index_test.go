package dlq_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexredis"
)

// anchor makes the ledger, with a record that compaction leaves at its start: the log of a real broker does not begin later for that.
func (b *bundle) anchor() {
	b.t.Helper()
	if _, err := b.admin.CreateTopic(b.ctx(), 3, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, ledger); err != nil {
		b.t.Fatal(err)
	}
	for partition := range int32(3) {
		b.produce(&kgo.Record{Topic: ledger, Partition: partition, Key: []byte("of nobody"), Value: []byte("{}")})
	}
}

// compact lets the brokers clean the ledger as far as they ever do, of tombstones too.
func (b *bundle) compact() {
	b.t.Helper()
	none := "0"
	answers, err := b.admin.AlterTopicConfigs(b.ctx(), []kadm.AlterConfig{{Name: "delete.retention.ms", Value: &none}}, ledger)
	if err == nil {
		_, err = answers.On(ledger, nil)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.cluster.Compact()
	b.cluster.Compact()
}

func (b *bundle) kept() *indexed {
	b.t.Helper()
	return b.indexed(filepath.Join(b.t.TempDir(), "index"), 90*day)
}

// TestPurgeIsOfWhatIndexesKeepToo: what is deleted is gone for good, from every index, with what it kept of that age.
func TestPurgeIsOfWhatIndexesKeepToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day, 8*day, 8*day, time.Hour, time.Hour)
	one, other := b.kept(), b.kept()
	equal(t, "entries", len(b.entries(other.Queue, dlq.Filter{})), 6)
	b.replay(one.Queue, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0", "orders/0/2", "orders/0/4"}}})
	b.takes(0, 2) // retention
	purge := func(include bool) dlq.Purged {
		return b.purge(one.Queue, dlq.Purge{Before: time.Now().Add(-7 * day), IncludeOpen: include})
	}
	equal(t, "records", purge(false).Records, 1) // of 0/2; it stops at 0/3
	for _, ix := range []*indexed{one, other} {
		equal(t, "kept since it is open, and what is there", originsOf(b.entries(ix.Queue, dlq.Filter{All: true})), "orders/0/1 orders/0/3 orders/0/4 orders/0/5")
	}
	equal(t, "records with the open one", purge(true).Records, 1)
	for _, ix := range []*indexed{one, other} {
		equal(t, "left", originsOf(b.entries(ix.Queue, dlq.Filter{All: true})), "orders/0/4 orders/0/5")
		ix.same(dlq.Filter{All: true})
		ix.close()
		equal(t, "words", len(ix.words), 0)
		ix.open()
		ix.same(dlq.Filter{All: true})
	}
}

// What was purged is not in the bytes of an index's file either, where those who purge said that it is gone for good.
func TestPurgedIsNotInTheFile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const purged = 300
	var records []*kgo.Record
	for i := range int64(purged + 1) {
		r := letter(death(0, i))
		r.Value, r.Timestamp = fmt.Appendf(nil, "card-4111-%d", i), time.Now().Add(-9*day)
		if i == purged {
			r.Value = []byte("card-4222")
		}
		records = append(records, r)
	}
	b.produce(records...)
	holds := func(ix *indexed, value string) bool {
		t.Helper()
		ix.same(dlq.Filter{All: true})
		ix.close()
		all, err := os.ReadFile(ix.path)
		must(t, err)
		ix.open()
		return bytes.Contains(all, []byte(value))
	}
	all := []*indexed{b.indexed(filepath.Join(t.TempDir(), "index"), 0), b.kept()}
	for _, ix := range all {
		equal(t, "there", holds(ix, "card-4111"), true)
	}
	b.replay(all[0].Queue, dlq.Replay{Filter: dlq.Filter{Text: "card-4111"}})
	equal(t, "purged", b.purge(all[0].Queue, dlq.Purge{Before: time.Now().Add(-7 * day)}).Records, purged)
	for _, ix := range all {
		equal(t, "there", holds(ix, "card-4111"), false)
		equal(t, "left", holds(ix, "card-4222"), true)
	}
}

// What a purge took back of an entry stays taken back, for an index too that has read the mark with a copy which it has dropped since: it is open when it is
// imported.
func TestAnIndexForgetsMarksOfCopiesThatItHasDropped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unborn bool // the mark is of a release that noted no birth
		copied bool // a further copy of the entry is there when the first one goes
	}{"a copy is left": {false, true}, "a copy is left, no birth": {true, true}, "no copy is left": {false, false}, "no copy is left, no birth": {true, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.anchor()
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
			died := death(0, 0)
			died.FirstFailed = time.UnixMilli(died.History[0].At)
			b.produce(letter(died))
			lines := b.letterLines(b.open())
			if c.unborn {
				b.produce(b.unbornMark("discarded", time.Now().Add(-time.Second)))
			} else {
				b.discard(dlq.Filter{})
			}
			equal(t, "open", len(b.entries(ix.Queue, dlq.Filter{})), 0) // the index has read so far
			if c.copied {
				b.produce(letter(died))
			}
			b.produce(letter(death(0, 7)))
			equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), "orders/0/7")
			equal(t, "marks taken back", b.purge(b.open(), dlq.Purge{Before: time.Now().Add(time.Minute)}).Marks, int64(1))
			equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), "orders/0/7")
			_, err := b.open().Import(b.ctx(), lines)
			must(t, err)
			equal(t, "open by a scan", originsOf(b.entries(b.open(), dlq.Filter{})), "orders/0/0 orders/0/7")
			ix.same(dlq.Filter{})
			equal(t, "replayed by a filter", b.replay(ix.Queue, dlq.Replay{Filter: dlq.Filter{Text: "payload"}, DryRun: true}).Done, int64(2))
		})
	}
}

// It stays taken back also where it did not settle what the index has, which failed anew and is open: that goes with what the topic loses, or stays where it is kept,
// and does not give the mark to what is imported.
func TestAnIndexForgetsMarksThatDidNotSettleWhatItHas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keeps bool // what the topic has lost
		drops bool // what was kept, before the import
		later bool // it fails anew after the purge, and the tombstone is gone when the index reads that
	}{
		"it keeps nothing": {}, "it keeps what failed anew": {keeps: true}, "it has kept what failed anew": {keeps: true, drops: true}, "it failed anew after the purge": {keeps: true, later: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.anchor()
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
			if c.keeps {
				ix = b.kept()
			}
			died := death(0, 0)
			died.FirstFailed = time.UnixMilli(died.History[0].At)
			b.produce(letter(died))
			lines := b.letterLines(b.open())
			b.discard(dlq.Filter{})
			equal(t, "open", len(b.entries(ix.Queue, dlq.Filter{})), 0)
			if c.later {
				equal(t, "marks taken back", b.purge(b.open(), dlq.Purge{Before: time.Now().Add(time.Minute)}).Marks, int64(1))
				b.compact()
			}
			died.FirstFailed = time.Now()
			b.produce(letter(died), letter(death(0, 7)))
			want := "orders/0/0 orders/0/7"
			for range 2 { // by the second look all marks are known
				equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), want)
			}
			if !c.later {
				b.takes(0, 2)
				equal(t, "marks taken back", b.purge(b.open(), dlq.Purge{}).Marks, int64(1))
				if !c.keeps {
					want = "orders/0/7"
				}
			}
			for range 3 {
				equal(t, "open then", originsOf(b.entries(ix.Queue, dlq.Filter{})), want)
				b.purge(b.open(), dlq.Purge{Before: time.Now().Add(-day)}) // which takes nothing of it
			}
			if c.drops {
				ix.close()
				ix.keep = 0
				ix.open()
				for offset := range int64(3) {
					b.produce(letter(death(1, offset)))
					ix.same(dlq.Filter{})
				}
			}
			if c.later {
				b.takes(0, 2) // so that the import alone is there
			}
			_, err := b.open().Import(b.ctx(), lines)
			must(t, err)
			equal(t, "open by a scan", originsOf(b.entries(b.open(), dlq.Filter{IDs: []string{died.ID}})), died.ID)
			entries := b.entries(ix.Queue, dlq.Filter{IDs: []string{died.ID}, All: true})
			equal(t, "by the index", originsOf(entries), died.ID)
			equal(t, "its status and mark", []any{entries[0].Status, entries[0].Mark}, []any{dlq.StatusOpen, dlq.Mark{}})
			if !c.keeps || c.drops {
				ix.same(dlq.Filter{All: true})
			}
		})
	}
}

// What was parked stays so for an index that reads of that and of a purge at once, when the topic has lost it: the purge leaves its mark.
func TestAnIndexKnowsThatWhatTheTopicLostIsParked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.anchor()
	b.aged(9*day, time.Hour)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	lines := b.letterLines(ix.Queue)
	_, err := b.open().Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}, Reason: "waits"})
	must(t, err)
	b.takes(0, 1)
	b.purge(b.open(), dlq.Purge{Before: time.Now().Add(-7 * day)})
	ix.same(dlq.Filter{All: true})
	b.configures("retention.ms", "-1")
	_, err = b.open().Import(b.ctx(), lines)
	must(t, err)
	equal(t, "parked", originsOf(b.entries(ix.Queue, dlq.Filter{Status: []dlq.Status{dlq.StatusParked}})), "orders/0/0")
	ix.same(dlq.Filter{All: true})
}

func originsOf(entries []dlq.Entry) string {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.State.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// TestAnIndexThatMissedAReplayReplaysNothingTwice: a purge takes back the marks of what is gone, and compaction takes them and the tombstones away before
// an index that keeps the entries has read them.
func TestAnIndexThatMissedAReplayReplaysNothingTwice(t *testing.T) {
	t.Parallel()
	for name, purged := range map[string]struct {
		purge func(b *bundle, knowing *dlq.Queue)
		words int
		shown string
	}{
		"deleted": {func(b *bundle, knowing *dlq.Queue) {
			b.purge(knowing, dlq.Purge{Before: time.Now().Add(-7 * day)})
		}, 0, ""},
		"deleted by who does not know of the index": {func(b *bundle, _ *dlq.Queue) {
			b.purge(b.open(), dlq.Purge{Before: time.Now().Add(-7 * day)})
		}, 0, ""},
		"forgotten": {func(b *bundle, knowing *dlq.Queue) {
			b.takes(0, 3)
			equal(b.t, "marks", b.purge(knowing, dlq.Purge{}).Marks, 0) // for they may be kept
		}, 0, "orders/0/0 orders/0/1 orders/0/2"},
		"forgotten by who does not know of the index": {func(b *bundle, _ *dlq.Queue) {
			b.takes(0, 3)
			equal(b.t, "marks", b.purge(b.open(), dlq.Purge{}).Marks, 3)
		}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.anchor()
			b.aged(9*day, 9*day, 9*day)
			missed := b.kept()
			equal(t, "entries", len(b.entries(missed.Queue, dlq.Filter{})), 3)
			equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, 3)
			purged.purge(b, b.kept().Queue)
			b.compact()
			equal(t, "open", originsOf(b.entries(missed.Queue, dlq.Filter{})), "")
			equal(t, "all", originsOf(b.entries(missed.Queue, dlq.Filter{All: true})), purged.shown)
			equal(t, "replayed again", b.replay(missed.Queue, dlq.Replay{}).Done, 0)
			equal(t, "copies", len(b.records(tier1)), 3)
			equal(t, "words", len(missed.words), purged.words)
		})
	}
}

// TestAnIndexThatMissedTheEndOfAPartition: a purge empties partitions of which an index has not read the last letters, or none.
func TestAnIndexThatMissedTheEndOfAPartition(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"after a replay": false, "with open ones": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.anchor()
			b.aged(9*day, 9*day)
			missed := b.kept()
			equal(t, "entries", len(b.entries(missed.Queue, dlq.Filter{})), 2)
			b.aged(9*day, 9*day, 9*day)
			never := letter(death(1, 0))
			never.Timestamp = time.Now().Add(-9 * day)
			b.produce(never)
			if !open {
				equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, 4) // of two there are copies
			}
			b.purge(b.kept().Queue, dlq.Purge{Before: time.Now().Add(-7 * day), IncludeOpen: open})
			equal(t, "all", originsOf(b.entries(missed.Queue, dlq.Filter{All: true})), "")
			b.letters(2)
			missed.same(dlq.Filter{All: true})
			equal(t, "replayed again", b.replay(missed.Queue, dlq.Replay{}).Done, 2)
		})
	}
}

// TestAPurgeLeavesWhatAnIndexKnows: of an index that has read all marks nothing has to be dropped that is open.
func TestAPurgeLeavesWhatAnIndexKnows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.anchor()
	b.aged(9*day, 9*day, 9*day)
	ix := b.kept()
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}})
	equal(t, "open", len(b.entries(ix.Queue, dlq.Filter{})), 2)
	b.takes(0, 3)
	equal(t, "marks", b.purge(b.open(), dlq.Purge{}).Marks, 1)
	b.compact()
	equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), "orders/0/0 orders/0/2")
	equal(t, "words", len(ix.words), 0)
	equal(t, "replayed", b.replay(ix.Queue, dlq.Replay{}).Done, 2)
}

// TestWhatIsImportedAfterAPurgeIsOpen: whether or not the marks that the purge took back are still in the ledger, and by an index too.
func TestWhatIsImportedAfterAPurgeIsOpen(t *testing.T) {
	t.Parallel()
	for name, compacts := range map[string]bool{"with the tombstone": false, "after compaction": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.anchor()
			b.aged(9*day, 9*day)
			before := b.kept()
			equal(t, "entries", len(b.entries(before.Queue, dlq.Filter{})), 2)
			b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
			_, err := b.open().Discard(b.ctx(), dlq.Discard{})
			must(t, err)
			knows := b.kept()
			entries := b.entries(knows.Queue, dlq.Filter{All: true})
			b.purge(b.open(), dlq.Purge{Before: time.Now().Add(-7 * day)})
			if compacts {
				b.compact()
			}
			b.configures("retention.ms", "-1")
			_, err = b.open().Import(b.ctx(), func(yield func(dlq.Exported, error) bool) {
				_ = yield(entries[0].Export(), nil) && yield(entries[1].Export(), nil)
			})
			must(t, err)
			for _, q := range []*dlq.Queue{b.open(), before.Queue, knows.Queue, b.kept().Queue} {
				equal(t, "open", originsOf(b.entries(q, dlq.Filter{})), "orders/0/0 orders/0/1")
				for _, e := range b.entries(q, dlq.Filter{All: true}) {
					equal(t, "mark", e.Mark, dlq.Mark{})
				}
			}
			before.same(dlq.Filter{All: true})
			knows.same(dlq.Filter{All: true})
			equal(t, "replayed", b.replay(knows.Queue, dlq.Replay{Filter: dlq.Filter{Until: time.Now()}}).Done, 2)
		})
	}
}

// TestTheLedgerForgetsOldPurges: it says of the last hundred what they deleted.
func TestTheLedgerForgetsOldPurges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(1)
	q := b.open()
	for range 102 {
		b.purge(q, dlq.Purge{Before: time.Now().Add(-7 * day)})
	}
	said := make(map[string]*kgo.Record)
	for _, r := range b.records(ledger) {
		if _, key, _ := strings.Cut(string(r.Key), "/"); strings.HasPrefix(key, "purge/") {
			if said[key] = r; r.Value == nil {
				delete(said, key)
			}
		}
	}
	equal(t, "purges", len(said), 100)
}

// What only the index keeps and goes with a purge is counted by itself: as many as are gone afterwards.
func TestPurgeCountsWhatIndexesKeep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		include                  bool
		records, all, open, left int64
	}{
		"with what is open":     {true, 2, 4, 3, 4},
		"of what is dealt with": {false, 1, 1, 0, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.aged(9*day, 9*day, 9*day, 9*day, 9*day, 8*day, 8*day, time.Hour, time.Hour)
			ix := b.kept()
			equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 9)
			_, err := ix.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}})
			must(t, err)
			_, err = ix.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/3"}}})
			must(t, err)
			_, err = ix.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{IDs: []string{"orders/0/4"}}}) // which stays, in the topic
			must(t, err)
			b.takes(0, 5)
			b.produce(letter(death(0, 5))) // a further copy, which stays
			p := dlq.Purge{Before: time.Now().Add(-7 * day), IncludeOpen: c.include, DryRun: true}
			for range 2 {
				done := b.purge(ix.Queue, p)
				equal(t, "records", done.Records, c.records)
				equal(t, "from the index", fmt.Sprint(done.FromIndex, done.FromIndexOpen, done.Uncounted), fmt.Sprint(c.all, c.open, false))
				p.DryRun = false
			}
			equal(t, "left", len(b.entries(ix.Queue, dlq.Filter{All: true})), int(c.left))
			equal(t, "once more", b.purge(ix.Queue, p).FromIndex, int64(0))
		})
	}
}

// While the index is away nothing is deleted that is still to be dealt with, for it could not be said what; the rest is, and that is told.
func TestPurgeWithoutTheIndexThatKeeps(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	b := setup(t)
	b.aged(9*day, 9*day, 8*day, time.Hour)
	client := indexredis.New(indexredis.Options{Address: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	var words []string
	q := b.open(dlq.Indexed(dlq.Index{Store: client.Store("kept"), Keep: 90 * day, Warn: func(why string) { words = append(words, why) }}))
	_, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
	must(t, err)
	b.takes(0, 1)
	server.SetError("LOADING Redis is loading the dataset in memory")
	p := dlq.Purge{Before: time.Now().Add(-7 * day), IncludeOpen: true}
	start := b.start()
	refused, err := q.Purge(b.ctx(), p)
	if err == nil || !strings.Contains(err.Error(), "nothing was done in "+dead) {
		t.Errorf("with what is open: %v", err)
	}
	equal(t, "told as deleted", []int64{refused.Records, refused.Open}, []int64{0, 0})
	equal(t, "start", b.start(), start)
	p.IncludeOpen = false
	done := b.purge(q, p)
	if !done.Uncounted || done.FromIndex != 0 || !strings.Contains(strings.Join(words, "\n"), "is not counted") {
		t.Errorf("without: %+v, %q", done, words)
	}
}
