package dlq_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// task reads a task. It may be asked for again and again, and so uses the bundle's client.
func (b *bundle) task(id string) dlq.Task {
	b.t.Helper()
	q, err := dlq.Open(b.client, dead, dlq.ForGroup(group))
	if err != nil {
		b.t.Fatal(err)
	}
	t, err := q.Task(b.ctx(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

func (b *bundle) resume(id string) dlq.Summary {
	b.t.Helper()
	s, err := b.open().Resume(b.ctx(), id, dlq.Work{})
	if err != nil {
		b.t.Fatalf("resume: %v (after %+v)", err, s)
	}
	return s
}

// A replay that is started waits until somebody works on it, covers what was there when it was started, and is then done.
func TestTaskWaitsForAWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	started, err := b.open().Start(b.ctx(), dlq.Replay{By: "ann", Filter: dlq.Filter{Class: classify.Network}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "before anybody works on it", b.task(started.ID).State, dlq.TaskWaiting)
	later := death(0, 99)
	b.produce(letter(later))

	s := b.resume(started.ID)
	equal(t, "replayed", s.Done, 9)
	equal(t, "in the tier", b.ids(tier1), originIDs(9))
	task := b.task(started.ID)
	equal(t, "state", task.State, dlq.TaskDone)
	equal(t, "who started it", task.By, "ann")
	equal(t, "done", task.Done, 9)
	equal(t, "to", task.To, map[string]int64{tier1: 9})
	if _, err := b.open().Resume(b.ctx(), started.ID, dlq.Work{}); !errors.Is(err, dlq.ErrTaskEnded) {
		t.Errorf("to go on with it ended with %v", err)
	}
	if _, err := b.open().Resume(b.ctx(), "20260101-000000-abcd", dlq.Work{}); !errors.Is(err, dlq.ErrNoTask) {
		t.Errorf("to go on with none ended with %v", err)
	}
	equal(t, "what came later is open", len(b.entries(b.open(), dlq.Filter{})), 1)
}

// What a task is to do comes out of the ledger as it went in.
func TestTaskIsWrittenDownWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(1)
	r := dlq.Replay{
		Filter: dlq.Filter{
			IDs: []string{"orders/0/1", "0-3"}, Class: classify.Validation, Severity: classify.Severities()[0], Reason: "exhausted", Topic: "orders", Since: noon, Until: noon.Add(time.Hour), ExpiringBefore: noon.Add(2 * time.Hour),
			Key: []byte{0xff, 0}, Error: regexp.MustCompile(`a|b`), Text: "c", Fingerprints: []dlq.Fingerprint{7}, Status: []dlq.Status{dlq.StatusDiscarded}, Limit: 5,
		},
		To: dlq.Source, Rate: 2.5, Concurrency: 3, Canary: 4, CanaryRate: 0.5, StopAt: 0.25, Wait: true, MaxReplays: -1,
		SetHeaders: []kgo.RecordHeader{{Key: "fixed", Value: []byte{0xfe}}}, Again: true, UnsetHeaders: []string{"x"}, SetKey: []byte{}, JQ: "upper", By: "ann",
	}
	for _, part := range []any{r, r.Filter} {
		for i, v := 0, reflect.ValueOf(part); i < v.NumField(); i++ {
			switch name := v.Type().Field(i).Name; name {
			case "DryRun", "TakeOver", "Edit", "EditText", "Progress", "Entry", "All": // All goes without Status, and what is edited by hand is no other call's
			default:
				if v.Field(i).IsZero() {
					t.Errorf("%s is not put to the test", name)
				}
			}
		}
	}
	started, err := b.open(dlq.JQ(upper)).Start(b.ctx(), r)
	if err != nil {
		t.Fatal(err)
	}
	got := b.task(started.ID).Replay
	equal(t, "error", got.Filter.Error.String(), "a|b")
	got.Filter.Error, r.Filter.Error = nil, nil
	equal(t, "the replay", got, r)
	empty, err := b.open().Start(b.ctx(), dlq.Replay{Filter: dlq.Filter{Key: []byte{}}})
	if err != nil {
		t.Fatal(err)
	}
	if key := b.task(empty.ID).Replay.Filter.Key; key == nil || len(key) > 0 {
		t.Errorf("the empty key became %v", key)
	}
	tasks, err := b.open().Tasks(b.ctx())
	if err != nil || len(tasks) != 2 {
		t.Errorf("tasks: %v, %v", tasks, err)
	}
}

// The ledger tells of the last hundred replays that have ended, also while it is not compacted.
func TestReplaysThatEndedLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(1)
	q := b.open()
	for range 105 {
		task, err := q.Start(b.ctx(), dlq.Replay{})
		must(t, err)
		_, err = q.Cancel(b.ctx(), task.ID)
		must(t, err)
	}
	last := b.replay(q, dlq.Replay{})
	tasks, err := q.Tasks(b.ctx())
	must(t, err)
	if n := len(tasks); n != 101 || tasks[0].ID != last.Task { // and the one that has forgotten the others
		t.Errorf("%d replays, of which the first is %s, want 101 and %s", n, tasks[0].ID, last.Task)
	}
}

// Another process pauses a replay, which ends with that, and a third one goes on with it where it was; the limit is that
// of both.
func TestPausedTaskGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(12)
	paused := make(chan error, 1)
	var once bool
	s, err := b.open(dlq.SmallBatches(1)).Replay(b.ctx(), dlq.Replay{Filter: dlq.Filter{Limit: 10}, Rate: 4, Progress: func(p dlq.Progress) {
		if p.Done > 0 && !once {
			once = true
			go func() {
				tasks, err := b.open().Tasks(b.ctx())
				if err == nil && (len(tasks) != 1 || tasks[0].State != dlq.TaskRunning || tasks[0].Worker.Run != tasks[0].ID) {
					t.Errorf("while it runs: %+v", tasks)
				}
				if err == nil {
					_, err = b.open().Pause(b.ctx(), tasks[0].ID)
				}
				paused <- err
			}()
		}
	}})
	if !errors.Is(err, dlq.ErrPaused) {
		t.Fatalf("the replay ended with %v", err)
	}
	if err := <-paused; err != nil {
		t.Fatal(err)
	}
	task := b.task(s.Task)
	equal(t, "state", task.State, dlq.TaskPaused)
	if !strings.Contains(task.Why, "paused by ") || s.Done == 0 || s.Done > 9 || task.Done != s.Done {
		t.Errorf("paused: %+v, after %+v", task, s)
	}
	second := b.resume(s.Task)
	equal(t, "replayed by both", s.Done+second.Done, 10)
	equal(t, "told as done before", second.Earlier, s.Done)
	equal(t, "done in all", b.task(s.Task).Done, 10)
	equal(t, "in the tier", len(b.records(tier1)), 10)
}

