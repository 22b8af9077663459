//go:build synctests

package sim

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// exactlyOnce is a world whose members route in transactions. So much fails that a breaker would open.
func exactlyOnce() Setup {
	return Setup{Config: consumer.Config{Delivery: consumer.ExactlyOnceRouting, SessionTimeout: 20 * time.Second, Breaker: breaker.Config{Disabled: true}}}
}

// failing produces records of which most fail a few times, and some for ever.
func failing(w *World, n int) {
	for i := range n {
		f := Fate{Kind: Fail, Times: i % 5}
		if i%7 == 0 {
			f.Times = ForEver
		}
		w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, i%11), Fate: f})
	}
}

// TestTransactionRecovers refuses each request of a transaction with what brokers refuse it with, for a while: nothing is lost,
// nothing is routed twice, and all goes on without a restart.
func TestTransactionRecovers(t *testing.T) {
	for _, tt := range []struct {
		key  kmsg.Key
		errs []*kerr.Error
	}{
		{kmsg.InitProducerID, []*kerr.Error{kerr.ConcurrentTransactions, kerr.CoordinatorNotAvailable, kerr.TransactionalIDAuthorizationFailed}},
		{kmsg.AddOffsetsToTxn, []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.ConcurrentTransactions, kerr.InvalidTxnState, kerr.GroupAuthorizationFailed}},
		{kmsg.TxnOffsetCommit, []*kerr.Error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.CoordinatorLoadInProgress, kerr.OffsetMetadataTooLarge, kerr.GroupAuthorizationFailed}},
		{kmsg.EndTxn, []*kerr.Error{kerr.UnknownServerError, kerr.ConcurrentTransactions, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.TransactionAbortable}},
	} {
		for _, refused := range tt.errs {
			t.Run(tt.key.Name()+" "+refused.Message, func(t *testing.T) {
				run(t, exactlyOnce(), func(w *World) {
					w.Join()
					if tt.key != kmsg.InitProducerID { // which comes once, before the first transaction
						failing(w, 30)
						w.Sleep(time.Second)
					}
					fault := w.refuse(kfake.Fault{Keys: []kmsg.Key{tt.key}, Err: refused, When: w.ofMember}, 0, 4*time.Second)
					failing(w, 30)
					w.Sleep(time.Minute)
					if fault.Hits() == 0 {
						t.Error("nothing was refused")
					}
				}, settledOnce(t))
			})
		}
	}
}

// TestTransactionWhoseEndIsNotAnswered keeps the answer to the end of a transaction from its member: it is committed, and the
// member finds that out. In another run the request does not arrive, and the member finds that out as well.
func TestTransactionWhoseEndIsNotAnswered(t *testing.T) {
	commits := func(r kmsg.Request) bool { end, ok := r.(*kmsg.EndTxnRequest); return ok && end.Commit }
	for _, tt := range []struct {
		name string
		lose func(w *World, m *Member, lost func()) // of the next one
	}{
		{"the answer is lost", func(w *World, m *Member, lost func()) {
			deafen := sync.OnceFunc(func() { w.Deafen(m, 15*time.Second); lost() })
			w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
				if commits(r) {
					deafen()
				}
				return true
			}})
		}},
		{"the request is lost", func(w *World, _ *Member, lost func()) {
			var until time.Time
			w.fake.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
				w.fake.KeepControl()
				if !commits(r) || !until.IsZero() && time.Now().After(until) {
					return nil, nil, false
				}
				if until.IsZero() { // the client asks again, for as long as it may
					until = time.Now().Add(11 * time.Second)
					lost()
				}
				return nil, errors.New("the connection is gone"), true
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, exactlyOnce(), func(w *World) {
				m := w.Join()
				failing(w, 10)
				w.Sleep(5 * time.Second)
				lost := 0
				tt.lose(w, m, func() { lost++ })
				failing(w, 30)
				w.Sleep(2 * time.Minute)
				if lost != 1 {
					t.Errorf("%d times lost, want once", lost)
				}
			}, settledOnce(t))
		})
	}
}

