package dlq_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

func TestReplayPutsEveryEntryInTheFirstTierOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(100)
	s := b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed", s.Done, 100)
	equal(t, "by topic", s.To, map[string]int64{tier1: 100})
	equal(t, "complete, and nothing left", s.Complete && !s.Partly(), true)
	equal(t, "ids in the tier", b.ids(tier1), originIDs(100))
	s = b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed by the second one", s.Done, 0)
	equal(t, "told as replayed", s.Replayed, 100)
}

// An entry that was replayed too often is left out, marked, and told, by every run until the cap is raised.
func TestReplayCap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, replays := range []int{0, 2, 3, 9} {
		s := death(0, int64(i))
		s.Replays = replays
		b.produce(letter(s))
	}
	for _, run := range []struct {
		what          string
		replay        dlq.Replay
		done, limited int64
		marks         int // limited in the ledger afterwards
	}{
		{"a dry run tells them", dlq.Replay{DryRun: true}, 2, 2, 0},
		{"a run marks them", dlq.Replay{}, 2, 2, 2},
		{"the next one tells them again", dlq.Replay{}, 0, 2, 2},
		{"a higher cap replays those below it", dlq.Replay{MaxReplays: 4}, 1, 1, 1},
		{"no cap replays the rest", dlq.Replay{MaxReplays: -1}, 1, 0, 0},
	} {
		s := b.replay(b.open(), run.replay)
		equal(t, run.what+": done", s.Done, run.done)
		equal(t, run.what+": limited", s.Limited, run.limited)
		equal(t, run.what+": partly", s.Partly(), run.limited > 0)
		equal(t, run.what+": marks", len(b.entries(b.open(), dlq.Filter{Status: []dlq.Status{dlq.StatusLimited}})), run.marks)
	}
	equal(t, "in the tier", b.ids(tier1), []string{"orders/0/0", "orders/0/1", "orders/0/2", "orders/0/3"})
}

func TestReplayAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(6)
	b.replay(b.open(), dlq.Replay{})
	equal(t, "by replays that have not ended", len(b.replay(b.open(), dlq.Replay{}).Unfinished), 0)
	s := b.replay(b.open(), dlq.Replay{Again: true, Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
	equal(t, "replayed again", s.Done, 1)
	equal(t, "in the tier", len(b.records(tier1)), 7)
}

// What died again after a replay is another entry and is replayed again.
func TestWhatDiedAgainIsReplayed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	b.replay(b.open(), dlq.Replay{})
	s := death(0, 0)
	s.Replays = 1
	b.produce(letter(s))
	summary := b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed", summary.Done, 1)
	equal(t, "replayed before", summary.Replayed, 3)
}

// Of a record that died again and again only the last death is replayed again, for there is one record to be put back; the first one is where it is named.
func TestReplayAgainOfWhatDiedAgain(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]time.Duration{"": -1, "by an index": 0, "by an index that keeps": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			q := b.open()
			if keep >= 0 {
				q = b.indexed(filepath.Join(t.TempDir(), "index"), keep).Queue
			}
			b.letters(2)
			for replays := range 2 {
				b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
				copies := b.records(tier1)
				s, err := retrytopics.Decode(copies[len(copies)-1])
				must(t, err)
				equal(t, "replays", s.Replays, replays+1)
				s.Reason = retrytopics.ReasonExhausted
				b.produce(letter(s))
			}
			first := b.entries(q, dlq.Filter{Status: []dlq.Status{dlq.StatusReplayed}})[0]
			for _, dry := range []bool{true, false} {
				s := b.replay(q, dlq.Replay{Again: true, DryRun: dry, Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
				equal(t, "replayed, superseded, replayed before", []int64{s.Done, s.Superseded, s.Replayed}, []int64{1, 2, 0})
			}
			equal(t, "of the task", b.task(b.replay(q, dlq.Replay{Again: true}).Task).Skipped.Superseded, int64(2))
			both := dlq.Filter{IDs: []string{"orders/0/0", first.ID()}}
			would := b.replay(q, dlq.Replay{Again: true, MaxReplays: -1, DryRun: true, Filter: both})
			equal(t, "by its own id and that of its origin: replayed, superseded", []int64{would.Done, would.Superseded}, []int64{2, 1})
			equal(t, "by its own id", b.replay(q, dlq.Replay{Again: true, Filter: dlq.Filter{IDs: []string{first.ID()}}}).Done, 1)
		})
	}
}

