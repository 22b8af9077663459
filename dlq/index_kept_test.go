package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
	"github.com/redeliver/redeliver/dlq/indexredis"
)

// loses takes all but so many entries of each partition from the topic.
func (b *bundle) loses(but int64) {
	b.t.Helper()
	ends, err := b.admin.ListEndOffsets(b.ctx(), dead)
	must(b.t, err)
	for partition, end := range ends[dead] {
		must(b.t, b.cluster.DeleteRecords(dead, partition, end.Offset-but))
	}
}

// A replay covers what was there when it was started also where the topic has lost that, and what came after it, when somebody works on it.
func TestReplayThatWaitsCoversNothingThatIsKeptSince(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(2*day, 2*day, 2*day)
	b.produce(letter(death(1, 0)))
	ix := b.kept()
	started, err := ix.Start(b.ctx(), dlq.Replay{})
	must(t, err)
	b.produce(letter(death(0, 3)), letter(death(1, 1)), letter(death(2, 0)))
	equal(t, "there", len(b.entries(ix.Queue, dlq.Filter{})), 7)
	b.loses(0)
	b.produce(letter(death(0, 4)))
	s, err := ix.Resume(b.ctx(), started.ID, dlq.Work{})
	must(t, err)
	equal(t, "replayed", s.Done, 4)
	equal(t, "left", originsOf(b.entries(ix.Queue, dlq.Filter{})), "orders/0/3 orders/0/4 orders/1/1 orders/2/0")
}

// An index of the release before is written anew where it keeps what the topic has lost, with its marks and by this release's rules of what is one
// problem, and built anew where it does not.
func TestIndexOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	for _, keeps := range []bool{true, false} {
		t.Run(fmt.Sprintf("keeps %t", keeps), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.aged(9*day, 9*day, 2*day, 2*day)
			ix := b.kept()
			b.replay(ix.Queue, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0", "orders/0/3"}}})
			if keeps {
				b.takes(0, 1)
			}
			all := func() (all []string) {
				t.Helper()
				for _, e := range b.entries(ix.Queue, dlq.Filter{All: true}) {
					all = append(all, e.State.ID+" "+e.Status.String())
				}
				return all
			}
			before := []string{"orders/0/0 replayed", "orders/0/1 open", "orders/0/2 open", "orders/0/3 replayed"}
			equal(t, "before", all(), before)
			must(t, dlq.IndexOfTheReleaseBefore(b.ctx(), ix.file))
			ix.close()
			ix.read = 0
			ix.open()
			equal(t, "then", all(), before)
			how := "built anew"
			if keeps {
				how = "written anew"
			}
			equal(t, "words", strings.Join(ix.words, "; "), "the index of dead letters is "+how+": an older release wrote it")
			stats, err := ix.Stats(b.ctx(), dlq.Filter{All: true})
			must(t, err)
			for _, p := range stats.Problems {
				of := b.entries(ix.Queue, dlq.Filter{All: true, Fingerprints: []dlq.Fingerprint{p.Fingerprint}})
				equal(t, "entries of "+p.Error, int64(len(of)), p.Entries)
				for _, e := range of {
					equal(t, "fingerprint of "+p.Error, e.Fingerprint(), p.Fingerprint)
				}
			}
			b.discard(dlq.Filter{IDs: []string{"orders/0/2"}})
			equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{})), "orders/0/1")
		})
	}
}

// emptiedBeforeUpdate is a store that another process empties right before the first change.
type emptiedBeforeUpdate struct {
	dlq.IndexStore
	done bool
}

func (s *emptiedBeforeUpdate) Update(ctx context.Context, f func(dlq.IndexUpdate) error) error {
	if !s.done {
		s.done = true
		if err := s.Clear(ctx); err != nil {
			return err
		}
	}
	return s.IndexStore.Update(ctx, f)
}

// One that is emptied while it is taken over is a new one, and is taken for nothing else.
func TestIndexOfTheReleaseBeforeThatIsEmptied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day, 2*day)
	ix := b.kept()
	equal(t, "before", len(b.entries(ix.Queue, dlq.Filter{})), 3)
	b.takes(0, 1)
	must(t, dlq.IndexOfTheReleaseBefore(b.ctx(), ix.file))
	var words []string
	q := b.open(dlq.Indexed(dlq.Index{Store: &emptiedBeforeUpdate{IndexStore: ix.file}, Keep: 90 * day, Warn: func(why string) { words = append(words, why) }}))
	equal(t, "left", originsOf(b.entries(q, dlq.Filter{})), "orders/0/1 orders/0/2")
	if len(words) != 2 || !strings.Contains(words[1], "is new, or was emptied") {
		t.Errorf("words: %q", words)
	}
}

