package dlq_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// aged is a queue that looks back on hours: dead letters and marks of then.
type aged struct {
	*bundle
	now time.Time
}

// marks writes what a call made of an entry that had failed more than a minute before, and which had seen the partition up to an offset; 0: of a release that did
// not say.
func (a *aged) marks(partition int32, offset int64, status string, ago time.Duration, seen int64) {
	a.t.Helper()
	said := ""
	if seen > 0 {
		said = fmt.Sprintf(`,"seen":%d,"until":%d`, seen, a.now.Add(-ago-time.Minute).UnixMilli())
	}
	a.marksSo(partition, offset, status, ago, said)
}

// marksSo writes a mark that says something besides.
func (a *aged) marksSo(partition int32, offset int64, status string, ago time.Duration, said string) {
	a.t.Helper()
	mark := a.ledgerRecord(fmt.Sprintf(`{"v":1,"status":%q,"at":%d,"by":"ann","run":"0196-run","id":"orders/%d/%d","group":"shop","born":%d%s}`,
		status, a.now.Add(-ago).UnixMilli(), partition, offset, 1_700_000_000_000+offset, said))
	mark.Key, mark.Partition = fmt.Appendf(mark.Key[:len(mark.Key)-len("0/0")], "%d/%d", partition, offset), partition
	a.produce(mark)
}

// dies writes a dead letter whose record failed first then; 0: its headers do not say.
func (a *aged) dies(partition int32, offset int64, failed, died time.Duration) {
	a.t.Helper()
	s := death(partition, offset)
	if failed != 0 {
		s.FirstFailed = a.now.Add(-failed)
	}
	r := letter(s)
	r.Timestamp = a.now.Add(-died)
	a.produce(r)
}

// What fails once more after it was dealt with, since the offsets of its group were reset, is open: whoever looks sees it, by a scan and by an index, until it
// is dealt with too. A copy that a crash left, or an import, is a part of what was.
func TestWhatFailsAnewIsOpen(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.anchor()
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	hidden := &indexed{b: b.bundle, path: filepath.Join(t.TempDir(), "hidden"), hides: secrets} // which looks for texts in the records
	hidden.open()
	t.Cleanup(func() { _ = hidden.file.Close() })
	anew := func(want int64, open ...string) {
		t.Helper()
		ix.same(dlq.Filter{})
		ix.same(dlq.Filter{All: true})
		ix.same(dlq.Filter{Text: "payload of orders/0/1"})
		for _, q := range []*dlq.Queue{ix.Queue, hidden.Queue, b.open()} {
			var ids []string
			for _, e := range b.entries(q, dlq.Filter{}) {
				ids = append(ids, e.State.ID)
				if was := e.Mark.Status != dlq.StatusOpen && e.Status == dlq.StatusOpen; was != e.FailedAnew() || was && e.Mark.By != "ann" {
					t.Errorf("%s is %s, and its mark %+v", e.ID(), e.Status, e.Mark)
				}
			}
			equal(t, "to be dealt with", ids, open)
			stats, err := q.Stats(b.ctx(), dlq.Filter{})
			must(t, err)
			equal(t, "counted", stats.Entries, int64(len(open)))
			equal(t, "failed anew", stats.FailedAnew, want)
		}
	}
	const replayed, discarded, parked, open, old, once = 0, 1, 2, 3, 4, 5
	for offset := range int64(6) {
		b.dies(0, offset, 3*time.Hour, 2*time.Hour)
	}
	for offset, status := range []string{"replayed", "discarded", "parked", "open", "replayed", "discarded"} {
		seen := int64(6)
		if offset == old {
			seen = 0
		}
		b.marks(0, int64(offset), status, time.Hour, seen)
	}
	anew(0, "orders/0/3")

	b.dies(0, once, 3*time.Hour, 40*time.Minute) // the copy of a crash that was restarted late
	b.dies(0, once, 0, time.Hour+time.Minute)    // and one of what had failed before the mark by any clock
	b.dies(0, old, 30*time.Minute, 30*time.Minute)
	anew(0, "orders/0/3")
	for _, offset := range []int64{replayed, parked, open} {
		b.dies(0, offset, 30*time.Minute, 29*time.Minute)
	}
	anew(1, "orders/0/3", "orders/0/0")
	b.dies(0, discarded, 0, 28*time.Minute) // headers say nothing of when it failed
	b.dies(0, discarded, 27*time.Minute, 27*time.Minute)
	anew(2, "orders/0/3", "orders/0/0", "orders/0/1")

	// What a call had seen it has dealt with, whatever the clock of its machine says.
	b.marks(1, 0, "replayed", time.Hour, 1)
	b.dies(1, 0, 0, 20*time.Minute)
	anew(2, "orders/0/3", "orders/0/0", "orders/0/1")

	// Of the first copy there may be nothing left.
	b.marks(2, 0, "replayed", time.Hour, 1)
	b.dies(2, 1, 3*time.Hour, 2*time.Hour)
	b.dies(2, 0, 0, 20*time.Minute)
	anew(3, "orders/0/3", "orders/2/1", "orders/0/0", "orders/0/1", "orders/2/0")
	b.takes(0, 5)
	anew(3, "orders/2/1", "orders/0/0", "orders/0/3", "orders/0/1", "orders/2/0")
	fresh := &indexed{b: b.bundle, path: filepath.Join(t.TempDir(), "index")}
	fresh.open()
	fresh.same(dlq.Filter{})
	must(t, fresh.file.Close())

	s := b.discards(b.open(), dlq.Filter{IDs: []string{"orders/2/0"}})
	equal(t, "discarded", s.Done, int64(1))
	anew(2, "orders/2/1", "orders/0/0", "orders/0/3", "orders/0/1")
	s = b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed", s.Done, int64(4))
	equal(t, "left as they were", s.Replayed+s.Discarded, int64(4))
	anew(0)
	s = b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed once more", s.Done, int64(0))
}

