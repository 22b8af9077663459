package integration_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// Twenty thousand records, of which one in ten fails once and one in fifty for ever; two members, which are processes
// of their own, one of which is killed with SIGKILL in the middle of it and started again. Every record ends done or
// dead, no attempt is early, attempts are right, and what repeats is within the window. After the handler is mended, a
// replay puts every dead letter to work and all succeed. A group of another program reads the same source all the
// while: it gets every record once.
//
// It is not parallel: it wants the processors for itself.
func TestMemberIsKilledUnderLoad(t *testing.T) {
	const partitions, records, window = 12, 20_000, 1000
	c := &crash{bundle: setup(t, partitions), dir: t.TempDir(), window: window, fates: make(map[string]string)}
	other := readAlong(t, c.source)
	first, second := c.process("first", false), c.process("second", false)
	c.balanced(2, partitions, c.source)

	c.load(records)
	c.awaitCalls(second, records/10) // now it is in the middle of it
	second.kill()
	before := len(readLog(t, first.config.Log))
	c.awaitCalls(first, before+records/10) // the survivor goes on with what it has
	third := c.process("second-again", false)
	c.settled()
	c.verify()

	// The mended handler is deployed: the old processes end well, and new ones take over from their commits.
	first.stop()
	third.stop()
	fixed := []*process{c.process("first-fixed", true), c.process("second-fixed", true)}
	c.replayAll()
	for _, p := range fixed {
		p.stop()
	}
	other.sawOnce(records)
}

// crash is the test's state.
type crash struct {
	*bundle
	dir    string
	logs   []string
	window int
	fates  map[string]string // what the values of the records begin with, by id
}

// load produces the records, with keys, in the order in which their fates take turns.
func (c *crash) load(n int) {
	c.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		fate := fine
		switch {
		case i%50 == 7:
			fate = failsEver
		case i%10 == 3:
			fate = failsOnce
		}
		records[i] = record(fmt.Sprintf("key-%d", i%4999), fmt.Sprintf("%s-%d", fate, i))
	}
	c.produce(records...)
	for _, r := range records {
		fate, _, _ := strings.Cut(string(r.Value), "-")
		c.fates[id(r)] = fate
	}
}