// TestMarkersThatAreStillWritten has brokers refuse the first batch that comes after the end of a transaction, as several nodes do
// while they write its markers. It is written a moment later, and no transaction is given up for it.
func TestMarkersThatAreStillWritten(t *testing.T) {
	run(t, exactlyOnce(), func(w *World) {
		m := w.Join()
		failing(w, 10)
		w.Sleep(5 * time.Second)
		writing := false
		w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1, When: func(kmsg.Request) bool { writing = true; return true }})
		refused := w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.ConcurrentTransactions, When: func(r kmsg.Request) bool {
			refuses := writing && w.ofMember(r)
			writing = writing && !refuses
			return refuses
		}}, 0, time.Minute)
		before := m.Pipeline.Stats()
		for range 50 {
			failing(w, 3)
			w.Sleep(time.Second)
		}
		after := m.Pipeline.Stats()
		if hits, done, aborted := refused.Hits(), after.Transactions-before.Transactions, after.Aborted-before.Aborted; hits < 30 || done < 30 || aborted > 0 {
			t.Errorf("%d times refused, %d transactions, and %d that came to nothing", hits, done, aborted)
		}
		w.Sleep(time.Minute)
	}, settledOnce(t))
}

// TestADeadDestinationLeavesTheTransaction takes the leader of one retry partition's copies away for longer than a transaction
// lasts: the copies for the others are written meanwhile.
func TestADeadDestinationLeavesTheTransaction(t *testing.T) {
	run(t, exactlyOnce(), func(w *World) {
		m := w.Join()
		failing(w, 3)
		w.Sleep(5 * time.Second)
		const away = 2 * time.Minute
		tier := w.h.Terms.RetryTopic("orders", "1s")
		w.RefuseProduce(tier, kerr.NotEnoughReplicas, away, 1)
		began := w.rec.now()
		for i := range 30 {
			w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, i), Fate: Fate{Kind: Fail, Times: 1}})
			w.Sleep(time.Second)
		}
		w.Sleep(20 * time.Second)
		m.mustHold(t, tier, "partition does not acknowledge copies")
		retried := make(map[int32]int)
		w.mu.Lock()
		for _, c := range w.h.Calls {
			if began.Before(c.Start) && c.Attempt == 2 {
				retried[c.Origin.Number]++
			}
		}
		w.mu.Unlock()
		if retried[0] < 8 || retried[2] < 8 || retried[1] > 0 {
			t.Errorf("retried while partition 1 of the tier was away: %v, want nearly all of partitions 0 and 2", retried)
		}
		w.Sleep(away)
	}, settledOnce(t))
}

// TestTransactionsOfASlowCluster has brokers take longer for copies than transactions usually wait for them: what is given up
// and begun again for ever is never written.
func TestTransactionsOfASlowCluster(t *testing.T) {
	for _, takes := range []time.Duration{1500 * time.Millisecond, 4 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			run(t, exactlyOnce(), func(w *World) {
				w.Join()
				failing(w, 3)
				w.Sleep(5 * time.Second)
				w.fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
					w.fake.KeepControl()
					if r, ok := req.(*kmsg.ProduceRequest); ok && r.TransactionID != nil {
						w.fake.SleepControl(func() { <-time.After(takes) })
					}
					return nil, nil, false
				})
				failing(w, 30)
				w.Sleep(10 * time.Minute)
			}, settledOnce(t))
		})
	}
}

// manyBatches produces records of one partition that fail once: their copies are six batches of two. While brokers take a moment for a batch, what fails
// meanwhile makes up one transaction.
func manyBatches(w *World) {
	for i := range 12 {
		w.Produce(&Record{Key: fmt.Append(nil, i%4), Padding: 300_000, Fate: Fate{Kind: Fail, Times: 1}})
	}
}

// slowly has brokers take a time for the copies of transactions, and look at them before. What look returns is what they are refused with.
func slowly(w *World, takes time.Duration, look func(*kmsg.ProduceRequest) *kerr.Error) {
	w.fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.fake.KeepControl()
		r, ok := req.(*kmsg.ProduceRequest)
		if !ok || r.TransactionID == nil {
			return nil, nil, false
		}
		w.fake.SleepControl(func() { <-time.After(takes) })
		refused := look(r)
		if refused == nil {
			return nil, nil, false
		}
		resp := r.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range r.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, part := range topic.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode = part.Partition, refused.Code
				answer.Partitions = append(answer.Partitions, p)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true
	})
}

// ends counts how transactions of members are ended, and calls then after each.
func ends(w *World, then func(commit bool)) {
	w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
		if end, ok := r.(*kmsg.EndTxnRequest); ok {
			then(end.Commit)
		}
		return true
	}})
}