// What fails anew is open from the mark on: in its first minute too, and also while a clock that was ahead makes all marks later than they are. A copy says of
// when its record first failed what the entry does, and stays what that is, whatever the clocks of members.
func TestWhatFailsAnewIsOpenWhateverTheClocksSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead  time.Duration // of the clock that made an earlier mark
		failed time.Duration // ago, when the entry's record first failed
		died   time.Duration // ago, when the record failed next that comes after the mark; 0: it is a copy
	}{
		"in the first minute":                  {0, 3 * time.Hour, time.Second},
		"a clock was ahead that marked before": {time.Hour, 3 * time.Hour, time.Second},
		"a copy":                               {0, 3 * time.Hour, 0},
		"a copy, by a clock that is ahead":     {0, -10 * time.Minute, 0},
		"by a clock that is ahead":             {0, -10 * time.Minute, -11 * time.Minute},
		"a copy of what has just failed":       {0, 2 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &aged{setup(t), time.Now()}
			b.anchor()
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
			if c.ahead > 0 {
				b.marks(0, 9, "discarded", -c.ahead, 10)
			}
			b.dies(0, 0, c.failed, c.failed)
			equal(t, "discarded", b.discards(b.open(), dlq.Filter{}).Done, int64(1))
			want, again := "orders/0/0", c.died
			if c.died == 0 {
				want, again = "", c.failed
			}
			b.dies(0, 0, again, time.Second)
			ix.same(dlq.Filter{All: true})
			equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), want)
			awaited, _ := b.awaited(b.watch(1000), 0)
			equal(t, "awaited", len(awaited), len(b.entries(b.open(), dlq.Filter{})))
			if want != "" {
				equal(t, "discarded then", b.discards(ix.Queue, dlq.Filter{}).Done, int64(1))
				b.dies(0, 0, again, time.Second) // a copy of that
				ix.same(dlq.Filter{All: true})
				equal(t, "open then", originsOf(b.entries(ix.Queue, dlq.Filter{})), "")
			}
		})
	}
}

// A mark that says what its call had seen, and not until when its entry counts as that, holds until its own time.
func TestMarkOfWhatWasSeenAlone(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.anchor()
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	b.dies(0, 0, 3*time.Hour, 3*time.Hour)
	b.marksSo(0, 0, "discarded", time.Hour, `,"seen":1`)
	for _, c := range []struct {
		failed time.Duration
		want   string
	}{{time.Hour, ""}, {time.Hour - time.Second, "orders/0/0"}} {
		b.dies(0, 0, c.failed, c.failed)
		ix.same(dlq.Filter{All: true})
		equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), c.want)
	}
}

func (b *bundle) discards(q *dlq.Queue, f dlq.Filter) dlq.Summary {
	b.t.Helper()
	s, err := q.Discard(b.ctx(), dlq.Discard{Filter: f, Reason: "a test", By: "bob"})
	must(b.t, err)
	return s
}

