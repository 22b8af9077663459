package dlq_test

import (
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

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
)

// A replay that has changed nothing yet is written down nowhere: who is refused for it is not told to pause it, or to go on with it.
func TestRefusedForAReplayThatIsNotWrittenDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	tried := false
	b.replay(b.open(), dlq.Replay{By: "ann", Entry: func(dlq.Entry, string) {
		if tried {
			return
		}
		tried = true
		_, err := b.open().Discard(b.ctx(), dlq.Discard{})
		var busy *dlq.BusyError
		if !errors.As(err, &busy) || busy.By.By != "ann" || busy.By.Replays() || strings.Contains(err.Error(), "pause") {
			t.Errorf("a discard ended with %v, want it refused for ann's replay", err)
		}
		if by, err := b.open().UnderWay(b.ctx()); err != nil || by.By != "ann" || by.Task != "" {
			t.Errorf("under way is %+v, %v", by, err)
		}
	}})
	if !tried {
		t.Error("nothing was replayed")
	}
}

// While a replay or a discard is under way others are refused, with the name of who is at work, and it is not disturbed.
// When it has ended, well or by its context, they are not.
func TestOneReplayOrDiscardAtATime(t *testing.T) {
	t.Parallel()
	const entries = 30
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			b := setup(t, options...)
			b.letters(entries)
			rivals := map[string]func() (dlq.Summary, error){
				"a replay":  func() (dlq.Summary, error) { return b.open().Replay(b.ctx(), dlq.Replay{}) },
				"a discard": func() (dlq.Summary, error) { return b.open().Discard(b.ctx(), dlq.Discard{}) },
				"a replay of others": func() (dlq.Summary, error) {
					return b.open().Replay(b.ctx(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/7"}}})
				},
			}
			seen := 0
			s := b.replay(b.open(dlq.SmallBatches(4)), dlq.Replay{By: "ann", Entry: func(dlq.Entry, string) {
				if seen++; seen != entries/2 {
					return
				}
				for what, rival := range rivals {
					s, err := rival()
					var busy *dlq.BusyError
					if !errors.Is(err, dlq.ErrBusy) || !errors.As(err, &busy) || busy.By.By != "ann" || busy.By.Doing != "replay" || s.Done != 0 {
						t.Errorf("%s ended with %v and %+v, want it refused for ann's replay", what, err, s)
					} else if pause := "pause replay " + busy.By.Task + " and go on with it later"; !busy.By.Replays() || !strings.Contains(err.Error(), pause) {
						t.Errorf("%s ended with %v, want %q in it", what, err, pause)
					}
				}
				if dry := b.replay(b.open(), dlq.Replay{DryRun: true}); dry.Done+dry.Replayed != entries {
					t.Errorf("a dry run: %+v", dry)
				}
				if by, err := b.open().UnderWay(b.ctx()); err != nil || by.By != "ann" || by.Run == "" {
					t.Errorf("under way is %+v, %v, want ann's replay", by, err)
				}
			}})
			equal(t, "replayed by the first", s.Done, entries)
			equal(t, "in the tier", b.ids(tier1), originIDs(entries))
			by, err := b.open().UnderWay(b.ctx())
			if err != nil || by.Run != "" {
				t.Errorf("under way after its end is %+v, %v", by, err)
			}
			if _, err := b.open().Discard(b.ctx(), dlq.Discard{}); err != nil {
				t.Errorf("a discard after the end: %v", err)
			}
		})
	}
}