// TestATransactionHasSeveralBatchesOfAPartition lets one partition fail with more than a batch may hold: a transaction has several, one after the other.
func TestATransactionHasSeveralBatchesOfAPartition(t *testing.T) {
	run(t, exactlyOnce(), func(w *World) {
		w.Join()
		failing(w, 3)
		w.Sleep(10 * time.Second)
		batches, most := 0, 0
		slowly(w, 50*time.Millisecond, func(*kmsg.ProduceRequest) *kerr.Error { batches++; return nil })
		ends(w, func(commit bool) {
			if !commit {
				t.Error("a transaction was aborted")
			}
			most, batches = max(most, batches), 0
		})
		manyBatches(w)
		w.Sleep(time.Minute)
		if most < 3 {
			t.Errorf("the transaction with most batches had %d, want at least 3", most)
		}
	}, settledOnce(t))
}

// TestALaterBatchOfATransactionIsRefused has brokers refuse a batch after they have taken others of its transaction, for a while: that is aborted as a
// whole, and nothing is lost, written twice or out of order.
func TestALaterBatchOfATransactionIsRefused(t *testing.T) {
	for _, with := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidRecord, kerr.NotEnoughReplicas, kerr.InvalidTxnState, kerr.TransactionAbortable} {
		t.Run(with.Message, func(t *testing.T) {
			run(t, exactlyOnce(), func(w *World) {
				w.Join()
				failing(w, 3)
				w.Sleep(10 * time.Second)
				taken, refused, until := 0, 0, time.Now().Add(20*time.Second)
				slowly(w, 50*time.Millisecond, func(*kmsg.ProduceRequest) *kerr.Error {
					if taken > 0 && time.Now().Before(until) {
						refused++
						return with
					}
					taken++
					return nil
				})
				open := 0 // batches that were refused in the transaction
				ends(w, func(commit bool) {
					if commit && refused > open && !with.Retriable { // which the client sends again
						t.Error("a transaction was committed of which a batch was refused")
					}
					taken, open = 0, refused
				})
				manyBatches(w)
				w.Sleep(2 * time.Minute)
				if refused == 0 {
					t.Error("no later batch was refused")
				}
			}, settledOnce(t))
		})
	}
}

// TestATransactionThatTakesLongHasFewerBatches has brokers take so long for each batch that all of them would outlast the transaction: it is committed
// with those that were written, and the others are the next one's.
func TestATransactionThatTakesLongHasFewerBatches(t *testing.T) {
	run(t, exactlyOnce(), func(w *World) {
		w.Join()
		failing(w, 3)
		w.Sleep(10 * time.Second)
		slowly(w, 2500*time.Millisecond, func(*kmsg.ProduceRequest) *kerr.Error { return nil })
		ends(w, func(commit bool) {
			if !commit {
				t.Error("a transaction was aborted")
			}
		})
		manyBatches(w)
		w.Sleep(5 * time.Minute)
	}, settledOnce(t))
}

// TestOffsetsThatWereRefusedStayInTheirTransaction has the coordinator refuse offsets once, as one does that has not heard of a
// topic yet, and kills the member when the transaction is ended: its copies are not written again by whoever comes next.
func TestOffsetsThatWereRefusedStayInTheirTransaction(t *testing.T) {
	const refusal = "cannot write copies and offsets in one transaction: will try again"
	run(t, exactlyOnce(), func(w *World) {
		m := w.Join()
		w.Sleep(5 * time.Second)
		refused := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Count: 1, Err: kerr.UnknownTopicOrPartition})
		ended := false
		w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			if end, ok := r.(*kmsg.EndTxnRequest); ok && end.Commit && refused.Hits() > 0 && !ended {
				ended = true
				w.mustTell(t, "level=WARN", refusal, "orders/", kerr.UnknownTopicOrPartition.Message)
				w.mustNotAlarm(t, refusal)
				m.Crash()
			}
			return true
		}})
		failing(w, 30)
		w.Sleep(5 * time.Second)
		if !ended {
			t.Error("no transaction was ended after its offsets had been refused")
		}
		w.Join()
		w.Sleep(time.Minute)
	}, settledOnce(t))
}

// settledOnce expects that everything was settled, in transactions.
func settledOnce(t *testing.T) func(*History, *Report) {
	return func(h *History, r *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
		if !strings.Contains(r.Exercise(), "records routed once") {
			t.Error("no record was routed in a transaction")
		}
	}
}