// An entry is replayed again after what died of it was replayed too: what dies of it now is an entry of its own each time, and
// none of them hides another.
func TestWhatIsReplayedAgainDiesAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce(letter(death(0, 0)))
	first := dlq.Filter{IDs: []string{b.entries(b.open(), dlq.Filter{})[0].ID()}}
	open := func() int { return len(b.entries(b.open(), dlq.Filter{})) }
	var names []string
	dieOf := func(r dlq.Replay) {
		t.Helper()
		equal(t, "replayed", b.replay(b.open(), r).Done, 1)
		copies := b.records(tier1)
		s, err := retrytopics.Decode(copies[len(copies)-1])
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, s.Replay)
		s.Reason = retrytopics.ReasonExhausted
		b.produce(letter(s), letter(s)) // a member that was killed made another copy: they count once
		equal(t, "open", open(), 1)
	}
	dieOf(dlq.Replay{})
	dieOf(dlq.Replay{})
	equal(t, "done with", b.replay(b.open(), dlq.Replay{}).Done, 1)
	for range 2 {
		dieOf(dlq.Replay{Again: true, Filter: first})
		equal(t, "done with", b.replay(b.open(), dlq.Replay{}).Done, 1)
		equal(t, "open", open(), 0)
	}
	slices.Sort(names)
	equal(t, "names of replays", len(slices.Compact(names)), 4)
}

// The cap counts how often an entry was replayed itself, and not only what it died of.
func TestReplayCapCountsWhatIsReplayedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce(letter(death(0, 0)))
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	for i, again := range []int64{1, 1, 1, 0, 0} {
		q := b.open()
		if i%2 == 1 {
			q = ix.Queue
		}
		s := b.replay(q, dlq.Replay{Again: true, Filter: dlq.Filter{Until: time.Now().Add(time.Hour)}})
		equal(t, "replayed", s.Done, again)
		equal(t, "limited", s.Limited, 1-again)
	}
	ix.same(dlq.Filter{All: true})
	e := b.entries(ix.Queue, dlq.Filter{All: true})[0]
	equal(t, "status", e.Status, dlq.StatusReplayed)
	equal(t, "times", e.Mark.Times, 3)
	equal(t, "with a higher cap", b.replay(b.open(), dlq.Replay{Again: true, MaxReplays: 4}).Done, 1)
	equal(t, "without one", b.replay(b.open(), dlq.Replay{Again: true, MaxReplays: -1}).Done, 1)
}

// A replay of which the cap leaves all out has ended, and nobody goes on with it.
func TestReplayThatTheCapLeavesNothingOfHasEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := death(0, 0)
	s.Replays = 3
	b.produce(letter(s))
	equal(t, "limited", b.replay(b.open(), dlq.Replay{}).Limited, 1)
	tasks, err := b.open().Tasks(b.ctx())
	must(t, err)
	for _, task := range tasks {
		equal(t, "state", task.State, dlq.TaskDone)
	}
	equal(t, "tasks", len(tasks), 1)
}

// What was replayed stays so when it is to be replayed again and may not be: nobody has to deal with it any more.
func TestCapLeavesWhatWasReplayed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := death(0, 0)
	s.Replays = 3
	b.produce(letter(s))
	b.replay(b.open(), dlq.Replay{MaxReplays: -1})
	summary := b.replay(b.open(), dlq.Replay{Again: true})
	equal(t, "limited", summary.Limited, 1)
	equal(t, "status", b.entries(b.open(), dlq.Filter{All: true})[0].Status, dlq.StatusReplayed)
}

