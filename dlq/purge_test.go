package dlq_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
)

// start is where the dead letters of partition 0 begin.
func (b *bundle) start() int64 {
	b.t.Helper()
	starts, err := b.admin.ListStartOffsets(b.ctx(), dead)
	if err != nil {
		b.t.Fatal(err)
	}
	return starts[dead][0].Offset
}

// marks are the keys of the marks that a compacted ledger keeps.
func (b *bundle) marks() []string {
	b.t.Helper()
	kept := make(map[string]bool)
	for _, r := range b.records(dlq.LedgerTopic(dead)) {
		kept[string(r.Key)] = r.Value != nil
	}
	var keys []string
	for key, is := range kept {
		if _, place, ok := strings.Cut(key, "/"); is && ok && place[0] >= '0' && place[0] <= '9' {
			keys = append(keys, place)
		}
	}
	slices.Sort(keys)
	return keys
}

func (b *bundle) purge(q *dlq.Queue, p dlq.Purge) dlq.Purged {
	b.t.Helper()
	done, err := q.Purge(b.ctx(), p)
	if err != nil {
		b.t.Fatalf("purge: %v (after %+v)", err, done)
	}
	return done
}

// TestPurge: what was dealt with and is old goes, with its marks, up to the first entry that is still to be dealt with.
func TestPurge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day, 9*day, 9*day, time.Hour)
	q := b.open()
	b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0", "orders/0/1", "orders/0/4"}}})
	if _, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/3"}}}); err != nil {
		t.Fatal(err)
	}
	week := dlq.Purge{Before: time.Now().Add(-7 * day)}
	dry := week
	dry.DryRun = true
	for _, p := range []dlq.Purge{dry, week} {
		done := b.purge(q, p)
		equal(t, "records", done.Records, int64(2))
		equal(t, "marks", done.Marks, int64(2))
		equal(t, "open", done.Open, int64(0))
		if len(done.Kept) != 1 || done.Kept[0].Records != 2 || !strings.HasSuffix(done.Kept[0].Entry, "-0-2") {
			t.Errorf("kept: %+v", done.Kept)
		}
		if p.DryRun {
			equal(t, "the dry run deletes", b.start(), int64(0))
		}
	}
	equal(t, "start", b.start(), int64(2))
	equal(t, "marks", b.marks(), []string{"0/3", "0/4"})
	equal(t, "nothing more", b.purge(q, week).Records, int64(0))

	week.IncludeOpen = true
	done := b.purge(q, week)
	equal(t, "records with the open one", done.Records, int64(2))
	equal(t, "open", done.Open, int64(1))
	equal(t, "start", b.start(), int64(4))
	equal(t, "marks", b.marks(), []string{"0/4"})
	equal(t, "what is not that old is replayed still", b.entries(q, dlq.Filter{All: true})[0].Status, dlq.StatusReplayed)
}

// TestPurgeForgetsWhatRetentionTook: without a time only the marks of entries go that are not there any more.
func TestPurgeForgetsWhatRetentionTook(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(day, day, day)
	q := b.open()
	b.replay(q, dlq.Replay{})
	b.takes(0, 2)
	done := b.purge(q, dlq.Purge{})
	equal(t, "records", done.Records, int64(0))
	equal(t, "marks", done.Marks, int64(2))
	equal(t, "marks left", b.marks(), []string{"0/2"})
	equal(t, "once more", b.purge(q, dlq.Purge{}).Marks, int64(0))
	equal(t, "replayed again", b.replay(q, dlq.Replay{}).Done, int64(0))
}