// TestARefusedSourceLeavesTheTransaction has the coordinator refuse the offsets of one source, as when the right to read it is
// lost: what is routed of the other is not held up.
func TestARefusedSourceLeavesTheTransaction(t *testing.T) {
	s := exactlyOnce()
	s.Sources = map[string]int32{"orders": 1, "payments": 1}
	run(t, s, func(w *World) {
		m := w.Join()
		failing := func(topic string, n int) {
			for i := range n {
				w.Produce(&Record{Topic: topic, Key: fmt.Append(nil, i), Fate: Fate{Kind: Fail, Times: 1}})
			}
		}
		failing("orders", 1)
		w.Sleep(5 * time.Second)
		const away = 2 * time.Minute
		w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.OffsetCommit}, Topic: "orders", Err: kerr.TopicAuthorizationFailed}, 0, away)
		began := w.rec.now()
		for range 30 {
			failing("orders", 1)
			failing("payments", 1)
			w.Sleep(time.Second)
		}
		w.Sleep(20 * time.Second)
		w.mustTell(t, "level=WARN", "cannot write copies and offsets in one transaction", "orders", "TOPIC_AUTHORIZATION_FAILED")
		m.mustMeasure(t, "redeliver_faults", "doing=transaction")
		retried := make(map[string]int)
		w.mu.Lock()
		for _, c := range w.h.Calls {
			if began.Before(c.Start) && c.Attempt == 2 {
				retried[c.Origin.Topic]++
			}
		}
		w.mu.Unlock()
		if retried["payments"] < 27 || retried["orders"] > 0 {
			t.Errorf("retried while the offsets of orders were refused: %v, want nearly all of payments", retried)
		}
		w.Sleep(away)
	}, settledOnce(t))
}

// TestADeadDestinationDelaysNoOther takes the leader of one retry partition's copies away for so long that it is tried again only now
// and then: what others have to write meanwhile does not wait for that.
func TestADeadDestinationDelaysNoOther(t *testing.T) {
	run(t, exactlyOnce(), func(w *World) {
		m := w.Join()
		failing(w, 3)
		w.Sleep(10 * time.Second)
		const away = 5 * time.Minute
		tier := w.h.Terms.RetryTopic("orders", "1s")
		w.RefuseProduce(tier, kerr.NotEnoughReplicas, away, 1)
		w.Produce(&Record{Partition: 1, Key: []byte("waits"), Fate: Fate{Kind: Fail, Times: 1}})
		w.Sleep(2 * time.Minute)
		m.mustHold(t, tier, "partition does not acknowledge copies")
		for i := range 10 {
			r := &Record{Key: fmt.Append(nil, i), Fate: Fate{Kind: Fail, Times: 1}}
			w.Produce(r)
			w.Sleep(12 * time.Second) // a trial of what is away takes at most 8 s, when nobody else is heard of
			if calls := w.Calls(r); len(calls) < 2 {
				t.Errorf("record %d was not retried within 12 s, its tier is of one", i)
			}
		}
		w.Sleep(away)
	}, settledOnce(t))
}

// TestADestinationIsTriedAgainUnderLoad takes the leader of one retry partition's copies away for a moment, while the others have
// copies to write all the time: when it is back, so are its retries.
func TestADestinationIsTriedAgainUnderLoad(t *testing.T) {
	s := exactlyOnce()
	s.Latency = [2]time.Duration{40 * time.Millisecond, 60 * time.Millisecond}
	run(t, s, func(w *World) {
		w.Join()
		failing(w, 3)
		w.Sleep(10 * time.Second)
		const away, load = 10 * time.Second, 90 * time.Second
		w.RefuseProduce(w.h.Terms.RetryTopic("orders", "1s"), kerr.NotEnoughReplicas, away, 1)
		w.Produce(&Record{Partition: 1, Key: []byte("waits"), Fate: Fate{Kind: Fail, Times: 1}})
		back := time.Now().Add(away)
		for i := 0; time.Since(back) < load-away; i++ {
			w.Produce(&Record{Partition: int32(i % 2 * 2), Key: fmt.Append(nil, i), Fate: Fate{Kind: Fail, Times: 1}})
			w.Sleep(100 * time.Millisecond)
		}
		again := false
		w.mu.Lock()
		for _, c := range w.h.Calls {
			again = again || c.Origin.Number == 1 && c.Attempt == 2 && c.Start.At.After(back)
		}
		w.mu.Unlock()
		if !again {
			t.Errorf("the record whose retry partition was away for %v was not retried within %v after that", away, load-away)
		}
		w.Sleep(time.Minute)
	}, settledOnce(t))
}