// One that failed anew can be carried forward, and set aside, as any that is open, and is one entry with what it had been then.
func TestWhatFailedAnewIsCarriedForward(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.anchor()
	b.keeps(24 * time.Hour)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	b.dies(0, 0, 23*time.Hour, 23*time.Hour)
	b.marks(0, 0, "replayed", 22*time.Hour, 1)
	b.dies(0, 0, 21*time.Hour, 21*time.Hour)
	summary, err := b.open().Renew(b.ctx(), dlq.Renew{})
	must(t, err)
	equal(t, "carried forward", summary.Done, int64(1))
	ix.same(dlq.Filter{All: true})
	entries := b.entries(ix.Queue, dlq.Filter{All: true})
	equal(t, "entries", len(entries), 1)
	e := entries[0]
	equal(t, "status", e.Status, dlq.StatusOpen)
	equal(t, "replays that are known", e.Mark.Times, 1)
	equal(t, "of the mark", e.Mark.Status, dlq.StatusOpen)
	equal(t, "carried forward", e.Mark.Renewed.IsZero(), false)
}

// A copy by its own id says which entry it is a copy of, among those that stand as it does.
func TestCopyOfWhatFailedAnew(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.anchor()
	b.dies(0, 0, 3*time.Hour, 3*time.Hour)
	b.marks(0, 0, "replayed", 2*time.Hour, 1)
	b.dies(0, 0, time.Hour, time.Hour)
	b.dies(0, 0, 3*time.Hour, time.Hour)
	b.dies(0, 0, time.Hour, time.Hour)
	for offset, want := range []string{"", "", "0-0", "0-1"} {
		e, err := b.open().Entry(b.ctx(), fmt.Sprintf("0-%d", offset))
		must(t, err)
		got := e.CopyOf
		if got != "" {
			got = got[5:] // without the tag of the topic
		}
		equal(t, fmt.Sprintf("copy %d is of", offset), got, want)
	}
	e, err := b.open().Entry(b.ctx(), retrytopics.FormatID("", "orders", 0, 0))
	must(t, err)
	equal(t, "the one that is meant stands at", e.Offset, int64(1))
}

// A purge stops at what failed anew as at all that is open, and indexes keep it when retention took it.
func TestPurgeStopsAtWhatFailedAnew(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.anchor()
	ix := b.kept()
	const long, marked, lately = 3 * time.Hour, 2 * time.Hour, time.Hour
	for p, status := range []string{"replayed", "discarded", "replayed"} {
		b.dies(int32(p), 0, long, long)
		b.marks(int32(p), 0, status, marked, 1)
	}
	b.dies(0, 0, lately, lately) // anew
	b.dies(0, 0, long, lately)   // and a copy that a crash left, or an import, behind it
	b.dies(1, 0, lately, lately)
	b.dies(2, 0, long, lately)
	anew := func(q *dlq.Queue) int64 {
		t.Helper()
		stats, err := q.Stats(b.ctx(), dlq.Filter{})
		must(t, err)
		equal(t, "open ones failed anew", stats.Entries, stats.FailedAnew)
		return stats.FailedAnew
	}
	equal(t, "failed anew", anew(ix.Queue), int64(2))
	for _, q := range []*dlq.Queue{b.open(), ix.Queue} {
		dry := b.purge(q, dlq.Purge{Before: b.now, IncludeOpen: true, DryRun: true})
		equal(t, "records with those", dry.Records, int64(7))
		equal(t, "of which failed anew", dry.Open, int64(2))
		dry = b.purge(q, dlq.Purge{Before: b.now, DryRun: true})
		equal(t, "records", dry.Records, int64(4))
	}
	done := b.purge(ix.Queue, dlq.Purge{Before: b.now})
	equal(t, "records", done.Records, int64(4))
	equal(t, "open", done.Open, int64(0))
	equal(t, "marks", done.Marks, int64(1)) // of what has no copy left
	if len(done.Kept) != 2 || done.Kept[0].Records+done.Kept[1].Records != 3 {
		t.Errorf("kept: %+v", done.Kept)
	}
	ix.same(dlq.Filter{All: true})
	equal(t, "failed anew still", anew(b.open()), int64(2))

	// Retention takes them, and the index keeps them.
	b.loses(0)
	equal(t, "failed anew, in the index", anew(ix.Queue), int64(2))
	done = b.purge(ix.Queue, dlq.Purge{Before: b.now})
	equal(t, "records of the index", done.FromIndex, int64(1)) // the copy of what was dealt with
	equal(t, "failed anew, in the index still", anew(ix.Queue), int64(2))
	done = b.purge(ix.Queue, dlq.Purge{Before: b.now, IncludeOpen: true})
	equal(t, "records of the index with those", done.FromIndex, int64(2))
	equal(t, "of which failed anew", done.FromIndexOpen, int64(2))
	equal(t, "failed anew, when all is gone", anew(ix.Queue), int64(0))
}