// A replay that is resumed and waits for outcomes is under way: another process sees that, and its pause ends it.
func TestResumedTaskIsUnderWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	first, err := b.open(dlq.OutcomePatience(time.Millisecond)).Replay(b.ctx(), dlq.Replay{Canary: 1})
	if !errors.Is(err, dlq.ErrPaused) {
		t.Fatalf("without outcomes it ended with %v", err)
	}
	resumed := make(chan error, 1)
	looking := make(chan struct{})
	var once sync.Once
	go func() {
		_, err := b.open().Resume(b.ctx(), first.Task, dlq.Work{Progress: func(dlq.Progress) { once.Do(func() { close(looking) }) }})
		resumed <- err
	}()
	<-looking
	if task := b.task(first.Task); task.State != dlq.TaskRunning || task.Worker.Run == "" {
		t.Errorf("while it is under way: %+v", task)
	}
	paused, err := b.open().Pause(b.ctx(), first.Task)
	if err != nil || paused.State != dlq.TaskPaused || paused.Worker.Run != "" {
		t.Errorf("paused: %+v, %v", paused, err)
	}
	if err := <-resumed; !errors.Is(err, dlq.ErrPaused) || !strings.Contains(err.Error(), "paused by ") {
		t.Errorf("the one that was under way ended with %v", err)
	}
	equal(t, "in the tier", len(b.records(tier1)), 1)
}

func TestCancelledTaskHasEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	started, err := b.open().Start(b.ctx(), dlq.Replay{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.open().Pause(b.ctx(), started.ID); err != nil {
		t.Fatal(err)
	}
	equal(t, "paused while nobody works on it", b.task(started.ID).State, dlq.TaskPaused)
	if _, err := b.open().Cancel(b.ctx(), started.ID); err != nil {
		t.Fatal(err)
	}
	equal(t, "cancelled", b.task(started.ID).State, dlq.TaskCancelled)
	for what, call := range map[string]func() error{
		"resume": func() error { _, err := b.open().Resume(b.ctx(), started.ID, dlq.Work{}); return err },
		"pause":  func() error { _, err := b.open().Pause(b.ctx(), started.ID); return err },
	} {
		if err := call(); !errors.Is(err, dlq.ErrTaskEnded) {
			t.Errorf("%s ended with %v", what, err)
		}
	}
	equal(t, "in the tier", len(b.records(tier1)), 0)
}

// A replay that nobody works on is cancelled and paused while another one runs, which is not disturbed: for who looks, at once, for who attends the queue,
// after the ledger was compacted, and in the words of every release when the next call writes.
func TestTaskIsSettledWhileAnotherOneWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	start := func(r dlq.Replay) string {
		t.Helper()
		started, err := b.open().Start(b.ctx(), r)
		must(t, err)
		return started.ID
	}
	one := func(id string) dlq.Filter { return dlq.Filter{IDs: []string{id}} }
	mistake, later, long := start(dlq.Replay{Filter: one("orders/0/0")}), start(dlq.Replay{Filter: one("orders/1/1")}), start(dlq.Replay{Rate: 1e-6, Filter: dlq.Filter{Limit: 2}})
	ended := make(chan error, 1)
	go func() {
		_, err := b.open().Resume(b.ctx(), long, dlq.Work{By: "ann"})
		ended <- err
	}()
	for b.task(long).Done == 0 { // each look asks the broker
		if b.ctx().Err() != nil {
			t.Fatal("the long one does not begin")
		}
	}
	cancelled, err := b.open().Cancel(b.ctx(), mistake)
	must(t, err)
	paused, err := b.open().Pause(b.ctx(), later)
	must(t, err)
	equal(t, "states told", []dlq.TaskState{cancelled.State, paused.State}, []dlq.TaskState{dlq.TaskCancelled, dlq.TaskPaused})
	if task := b.task(mistake); !strings.HasPrefix(task.Why, "by ") || time.Since(task.Change) > time.Minute {
		t.Errorf("the cancelled one: %+v", task)
	}
	if _, err := b.open().Pause(b.ctx(), mistake); !errors.Is(err, dlq.ErrTaskEnded) {
		t.Errorf("to pause the cancelled one ended with %v", err)
	}
	b.cluster.Compact()
	equal(t, "the other one's state", b.task(long).State, dlq.TaskRunning)
	said := func(id string) (states []string) {
		for _, r := range b.records(ledger) {
			if strings.HasSuffix(string(r.Key), "/task/"+id) {
				_, rest, _ := strings.Cut(string(r.Value), `"state":"`)
				state, _, _ := strings.Cut(rest, `"`)
				states = append(states, state)
			}
		}
		return states
	}
	equal(t, "said of it as a task", said(mistake), []string{"waiting"})

	_, err = b.open().Pause(b.ctx(), long)
	must(t, err)
	if err := <-ended; !errors.Is(err, dlq.ErrPaused) {
		t.Errorf("the long one ended with %v, want that it was paused", err)
	}
	next := start(dlq.Replay{Filter: one("orders/2/2")})
	left, stop := b.attend()
	equal(t, "the next one", b.ended(next, left).State, dlq.TaskDone)
	stop()
	states := func() []dlq.TaskState { return []dlq.TaskState{b.task(mistake).State, b.task(later).State} }
	equal(t, "when it was cancelled, after the next one", b.task(mistake).Change, cancelled.Change)
	equal(t, "states after the next one", states(), []dlq.TaskState{dlq.TaskCancelled, dlq.TaskPaused})
	if states := said(mistake); states[len(states)-1] != "cancelled" {
		t.Errorf("said of the cancelled one as a task: %v", states)
	}
	if _, err := b.open().Resume(b.ctx(), mistake, dlq.Work{}); !errors.Is(err, dlq.ErrTaskEnded) {
		t.Errorf("to go on with the cancelled one ended with %v", err)
	}
	equal(t, "replayed of the paused one", b.resume(later).Done, int64(1))
	equal(t, "states in the end", states(), []dlq.TaskState{dlq.TaskCancelled, dlq.TaskDone})
}

