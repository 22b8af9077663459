package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// west names another cluster, with topics of the same names, to queues that are opened with the option.
func west(t testing.TB, options ...kgo.Opt) (*bundle, dlq.Option) {
	t.Helper()
	b := setup(t)
	return b, dlq.Cluster("west", append([]kgo.Opt{kgo.SeedBrokers(b.cluster.ListenAddrs()...)}, options...)...)
}

// What is replayed to another cluster stands there as it would stand here, is marked here with where to, and is not replayed again.
func TestReplayToAnotherCluster(t *testing.T) {
	t.Parallel()
	for to, topic := range map[dlq.Destination]string{
		dlq.OwnTier.On("west"):                          tier1,
		dlq.Source.On("west"):                           origin,
		dlq.ToTopic(dead).On("west"):                    dead, // that of the other cluster
		dlq.Destination("").On("west"):                  tier1,
		dlq.ToTopic("shop.orders.retry-10s").On("west"): "shop.orders.retry-10s",
	} {
		t.Run(string(to), func(t *testing.T) {
			t.Parallel()
			const entries = 20
			b := setup(t)
			other, toWest := west(t)
			b.letters(entries)
			q := b.open(toWest, dlq.SmallBatches(4))

			would := b.replay(q, dlq.Replay{To: to, DryRun: true})
			equal(t, "a dry run would have replayed", would.To, map[string]int64{topic + "@west": entries})
			equal(t, "records there after a dry run", len(other.records(topic)), 0)

			done := b.replay(q, dlq.Replay{To: to})
			equal(t, "replayed", done.To, map[string]int64{topic + "@west": entries})
			equal(t, "ids there", other.ids(topic), originIDs(entries))
			for _, r := range other.records(topic) {
				equal(t, "value", string(r.Value), "payload of "+header(r, retrytopics.HeaderID))
				equal(t, "replays", header(r, retrytopics.HeaderReplays), "1")
				if _, _, partition, _, err := retrytopics.ParseID(header(r, retrytopics.HeaderID)); err != nil || !strings.HasPrefix(string(to), "topic:") {
					equal(t, "partition", r.Partition, partition)
				}
			}
			equal(t, "records in the tier here", len(b.records(tier1)), 0)
			for _, e := range b.entries(b.open(), dlq.Filter{All: true}) {
				equal(t, "the mark of "+e.ID(), e.Mark.To, topic+"@west")
			}
			again := b.replay(q, dlq.Replay{To: to})
			equal(t, "replayed a second time", again.Done, 0)
		})
	}
}

// A topic of the other cluster that has the name of the ledger here is another one: marks go where they always do.
func TestReplayToATopicNamedAsTheLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, toWest := west(t)
	if err := other.cluster.CreateTopic(ledger, 1, nil); err != nil {
		t.Fatal(err)
	}
	b.letters(6)
	b.replay(b.open(toWest), dlq.Replay{To: dlq.ToTopic(ledger).On("west")})
	equal(t, "there", other.ids(ledger), originIDs(6))
	for _, r := range b.records(ledger) {
		if _, place, _ := strings.Cut(string(r.Key), "/"); place[0] >= '0' && place[0] <= '9' {
			equal(t, "partition of the mark "+place, fmt.Sprint(r.Partition), place[:1])
		} else {
			equal(t, "partition of "+place, r.Partition, 0)
		}
	}
}

// A replay to another cluster is killed at each of its steps on its own cluster, those between a copy and its mark among them, and run
// again: no record is lost, and what was copied and not marked comes twice.
func TestKilledReplayToAnotherClusterLosesNothing(t *testing.T) {
	t.Parallel()
	const entries, batch = 8, 4
	for _, how := range []string{"killed before the step", "killed after the step"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			twice := 0
			for step := 1; ; step++ {
				b := setup(t)
				other, toWest := west(t)
				b.letters(entries)
				var doomed process
				ctx, cancel := context.WithCancel(b.ctx())
				stop := b.atStep(step, func() bool {
					cancel()
					doomed.kill()
					return how == "killed after the step"
				})
				client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.Dialer(doomed.dial))
				if err != nil {
					t.Fatal(err)
				}
				q, err := dlq.Open(client, dead, dlq.ForGroup(group), dlq.SmallBatches(batch), dlq.Patience(100*time.Millisecond), toWest)
				if err != nil {
					t.Fatal(err)
				}
				first, err := q.Replay(ctx, dlq.Replay{To: dlq.Source.On("west")})
				steps := stop()
				client.Close()
				if steps < step {
					break // it came to its end
				}
				copied := len(other.records(origin))
				b.replay(b.open(toWest), dlq.Replay{To: dlq.Source.On("west"), TakeOver: true})
				ids := other.ids(origin)
				if once := slices.Compact(slices.Clone(ids)); !slices.Equal(once, originIDs(entries)) {
					t.Errorf("step %d: there are %v, want each at least once of %v", step, once, originIDs(entries))
				}
				twice += len(ids) - entries
				if n := int64(copied) - first.Done - first.InDoubt; n > first.Unmarked {
					t.Errorf("step %d: %d copies stand there beyond those that are marked, and the summary tells of %d (%v)", step, n, first.Unmarked, err)
				}
				last := b.replay(b.open(toWest), dlq.Replay{To: dlq.Source.On("west")})
				equal(t, "left to replay", last.Done, 0)
			}
			if twice == 0 {
				t.Error("no copy came twice: the test does not reach between a copy and its mark")
			}
		})
	}
}