// A replay gives signs of life also while it has nothing to write, and notices then that another one took over.
func TestReplayThatWaitsIsAlive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	signs := make(chan struct{}, 100)
	b.cluster.ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		select {
		case signs <- struct{}{}:
		default:
		}
		return nil, nil, false
	})
	ended := make(chan error, 1)
	var s dlq.Summary
	go func() {
		var err error
		s, err = b.open(dlq.RenewTime(time.Millisecond)).Replay(b.ctx(), dlq.Replay{By: "ann", Rate: 1e-6})
		ended <- err
	}()
	for range 5 { // the first one is that of who writes, the second one that of the only entry
		select {
		case <-signs:
		case err := <-ended:
			t.Fatalf("the replay ended: %v", err)
		}
	}
	if _, err := b.open().Replay(b.ctx(), dlq.Replay{}); !errors.Is(err, dlq.ErrBusy) {
		t.Errorf("a second replay: %v, want it refused", err)
	}
	equal(t, "replayed by who took over", b.replay(b.open(), dlq.Replay{By: "bob", TakeOver: true}).Done, 2)
	var fenced *dlq.FencedError
	if err := <-ended; !errors.As(err, &fenced) || fenced.By.By != "bob" {
		t.Errorf("the replay that waited ended with %v, want that bob took over", err)
	}
	equal(t, "replayed by the first", s.Done, 1)
}

// The ledger of millions takes long to read: also then there are signs of life.
func TestReplayThatReadsTheLedgerIsAlive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(ledger, map[string]string{"cleanup.policy": "compact"})
	b.letters(3)
	other := b.transactional("somebody") // holds the reading of the ledger up
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := other.ProduceSync(b.ctx(), b.ledgerRecord(`{"v":1,"status":"open","at":1}`)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	signs := 0
	b.cluster.ControlKey(kmsg.EndTxn.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		if req.(*kmsg.EndTxnRequest).TransactionalID == "somebody" {
			return nil, nil, false
		}
		if signs++; signs == 4 {
			b.cluster.SleepControl(func() {
				if err := other.EndTransaction(b.ctx(), kgo.TryCommit); err != nil {
					t.Error(err)
				}
			})
		}
		return nil, nil, false
	})
	equal(t, "replayed", b.replay(b.open(dlq.RenewTime(time.Millisecond)), dlq.Replay{}).Done, 3)
}

// Who was killed keeps others out for the rest of its lease only, and so does one whose clock was wrong.
func TestLeaseOfTheDead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		alive time.Duration // ago
		ended bool
		busy  bool
	}{
		{"alive a moment ago", 2 * time.Second, false, true},
		{"alive a moment ago, by a clock ahead", -2 * time.Second, false, true},
		{"ended a moment ago", 2 * time.Second, true, false},
		{"dead", 16 * time.Second, false, false},
		{"long dead", time.Hour, false, false},
		{"dead, by a clock far ahead", -time.Hour, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.create(ledger, map[string]string{"cleanup.policy": "compact"})
			b.letters(3)
			at := time.Now().Add(-c.alive)
			value, err := json.Marshal(map[string]any{
				"v": 1, "doing": "replay", "run": "20251123-120000-5f1c", "by": "ann", "at": at.UnixMilli(), "alive": at.UnixMilli(), "ended": c.ended,
			})
			if err != nil {
				t.Fatal(err)
			}
			r := b.ledgerRecord(string(value))
			id := b.cluster.TopicInfo(dead).TopicID
			r.Key, r.Timestamp = []byte(base64.RawURLEncoding.EncodeToString(id[:])+"/writer"), at
			b.produce(r)
			s, err := b.open().Replay(b.ctx(), dlq.Replay{})
			switch {
			case c.busy && (!errors.Is(err, dlq.ErrBusy) || s.Done != 0):
				t.Errorf("got %v and %d replayed, want it refused", err, s.Done)
			case c.busy:
				if text := fmt.Sprint(err); !strings.Contains(text, "by ann (run 20251123-120000-5f1c)") || !strings.Contains(text, "--take-over") {
					t.Errorf("the error says neither who nor what to do: %s", text)
				}
				equal(t, "replayed by who takes over", b.replay(b.open(), dlq.Replay{TakeOver: true}).Done, 3)
			case err != nil || s.Done != 3:
				t.Errorf("got %v and %d replayed, want all", err, s.Done)
			}
		})
	}
}

