package dlq_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
)

// attend attends the queue as another process would, until stop, and tells the replays that it has left.
func (b *bundle) attend(options ...dlq.Option) (left <-chan dlq.Task, stop func()) {
	b.t.Helper()
	ended, took := make(chan dlq.Task, 100), b.open(options...)
	ctx, cancel := context.WithCancel(b.ctx())
	var running sync.WaitGroup
	running.Go(func() {
		err := took.Attend(ctx, dlq.Attend{Left: func(t dlq.Task, _ dlq.Summary, _ error) { ended <- t }})
		if !errors.Is(err, context.Canceled) {
			b.t.Errorf("attending ended with %v", err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	b.t.Cleanup(stop)
	return ended, stop
}

// ended waits until a replay has ended: it looks when one of these tells something, or now and then.
func (b *bundle) ended(id string, left ...<-chan dlq.Task) dlq.Task {
	b.t.Helper()
	merged := make(chan struct{}, 100)
	for _, one := range left {
		go func() {
			for range one {
				merged <- struct{}{}
			}
		}()
	}
	for patience := b.ctx(); ; {
		if t := b.task(id); t.State.Ended() {
			return t
		}
		select {
		case <-merged:
		case <-time.After(100 * time.Millisecond):
		case <-patience.Done():
			b.t.Fatalf("replay %s has not ended: %+v", id, b.task(id))
		}
	}
}

// TestStartedReplayIsTakenUp: a replay that was only started is done by one of those who attend the queue, each entry once.
func TestStartedReplayIsTakenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	first, _ := b.attend()
	second, _ := b.attend()
	started, err := b.open().Start(b.ctx(), dlq.Replay{By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	task := b.ended(started.ID, first, second)
	equal(t, "state", task.State, dlq.TaskDone)
	equal(t, "done", task.Done, int64(9))
	equal(t, "in the tier", b.ids(tier1), originIDs(9))
}

// A queue of which nothing was ever replayed has no ledger, and who attends it asks for that once a look.
func TestQueueWithoutALedgerIsAttended(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	q := b.open()
	asked := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: ledger, Observe: true, Count: -1})
	ctx, cancel := context.WithTimeout(b.ctx(), 2*time.Second)
	defer cancel()
	if err := q.Attend(ctx, dlq.Attend{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
	if n := asked.Hits(); n < 1 || n > 3 {
		t.Errorf("asked for the ledger %d times", n)
	}
}

// A replay covers the groups that it was started for, whoever takes it up: what a dry run of it told is what becomes of it.
func TestReplayCoversItsGroupsWhoeverTakesItUp(t *testing.T) {
	t.Parallel()
	for _, any := range []bool{true, false} {
		b := setup(t)
		b.letters(6)
		for i := range 4 {
			theirs := death(0, int64(100+i))
			theirs.Group = "another"
			b.produce(letter(theirs))
		}
		own, other := b.open(), b.open(dlq.AnyGroup())
		of, by, want := own, other, int64(6)
		if any {
			of, by, want = other, own, int64(10)
		}
		r := dlq.Replay{To: dlq.Source, DryRun: true}
		equal(t, "by a dry run", b.replay(of, r).Done, want)
		r.DryRun = false
		started, err := of.Start(b.ctx(), r)
		must(t, err)
		equal(t, "of any group", b.task(started.ID).AnyGroup, any)
		s, err := by.Resume(b.ctx(), started.ID, dlq.Work{})
		must(t, err)
		equal(t, "replayed", s.Done, want)
		equal(t, "of another group", s.OtherGroup, 10-want)
		equal(t, "in the source", len(b.records(origin)), int(want))
		equal(t, "still of any group", b.task(started.ID).AnyGroup, any)
	}
}

// Who attends a queue takes up what is started after the dead letters, or their ledger, were deleted and made again.
func TestTopicThatIsMadeAgainIsAttended(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]string{"dead letters": dead, "ledger": ledger} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(9)
			ctx, stop := context.WithCancel(b.ctx())
			var running sync.WaitGroup
			defer running.Wait()
			defer stop()
			q := b.open()
			running.Go(func() {
				for ctx.Err() == nil { // it ends where the topic is missed
					_ = q.Attend(ctx, dlq.Attend{})
				}
			})
			first, err := b.open().Start(b.ctx(), dlq.Replay{})
			must(t, err)
			equal(t, "replayed of the first one", b.ended(first.ID).Done, int64(9))
			must(t, b.cluster.DeleteTopic(again))
			if again == dead {
				must(t, b.cluster.CreateTopic(dead, 3, nil))
			}
			b.client = b.connect()
			b.letters(9)
			second, err := b.open().Start(b.ctx(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/1/1"}}})
			must(t, err)
			equal(t, "state of the second one", b.ended(second.ID).State, dlq.TaskDone)
		})
	}
}

// A replay that covers what an index keeps is left alone by who has no such index, who cannot go on with it either.
func TestReplayOfWhatAnIndexKeepsIsLeft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), time.Hour)
	ix.same(dlq.Filter{}) // which builds it
	must(t, b.cluster.DeleteRecords(dead, 0, 2))
	kept, err := ix.Start(b.ctx(), dlq.Replay{})
	must(t, err)
	var took []string
	ctx, stop := context.WithCancel(b.ctx())
	left := make(chan dlq.Task, 100)
	ended := make(chan error)
	alone := b.open()
	go func() {
		ended <- alone.Attend(ctx, dlq.Attend{Took: func(t dlq.Task) { took = append(took, t.ID) }, Left: func(t dlq.Task, _ dlq.Summary, _ error) { left <- t }})
	}()
	later, err := b.open().Start(b.ctx(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/1/1"}}})
	must(t, err)
	equal(t, "the other one", b.ended(later.ID, left).Done, int64(1))
	stop()
	<-ended
	equal(t, "taken up", took, []string{later.ID})
	equal(t, "state", b.task(kept.ID).State, dlq.TaskWaiting)
	if _, err := b.open().Resume(b.ctx(), kept.ID, dlq.Work{}); !errors.Is(err, dlq.ErrKept) {
		t.Errorf("without an index it is gone on with: %v", err)
	}
	s, err := ix.Resume(b.ctx(), kept.ID, dlq.Work{})
	must(t, err)
	equal(t, "replayed, before", []int64{s.Done, s.Replayed}, []int64{8, 1})
	equal(t, "in the tier", b.ids(tier1), originIDs(9))
}

// A replay that is paused when who attends the queue has chosen it, and does not work on it yet, stays paused.
func TestReplayThatIsPausedAsItIsTakenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	started, err := b.open().Start(b.ctx(), dlq.Replay{})
	must(t, err)
	ctx, stop := context.WithCancel(b.ctx())
	var left error
	err = b.open().Attend(ctx, dlq.Attend{
		Took: func(dlq.Task) {
			_, err := b.open().Pause(b.ctx(), started.ID)
			must(t, err)
		},
		Left: func(_ dlq.Task, _ dlq.Summary, err error) { left = err; stop() },
	})
	if !errors.Is(err, context.Canceled) || !errors.Is(left, dlq.ErrPaused) {
		t.Errorf("attending ended with %v, and the replay with %v", err, left)
	}
	equal(t, "state", b.task(started.ID).State, dlq.TaskPaused)
	equal(t, "in the tier", len(b.records(tier1)), 0)
}

// A replay that somebody took the queue over from is paused: it is not gone on with by who attends the queue.
func TestReplayThatIsTakenOverIsPaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	begun := make(chan struct{})
	var once sync.Once
	ended := make(chan error, 1)
	var first dlq.Summary
	go func() {
		var err error
		first, err = b.open(dlq.SmallBatches(1)).Replay(b.ctx(), dlq.Replay{Rate: 1, Progress: func(p dlq.Progress) {
			if p.Done > 0 {
				once.Do(func() { close(begun) })
			}
		}})
		ended <- err
	}()
	<-begun
	s, err := b.open().Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/2/2"}}, Reason: "a test", By: "bob", TakeOver: true})
	must(t, err)
	equal(t, "discarded", s.Done, int64(1))
	if err := <-ended; !errors.Is(err, dlq.ErrFenced) {
		t.Errorf("the first ended with %v", err)
	}
	task := b.task(first.Task)
	if equal(t, "state", task.State, dlq.TaskPaused); !strings.Contains(task.Why, "a discard by bob took the queue over") {
		t.Errorf("why: %s", task.Why)
	}
	rest := b.resume(first.Task)
	equal(t, "replayed, before, discarded", []int64{rest.Done + rest.Earlier, rest.Discarded}, []int64{8, 1})
}