// What a replay had replayed that was cancelled while another one ran is told as replayed by one that has ended.
func TestTaskThatIsSettledHasEndedForOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	first, err := b.open(dlq.OutcomePatience(time.Millisecond)).Replay(b.ctx(), dlq.Replay{Canary: 1})
	if !errors.Is(err, dlq.ErrPaused) {
		t.Fatalf("without outcomes it ended with %v", err)
	}
	var cancelled bool
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{Limit: 1}, Entry: func(dlq.Entry, string) {
		before := b.replay(b.open(), dlq.Replay{DryRun: true})
		_, err := b.open().Cancel(b.ctx(), first.Task)
		must(t, err)
		after := b.replay(b.open(), dlq.Replay{DryRun: true})
		equal(t, "replayed by one that has not ended, before and after", []int{len(before.Unfinished), len(after.Unfinished)}, []int{1, 0})
		cancelled = true
	}})
	if !cancelled {
		t.Error("nothing was replayed")
	}
}

// Who takes a replay up while somebody wishes that nobody does sees that wish, and ends. One that was said before it went on with a paused one does not count.
func TestTaskThatIsTakenUpWhileItIsSettled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	started, err := b.open().Start(b.ctx(), dlq.Replay{Rate: 1e-6})
	must(t, err)
	id := b.cluster.TopicInfo(dead).TopicID
	wish := func() {
		value := fmt.Sprintf(`{"v":1,"at":%d,"by":"bob","run":"%[2]s","of":"%[2]s","doing":"wish","reason":"pause"}`, time.Now().UnixMilli(), started.ID)
		b.produce(&kgo.Record{Topic: ledger, Key: []byte(base64.RawURLEncoding.EncodeToString(id[:]) + "/wish/" + started.ID), Value: []byte(value)})
	}
	wish()
	equal(t, "state when it is wished", b.task(started.ID).State, dlq.TaskPaused)
	ended := make(chan error, 1)
	go func() {
		_, err := b.open().Resume(b.ctx(), started.ID, dlq.Work{})
		ended <- err
	}()
	for b.task(started.ID).Done == 0 { // each look asks the broker
		if b.ctx().Err() != nil {
			t.Fatal("it is not gone on with")
		}
	}
	wish()
	if err := <-ended; !errors.Is(err, dlq.ErrPaused) || !strings.Contains(err.Error(), "by bob") {
		t.Errorf("it ended with %v, want that bob paused it", err)
	}
	equal(t, "state", b.task(started.ID).State, dlq.TaskPaused)
	equal(t, "replayed", b.task(started.ID).Done, int64(1))
}