// Entries that cannot be put back are left out and told, each with what to do, and the others are replayed.
func TestWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	foreign, lost, far := death(0, 1), death(0, 2), death(7, 3)
	foreign.Group = "other"
	lost.Topic, lost.ID = "returns", "returns/0/2"
	b.produce(letter(foreign), letter(lost), letter(death(0, 9)))
	farLetter := letter(far)
	farLetter.Partition = 0
	b.produce(farLetter, &kgo.Record{Topic: dead, Value: []byte("who wrote this?")})

	s := b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed", s.Done, 1)
	equal(t, "of another group", s.OtherGroup, 1)
	equal(t, "partly", s.Partly(), true)
	var whys []string
	for _, l := range s.LeftOut {
		whys = append(whys, l.Why)
		equal(t, "count of "+l.Why, l.Count, 1)
		if _, err := b.open().Entry(b.ctx(), l.ID); err != nil {
			t.Errorf("the example of %q: %v", l.Why, err)
		}
	}
	slices.Sort(whys)
	for i, want := range []string{
		"group shop has no retry topic for returns: see `redeliver topics plan`",
		"the headers do not say where the record came from: replay it with --to topic:NAME",
		"topic shop.orders.retry-1s has 3 partitions, and the records come from partition 7: see `redeliver topics plan`",
	} {
		if len(whys) != 3 || whys[i] != want {
			t.Errorf("left out: got %q, want %q", whys, want)
			break
		}
	}
	equal(t, "in the tier", b.ids(tier1), []string{"orders/0/9"})
	equal(t, "still open", len(b.entries(b.open(), dlq.Filter{})), 4)
}

// A dry run tells what a run would do, writes nothing, makes no ledger, and does not end a replay under way.
func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(20)
	b.cluster.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		if slices.Contains(writes, kmsg.Key(req.Key())) {
			t.Errorf("a dry run asked the cluster for %s", kmsg.NameForKey(req.Key()))
		}
		return nil, nil, false
	})
	var would []string
	s := b.replay(b.open(), dlq.Replay{DryRun: true, Filter: dlq.Filter{Limit: 5}, Entry: func(e dlq.Entry, topic string) {
		would = append(would, e.State.ID+" to "+topic)
	}})
	equal(t, "would be replayed", s.Done, 5)
	equal(t, "by topic", s.To, map[string]int64{tier1: 5})
	equal(t, "told one by one", len(would), 5)
	if s.Complete {
		t.Error("the run says that it went through all, in spite of the limit")
	}
	if s, err := b.open().Discard(b.ctx(), dlq.Discard{DryRun: true}); err != nil || s.Done != 20 {
		t.Errorf("a dry discard: %+v, %v", s, err)
	}
}

// A record that the retry topic does not take is left out and told, and costs the others nothing. Records that are too
// large only together are written in smaller batches.
func TestRecordsThatAreTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	limit := "300000"
	if err := b.cluster.CreateTopic("small", 1, map[string]string{"max.message.bytes": limit}); err != nil {
		t.Fatal(err)
	}
	noise := rand.New(rand.NewPCG(3, 4))
	for i := range 60 {
		size := 20_000
		if i == 30 {
			size = 400_000
		}
		r := letter(death(0, int64(i)))
		r.Value = make([]byte, size)
		for j := range r.Value {
			r.Value[j] = byte(noise.Uint32())
		}
		b.produce(r)
	}
	compressible := letter(death(0, 60))
	compressible.Value = make([]byte, 5_000_000) // more than a batch takes before compression
	b.produceLarge(compressible)
	s := b.replay(b.open(dlq.FirstTier(func(string) string { return "small" })), dlq.Replay{})
	equal(t, "replayed", s.Done, 60)
	equal(t, "left out", len(s.LeftOut), 1)
	equal(t, "partly", s.Partly(), true)
	ids := b.ids("small")
	equal(t, "in the topic", len(ids), int(s.Done))
	equal(t, "each once", len(slices.Compact(ids)), len(ids))
	if slices.Contains(ids, "orders/0/30") {
		t.Error("the record that is too large was written")
	}
	open := b.entries(b.open(), dlq.Filter{})
	equal(t, "still open", len(open), 1)
	equal(t, "the example", s.LeftOut[0].ID, open[0].ID())
}

