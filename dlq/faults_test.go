package dlq_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
)

// A replay that the brokers refuse something says so, leaves nothing half done, and can be run again.
func TestBrokersThatRefuse(t *testing.T) {
	t.Parallel()
	const entries = 30
	for _, c := range []struct {
		name  string
		fault kfake.Fault
		skip  int // requests that pass before
		want  error
	}{
		{"to write to the retry topic", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: tier1, Err: kerr.TopicAuthorizationFailed}, 2, kerr.TopicAuthorizationFailed},
		{"to write to the ledger", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: ledger, Err: kerr.TopicAuthorizationFailed}, 4, kerr.TopicAuthorizationFailed},
		{"the transactional id", kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed}, 0, kerr.TransactionalIDAuthorizationFailed},
		{"to commit", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError}, 2, kerr.UnknownServerError},
		{"the epoch", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: tier1, Err: kerr.InvalidProducerEpoch}, 2, kerr.InvalidProducerEpoch},
	} {
		for protocol, options := range protocols {
			t.Run(c.name+", "+protocol, func(t *testing.T) {
				t.Parallel()
				b := setup(t, options...)
				b.letters(entries)
				fault, passed := c.fault, 0
				fault.When = func(kmsg.Request) bool {
					passed++
					return passed > c.skip
				}
				b.cluster.Fault(fault)
				s, err := b.open(dlq.SmallBatches(6), dlq.Patience(300*time.Millisecond)).Replay(b.ctx(), dlq.Replay{})
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if s.Done+s.InDoubt > entries || s.Complete {
					t.Errorf("the summary claims too much: %+v", s)
				}
				rest := b.replay(b.open(), dlq.Replay{TakeOver: true})
				if together := s.Done + rest.Done; together != entries && s.InDoubt == 0 {
					t.Errorf("the runs say they replayed %d together, of %d", together, entries)
				}
				equal(t, "ids in the tier", b.ids(tier1), originIDs(entries))
			})
		}
	}
}

// A commit that happened but whose answer was lost counts, when that can be found out.
func TestCommitWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	const entries = 24
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			b := setup(t, options...)
			b.letters(entries)
			var cut process
			client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.Dialer(cut.dial))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			q, err := dlq.Open(client, dead, dlq.ForGroup(group), dlq.SmallBatches(6))
			if err != nil {
				t.Fatal(err)
			}
			second := b.open()
			var taken dlq.Summary
			done := make(chan struct{})
			commits := 0
			b.cluster.ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				if commits++; commits == 3 { // the first one is that of who writes
					revive := cut.cutOff()
					go func() {
						defer close(done)
						defer revive()
						taken, _ = second.Replay(b.ctx(), dlq.Replay{TakeOver: true})
					}()
				}
				b.cluster.KeepControl()
				return nil, nil, false
			})
			s, err := q.Replay(b.ctx(), dlq.Replay{})
			<-done
			if !errors.Is(err, dlq.ErrFenced) {
				t.Errorf("got %v, want ErrFenced", err)
			}
			equal(t, "done by the first", s.Done, 12)
			equal(t, "in doubt", s.InDoubt, 0)
			equal(t, "done by the second", taken.Done, 12)
			equal(t, "ids in the tier", b.ids(tier1), originIDs(entries))
		})
	}
}