// ids are the records with the fate.
func (c *crash) ids(fate string) (ids []string) {
	for id, f := range c.fates {
		if f == fate {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// process starts a member. A call of its handler takes 20 ms, so that there is a middle to be killed in.
func (c *crash) process(name string, fixed bool) *process {
	c.t.Helper()
	log := filepath.Join(c.dir, name+".log")
	c.logs = append(c.logs, log)
	return startProcess(c.t, memberConfig{
		Brokers: kafkatest.Brokers(c.t), Group: c.group, Topic: c.source, Name: name,
		Log: log, Window: c.window, Work: 20 * time.Millisecond, Fixed: fixed,
	})
}

// log are the calls of all members.
func (c *crash) log() []logged { return readLog(c.t, c.logs...) }

// awaitCalls waits until a member has made n calls.
func (c *crash) awaitCalls(p *process, n int) {
	c.t.Helper()
	eventually(c.t, func() error {
		if got := len(readLog(c.t, p.config.Log)); got < n {
			return fmt.Errorf("%s has made %d calls, want %d", p.config.Name, got, n)
		}
		return nil
	})
}

// verify holds what has happened before the replay to the promises.
func (c *crash) verify() {
	t := c.t
	t.Helper()
	byID := make(map[string][]logged)
	early := 0
	for _, x := range c.log() {
		byID[x.ID] = append(byID[x.ID], x)
		if x.Began.Before(x.Due) {
			if early++; early <= 10 {
				t.Errorf("never-early: attempt %d of %s began %v before it was due", x.Attempt, x.ID, x.Due.Sub(x.Began))
			}
		}
	}
	repeated, again, problems := 0, 0, 0
	for id, fate := range c.fates {
		calls, problem := judged(byID[id], fate)
		if calls > 0 {
			repeated, again = repeated+1, again+calls
		}
		if problem != "" {
			if problems++; problems <= 10 {
				t.Errorf("%s (%s): %s", id, fate, problem)
			}
		}
		delete(byID, id)
	}
	if len(byID) > 0 {
		t.Errorf("%d ids were handled that were not produced, such as %v", len(byID), slices.Collect(maps.Keys(byID))[0])
	}
	if repeated > c.window {
		t.Errorf("bounded: %d records were repeated, more than the window of %d", repeated, c.window)
	}
	dead := make(map[string]bool)
	letters := c.letters()
	for _, r := range letters {
		dead[header(r.Headers, retrytopics.HeaderID)[0]] = true
	}
	if got, want := slices.Sorted(maps.Keys(dead)), c.ids(failsEver); !slices.Equal(got, want) {
		t.Errorf("no-loss: %d records are dead, want the %d that fail for ever", len(got), len(want))
	}
	if delivery == consumer.ExactlyOnceRouting && len(letters) != len(dead) {
		t.Errorf("bounded: %d dead letters of %d records: some were routed and delivered again", len(letters), len(dead))
	}
	t.Logf("%d records, of which %d were repeated (window %d) with %d calls; %d dead letters, of which %d twice",
		len(c.fates), repeated, c.window, again, len(dead), len(letters)-len(dead))
}

// judged says what is wrong with the calls of one record, and how many of them repeat others.
func judged(calls []logged, fate string) (repeated int, problem string) {
	attempts := map[string]int{fine: 1, failsOnce: 2, failsEver: 3}[fate]
	first := make(map[int]time.Time) // when an attempt of that number first began
	count := make(map[int]int)
	done := 0
	for _, x := range calls {
		if at, ok := first[x.Attempt]; !ok || x.Began.Before(at) {
			first[x.Attempt] = x.Began
		}
		count[x.Attempt]++
		if !x.Failed {
			done++
		}
		if x.Replays != 0 {
			return 0, "replayed before there was a replay"
		}
		if x.Attempt > attempts {
			return 0, fmt.Sprintf("honest-attempts: an attempt %d, want %d at most", x.Attempt, attempts)
		}
	}
	for n := 1; n <= attempts; n++ {
		if count[n] == 0 {
			return 0, fmt.Sprintf("no-loss: no attempt %d of %d", n, attempts)
		}
		if n > 1 && !first[n].After(first[n-1]) {
			return 0, fmt.Sprintf("honest-attempts: attempt %d began before any attempt %d", n, n-1)
		}
		repeated += count[n] - 1
	}
	if (done > 0) != (fate != failsEver) {
		return 0, fmt.Sprintf("%d calls succeeded", done)
	}
	return repeated, ""
}

// replayAll puts the dead letters back to work and expects that all of them are done, at their first attempt.
func (c *crash) replayAll() {
	t := c.t
	t.Helper()
	dead := c.ids(failsEver)
	c.replay(dlq.Replay{}, int64(len(dead)))
	c.settled()
	done := make(map[string]int)
	for _, x := range c.log() {
		if x.Replays == 0 {
			continue
		}
		if x.Replays != 1 || x.Attempt != 1 || x.Failed || x.Began.Before(x.Due) {
			t.Errorf("after the replay: %+v, want attempt 1 of replay 1, after its due time, and a success", x)
		}
		done[x.ID]++
	}
	for _, id := range dead {
		if done[id] != 1 {
			t.Errorf("%s was handled %d times after the replay, want once", id, done[id])
		}
	}
	stats, err := c.queue().Stats(t.Context(), dlq.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Entries != 0 || stats.ByStatus[dlq.StatusReplayed] != int64(len(dead)) {
		t.Errorf("after the replay %d entries are open and %d replayed, want 0 and %d", stats.Entries, stats.ByStatus[dlq.StatusReplayed], len(dead))
	}
}

// along is a consumer group of another program.
type along struct {
	t    *testing.T
	mu   sync.Mutex
	seen map[string]int
}

// readAlong reads the source as a group of its own, until the test ends.
func readAlong(t *testing.T, source string) *along {
	t.Helper()
	a := &along{t: t, seen: make(map[string]int)}
	client := kafkatest.Client(t, kgo.ConsumerGroup(kafkatest.Group(t)), kgo.ConsumeTopics(source), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			fetches := client.PollFetches(ctx)
			a.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) { a.seen[string(r.Value)]++ })
			a.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		client.Close() // leaves the group, so that it can be deleted
	})
	return a
}

// sawOnce expects that the group gets n records, each of them once.
func (a *along) sawOnce(n int) {
	a.t.Helper()
	eventually(a.t, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.seen) < n {
			return fmt.Errorf("the other group has %d records, want %d", len(a.seen), n)
		}
		return nil
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	for value, times := range a.seen {
		if times != 1 {
			a.t.Errorf("own-lane: the other group got %s %d times", value, times)
		}
	}
	if len(a.seen) != n {
		a.t.Errorf("own-lane: the other group got %d records, want %d", len(a.seen), n)
	}
}