// TestAMemberMayUseItsFormerTransactionalID has the brokers deny a member of a fleet that is upgraded the transactional id in which the
// hyphens of its instance id are escaped: it goes on with the one that its user has leave for.
func TestAMemberMayUseItsFormerTransactionalID(t *testing.T) {
	used := make(map[string]int)
	run(t, exactlyOnce(), func(w *World) {
		w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Count: -1, Err: kerr.TransactionalIDAuthorizationFailed, When: func(r kmsg.Request) bool {
			init, ok := r.(*kmsg.InitProducerIDRequest)
			return ok && init.TransactionalID != nil && *init.TransactionalID == "redeliver-g-orders%2D1"
		}})
		w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			if end, ok := r.(*kmsg.EndTxnRequest); ok && end.Commit {
				used[end.TransactionalID]++
			}
			return true
		}})
		w.Join(func(c *consumer.Config) { c.InstanceID = "orders-1" })
		failing(w, 30)
		w.Sleep(2 * time.Minute)
		w.mustTell(t, "level=WARN", "the transactional id of this member is denied", "redeliver-g-orders%2D1", "redeliver-g-orders-1", "remedy=")
	}, settledOnce(t), func(*History, *Report) {
		if len(used) != 1 || used["redeliver-g-orders-1"] == 0 {
			t.Errorf("transactions that were committed, by transactional id: %v, want some of redeliver-g-orders-1 alone", used)
		}
	})
}

// TestAMemberThatIsGivenUpWithinATransactionCommitsNothingOfIt has a member hear nothing from the moment on that the offsets join its transaction, until
// its group has given it up and another one has routed the same records. It goes on while its transaction is still open.
func TestAMemberThatIsGivenUpWithinATransactionCommitsNothingOfIt(t *testing.T) {
	s := exactlyOnce()
	c := &s.Config
	c.HandlerTimeout, c.Drain, c.RebalanceTimeout, c.SessionTimeout = time.Second, 2*time.Second, 3*time.Second, 6*time.Second
	run(t, s, func(w *World) {
		m := w.Join()
		w.Sleep(5 * time.Second)
		w.Join()
		w.Sleep(20 * time.Second)
		failing(w, 6)
		w.Sleep(20 * time.Second)
		deafen := sync.OnceFunc(func() { w.Deafen(m, 8800*time.Millisecond) })
		w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, Observe: true, Count: -1, When: func(kmsg.Request) bool {
			deafen()
			return true
		}})
		failing(w, 6)
		w.Sleep(2 * time.Minute)
		if w.Faults()["answers held up"] == 0 {
			t.Error("there was no transaction")
		}
	}, settledOnce(t))
}

// TestADestinationThatRefusesDelaysNoOther refuses what one partition of a tier gets, ten times as many copies as the others get, for a minute: those go
// on as if nothing were.
func TestADestinationThatRefusesDelaysNoOther(t *testing.T) {
	for _, with := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.PolicyViolation, kerr.InvalidRecord, kerr.MessageTooLarge} {
		t.Run(with.Message, func(t *testing.T) {
			setup := exactlyOnce()
			setup.Latency = [2]time.Duration{40 * time.Millisecond, 60 * time.Millisecond}
			run(t, setup, func(w *World) {
				m := w.Join()
				failing(w, 3)
				w.Sleep(10 * time.Second)
				const away = time.Minute
				tier := w.h.Terms.RetryTopic("orders", "1s")
				w.RefuseProduce(tier, with, away, 1)
				began, until, good := w.rec.now(), time.Now().Add(away), 0
				for i := 0; time.Now().Before(until); i++ {
					w.Produce(&Record{Partition: 1, Key: fmt.Append(nil, i), Fate: Fate{Kind: Fail, Times: 1}})
					if i%10 == 0 {
						if time.Until(until) > 10*time.Second { // whose time comes in any case
							good++
						}
						w.Produce(&Record{Partition: int32(i / 10 % 2 * 2), Key: fmt.Append(nil, "good", i), Fate: Fate{Kind: Fail, Times: 1}})
					}
					w.Sleep(20 * time.Millisecond)
				}
				m.mustHold(t, tier, "copy cannot be written")
				retried := 0
				w.mu.Lock()
				for _, c := range w.h.Calls {
					if began.Before(c.Start) && c.Attempt == 2 && c.Origin.Number != 1 {
						retried++
					}
				}
				w.mu.Unlock()
				if retried < good {
					t.Errorf("%d records of the other partitions were retried meanwhile, want those %d at least that came ten seconds before the end", retried, good)
				}
				if m.Pipeline.Stats().Aborted == 0 {
					t.Error("no transaction that came to nothing was counted")
				}
				w.Sleep(3 * time.Minute)
			}, settledOnce(t))
		})
	}
}
