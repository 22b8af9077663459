package dlq_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/redeliver/redeliver/dlq"
)

// What fails once more after it was dealt with, since the offsets of its group were reset, is a copy of its entry, and no list shows it: stats tell how much
// of that there is, by a scan and by an index, and a replay --again of it settles it.
func TestStatsTellWhatFailedAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.anchor()
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	hidden := &indexed{b: b, path: filepath.Join(t.TempDir(), "hidden"), hides: secrets} // which looks for texts in the records
	hidden.open()
	t.Cleanup(func() { _ = hidden.file.Close() })
	now := time.Now()
	diesIn := func(partition int32, offset int64, failed, died time.Duration) {
		s := death(partition, offset)
		if failed != 0 {
			s.FirstFailed = now.Add(failed)
		}
		r := letter(s)
		r.Timestamp = now.Add(died)
		b.produce(r)
	}
	dies := func(offset int64, failed, died time.Duration) { diesIn(0, offset, failed, died) }
	marks := func(partition int32, offset int64, status string) {
		mark := b.ledgerRecord(fmt.Sprintf(`{"v":1,"status":%q,"at":%d,"by":"ann","run":"0196-run","id":"orders/%d/%d","group":"shop"}`, status, now.Add(-time.Hour).UnixMilli(), partition, offset))
		mark.Key, mark.Partition = fmt.Appendf(mark.Key[:len(mark.Key)-len("0/0")], "%d/%d", partition, offset), partition
		b.produce(mark)
	}
	first := -30 * time.Minute
	anew := func(f dlq.Filter, want int64) {
		t.Helper()
		ix.same(f)
		for _, q := range []*dlq.Queue{ix.Queue, hidden.Queue, b.open()} {
			stats, err := q.Stats(b.ctx(), f)
			must(t, err)
			equal(t, "failed anew", stats.FailedAnew, want)
			if want > 0 {
				equal(t, "since", stats.FailedAnewSince.UnixMilli(), now.Add(first).UnixMilli())
			}
		}
	}
	const replayed, discarded, parked, open, once = 0, 1, 2, 3, 4
	for offset := range int64(5) {
		dies(offset, -3*time.Hour, -2*time.Hour)
	}
	for offset, status := range []string{"replayed", "discarded", "parked", "open", "replayed"} {
		marks(0, int64(offset), status)
	}
	anew(dlq.Filter{}, 0)

	dies(once, -3*time.Hour, -40*time.Minute) // the copy of a crash that was restarted late
	anew(dlq.Filter{}, 0)
	first = -29 * time.Minute
	for _, offset := range []int64{replayed, parked, open} {
		dies(offset, -30*time.Minute, first)
	}
	anew(dlq.Filter{}, 1)
	first = -31 * time.Minute
	dies(discarded, 0, first) // headers say nothing of when it failed
	dies(discarded, -time.Hour+time.Second, -32*time.Minute)
	anew(dlq.Filter{}, 2)
	anew(dlq.Filter{Status: []dlq.Status{dlq.StatusDiscarded}}, 2)
	anew(dlq.Filter{Text: "payload of orders/0/1"}, 1)
	anew(dlq.Filter{Topic: "returns"}, 0)

	// Of the first copy there may be nothing left: the next one is listed then, as what became of the entry.
	marks(1, 0, "replayed")
	diesIn(1, 0, 0, -20*time.Minute)
	anew(dlq.Filter{}, 3)
	b.takes(0, 5)
	anew(dlq.Filter{}, 3)
	fresh := &indexed{b: b, path: filepath.Join(t.TempDir(), "index")}
	fresh.open()
	fresh.same(dlq.Filter{})
	must(t, fresh.file.Close())

	var again []string
	s := b.replay(b.open(), dlq.Replay{Again: true, Filter: dlq.Filter{Since: now.Add(first)}, Entry: func(e dlq.Entry, _ string) { again = append(again, e.State.ID) }})
	equal(t, "replayed again, and what is open", again, []string{"orders/0/0", "orders/0/3", "orders/1/0"})
	equal(t, "replayed", s.Done, int64(3))
	anew(dlq.Filter{}, 1)
}