// A replay is killed at any step and gone on with by its id: every entry is in the tier once, and the task counts all.
func TestKilledTaskIsGoneOnWith(t *testing.T) {
	t.Parallel()
	const entries = 8
	for step := 1; ; step++ {
		b := setup(t)
		b.letters(entries)
		started, err := b.open().Start(b.ctx(), dlq.Replay{Again: true})
		if err != nil {
			t.Fatal(err)
		}
		killed := new(process)
		client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.Dialer(killed.dial), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		q, err := dlq.Open(client, dead, dlq.ForGroup(group), dlq.SmallBatches(3), dlq.Patience(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(b.ctx())
		stop := b.atStep(step, func() bool { killed.kill(); end(); return step%2 == 0 })
		_, _ = q.Resume(ctx, started.ID, dlq.Work{})
		steps := stop()
		end()
		client.Close()
		if steps < step {
			if step < 6 {
				t.Fatalf("only %d steps", steps)
			}
			return
		}
		if was := b.task(started.ID); was.State.Ended() {
			continue // it was killed when it had nothing left to say
		}
		if _, err := b.open().Resume(b.ctx(), started.ID, dlq.Work{TakeOver: true}); err != nil {
			t.Fatalf("killed at step %d: %v", step, err)
		}
		equal(t, "in the tier", b.ids(tier1), originIDs(entries))
		equal(t, "counted", b.task(started.ID).Done, entries)
	}
}

// A replay covers what was there when it was started also where it was carried forward since, and the topic has taken it from where it stood; not what has died
// since and was carried forward too, or was imported.
func TestReplayOfWhatWasRenewedSinceItWasStarted(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprint("keys held: ", held), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			options := map[bool][]dlq.Option{true: {dlq.KeysAreHeld()}}[held]
			b.aged(3*day, 2*day, day)
			imported := b.letterLines(b.open())
			b.takes(0, 1) // which is imported later
			started, err := b.open(options...).Start(b.ctx(), dlq.Replay{})
			must(t, err)
			since := letter(death(0, 7))
			since.Timestamp = time.Now().Add(time.Minute)
			b.produce(since)
			_, err = b.open().Renew(b.ctx(), dlq.Renew{})
			must(t, err)
			b.takes(0, 4)
			_, err = b.open().Import(b.ctx(), imported)
			must(t, err)
			s, err := b.open(options...).Resume(b.ctx(), started.ID, dlq.Work{})
			must(t, err)
			equal(t, "replayed", s.Done, int64(2))
			equal(t, "left", originsOf(b.entries(b.open(), dlq.Filter{})), "orders/0/0 orders/0/7")
			equal(t, "state", b.task(started.ID).State, dlq.TaskDone)
		})
	}
}

// A replay that an error ends says which, to whoever asks, and can be gone on with: it says so no more then.
func TestInterruptedTaskSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	started, err := b.open().Start(b.ctx(), dlq.Replay{})
	must(t, err)
	fault := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: tier1, Err: kerr.TopicAuthorizationFailed, Count: -1})
	if _, err := b.open().Resume(b.ctx(), started.ID, dlq.Work{}); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("the replay ended with %v", err)
	}
	task := b.task(started.ID)
	equal(t, "state", task.State, dlq.TaskInterrupted)
	if !strings.Contains(task.Why, "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("why: %q, want what the brokers said", task.Why)
	}
	fault.Remove()
	equal(t, "replayed", b.resume(started.ID).Done, 9)
	task = b.task(started.ID)
	equal(t, "state", task.State, dlq.TaskDone)
	equal(t, "why", task.Why, "")
}