// A mark that notes no birth holds for what comes later, also where an index of the release before had stored it without an entry.
func TestUnbornMarkOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.anchor()
	b.aged(9*day, 9*day)
	ix := b.kept()
	must(t, ix.CatchUp(b.ctx()))
	b.takes(0, 1)
	mark := b.unbornMark("discarded", time.Now())
	mark.Value = []byte(strings.ReplaceAll(string(mark.Value), "orders/0/0", "orders/0/5"))
	b.produce(mark)
	must(t, ix.CatchUp(b.ctx()))
	must(t, dlq.UnbornMarkOfTheReleaseBefore(b.ctx(), ix.file, "orders/0/5", group))
	b.produce(letter(death(0, 5)))
	equal(t, "open", originsOf(b.entries(ix.Queue, dlq.Filter{Topic: origin})), "orders/0/0 orders/0/1")
}

// What retention takes from the topic while a list begins is kept, and listed and counted once.
func TestWhatTheTopicLosesMeanwhileIsKeptOnce(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]dlq.Filter{"all": {}, "some": {IDs: []string{"orders/0/0", "orders/0/1", "orders/0/3"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.aged(2*day, 2*day, 2*day, 2*day)
			ix := b.kept()
			all := b.told(ix.Queue, f)
			stats, err := ix.Stats(b.ctx(), f)
			must(t, err)
			b.takes(0, 2)
			b.startsAsBefore()
			equal(t, "entries", b.told(ix.Queue, f), all)
			b.startsAsBefore()
			again, err := ix.Stats(b.ctx(), f)
			must(t, err)
			equal(t, "counted", fmt.Sprintf("%+v", again), fmt.Sprintf("%+v", stats))
		})
	}
}

// startsAsBefore has the brokers say once more that partition 0 of the dead letters begins where it did before it lost anything.
func (b *bundle) startsAsBefore() {
	said := false
	b.cluster.ControlKey(kmsg.ListOffsets.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.ListOffsetsRequest)
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = dead
		asked := false
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				asked = asked || t.Topic == dead && p.Partition == 0 && p.Timestamp == -2
				answer := kmsg.NewListOffsetsResponseTopicPartition()
				answer.Partition, answer.Offset = p.Partition, 0
				topic.Partitions = append(topic.Partitions, answer)
			}
		}
		b.cluster.KeepControl()
		if said || !asked {
			return nil, nil, false
		}
		said = true
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		resp.Topics = []kmsg.ListOffsetsResponseTopic{topic}
		return resp, nil, true
	})
}

// Who has another configuration, and keeps less or nothing, sees less, is told so, and takes nothing from those who keep more.
func TestWhoKeepsLessDeletesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := letter(death(2, 500))
	old.Timestamp = time.Now().Add(-48 * time.Hour)
	b.produce(old)
	b.letters(30)
	path := filepath.Join(t.TempDir(), "index")
	ix := b.indexed(path, 90*24*time.Hour)
	all := b.told(ix.Queue, dlq.Filter{})
	b.loses(1) // of a segment that it has still a part of
	equal(t, "kept", b.told(ix.Queue, dlq.Filter{}), all)
	for i, c := range []struct {
		keep time.Duration
		seen int
		says string
	}{{0, 3, "dead letters that shop.orders.dlq has lost are left out: the index keeps them for 90d, as another configuration says, and this one says 0s"}, {36 * time.Hour, 31, ""}} {
		ix.close()
		less := b.indexed(path, c.keep)
		equal(t, "seen", len(b.entries(less.Queue, dlq.Filter{})), c.seen)
		b.produce(letter(death(0, int64(900+i)))) // more is read, and old segments are looked through
		equal(t, "seen with what came", len(b.entries(less.Queue, dlq.Filter{})), c.seen+1)
		if said := strings.Join(less.words, "; "); !strings.Contains(said, c.says) || (said == "") != (c.says == "") {
			t.Errorf("told: %s", said)
		}
		less.close()
		ix.open()
		equal(t, "kept by who keeps more", len(b.entries(ix.Queue, dlq.Filter{})), 32+i)
	}
	equal(t, "told to who keeps more", len(ix.words), 0)
}