// TestPurgeForgetsATopicThatHadTheNameBefore: of one that was deleted and made again nothing is said any more but of what it is now.
func TestPurgeForgetsATopicThatHadTheNameBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	b.replay(b.open(), dlq.Replay{})
	_, err := b.admin.DeleteTopics(b.ctx(), dead)
	must(t, err)
	_, err = b.admin.CreateTopics(b.ctx(), 3, 1, nil, dead)
	must(t, err)
	b.client = b.connect()
	b.letters(2)
	q := b.open()
	b.replay(q, dlq.Replay{Filter: dlq.Filter{Limit: 1}})
	b.produce(&kgo.Record{Topic: ledger, Key: []byte("somebody/else"), Value: []byte("keeps this")})
	dry := b.purge(q, dlq.Purge{DryRun: true})
	done := b.purge(q, dlq.Purge{})
	equal(t, "marks of a dry run", dry.Marks, done.Marks)
	if done.Marks < 4 { // three marks and who wrote
		t.Errorf("%d were taken out", done.Marks)
	}
	equal(t, "marks left", b.marks(), []string{"0/0"})
	equal(t, "once more", b.purge(q, dlq.Purge{}).Marks, int64(0))
	equal(t, "left", len(b.entries(q, dlq.Filter{})), 1)
	others := 0
	for _, r := range b.records(ledger) {
		if string(r.Key) == "somebody/else" && r.Value != nil {
			others++
		}
	}
	equal(t, "records of others", others, 1)
}

// TestPurgeGoesPastWhatWasRenewed: an open entry whose copy stands further on does not stop it, keeps its mark, and is the same entry.
func TestPurgeGoesPastWhatWasRenewed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day)
	q := b.open()
	b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}})
	if _, err := q.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Renew(b.ctx(), dlq.Renew{}); err != nil {
		t.Fatal(err)
	}
	done := b.purge(q, dlq.Purge{Before: time.Now().Add(-7 * day)})
	equal(t, "records", done.Records, int64(2))
	equal(t, "kept", len(done.Kept), 0)
	equal(t, "marks", b.marks(), []string{"0/0"})
	entries := b.entries(q, dlq.Filter{All: true})
	if len(entries) != 1 || entries[0].State.ID != "orders/0/0" || entries[0].Status != dlq.StatusParked {
		t.Errorf("entries: %+v", entries)
	}
}

// TestPurgeKeepsTheMarksOfFormerPlaces: of an entry that was imported again and whose first copy is gone, the mark that counts stays, and the one that says whose the id before
// was, until the entry is gone.
func TestPurgeKeepsTheMarksOfFormerPlaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9 * day)
	q := b.open()
	if _, err := q.Park(b.ctx(), dlq.Discard{}); err != nil {
		t.Fatal(err)
	}
	exported := b.entries(q, dlq.Filter{All: true})[0].Export()
	b.configures("retention.ms", "-1")
	if _, err := q.Import(b.ctx(), func(yield func(dlq.Exported, error) bool) { yield(exported, nil) }); err != nil {
		t.Fatal(err)
	}
	equal(t, "records", b.purge(q, dlq.Purge{Before: time.Now().Add(-7 * day)}).Records, int64(1))
	equal(t, "marks of what has a copy left", b.marks(), []string{"0/0"})
	if _, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{Status: []dlq.Status{dlq.StatusParked}}}); err != nil {
		t.Fatal(err)
	}
	equal(t, "marks", b.marks(), []string{"0/0", "0/1"})
	equal(t, "marks of places that are gone", b.purge(q, dlq.Purge{}).Marks, int64(0))
	equal(t, "marks left", b.marks(), []string{"0/0", "0/1"})
	equal(t, "status", b.entries(b.open(), dlq.Filter{All: true})[0].Status, dlq.StatusDiscarded)
	equal(t, "status by the id before", b.entries(b.open(), dlq.Filter{All: true, IDs: []string{"0-0"}})[0].Status, dlq.StatusDiscarded)
	b.takes(0, 2)
	equal(t, "marks of what is gone", b.purge(q, dlq.Purge{}).Marks, int64(2))
	equal(t, "once more", b.purge(q, dlq.Purge{}).Marks, int64(0))
}

// TestPurgeExcludesOtherWriters: while somebody replays nothing is deleted.
func TestPurgeExcludesOtherWriters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	q := b.open()
	asked := false
	b.replay(q, dlq.Replay{Entry: func(dlq.Entry, string) {
		if asked {
			return
		}
		asked = true
		if _, err := b.open().Purge(b.ctx(), dlq.Purge{Before: time.Now(), IncludeOpen: true}); !errors.Is(err, dlq.ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
	}})
	equal(t, "start", b.start(), int64(0))
}