// One that ends before its first entry says why, too, with what was counted before, and can be gone on with.
func TestTaskThatFailsBeforeItsFirstEntrySaysWhy(t *testing.T) {
	t.Parallel()
	denied := func(b *bundle, key kmsg.Key) (end func()) {
		return b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: dead, Err: kerr.TopicAuthorizationFailed, Count: -1}).Remove
	}
	for name, c := range map[string]struct {
		replay  dlq.Replay
		options []dlq.Option
		fails   func(b, west *bundle) (end func())
		why     string
	}{
		"its range": {fails: func(b, _ *bundle) func() { return denied(b, kmsg.ListOffsets) }, why: "TOPIC_AUTHORIZATION_FAILED"},
		"another cluster": {replay: dlq.Replay{To: dlq.Source.On("west")}, fails: func(_, west *bundle) func() {
			return west.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: dead, Err: kerr.UnknownServerError, Count: -1}).Remove
		}, why: "cluster west: "},
		"what died of a replay": {replay: dlq.Replay{Again: true}, fails: func(b, _ *bundle) func() { return denied(b, kmsg.Fetch) }, why: "TOPIC_AUTHORIZATION_FAILED"},
		"the order of keys":     {options: []dlq.Option{dlq.KeysAreHeld()}, fails: func(b, _ *bundle) func() { return denied(b, kmsg.Fetch) }, why: "TOPIC_AUTHORIZATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			other, toWest := west(t)
			q := func() *dlq.Queue { return b.open(append(c.options, toWest, dlq.SmallBatches(1))...) }
			for p := range int32(3) {
				foreign := death(p, 99)
				foreign.Group = "billing"
				b.produce(letter(foreign))
			}
			b.letters(9)
			c.replay.Rate = 20 // so that it can be stopped in its middle
			started, err := q().Start(b.ctx(), c.replay)
			must(t, err)
			ctx, stop := context.WithCancel(b.ctx())
			_, err = q().Resume(ctx, started.ID, dlq.Work{Progress: func(p dlq.Progress) {
				if p.Done > 0 {
					stop()
				}
			}})
			before := b.task(started.ID)
			if !errors.Is(err, context.Canceled) || before.Done == 0 || before.Skipped.OtherGroup == 0 {
				t.Fatalf("it was to end in its middle, and not with %v: %+v", err, before)
			}

			end := c.fails(b, other)
			s, failed := q().Resume(b.ctx(), started.ID, dlq.Work{})
			end()
			task := b.task(started.ID)
			equal(t, "replayed", s.Done, 0)
			equal(t, "state", task.State, dlq.TaskInterrupted)
			if failed == nil || task.Why != failed.Error() || !strings.Contains(task.Why, c.why) {
				t.Errorf("why: %q, want %v", task.Why, failed)
			}
			equal(t, "as before", fmt.Sprint(task.Done, task.Skipped), fmt.Sprint(before.Done, before.Skipped))
			_, err = q().Resume(b.ctx(), started.ID, dlq.Work{})
			must(t, err)
			task = b.task(started.ID)
			equal(t, "done", task.Done, 9)
			equal(t, "state, why", fmt.Sprint(task.State, task.Why), string(dlq.TaskDone))
		})
	}
}

// A replay that is cancelled or paused while it gives no sign of life, as of a process that hangs, says so when it goes on.
func TestTaskThatIsSettledWhileItHangs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settle func(*dlq.Queue, context.Context, string) (dlq.Task, error)
		want   error
	}{{(*dlq.Queue).Cancel, dlq.ErrCancelled}, {(*dlq.Queue).Pause, dlq.ErrPaused}} {
		t.Run(c.want.Error(), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(9)
			begun, ended := make(chan string, 1), make(chan error, 1)
			var once sync.Once
			go func() {
				_, err := b.open(dlq.RenewTime(3*time.Second)).Replay(b.ctx(), dlq.Replay{Rate: 1e-6, Progress: func(p dlq.Progress) {
					if p.Done > 0 {
						once.Do(func() { begun <- p.Task })
					}
				}})
				ended <- err
			}()
			id := <-begun
			b.leaseEnds()
			_, err := c.settle(b.open(), b.ctx(), id)
			must(t, err)
			err = <-ended
			if !errors.Is(err, c.want) || !errors.Is(err, dlq.ErrFenced) || !strings.HasPrefix(err.Error(), c.want.Error()+" by ") {
				t.Errorf("it ended with %v, want %v", err, c.want)
			}
		})
	}
}