// What another cluster does not acknowledge is not marked, and the replay ends instead of waiting for ever.
func TestReplayToAClusterThatIsSilent(t *testing.T) {
	t.Parallel()
	const entries = 9
	b := setup(t)
	b.letters(entries)
	var there process
	other, toWest := west(t, kgo.Dialer(there.dial))
	revive := func() {}
	q := b.open(toWest, dlq.SmallBatches(3), dlq.ShipPatience(200*time.Millisecond))
	seen := 0
	first, err := q.Replay(b.ctx(), dlq.Replay{To: dlq.Source.On("west"), Entry: func(dlq.Entry, string) {
		if seen++; seen == 7 { // two transactions may be done by then
			revive = there.cutOff()
		}
	}})
	revive()
	if err == nil || !strings.Contains(err.Error(), "cluster west") || !strings.Contains(err.Error(), "acknowledged nothing") {
		t.Fatalf("the replay ended with %v, want that cluster west acknowledges nothing", err)
	}
	if first.Done > 6 || first.Done+first.Unmarked < 1 {
		t.Errorf("%d are done and %d unmarked, want at most 6 done", first.Done, first.Unmarked)
	}
	task, err := b.open().Tasks(b.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if first.Done > 0 {
		equal(t, "state", task[0].State, dlq.TaskInterrupted)
	}
	b.replay(b.open(toWest), dlq.Replay{To: dlq.Source.On("west")})
	equal(t, "ids there, each once or more", slices.Compact(other.ids(origin)), originIDs(entries))
}

// A record that the other cluster refuses as too large is left out, and the others of its transaction are replayed, each once.
func TestReplayOfWhatAnotherClusterFindsTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, toWest := west(t)
	if err := other.cluster.CreateTopic("small", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	b.letters(6)
	large := letter(death(1, 99))
	large.Value = make([]byte, 10_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large.Value) // never fails; compression makes it no smaller
	b.produce(large)
	s := b.replay(b.open(toWest), dlq.Replay{To: dlq.ToTopic("small").On("west")})
	equal(t, "replayed", s.Done, 6)
	equal(t, "left out", len(s.LeftOut), 1)
	equal(t, "there", other.ids("small"), originIDs(6))
	equal(t, "still open", len(b.entries(b.open(), dlq.Filter{})), 1)
}

// A cluster that is not known, or is the queue's own, is an error before anything is written; and outcomes cannot be waited for.
func TestReplayToAClusterThatCannotBe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	_, toWest := west(t)
	home := dlq.Cluster("home", kgo.SeedBrokers(b.cluster.ListenAddrs()...))
	q := b.open(toWest, home)
	for _, c := range []struct {
		r    dlq.Replay
		want string
	}{
		{dlq.Replay{To: dlq.Source.On("wets")}, "known are home, west"},
		{dlq.Replay{To: dlq.Source.On("home")}, "leave @home out"},
		{dlq.Replay{To: "source@"}, "no name of a cluster"},
		{dlq.Replay{To: "source@a@b"}, "no name of a cluster"},
		{dlq.Replay{To: "elsewhere@west"}, "want retry, source or topic:NAME"},
		{dlq.Replay{To: dlq.Source.On("west"), Wait: true}, "not known"},
	} {
		_, err := q.Replay(b.ctx(), c.r)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.r.To, err, c.want)
		}
	}
	equal(t, "left", len(b.entries(q, dlq.Filter{})), 3)
	if _, err := q.Start(b.ctx(), dlq.Replay{To: dlq.Source.On("wets")}); !errors.Is(err, dlq.ErrNoCluster) {
		t.Errorf("start: got %v, want ErrNoCluster", err)
	}
}

// A replay to another cluster is gone on with by a process that knows the cluster, and refused by one that does not.
func TestStartedReplayToAnotherCluster(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, toWest := west(t)
	b.letters(5)
	task, err := b.open(toWest).Start(b.ctx(), dlq.Replay{To: dlq.ToTopic(origin).On("west")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.open().Resume(b.ctx(), task.ID, dlq.Work{}); !errors.Is(err, dlq.ErrNoCluster) {
		t.Errorf("without the cluster: got %v, want ErrNoCluster", err)
	}
	if _, err := b.open(toWest).Resume(b.ctx(), task.ID, dlq.Work{}); err != nil {
		t.Fatal(err)
	}
	equal(t, "there", other.ids(origin), originIDs(5))
	equal(t, "in the source here", len(b.records(origin)), 0)
}