// leaseEnds makes the last sign of life of the queue's writer one of half a minute ago.
func (b *bundle) leaseEnds() {
	b.t.Helper()
	var last *kgo.Record
	for _, r := range b.records(dlq.LedgerTopic(dead)) {
		if bytes.HasSuffix(r.Key, []byte("/writer")) {
			last = r
		}
	}
	var value map[string]any
	if err := json.Unmarshal(last.Value, &value); err != nil {
		b.t.Fatal(err)
	}
	value["alive"] = time.Now().Add(-30 * time.Second).UnixMilli()
	text, _ := json.Marshal(value)
	b.produce(&kgo.Record{Topic: last.Topic, Partition: last.Partition, Key: last.Key, Value: text})
}

// TestKilledReplayIsTakenUp: the replay of a process that was killed half-way is gone on with when its lease is over, each entry once.
func TestKilledReplayIsTakenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	killed := new(process)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.Dialer(killed.dial), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	q, err := dlq.Open(client, dead, dlq.ForGroup(group), dlq.SmallBatches(2), dlq.Patience(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(b.ctx())
	defer end()
	s, err := q.Replay(ctx, dlq.Replay{Progress: func(p dlq.Progress) {
		if p.Done > 2 {
			killed.kill()
			end()
		}
	}, Rate: 20})
	if err == nil {
		t.Fatal("the replay was not killed")
	}
	equal(t, "state", b.task(s.Task).State, dlq.TaskRunning) // as far as anybody can know
	b.leaseEnds()
	left, _ := b.attend()
	task := b.ended(s.Task, left)
	equal(t, "state", task.State, dlq.TaskDone)
	equal(t, "done", task.Done, int64(9))
	equal(t, "in the tier", b.ids(tier1), originIDs(9))
}

// TestReplayOfASlowClockIsNotTakenUp: a replay is left alone while it gives signs of life, by however much the clock is off that they are by, which is told; and
// taken up when there are none any more.
func TestReplayOfASlowClockIsNotTakenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	started, err := b.open().Start(b.ctx(), dlq.Replay{})
	must(t, err)
	id := b.cluster.TopicInfo(dead).TopicID
	sign := func() {
		value := fmt.Sprintf(`{"v":1,"at":1,"by":"ann@other","run":"r","of":"%s","doing":"replay","alive":%d}`, started.ID, time.Now().Add(-time.Minute).UnixMilli())
		b.produce(&kgo.Record{Topic: ledger, Key: []byte(base64.RawURLEncoding.EncodeToString(id[:]) + "/writer"), Value: []byte(value)})
	}
	sign()
	skewed, took := make(chan time.Duration, 1), make(chan string, 100)
	ctx, stop := context.WithCancel(b.ctx())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	q := b.open()
	running.Go(func() {
		_ = q.Attend(ctx, dlq.Attend{Took: func(t dlq.Task) { took <- t.ID }, Skewed: func(w dlq.Writer, by time.Duration) {
			if w.By != "ann@other" {
				t.Errorf("told of %+v", w)
			}
			skewed <- by
		}})
	})
	for told := false; !told; {
		select {
		case by := <-skewed:
			if told = true; (by + time.Minute).Abs() > 10*time.Second {
				t.Errorf("its clock is told to be off by %v", by)
			}
		case who := <-took:
			t.Fatalf("replay %s is taken up while it is under way", who)
		case <-time.After(500 * time.Millisecond):
			sign()
		case <-ctx.Done():
			t.Fatal("that its clock is off is not told")
		}
	}
	equal(t, "state when it is dead", b.ended(started.ID).State, dlq.TaskDone)
	equal(t, "in the tier", b.ids(tier1), originIDs(9))
}

// TestAttendedReplayIsHandedOver: who attends and is told to end leaves the replay to others; one that an operator paused stays so.
func TestAttendedReplayIsHandedOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	_, stop := b.attend(dlq.SmallBatches(1))
	started, err := b.open().Start(b.ctx(), dlq.Replay{Rate: 4})
	if err != nil {
		t.Fatal(err)
	}
	for b.task(started.ID).Done == 0 { // each look asks the broker
		if b.ctx().Err() != nil {
			t.Fatal("nobody took it up")
		}
	}
	stop()
	task := b.task(started.ID)
	if task.State != dlq.TaskWaiting || task.Why != "" || task.Done == 9 {
		t.Fatalf("after the end of who attended: %+v", task)
	}
	if _, err := b.open().Pause(b.ctx(), started.ID); err != nil {
		t.Fatal(err)
	}
	other, err := b.open().Start(b.ctx(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/2/2"}}})
	if err != nil {
		t.Fatal(err)
	}
	left, _ := b.attend()
	b.ended(other.ID, left)
	equal(t, "the paused one", b.task(started.ID).State, dlq.TaskPaused)
	b.resume(started.ID)
	equal(t, "in the tier", b.ids(tier1), originIDs(9))
}