// marksAt writes a mark of long ago, as a release that noted births did.
func (b *bundle) marksAt(partition int32, offset int64, status string, at time.Time) {
	b.t.Helper()
	mark := b.ledgerRecord(fmt.Sprintf(`{"v":1,"status":%q,"at":%d,"by":"ann","run":"0196-run","id":"orders/%d/%d","group":"shop","born":1700000000000}`, status, at.UnixMilli(), partition, offset))
	mark.Key, mark.Partition = fmt.Appendf(mark.Key[:len(mark.Key)-len("0/0")], "%d/%d", partition, offset), partition
	b.produce(mark)
}

// diesAt writes a dead letter that failed first then, and died.
func (b *bundle) diesAt(partition int32, offset int64, failed, died time.Time) {
	b.t.Helper()
	s := death(partition, offset)
	s.FirstFailed = failed
	r := letter(s)
	r.Timestamp = died
	b.produce(r)
}

// What failed anew is told by nothing but its record: a purge stops at it as at what is still to be dealt with, and indexes keep it when retention took it.
func TestPurgeStopsAtWhatFailedAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.anchor()
	ix := b.kept()
	now := time.Now()
	long, marked, lately := now.Add(-3*time.Hour), now.Add(-2*time.Hour), now.Add(-time.Hour)
	for p, status := range []string{"replayed", "discarded", "replayed"} {
		b.diesAt(int32(p), 0, long, long)
		b.marksAt(int32(p), 0, status, marked)
	}
	b.diesAt(0, 0, lately, lately) // anew
	b.diesAt(0, 0, long, lately)   // and a copy that a crash left, or an import, behind it
	b.diesAt(1, 0, lately, lately)
	b.diesAt(2, 0, long, lately)
	anew := func(q *dlq.Queue) int64 {
		t.Helper()
		stats, err := q.Stats(b.ctx(), dlq.Filter{})
		must(t, err)
		return stats.FailedAnew
	}
	equal(t, "failed anew", anew(ix.Queue), int64(2))
	for _, q := range []*dlq.Queue{b.open(), ix.Queue} {
		dry := b.purge(q, dlq.Purge{Before: now, IncludeOpen: true, DryRun: true})
		equal(t, "records with those", dry.Records, int64(7))
		equal(t, "of which failed anew", dry.Open, int64(2))
		dry = b.purge(q, dlq.Purge{Before: now, DryRun: true})
		equal(t, "records", dry.Records, int64(4))
	}
	done := b.purge(ix.Queue, dlq.Purge{Before: now})
	equal(t, "records", done.Records, int64(4))
	equal(t, "open", done.Open, int64(0))
	equal(t, "marks", done.Marks, int64(1)) // of what has no copy left
	if len(done.Kept) != 2 || !done.Kept[0].Anew || !done.Kept[1].Anew || done.Kept[0].Records+done.Kept[1].Records != 3 {
		t.Errorf("kept: %+v", done.Kept)
	}
	ix.same(dlq.Filter{All: true})
	equal(t, "failed anew still", anew(b.open()), int64(2))

	// Retention takes them, and the index keeps them.
	b.loses(0)
	equal(t, "failed anew, in the index", anew(ix.Queue), int64(2))
	done = b.purge(ix.Queue, dlq.Purge{Before: now})
	equal(t, "records of the index", done.FromIndex, int64(0))
	equal(t, "failed anew, in the index still", anew(ix.Queue), int64(2))
	done = b.purge(ix.Queue, dlq.Purge{Before: now, IncludeOpen: true})
	equal(t, "records of the index with those", done.FromIndex, int64(2))
	equal(t, "of which failed anew", done.FromIndexOpen, int64(2))
	equal(t, "failed anew, when all is gone", anew(ix.Queue), int64(0))
}