// A replay that failed and could end its transaction leaves the queue to the next one at once.
func TestInterruptedReplayLeavesTheQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	ctx, cancel := context.WithCancel(b.ctx())
	defer cancel()
	_, err := b.open(dlq.SmallBatches(3)).Replay(ctx, dlq.Replay{Entry: func(dlq.Entry, string) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	b.replay(b.open(), dlq.Replay{})
	equal(t, "in the tier", b.ids(tier1), originIDs(9))
}

// slowStore is an index that takes its time.
type slowStore struct {
	dlq.IndexStore
	wait func()
}

func (s slowStore) View(ctx context.Context, f func(dlq.IndexView) error) error {
	s.wait()
	return s.IndexStore.View(ctx, f)
}

// An index may have to be built before entries are found by it: also then there are signs of life, of a replay that begins and of one that is
// gone on with.
func TestReplayThatWaitsForTheIndexIsAlive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	signs := make(chan struct{}, 1000)
	b.cluster.ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		signs <- struct{}{}
		return nil, nil, false
	})
	file := indexfile.At(filepath.Join(t.TempDir(), "index"), indexfile.Options{})
	t.Cleanup(func() { _ = file.Close() })
	ctx := b.ctx()
	wait := func() {
		for range 3 { // the first one is that of who writes
			select {
			case <-signs:
			case <-ctx.Done():
				t.Error("no sign of life came while the index was waited for")
				return
			}
		}
	}
	store := slowStore{file, sync.OnceFunc(wait)}
	q := b.open(dlq.RenewTime(time.Millisecond), dlq.Indexed(dlq.Index{Store: &store}))

	first := dlq.Filter{Class: classify.Network, Limit: 1}
	equal(t, "replayed", b.replay(q, dlq.Replay{Filter: first}).Done, 1)
	started, err := q.Start(ctx, dlq.Replay{Filter: dlq.Filter{Class: classify.Network}})
	if err != nil {
		t.Fatal(err)
	}
	for len(signs) > 0 {
		<-signs
	}
	store.wait = sync.OnceFunc(wait)
	s, err := q.Resume(ctx, started.ID, dlq.Work{})
	if err != nil || s.Done != 2 {
		t.Errorf("gone on with: %+v, %v", s, err)
	}
}

// A call that has ended has said so in a transaction, whose end its brokers write down a moment later: until then the call seems to be
// under way. The next one waits for that.
func TestACallThatHasJustEndedKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, 3)
	const ledger, late = dead + ".ledger", 5
	answers := 0
	b.cluster.ControlKey(kmsg.ListOffsets.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		r := req.(*kmsg.ListOffsetsRequest)
		const committed, latest = 1, -1
		if answers == late || r.IsolationLevel != committed || r.Topics[0].Topic != ledger || r.Topics[0].Partitions[0].Timestamp != latest {
			return nil, nil, false
		}
		resp := r.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = ledger
		for _, p := range r.Topics[0].Partitions {
			at := kmsg.NewListOffsetsResponseTopicPartition()
			at.Partition, at.Offset = p.Partition, b.cluster.PartitionInfo(ledger, p.Partition).LastStableOffset
			if p.Partition == 0 {
				at.Offset -= 2 // what was said last, and the end of its transaction
				answers++
			}
			topic.Partitions = append(topic.Partitions, at)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	if _, err := b.open().Replay(b.ctx(), dlq.Replay{}); err != nil {
		t.Errorf("the next replay: %v", err)
	}
	equal(t, "answers that did not have the end", answers, late)
}

// The first call of a queue makes its ledger. A broker that leads a partition of it may not know that for a moment.
func TestALedgerWhoseLeadersDoNotKnowItYet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	const ledger, late = dead + ".ledger", 5
	answers := 0
	b.cluster.ControlKey(kmsg.ListOffsets.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		r := req.(*kmsg.ListOffsetsRequest)
		if answers == late || r.Topics[0].Topic != ledger {
			return nil, nil, false
		}
		answers++
		resp := r.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = ledger
		for _, p := range r.Topics[0].Partitions {
			at := kmsg.NewListOffsetsResponseTopicPartition()
			at.Partition, at.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			topic.Partitions = append(topic.Partitions, at)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, 3)
	equal(t, "answers of brokers that did not know", answers, late)
}