// TestPurgeLeavesWhatItHasNotSeen: a dead letter of long ago that is imported while it is at work stays.
func TestPurgeLeavesWhatItHasNotSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day)
	q := b.open()
	b.replay(q, dlq.Replay{})
	imported := false
	b.purge(q, dlq.Purge{Before: time.Now(), Progress: func(dlq.Progress) {
		if imported {
			return
		}
		imported = true
		r := letter(death(0, 77))
		r.Timestamp = time.Now().Add(-9 * day)
		b.produce(r, &kgo.Record{Topic: dead, Value: []byte("and one behind it"), Timestamp: r.Timestamp})
	}})
	if !imported {
		t.Fatal("nothing was imported meanwhile")
	}
	equal(t, "entries", len(b.entries(q, dlq.Filter{})), 2)
}

// TestPurgeLeavesATopicThatWasMadeAgain: what was read was in another topic of that name.
func TestPurgeLeavesATopicThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day)
	q := b.open()
	b.replay(q, dlq.Replay{})
	made := false
	done, err := q.Purge(b.ctx(), dlq.Purge{Before: time.Now(), Progress: func(dlq.Progress) {
		if made {
			return
		}
		made = true
		if _, err := b.admin.DeleteTopics(b.ctx(), dead); err != nil {
			t.Error(err)
		}
		if _, err := b.admin.CreateTopics(b.ctx(), 2, 1, nil, dead); err != nil {
			t.Error(err)
		}
		writer, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())) // which has not known the other one
		if err != nil {
			t.Error(err)
			return
		}
		defer writer.Close()
		for i := range 4 {
			if err := writer.ProduceSync(b.ctx(), letter(death(0, int64(i)))).FirstErr(); err != nil {
				t.Error(err)
			}
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "made again while it was read") {
		t.Errorf("the purge ended with %v", err)
	}
	equal(t, "deleted", done.Records, 0)
	equal(t, "marks", done.Marks, 0)
	equal(t, "entries", len(b.entries(q, dlq.Filter{})), 4)
}

// Leaders that move are asked again, and a purge that brokers refuse in part tells what it has deleted; the next one does the rest.
func TestPurgeThatIsRefusedInPart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for partition := range int32(2) {
		r := letter(death(partition, 0))
		r.Timestamp = time.Now().Add(-9 * day)
		b.produce(r)
	}
	q := b.open()
	b.replay(q, dlq.Replay{})
	for partition := range int32(2) {
		r := letter(death(partition, 1))
		r.Timestamp = time.Now().Add(-8 * day)
		b.produce(r)
	}
	moved := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: dead, Err: kerr.OffsetNotAvailable, Count: 5})
	late := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DeleteRecords}, Topic: dead, Err: kerr.NotLeaderForPartition, Count: 1})
	refused := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DeleteRecords}, Topic: dead, Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	week := dlq.Purge{Before: time.Now().Add(-7 * day), IncludeOpen: true}
	done, err := q.Purge(b.ctx(), week)
	if !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Fatalf("got %v", err)
	}
	equal(t, "deleted, open", []int64{done.Records, done.Open}, []int64{2, 1})
	equal(t, "marks, which the next one takes", done.Marks, 0)
	if moved.Hits() == 0 || late.Hits() == 0 {
		t.Error("no leader moved")
	}
	refused.Remove()
	rest := b.purge(q, week)
	equal(t, "deleted then", []int64{rest.Records, rest.Open}, []int64{2, 1})
	equal(t, "marks", rest.Marks, 2)
}

// The marks that are told are those that were taken out, where the ledger fails in the middle.
func TestPurgeWhoseLedgerFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day, 9*day, 9*day, 9*day)
	b.replay(b.open(), dlq.Replay{})
	week := dlq.Purge{Before: time.Now().Add(-7 * day)}
	commits := 0
	b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError, Count: 1, When: func(kmsg.Request) bool {
		commits++
		return commits == 3 // after that of who writes, and a batch
	}})
	done, err := b.open(dlq.SmallBatches(2), dlq.Patience(300*time.Millisecond)).Purge(b.ctx(), week)
	if err == nil || done.Records != 5 || done.Marks >= 5 {
		t.Fatalf("deleted %d records and %d marks of 5: %v", done.Records, done.Marks, err)
	}
	left := len(b.marks())
	equal(t, "marks that are left", left, 5-int(done.Marks))
	week.TakeOver = true
	equal(t, "marks then", b.purge(b.open(), week).Marks, int64(left))
	equal(t, "marks at last", len(b.marks()), 0)
}