// An index that is emptied while it is read ends what reads of it what only it kept: that would be left out without a word.
func TestIndexThatIsEmptiedWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(b *bundle, q *dlq.Queue, empty func()) error{
		"entries": func(b *bundle, q *dlq.Queue, empty func()) error {
			for _, err := range q.Entries(b.ctx(), dlq.Filter{}) {
				if err != nil {
					return err
				}
				empty()
			}
			return nil
		},
		"replay": func(b *bundle, q *dlq.Queue, empty func()) error {
			s, err := q.Replay(b.ctx(), dlq.Replay{Rate: 3000, Progress: func(p dlq.Progress) {
				if p.Done > 0 {
					empty()
				}
			}})
			task := b.task(s.Task)
			if equal(b.t, "state", task.State, dlq.TaskPaused); !strings.Contains(task.Why, "was emptied") {
				b.t.Errorf("why: %s", task.Why)
			}
			for range 2 { // it is told each time that it is gone on with
				resumed, again := q.Resume(b.ctx(), s.Task, dlq.Work{})
				if again != nil && !errors.Is(again, dlq.ErrTaskEnded) {
					b.t.Errorf("resumed: %v", again)
				}
				equal(b.t, "the task is told that the index lost something", b.task(s.Task).Skipped.KeptLost, true)
				equal(b.t, "so is who resumed it", resumed.KeptLost && resumed.Partly(), again == nil)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(9000)
			server := miniredis.RunT(t)
			var words []string
			ix := b.redisIndexed(server.Addr(), time.Hour, &words)
			equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 9000)
			b.loses(10)
			if err := call(b, ix.Queue, server.FlushAll); !errors.Is(err, dlq.ErrKeptLost) {
				t.Errorf("it ended with %v", err)
			}
			equal(t, "what the topic has", len(b.entries(ix.Queue, dlq.Filter{All: true})), 30)
			if said := strings.Join(words, "; "); !strings.Contains(said, "is new, or was emptied: of what shop.orders.dlq has lost until now it keeps nothing") {
				t.Errorf("told: %s", said)
			}
		})
	}
}

// A replay that is gone on with tells of an index that was emptied since it was started, or since it was last worked on, where that can have lost something
// of what it covers, and of none that was not, or had nothing to lose.
func TestReplayOfWhatAnIndexHasLostSinceItWasStarted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after func(*waiting) // it is started
		lost          bool
		done          int64 // -1: some
	}{
		"nothing happens": {(*waiting).loses, (*waiting).read, false, 9},
		"emptied":         {(*waiting).loses, (*waiting).empty, true, 3},
		"emptied, and read before it is gone on with": {(*waiting).loses, func(k *waiting) { k.empty(); k.read() }, true, 3},
		"emptied of what it kept since":               {(*waiting).read, func(k *waiting) { k.loses(); k.empty() }, true, 3},
		"emptied when it had nothing to lose":         {(*waiting).read, func(k *waiting) { k.empty(); k.loses() }, false, 9},
		"emptied when only what came since was kept": {(*waiting).read, func(k *waiting) {
			k.empty()
			k.read()
			k.letters(9)
			k.bundle.loses(1)
			k.read()
		}, false, 9},
		"emptied of nothing that it covers": {func(k *waiting) { k.bundle.loses(0) }, func(k *waiting) { k.letters(9); k.loses(); k.empty() }, false, 0},
		"away when it is started, and emptied": {func(k *waiting) { k.loses(); k.server.SetError("LOADING") }, func(k *waiting) {
			k.server.SetError("")
			k.empty() // nobody knows that there was another one
		}, false, 3},
		"emptied of what was discarded, and purged": {(*waiting).loses, func(k *waiting) {
			k.dealWith("orders/0/0", "orders/0/1", "orders/1/0", "orders/1/1", "orders/2/0", "orders/2/1")
			_, err := k.q.Purge(k.ctx(), dlq.Purge{Before: time.Now()})
			must(k.t, err)
			k.empty()
		}, false, 3},
		"emptied of what another replay has dealt with": {(*waiting).loses, func(k *waiting) {
			_, err := k.q.Replay(k.ctx(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0", "orders/0/1", "orders/1/0", "orders/1/1", "orders/2/0", "orders/2/1"}}})
			must(k.t, err)
			k.empty()
		}, false, 3},
		"emptied of all but what was dealt with": {(*waiting).loses, func(k *waiting) {
			k.dealWith("orders/0/0", "orders/0/1", "orders/1/0", "orders/1/1", "orders/2/0")
			k.empty()
		}, true, 3},
		"emptied of what was purged, whatever it was": {(*waiting).loses, func(k *waiting) {
			k.letters(3)
			_, err := k.q.Purge(k.ctx(), dlq.Purge{Before: time.Now().Add(time.Hour), IncludeOpen: true})
			must(k.t, err)
			k.empty()
		}, false, 0},
		"purged between two calls": {(*waiting).loses, func(k *waiting) {
			k.begin()
			_, err := k.q.Purge(k.ctx(), dlq.Purge{Before: time.Now().Add(time.Hour), IncludeOpen: true})
			must(k.t, err)
		}, false, -1},
		"emptied between two calls": {(*waiting).loses, func(k *waiting) { k.begin(); k.empty() }, true, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &waiting{bundle: setup(t), server: miniredis.RunT(t)}
			k.letters(9)
			k.q = k.redisIndexed(k.server.Addr(), time.Hour, new([]string)).Queue
			c.before(k)
			started, err := k.q.Start(k.ctx(), dlq.Replay{Rate: 20})
			must(t, err)
			k.task = started.ID
			c.after(k)
			s, err := k.q.Resume(k.ctx(), k.task, dlq.Work{})
			must(t, err)
			equal(t, "told", []bool{s.KeptLost, k.bundle.task(k.task).Skipped.KeptLost}, []bool{c.lost, c.lost})
			if c.done >= 0 {
				equal(t, "replayed", s.Done, c.done)
			}
		})
	}
}