// A replay that the ledger has no room for, with all the ids that it names, ends with an error that says so.
func TestReplayThatTheLedgerRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.cluster.CreateTopic(ledger, 3, map[string]string{"cleanup.policy": "compact", "max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	b.letters(1)
	s, err := b.open().Replay(b.ctx(), dlq.Replay{Filter: dlq.Filter{IDs: originIDs(5000)}})
	if err == nil || !strings.Contains(err.Error(), ledger+" refuses a record of ") || !strings.Contains(err.Error(), "max.message.bytes") {
		t.Errorf("error: %v", err)
	}
	equal(t, "replayed", s.Done, 0)
	equal(t, "in the tier", len(b.ids(tier1)), 0)
}

func (b *bundle) produceLarge(r *kgo.Record) {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(50<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(b.ctx(), r).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(50)
	var last dlq.Progress
	done := b.replay(b.open(dlq.SmallBatches(10)), dlq.Replay{Progress: func(p dlq.Progress) {
		if p.Done < last.Done || p.Scanned < last.Scanned || p.Scanned > p.Total {
			t.Errorf("progress went from %+v to %+v", last, p)
		}
		last = p
	}})
	equal(t, "at the end", last, dlq.Progress{Scanned: 50, Total: 50, Matched: 50, Task: done.Task, Done: 50, Took: last.Took})
}

// An interrupted replay ends the transaction it is in, says what it did, and what it says is so.
func TestInterruptedReplaySaysWhatItDid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(60)
	ctx, cancel := context.WithCancel(b.ctx())
	defer cancel()
	seen := 0
	s, err := b.open(dlq.SmallBatches(10)).Replay(ctx, dlq.Replay{Entry: func(dlq.Entry, string) {
		if seen++; seen == 45 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that it was interrupted", err)
	}
	equal(t, "complete", s.Complete, false)
	equal(t, "in doubt", s.InDoubt, 0)
	equal(t, "in the tier", int64(len(b.records(tier1))), s.Done)
	rest := b.replay(b.open(), dlq.Replay{})
	equal(t, "together", s.Done+rest.Done, 60)
	equal(t, "ids in the tier", b.ids(tier1), originIDs(60))
}

func TestRefusedReplays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	for what, r := range map[string]dlq.Replay{
		"a destination that is none": {To: "somewhere"},
		"a queue into itself":        {To: dlq.ToTopic(dead)},
		"a queue into its ledger":    {To: dlq.ToTopic(dead + ".ledger")},
		"a rate below zero":          {Rate: -1},
		"a header without a name":    {SetHeaders: []kgo.RecordHeader{{}}},
	} {
		if _, err := b.open().Replay(b.ctx(), r); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	equal(t, "still open", len(b.entries(b.open(), dlq.Filter{})), 3)
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.cast()
	q := b.open()
	b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}, To: dlq.Source})
	s, err := q.Discard(b.ctx(), dlq.Discard{
		Filter: dlq.Filter{IDs: []string{"orders/0/0", "orders/1/1", "2-0", "orders/9/9"}},
		Reason: "wrong customer", By: "ann",
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "discarded", s.Done, 2)
	equal(t, "replayed before", s.Replayed, 1)
	equal(t, "missing", s.Missing, []string{"orders/9/9"})
	discarded := b.entries(q, dlq.Filter{Status: []dlq.Status{dlq.StatusDiscarded}})
	equal(t, "listed", len(discarded), 2)
	equal(t, "reason", discarded[0].Mark.Reason, "wrong customer")
	equal(t, "by", discarded[0].Mark.By, "ann")
	equal(t, "run", discarded[0].Mark.Run, s.Run)

	r := b.replay(b.open(), dlq.Replay{To: dlq.ToTopic(origin)})
	equal(t, "replayed", r.Done, 3)
	r = b.replay(b.open(), dlq.Replay{To: dlq.ToTopic(origin), Filter: dlq.Filter{Class: classify.Validation, All: true}})
	equal(t, "discarded ones that were asked for", r.Done, 1)
}

// Again replays also what was replayed before, unless the filter names statuses and not that one.
func TestAgainIsOfTheStatusesThatAreAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(6)
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{Limit: 2}})
	open := b.replay(b.open(), dlq.Replay{Again: true, Filter: dlq.Filter{Status: []dlq.Status{dlq.StatusOpen}}})
	equal(t, "open ones", open.Done, 4)
	again := b.replay(b.open(), dlq.Replay{Again: true, Filter: dlq.Filter{Status: []dlq.Status{dlq.StatusReplayed}}})
	equal(t, "replayed ones", again.Done, 6)
}