// Apache Kafka may answer the end of a transaction that another call is just fencing with an error that does not say so. Who
// took over says it in the ledger soon.
func TestTakeOverThatTheBrokersDoNotTell(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(24)
	first, second := b.open(dlq.SmallBatches(6)), b.open()
	var taken error
	done := make(chan struct{})
	commits := 0
	b.cluster.ControlKey(kmsg.EndTxn.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		if commits++; commits != 3 { // the first one is that of who writes
			return nil, nil, false
		}
		go func() {
			defer close(done)
			_, taken = second.Replay(b.ctx(), dlq.Replay{TakeOver: true})
		}()
		answer := req.ResponseKind().(*kmsg.EndTxnResponse)
		answer.ErrorCode = kerr.UnknownServerError.Code
		return answer, nil, true
	})
	_, err := first.Replay(b.ctx(), dlq.Replay{})
	<-done
	var fenced *dlq.FencedError
	if !errors.As(err, &fenced) || fenced.By.Run == "" {
		t.Errorf("the first replay ended with %v, want who took over", err)
	}
	if taken != nil {
		t.Errorf("the second replay: %v", taken)
	}
	equal(t, "ids in the tier", b.ids(tier1), originIDs(24))
}

// kgo takes a new producer epoch by itself when a topic was trimmed behind what it wrote last, also in the middle of a
// transaction, which that ends. A replay does not commit what is left of such a transaction.
func TestEpochThatChangesInATransaction(t *testing.T) {
	t.Parallel()
	const entries = 30
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			b := setup(t, options...)
			b.letters(entries)
			writes := 0
			b.cluster.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
				produce := req.(*kmsg.ProduceRequest)
				if writes++; writes != 7 {
					b.cluster.KeepControl()
					return nil, nil, false
				}
				return refused(produce), nil, true
			})
			s, err := b.open(dlq.SmallBatches(6), dlq.Patience(300*time.Millisecond)).Replay(b.ctx(), dlq.Replay{})
			if err == nil {
				t.Errorf("the replay says that all is well: %+v", s)
			} else if !strings.Contains(err.Error(), "the brokers ended ") {
				t.Errorf("got %v, want what the brokers did", err)
			}
			rest := b.replay(b.open(), dlq.Replay{TakeOver: true})
			equal(t, "together", s.Done+rest.Done, entries)
			equal(t, "ids in the tier", b.ids(tier1), originIDs(entries))
		})
	}
}

// refused is the answer to a produce request of a broker that does not know the epoch, and whose log was trimmed.
func refused(produce *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	resp := produce.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range produce.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.LogStartOffset = partition.Partition, kerr.InvalidProducerEpoch.Code, 1<<40
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func TestErrorOfAReplayThatWasFenced(t *testing.T) {
	t.Parallel()
	err := &dlq.FencedError{
		Topic: dead, Doing: "replay",
		By: dlq.Writer{Run: "20251123-120000-5f1c", By: "bob@host", Doing: "replay", At: time.Date(2025, 11, 23, 12, 0, 0, 0, time.Local)},
	}
	equal(t, "error", fmt.Sprint(err), "another replay of shop.orders.dlq took over, started 2025-11-23 12:00:00 by bob@host "+
		"(run 20251123-120000-5f1c); what either of them marked is replayed once, and what neither of them got to is still open")
	if !errors.Is(fmt.Errorf("wrapped: %w", err), dlq.ErrFenced) {
		t.Error("the error is not ErrFenced")
	}
}

func TestClientOfAGroupIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics(origin))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := dlq.Open(client, dead); err == nil || !strings.Contains(err.Error(), "member of group g") {
		t.Errorf("got %v, want it refused", err)
	}
	if _, err := dlq.Open(b.connect(), ""); err == nil {
		t.Error("a queue without a topic was opened")
	}
}

// Where the ledger is deleted under a replay nothing knows any more what it did, and it says that.
func TestLedgerThatIsDeletedUnderAReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	passed := 0
	b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: ledger, Err: kerr.UnknownTopicID, Count: -1, When: func(kmsg.Request) bool {
		passed++
		return passed > 4
	}})
	_, err := b.open(dlq.SmallBatches(6), dlq.Patience(300*time.Millisecond)).Replay(b.ctx(), dlq.Replay{})
	if !errors.Is(err, kerr.UnknownTopicID) || !strings.Contains(err.Error(), "If it is the ledger, "+ledger+", nothing knows any more what was done") {
		t.Errorf("it ended with %v", err)
	}
}