// waiting is a replay that waits for somebody to work on it, of a queue with an index in Redis that keeps what the topic loses.
type waiting struct {
	*bundle
	server *miniredis.Miniredis
	q      *dlq.Queue
	task   string
}

func (k *waiting) read() { k.entries(k.q, dlq.Filter{}) }

// loses takes all but one of each partition from the topic, when the index has read it.
func (k *waiting) loses() {
	k.read()
	k.bundle.loses(1)
	k.read()
}

func (k *waiting) empty() { k.server.FlushAll() }

func (k *waiting) dealWith(ids ...string) {
	k.t.Helper()
	_, err := k.q.Discard(k.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: ids}})
	must(k.t, err)
}

// An index that was away when a replay was started, so that nobody knows what it had, and is another one since: both are told; not of one that was there before.
func TestReplayThatIsStartedWhileTheIndexIsAway(t *testing.T) {
	t.Parallel()
	for _, emptied := range []bool{true, false} {
		t.Run(fmt.Sprint("emptied: ", emptied), func(t *testing.T) {
			t.Parallel()
			var words []string
			k := &waiting{bundle: setup(t), server: miniredis.RunT(t)}
			k.letters(9)
			k.q = k.redisIndexed(k.server.Addr(), time.Hour, &words).Queue
			k.loses()
			for next := time.Now().Truncate(time.Second).Add(time.Second); time.Now().Before(next); { // the name of an index has the second in it
				k.entries(k.q, dlq.Filter{})
			}
			k.server.SetError("LOADING")
			started, err := k.q.Start(k.ctx(), dlq.Replay{})
			must(t, err)
			if len(words) == 0 || !strings.Contains(words[len(words)-1], "should it be empty") {
				t.Errorf("told when it was started: %q", words)
			}
			k.server.SetError("")
			if emptied {
				k.empty()
			}
			s, err := k.q.Resume(k.ctx(), started.ID, dlq.Work{})
			must(t, err)
			equal(t, "replayed", s.Done, map[bool]int64{true: 3, false: 9}[emptied])
			equal(t, "told", strings.Contains(strings.Join(words, " "), "was away when replay "+started.ID), emptied)
		})
	}
}

// begin works on the replay, and is interrupted.
func (k *waiting) begin() {
	k.t.Helper()
	ctx, end := context.WithCancel(k.ctx())
	_, err := k.q.Resume(ctx, k.task, dlq.Work{Progress: func(dlq.Progress) { end() }})
	if !errors.Is(err, context.Canceled) {
		k.t.Fatalf("it ended with %v", err)
	}
}

// emptying is an index that is emptied just before it is looked at for the n-th time.
type emptying struct {
	dlq.IndexStore
	left  *atomic.Int64
	empty func()
}

func (s emptying) View(ctx context.Context, do func(dlq.IndexView) error) error {
	if s.left.Add(-1) == 0 {
		s.empty()
	}
	return s.IndexStore.View(ctx, do)
}

