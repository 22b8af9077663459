package dlq_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

const tier10 = "shop.orders.retry-10s"

// verdict is what the group makes of a record.
type verdict int

const (
	succeeds verdict = iota
	dies
	isRetried // once, and succeeds then
	diesLater // is retried once, and dies then
	hangs
)

// works runs a member of the group that reads the retry topics, and commits what it has dealt with, until the test ends.
func (b *bundle) works(judge func(retrytopics.State) verdict) {
	b.t.Helper()
	b.reads(group, []string{tier1, tier10, origin}, func(r *kgo.Record) (next *kgo.Record, done bool) {
		state, _ := retrytopics.Decode(r)
		if r.Topic == origin {
			state = retrytopics.Fresh(r, "")
			state.Group = group
		}
		v := judge(state)
		switch {
		case v == isRetried && r.Topic == tier10:
			v = succeeds
		case v == diesLater && r.Topic == tier10:
			v = dies
		}
		switch v {
		case hangs:
			return nil, false
		case dies:
			return dlq.Letter(r, state, dead, 0), true
		case succeeds:
			return nil, true
		}
		return &kgo.Record{Topic: tier10, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: state.AppendHeaders(nil, r.Headers, 0)}, true
	})
}

// reads runs a member of a group until the test ends, which gives each record to does, writes what is next of it, and commits what is done.
func (b *bundle) reads(of string, topics []string, does func(*kgo.Record) (next *kgo.Record, done bool)) {
	b.t.Helper()
	member, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.ConsumerGroup(of), kgo.ConsumeTopics(topics...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, end := context.WithCancel(b.t.Context())
	ended := make(chan struct{})
	b.t.Cleanup(func() { end(); <-ended; member.Close() })
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			for _, r := range member.PollFetches(ctx).Records() {
				next, done := does(r)
				if next != nil && member.ProduceSync(ctx, next).FirstErr() != nil || done && member.CommitRecords(ctx, r) != nil {
					return
				}
			}
		}
	}()
}

// The outcomes of what is replayed are known: what dies again failed, what is committed past succeeded, by whatever way.
func TestReplayWaitsForOutcomes(t *testing.T) {
	t.Parallel()
	for _, to := range []dlq.Destination{dlq.OwnTier, dlq.Source} {
		t.Run(string(to), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(12)
			b.works(func(s retrytopics.State) verdict {
				id, _ := strings.CutPrefix(s.ID, "orders/")
				return map[string]verdict{"0/0": dies, "1/1": dies, "2/2": isRetried, "0/3": diesLater}[id]
			})
			s := b.replay(b.open(dlq.SmallBatches(5)), dlq.Replay{Wait: true, To: to})
			equal(t, "replayed", s.Done, 12)
			equal(t, "succeeded, failed, pending", []int64{s.Succeeded, s.Failed, s.Pending}, []int64{9, 3, 0})
			equal(t, "partly", s.Partly(), true)
			task := b.task(s.Task)
			equal(t, "in the task", []any{task.State, task.Succeeded, task.Failed}, []any{dlq.TaskDone, int64(9), int64(3)})
			equal(t, "open again", len(b.entries(b.open(), dlq.Filter{})), 3)
		})
	}
}

// The rest goes only when enough of the canaries have succeeded.
func TestCanary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		rate   float64
		done   int64
		failed int64
		err    error
	}{
		{"one of four fails where all have to succeed", 0, 4, 1, dlq.ErrStopped},
		{"one of four fails where nine tenths have to", 0.9, 4, 1, dlq.ErrStopped},
		{"one of four fails where three of four have to", 0.75, 12, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for i := range 12 {
				record := letter(death(0, int64(i)))
				record.Timestamp = noon.Add(time.Duration(i) * time.Second)
				b.produce(record)
			}
			b.works(func(s retrytopics.State) verdict {
				if s.Offset == 2 {
					return dies
				}
				return succeeds
			})
			s, err := b.open().Replay(b.ctx(), dlq.Replay{Canary: 4, CanaryRate: c.rate})
			if !errors.Is(err, c.err) {
				t.Fatalf("it ended with %v, want %v", err, c.err)
			}
			equal(t, "replayed", s.Done, c.done)
			equal(t, "failed", s.Failed, c.failed)
			equal(t, "in the tier", len(b.records(tier1)), int(c.done))
			if c.err != nil {
				task := b.task(s.Task)
				equal(t, "state", task.State, dlq.TaskStopped)
				if !strings.Contains(task.Why, "1 of the 4 that went first failed again") {
					t.Errorf("why: %s", task.Why)
				}
				equal(t, "still open, with the one that died again", len(b.entries(b.open(), dlq.Filter{})), 9)
			}
		})
	}
}

// A replay whose entries fail again stops, with no more under way than were allowed.
func TestReplayStopsAtAFailureRate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(60)
	var most, under atomic.Int64
	b.works(func(s retrytopics.State) verdict {
		most.Store(max(most.Load(), under.Load()))
		return dies
	})
	s, err := b.open(dlq.SmallBatches(2)).Replay(b.ctx(), dlq.Replay{Concurrency: 5, StopAt: 0.5, Progress: func(p dlq.Progress) { under.Store(p.Pending) }})
	if !errors.Is(err, dlq.ErrStopped) {
		t.Fatalf("it ended with %v", err)
	}
	if s.Failed < 10 || s.Done > s.Failed+5 || most.Load() > 5 {
		t.Errorf("stopped with %d replayed, %d failed, up to %d under way", s.Done, s.Failed, most.Load())
	}
}

