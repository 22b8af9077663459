package dlq_test

import (
	"context"
	"errors"
	"net"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// protocols are the ways in which brokers speak about transactions: before KIP-890 a partition is added to a transaction
// by a request of its own and the epoch stays; after it, neither.
var protocols = map[string][]kfake.Opt{
	"transactions of Kafka 3.6": {kfake.MaxVersions(kversion.V3_6_0())},
	"transactions of Kafka 4":   nil,
}

// process is the network of a process that can be killed: from then on nothing it sends arrives, nothing comes back.
type process struct {
	mu    sync.Mutex
	dead  bool
	cut   chan struct{} // not nil: connections wait until it is closed
	conns []net.Conn
}

func (p *process) dial(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	cut := p.cut
	p.mu.Unlock()
	if cut != nil {
		select {
		case <-cut:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && p.dead {
		conn.Close()
		err = errors.New("this process is dead")
	}
	if err == nil {
		p.conns = append(p.conns, conn)
	}
	return conn, err
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	for _, conn := range p.conns {
		conn.Close()
	}
}

// cutOff breaks the connections; new ones wait for revive.
func (p *process) cutOff() (revive func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = make(chan struct{})
	for _, conn := range p.conns {
		conn.Close()
	}
	return sync.OnceFunc(func() { close(p.cut) })
}

// writes are the requests that change something, each a step at which a replay can be killed.
var writes = []kmsg.Key{kmsg.CreateTopics, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn}

// atStep calls f when the n-th write, from 1, of the cluster arrives; f says whether the cluster gets to see it. stop
// ends the counting and says how many there were.
func (b *bundle) atStep(n int, f func() (arrives bool)) (stop func() int) {
	var mu sync.Mutex
	count, stopped := 0, false
	b.cluster.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		if !slices.Contains(writes, kmsg.Key(req.Key())) {
			return nil, nil, false
		}
		mu.Lock()
		if !stopped {
			count++
		}
		now := count == n && !stopped
		mu.Unlock()
		if now && !f() {
			return nil, errors.New("lost on the way"), true
		}
		return nil, nil, false
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		return count
	}
}

// A replay is killed at every step it takes, before the step, after it, or by its context, and run again with other
// filters: each entry is in the retry topic exactly once.
func TestKilledReplayIsResumed(t *testing.T) {
	t.Parallel()
	const entries, batch = 8, 4
	for protocol, options := range protocols {
		for _, how := range []string{"killed before the step", "killed after the step", "interrupted"} {
			t.Run(protocol+", "+how, func(t *testing.T) {
				t.Parallel()
				for step := 1; ; step++ {
					if steps := killAndResume(t, options, how, step, entries, batch); steps < step {
						if step < 8 {
							t.Errorf("the replay took %d steps only: the test does not reach into its transactions", steps)
						}
						return
					}
				}
			})
		}
	}
}

func killAndResume(t *testing.T, options []kfake.Opt, how string, step, entries, batch int) (steps int) {
	t.Helper()
	b := setup(t, options...)
	b.letters(entries)
	b.deathAt(2, int64(entries), classify.Validation) // of another class, for a filter
	want := slices.Sorted(slices.Values(append(originIDs(entries), death(2, int64(entries)).ID)))

	var doomed process
	ctx, cancel := context.WithCancel(b.ctx())
	stop := b.atStep(step, func() bool {
		cancel()
		if how != "interrupted" {
			doomed.kill()
		}
		return how != "killed before the step"
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.Dialer(doomed.dial))
	if err != nil {
		t.Fatal(err)
	}
	q, err := dlq.Open(client, dead, dlq.ForGroup(group), dlq.SmallBatches(batch), dlq.Patience(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	summary, err := q.Replay(ctx, dlq.Replay{})
	steps = stop()
	client.Close()
	if steps >= step && err == nil && summary.Done != int64(len(want)) {
		t.Errorf("step %d: the interrupted replay says neither that it ended nor that it did all: %+v", step, summary)
	}

	b.replay(b.open(dlq.SmallBatches(3)), dlq.Replay{TakeOver: true, Filter: dlq.Filter{Class: classify.Validation}})
	b.replay(b.open(dlq.SmallBatches(2)), dlq.Replay{Filter: dlq.Filter{Error: regexp.MustCompile("refused"), Limit: 5}})
	b.replay(b.open(), dlq.Replay{})
	if got := b.ids(tier1); !slices.Equal(got, want) {
		t.Errorf("step %d, %s: in the retry topic are %v, want each once of %v", step, how, got, want)
	}
	last := b.replay(b.open(), dlq.Replay{})
	if last.Done != 0 || last.Replayed != int64(len(want)) {
		t.Errorf("step %d, %s: the ledger says %d are replayed and %d are not, want %d and 0", step, how, last.Replayed, last.Done, len(want))
	}
	if err == nil {
		return steps
	}
	if inTier := summary.Done; inTier > int64(len(want)) || summary.InDoubt > int64(batch) {
		t.Errorf("step %d, %s: the summary claims too much: %+v", step, how, summary)
	}
	return steps
}

// deathAt writes one dead letter of a class.
func (b *bundle) deathAt(partition int32, offset int64, class classify.Class) {
	b.t.Helper()
	s := death(partition, offset)
	s.Class = class
	b.produce(letter(s))
}

// A replay that takes over from one that is under way: the first ends with ErrFenced and says who it was.
func TestReplayThatTakesOver(t *testing.T) {
	t.Parallel()
	const entries = 30
	for protocol, options := range protocols {
		for _, when := range []string{"between transactions", "before a commit", "before a produce"} {
			t.Run(protocol+", "+when, func(t *testing.T) {
				t.Parallel()
				b := setup(t, options...)
				b.letters(entries)
				second := b.open(dlq.SmallBatches(4))
				var taken dlq.Summary
				done := make(chan struct{})
				takeOver := sync.OnceFunc(func() {
					defer close(done)
					taken = b.replay(second, dlq.Replay{By: "bob", TakeOver: true})
				})
				firstReplay := dlq.Replay{By: "ann"}
				switch when {
				case "between transactions":
					seen := 0
					firstReplay.Entry = func(dlq.Entry, string) {
						if seen++; seen == entries/2 {
							takeOver()
						}
					}
				case "before a commit":
					b.interrupt(kmsg.EndTxn, 3, takeOver)
				case "before a produce":
					b.interrupt(kmsg.Produce, 5, takeOver)
				}
				summary, err := b.open(dlq.SmallBatches(4)).Replay(b.ctx(), firstReplay)
				<-done
				var fenced *dlq.FencedError
				if !errors.Is(err, dlq.ErrFenced) || !errors.As(err, &fenced) {
					t.Fatalf("the first replay ended with %v, want ErrFenced", err)
				}
				equal(t, "who took over", fenced.By.By, "bob")
				equal(t, "the run that took over", fenced.By.Run, taken.Run)
				equal(t, "ids in the tier", b.ids(tier1), originIDs(entries))
				equal(t, "sum of both", summary.Done+taken.Done, entries)
				equal(t, "in doubt", summary.InDoubt, 0)
			})
		}
	}
}

// interrupt holds up the n-th request of a kind while f runs.
func (b *bundle) interrupt(key kmsg.Key, n int, f func()) {
	count := 0
	b.cluster.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		if count++; count == n {
			b.cluster.SleepControl(f)
		}
		return nil, nil, false
	})
}

// Many replays that begin at any time, some of them killed, replay nothing twice and lose nothing.
func TestManyReplaysAtOnce(t *testing.T) {
	t.Parallel()
	const entries, runs = 300, 8
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			b := setup(t, options...)
			b.letters(entries)
			var all sync.WaitGroup
			for run := range runs {
				all.Go(func() {
					q, err := dlq.Open(b.connect(), dead, dlq.ForGroup(group), dlq.SmallBatches(7), dlq.Patience(time.Second))
					if err != nil {
						t.Error(err)
						return
					}
					ctx, cancel := context.WithCancel(b.ctx())
					defer cancel()
					seen := 0
					_, err = q.Replay(ctx, dlq.Replay{TakeOver: run%2 == 0, Entry: func(dlq.Entry, string) {
						if seen++; run%3 == 0 && seen == 20*(run+1) {
							cancel()
						}
					}})
					if err != nil && !errors.Is(err, dlq.ErrBusy) && !errors.Is(err, dlq.ErrFenced) && !errors.Is(err, context.Canceled) {
						t.Errorf("run %d: %v", run, err)
					}
				})
			}
			all.Wait()
			b.replay(b.open(), dlq.Replay{TakeOver: true})
			equal(t, "ids in the tier", b.ids(tier1), originIDs(entries))
		})
	}
}