// Whenever an index is emptied: what is read is all of it, or that it was emptied is told.
func TestIndexThatIsEmptiedAtAnyTime(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := indexredis.New(indexredis.Options{Address: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	store := client.Store("index")
	for _, left := range []int64{0, 1} { // in each partition of the topic
		looks := int64(1)
		for b := setup(t); b.readEmptying(store, server.FlushAll, looks, left); b = setup(t) {
			looks++
		}
		if looks < 4 {
			t.Errorf("it was looked at %d times only", looks)
		}
	}
}

// readEmptying reads from an index that keeps, and is emptied at a look; false where there are not so many.
func (b *bundle) readEmptying(store dlq.IndexStore, empty func(), look, left int64) bool {
	b.t.Helper()
	empty()
	b.letters(30)
	keeps := dlq.Index{Store: store, Keep: time.Hour}
	equal(b.t, "entries", len(b.entries(b.open(dlq.Indexed(keeps)), dlq.Filter{})), 30)
	b.loses(left)
	var told atomic.Bool
	before := new(atomic.Int64)
	before.Store(look)
	keeps.Store, keeps.Warn = emptying{store, before, empty}, func(string) { told.Store(true) }
	read := 0
	for _, err := range b.open(dlq.Indexed(keeps)).Entries(b.ctx(), dlq.Filter{}) {
		if err != nil {
			if told.Store(true); !errors.Is(err, dlq.ErrKeptLost) {
				b.t.Errorf("emptied at look %d, it ended with %v", look, err)
			}
			break
		}
		read++
	}
	if read < 30 && !told.Load() {
		b.t.Errorf("emptied at look %d, %d entries were read, and nothing was told", look, read)
	}
	return before.Load() <= 0
}

// A context that ends is no index that was emptied.
func TestReadOfWhatIsKeptThatIsCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), time.Hour)
	ix.same(dlq.Filter{})
	b.loses(1)
	ctx, cancel := context.WithCancel(b.ctx())
	defer cancel()
	var ended error
	for _, err := range ix.Entries(ctx, dlq.Filter{}) {
		cancel()
		ended = err
	}
	if !errors.Is(ended, context.Canceled) {
		t.Errorf("it ended with %v", ended)
	}
}

// A purge by who keeps less counts what the index keeps for another one, and leaves what is still to be dealt with, also where it knows of no index.
func TestPurgeByWhoKeepsLess(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]time.Duration{"none": 0, "less": time.Minute, "no index": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(12)
			path := filepath.Join(t.TempDir(), "index")
			ix := b.indexed(path, 90*24*time.Hour)
			if _, err := ix.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := ix.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/1/0"}}, Reason: "a test"}); err != nil {
				t.Fatal(err)
			}
			count := func() map[dlq.Status]int64 {
				stats, err := ix.Stats(b.ctx(), dlq.Filter{All: true})
				must(t, err)
				return stats.ByStatus
			}
			count()
			b.loses(2)
			ix.close()
			less := b.open()
			var shares *indexed
			if keep >= 0 {
				shares = b.indexed(path, keep)
				less = shares.Queue
			}
			b.purge(less, dlq.Purge{})
			if shares != nil {
				purged := b.purge(less, dlq.Purge{Before: time.Now().Add(time.Hour), IncludeOpen: true, DryRun: true})
				equal(t, "records, kept, of them open", []int64{purged.Records, purged.FromIndex, purged.FromIndexOpen}, []int64{6, 6, 5})
				shares.close()
			}
			ix.open()
			want := map[dlq.Status]int64{dlq.StatusOpen: 10, dlq.StatusParked: 1, dlq.StatusDiscarded: 1}
			if keep < 0 { // it knows of nobody who keeps what is done with
				delete(want, dlq.StatusDiscarded)
			}
			equal(t, "by status", count(), want)
		})
	}
}

// What an entry that is named became need not be known to replay it again: nothing else is read for that.
func TestReplayAgainOfANamedEntryReadsNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	file := indexfile.At(filepath.Join(t.TempDir(), "index"), indexfile.Options{})
	t.Cleanup(func() { _ = file.Close() })
	store := watch(file)
	q := b.open(dlq.Indexed(dlq.Index{Store: store, Keep: time.Hour}))
	b.replay(q, dlq.Replay{})
	store.records()
	equal(t, "replayed again", b.replay(q, dlq.Replay{Again: true, DryRun: true, Filter: dlq.Filter{IDs: []string{"1-4"}}}).Done, 1)
	if records := store.records(); len(records) != 1 {
		t.Errorf("read are the records of the segments %v", records)
	}
}