// Where nothing is heard of what was replayed, the replay pauses, says so, and can be gone on with: what was under way is
// then known.
func TestReplayWithoutOutcomesPauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	s, err := b.open(dlq.OutcomePatience(time.Second)).Replay(b.ctx(), dlq.Replay{Canary: 3})
	if !errors.Is(err, dlq.ErrPaused) || !strings.Contains(err.Error(), "nothing was heard of 3 entries") {
		t.Fatalf("it ended with %v", err)
	}
	equal(t, "replayed, pending", []int64{s.Done, s.Pending}, []int64{3, 3})
	equal(t, "state", b.task(s.Task).State, dlq.TaskPaused)
	b.works(func(s retrytopics.State) verdict { return succeeds })
	rest := b.resume(s.Task)
	equal(t, "replayed then, before, and succeeded", []int64{rest.Done, rest.Earlier, rest.Succeeded}, []int64{6, 3, 9})
	equal(t, "state at the end", b.task(s.Task).State, dlq.TaskDone)
}

// A replay that is gone on with knows the outcomes of all that it replayed, each once: also of what had died again before, and is come upon
// after the dead letters were read for it.
func TestOutcomesOfAReplayThatIsGoneOnWith(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		record := letter(death(0, int64(i)))
		record.Timestamp = noon.Add(time.Duration(i) * time.Second)
		b.produce(record)
	}
	first := dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0", "orders/0/1"}}}
	if _, err := b.open().Park(b.ctx(), first); err != nil {
		t.Fatal(err)
	}
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	b.works(func(s retrytopics.State) verdict {
		switch s.Offset {
		case 2:
			return dies
		case 4:
			<-released
		}
		return succeeds
	})
	ctx, cancel := context.WithCancel(b.ctx())
	defer cancel()
	s, err := b.open().Replay(ctx, dlq.Replay{Wait: true, Rate: 2, Progress: func(p dlq.Progress) {
		if p.Succeeded == 1 && p.Failed == 1 && p.Done == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	release()
	if _, err := b.open().Reopen(b.ctx(), first); err != nil {
		t.Fatal(err)
	}
	rest := b.resume(s.Task)
	equal(t, "replayed then, before", []int64{rest.Done, rest.Earlier}, []int64{2, 3})
	equal(t, "succeeded, failed, pending", []int64{rest.Succeeded, rest.Failed, rest.Pending}, []int64{4, 1, 0})
	task := b.task(s.Task)
	equal(t, "in the task", []int64{task.Succeeded, task.Failed}, []int64{4, 1})
}

// A replay that had replayed as many as it may is gone on with for their outcomes, and replays no more.
func TestOutcomesOfAReplayWhoseLimitIsSpent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	s, err := b.open(dlq.OutcomePatience(time.Second)).Replay(b.ctx(), dlq.Replay{Filter: dlq.Filter{Limit: 2}, Wait: true})
	if !errors.Is(err, dlq.ErrPaused) {
		t.Fatalf("it ended with %v", err)
	}
	b.works(func(s retrytopics.State) verdict { return succeeds })
	rest := b.resume(s.Task)
	equal(t, "replayed then, before, and succeeded", []int64{rest.Done, rest.Earlier, rest.Succeeded}, []int64{0, 2, 2})
	equal(t, "in the tier", len(b.records(tier1)), 2)
	equal(t, "state", b.task(s.Task).State, dlq.TaskDone)
}

// What waits in a later retry topic has not succeeded, though its group is past where it was replayed to.
func TestOutcomeOfWhatIsRetriedIsAwaited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	waits, released := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	calls := 0
	b.works(func(s retrytopics.State) verdict {
		if s.Offset != 0 || s.Partition != 1 {
			return succeeds
		}
		if calls++; calls == 2 {
			close(waits)
			<-released
		}
		return diesLater
	})
	t.Cleanup(release)
	looks := 0
	s := b.replay(b.open(), dlq.Replay{Wait: true, Progress: func(dlq.Progress) {
		select {
		case <-waits:
			if looks++; looks == 15 { // several looks for outcomes long
				release()
			}
		default:
		}
	}})
	equal(t, "succeeded, failed", []int64{s.Succeeded, s.Failed}, []int64{2, 1})
	if looks < 15 {
		t.Errorf("it was taken for done after %d looks", looks)
	}
}

// A replay that is stopped says whether it had anything left to replay.
func TestStoppedWithNothingLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		letters  int
		replay   dlq.Replay
		complete bool
	}{
		{4, dlq.Replay{Canary: 4}, true},
		{5, dlq.Replay{Canary: 4}, false},
		{5, dlq.Replay{Canary: 4, Filter: dlq.Filter{Limit: 4}}, false},
		{10, dlq.Replay{StopAt: 0.2}, true},
		{100, dlq.Replay{StopAt: 0.2}, false},
	} {
		b := setup(t)
		b.letters(c.letters)
		b.works(func(retrytopics.State) verdict { return dies })
		s, err := b.open().Replay(b.ctx(), c.replay)
		if !errors.Is(err, dlq.ErrStopped) || s.Complete != c.complete || s.Done > 20 {
			t.Errorf("%d letters, %+v: %v, %d replayed, complete: %v", c.letters, c.replay, err, s.Done, s.Complete)
		}
	}
}