// What failed anew and only an index keeps is open there, whoever purges the mark of before and whenever: nothing else knows of it.
func TestWhatFailedAnewIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		died, marked, anew time.Duration
		purge              func(b *aged, ix *indexed)
	}{
		"the mark is taken out by one who knows of no index": {3 * time.Hour, 2 * time.Hour, time.Hour, func(b *aged, _ *indexed) { b.purge(b.open(), dlq.Purge{}) }},
		"and what died before is purged":                     {3 * time.Hour, 2 * time.Hour, time.Hour, func(b *aged, _ *indexed) { b.purge(b.open(), dlq.Purge{Before: b.now.Add(-2 * time.Hour)}) }},
		"it is older than what is kept":                      {101 * day, 100 * day, 80 * day, func(b *aged, ix *indexed) { b.purge(ix.Queue, dlq.Purge{}) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &aged{setup(t), time.Now()}
			b.anchor()
			ix := b.kept()
			b.dies(0, 0, c.died, c.died)
			b.marks(0, 0, "replayed", c.marked, 1)
			b.dies(0, 0, c.anew, c.anew)
			b.dies(0, 1, c.anew, c.anew)
			const want = "orders/0/0 orders/0/1"
			equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), want)
			b.loses(0)
			equal(t, "open when the topic has lost them", originsOf(b.entries(ix.Queue, dlq.Filter{})), want)
			c.purge(b, ix)
			equal(t, "open then", originsOf(b.entries(ix.Queue, dlq.Filter{})), want)
		})
	}
}

// An index that missed the replay of what had failed anew, and whose marks are gone, drops it, rather than that it be replayed twice.
func TestAnIndexThatMissedTheSecondReplayReplaysNothingTwice(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.anchor()
	missed := b.kept()
	b.dies(0, 0, 9*day, 9*day)
	b.marks(0, 0, "replayed", 8*day, 1)
	b.dies(0, 0, 7*day, 7*day)
	b.dies(0, 1, 7*day, 7*day)
	equal(t, "open", originsOf(b.entries(missed.Queue, dlq.Filter{})), "orders/0/0 orders/0/1")
	equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, int64(2))
	b.loses(0)
	b.purge(b.open(), dlq.Purge{})
	b.compact()
	equal(t, "open then", originsOf(b.entries(missed.Queue, dlq.Filter{})), "")
	equal(t, "replayed again", b.replay(missed.Queue, dlq.Replay{}).Done, int64(0))
}

// One that was dealt with and is open again is replayed once where both are asked for.
func TestWhatFailedAnewIsReplayedOnce(t *testing.T) {
	t.Parallel()
	for status, r := range map[string]dlq.Replay{
		"replayed":  {Again: true},
		"discarded": {Filter: dlq.Filter{Status: []dlq.Status{dlq.StatusOpen, dlq.StatusDiscarded}}},
	} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keys held %v", status, held), func(t *testing.T) {
				t.Parallel()
				b := &aged{setup(t), time.Now()}
				b.anchor()
				b.dies(0, 0, 3*time.Hour, 3*time.Hour)
				b.marks(0, 0, status, 2*time.Hour, 1)
				b.dies(0, 0, time.Hour, time.Hour)
				q := b.open()
				if held {
					q = b.open(dlq.KeysAreHeld())
				}
				equal(t, "replayed", b.replay(q, r).Done, int64(1))
				equal(t, "written", len(b.records(tier1)), 1)
			})
		}
	}
}

// What died of a replay, was discarded and failed anew died of the replay once.
func TestWhatFailedAnewDiedAgainOnce(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.dies(0, 0, 3*time.Hour, 3*time.Hour)
	q := b.open()
	task := b.replay(q, dlq.Replay{}).Task
	s, err := retrytopics.Decode(b.records(tier1)[0])
	must(t, err)
	for _, failed := range []time.Time{b.now, b.now.Add(2 * time.Hour)} { // the second by a clock that is ahead
		s.FirstFailed = failed
		r := letter(s)
		r.Timestamp = failed
		b.produce(r)
		n, err := q.DiedAgain(b.ctx(), task)
		must(t, err)
		equal(t, "died again", n, int64(1))
		equal(t, "discarded", b.discards(q, dlq.Filter{}).Done, int64(1))
	}
}
