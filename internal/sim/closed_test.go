//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
)

// closedKeys is a world whose members keep keys closed behind dead letters.
func closedKeys() Setup {
	s := heldKeys()
	s.Config.OnDeadLetter = consumer.HoldOnDeadLetter
	return s
}

// TestKeyIsClosedBehindADeadLetter lets a record die: those behind it and what comes later follow it; a replay of all of them puts them
// back in their order, and what comes after that is handled.
func TestKeyIsClosedBehindADeadLetter(t *testing.T) {
	run(t, closedKeys(), func(w *World) {
		w.Join()
		w.Sleep(20 * time.Second)
		first := &Record{Key: []byte("a"), Fate: Fate{Kind: Fail, Times: 4}}
		w.Produce(first, &Record{Key: []byte("a")}, &Record{Key: []byte("b")}, &Record{Key: []byte("a")})
		w.Sleep(5 * time.Minute)
		late := &Record{Key: []byte("a")}
		w.Produce(late)
		w.Sleep(time.Minute)
		if n := len(w.Calls(late)); n != 0 {
			t.Errorf("a record was called %d times behind a dead letter of its key", n)
		}
		w.ReplayAside("orders", 0)
		w.Heal()
		w.Sleep(time.Minute)
		if n := len(w.Calls(late)); n != 1 {
			t.Errorf("a record was called %d times after a replay, want once", n)
		}
		after := &Record{Key: []byte("a")}
		w.Produce(after)
		w.Sleep(time.Minute)
		if n := len(w.Calls(after)); n != 1 {
			t.Errorf("a record was called %d times when its key was open again, want once", n)
		}
	}, followedSome(t))
}

func followedSome(t *testing.T) func(*History, *Report) {
	return func(h *History, r *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
		if r.Exercised[Ordered]["records dead behind another"] == 0 {
			t.Error("no record followed a dead letter")
		}
	}
}

// TestClosedKeysOutliveACrashAtEveryStep kills the member at each request of which a record dies, and others follow it: whoever has its
// partitions next finds out which keys are closed.
func TestClosedKeysOutliveACrashAtEveryStep(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.Produce, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.OffsetCommit} {
		for nth := 1; nth <= 5 && (nth == 1 || key != kmsg.InitProducerID); nth += 2 {
			t.Run(fmt.Sprintf("%s %d", key.Name(), nth), func(t *testing.T) {
				run(t, closedKeys(), func(w *World) {
					m := w.Join()
					w.Sleep(20 * time.Second)
					crash(t, w, m, nth, func(r kmsg.Request) bool {
						p, ok := r.(*kmsg.ProduceRequest)
						return r.Key() == key.Int16() && (!ok || p.TransactionID != nil)
					}, func() {
						for i := range 3 {
							dying(w, i)
							w.Sleep(2 * time.Second)
						}
					})
					dealWith(w, 3)
				}, followedSome(t))
			})
		}
	}
}

// TestClosedKeysOutliveACrashWhileTheyAreRead kills the successor of a member that was killed, while it reads which keys are closed: the
// dead letters, and what the ledger says of them.
func TestClosedKeysOutliveACrashWhileTheyAreRead(t *testing.T) {
	for _, suffix := range []string{dlqSuffix, dlqSuffix + ledgerSuffix} {
		for nth := 1; nth <= 9; nth += 2 {
			t.Run(fmt.Sprintf("%s %d", suffix, nth), func(t *testing.T) {
				run(t, closedKeys(), func(w *World) {
					m := w.Join()
					w.Sleep(20 * time.Second)
					dying(w, 0)
					w.Sleep(2 * time.Second)
					w.replayAside("orders", 0, 2)
					w.Heal()
					m.Crash()
					m = w.Join()
					crash(t, w, m, nth, w.readsOf("g.orders"+suffix), func() { w.Sleep(time.Minute) })
					w.mustTellOfClosedKeys(t)
					dealWith(w, 1)
				}, followedSome(t))
			})
		}
	}
}

// TestClosedKeysOutliveACrashBesideAReplay kills the member at each request of a replay that is under way.
func TestClosedKeysOutliveACrashBesideAReplay(t *testing.T) {
	for nth := 1; nth <= 12; nth++ {
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			run(t, closedKeys(), func(w *World) {
				m := w.Join()
				w.Sleep(20 * time.Second)
				dying(w, 0)
				w.Sleep(2 * time.Second)
				crash(t, w, m, nth, func(r kmsg.Request) bool {
					switch r := r.(type) {
					case *kmsg.ProduceRequest:
						return r.TransactionID != nil && *r.TransactionID == "redeliver.g.orders.dlq"
					case *kmsg.EndTxnRequest:
						return r.TransactionalID == "redeliver.g.orders.dlq"
					case *kmsg.FetchRequest, *kmsg.TxnOffsetCommitRequest:
						return true
					}
					return false
				}, func() {
					w.replayAside("orders", 0, 3)
					dying(w, 1)
					w.Sleep(10 * time.Second)
				})
				w.mustTellOfClosedKeys(t)
				dealWith(w, 2)
			}, followedSome(t))
		})
	}
}

// crash kills the member at the nth request of a kind while something is done, and starts another.
func crash(t *testing.T, w *World, m *Member, nth int, counts func(kmsg.Request) bool, during func()) {
	seen := 0
	w.fake.Fault(kfake.Fault{Observe: true, Count: -1, When: func(r kmsg.Request) bool {
		if counts(r) {
			if seen++; seen == nth {
				m.Crash()
			}
		}
		return true
	}})
	during()
	if seen < nth {
		t.Errorf("such a request was seen %d times", seen)
	}
	w.Join()
}

// mustTellOfClosedKeys waits for the newest member to find which keys are closed, and expects that it tells of them.
func (w *World) mustTellOfClosedKeys(t *testing.T) {
	t.Helper()
	m := w.Members[len(w.Members)-1]
	m.mustMeasureWithin(t, 2*time.Minute, "redeliver_held_keys", "state=closed")
	for range 60 { // it is told when all is read
		if m.metric(t, "redeliver_unread_keys_partitions") == 0 {
			break
		}
		w.Sleep(time.Second)
	}
	w.mustTell(t, "level=WARN", "keys are closed behind dead letters", "member="+m.Name)
}

// dying produces records of few keys, some of which die at their first call.
func dying(w *World, round int) {
	for i := range 30 {
		f := Fate{Work: time.Duration(i%3) * 10 * time.Millisecond}
		switch {
		case i%11 == 3:
			f.Kind, f.Class, f.Times = Fail, classify.Permanent, 1+(i+round)%2
		case i%7 == 0:
			f.Kind, f.Times = Fail, 1+(i+round)%3
		}
		w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, "key-", i%4), Fate: f})
	}
}

// dealWith lets more records die, replays the dead, and discards what was replayed too often. Then it tries every key.
func dealWith(w *World, round int) {
	dying(w, round)
	w.Sleep(2 * time.Minute)
	for range 4 {
		w.ReplayAside("orders", 0)
		w.Heal()
		w.Sleep(2 * time.Minute)
	}
	w.DiscardAside("orders", 0)
	w.Heal()
	w.Sleep(time.Minute)
	var last []*Record
	for i := range 12 {
		last = append(last, &Record{Partition: int32(i % 3), Key: fmt.Append(nil, "key-", i%4), Headers: []Header{{Key: triedHeader, Value: []byte("1")}}})
	}
	w.Produce(last...)
	w.Sleep(time.Minute)
}

// TestMoreDeadLettersThanASurvivorRemembers kills one of two members whose keys are closed by so many dead letters that the other one has no
// memory for all of them: of few keys, and of more keys than it may know. They are replayed, and all keys open.
func TestMoreDeadLettersThanASurvivorRemembers(t *testing.T) {
	for _, keys := range []int{6, 300} {
		t.Run(fmt.Sprintf("%d keys", keys), func(t *testing.T) {
			s := closedKeys()
			s.Config.Window.Records = 10 // and 16 windows of dead letters, of all partitions of a member
			run(t, s, func(w *World) {
				m := w.Join()
				w.Join()
				w.Sleep(20 * time.Second)
				for i := range 300 {
					r := &Record{Partition: int32(i % 3), Key: fmt.Append(nil, "key-", i%keys)}
					if i < keys {
						r.Fate = Fate{Kind: Fail, Class: classify.Permanent, Times: 1}
					}
					w.Produce(r)
				}
				w.Sleep(2 * time.Minute)
				m.Crash()
				w.Sleep(2 * time.Minute)
				for range 6 {
					w.ReplayAside("orders", 0)
					w.Heal()
					w.Sleep(2 * time.Minute)
				}
				var last []*Record
				for i := range 12 {
					last = append(last, &Record{Partition: int32(i % 3), Key: fmt.Append(nil, "key-", i%keys), Headers: []Header{{Key: triedHeader, Value: []byte("1")}}})
				}
				w.Produce(last...)
				w.Sleep(time.Minute)
			}, func(h *History, r *Report) {
				if !h.Settled {
					t.Errorf("not settled: %s", h.Unsettled)
				}
			})
		})
	}
}

// TestPartitionsShareTheirLedger has a ledger of one partition for the dead letters of three, as it is where nobody may let it grow, and a dead
// letter parked and opened again: the member reads what keeps its keys closed anew, and not again and again.
func TestPartitionsShareTheirLedger(t *testing.T) {
	s := closedKeys()
	s.Config.TopicSettings.Manual = true
	run(t, s, func(w *World) {
		letters := w.h.Terms.DLQTopic("orders")
		w.create(letters, 3)
		for _, name := range append(w.tiers(), parkName) {
			w.create(w.h.Terms.RetryTopic("orders", name), 3)
		}
		if err := w.fake.CreateTopic(letters+ledgerSuffix, 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
			t.Fatal(err)
		}
		reads, read := w.readsOf(letters), 0
		w.fake.Fault(kfake.Fault{Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			if l, asks := r.(*kmsg.ListOffsetsRequest); asks && reads(l) {
				read++
			}
			return false
		}})
		m := w.Join()
		w.Sleep(20 * time.Second)
		for p := range int32(3) {
			w.Produce(&Record{Partition: p, Key: []byte("a"), Fate: Fate{Kind: Fail, Class: classify.Permanent, Times: 1}})
		}
		w.Sleep(time.Minute)
		w.mustTell(t, "level=WARN", "cannot read which keys are held", "topic "+letters+ledgerSuffix+" has no partition 1")
		m.mustMeasure(t, "redeliver_faults", "doing=held")
		for _, park := range []bool{true, false} {
			err := w.withQueue("orders", w.own, func(q *dlq.Queue) error {
				do := q.Reopen
				if park {
					do = q.Park
				}
				_, err := do(w.ctx, dlq.Discard{By: "simulation", Filter: dlq.Filter{Limit: 1}})
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		w.Sleep(time.Minute)
		if read == 0 {
			t.Error("the dead letters were never read")
		}
		read = 0
		w.Sleep(10 * time.Minute)
		if read > 0 {
			t.Errorf("the ends of the dead letters were asked for %d times more, when nothing happened", read)
		}
		dealWith(w, 0)
	})
}

// TestTheLedgerGrowsWhileItIsFollowed gives the ledger more partitions than the dead letters have while a member follows it: the keys that it
// keeps closed open when their dead letters were discarded, with and without a successor that reads the ledger anew.
func TestTheLedgerGrowsWhileItIsFollowed(t *testing.T) {
	for _, successor := range []bool{false, true} {
		t.Run(fmt.Sprintf("successor %v", successor), func(t *testing.T) {
			run(t, closedKeys(), func(w *World) {
				m := w.Join()
				w.Sleep(20 * time.Second)
				dying(w, 0)
				w.Sleep(2 * time.Minute)
				w.replayAside("orders", 0, 2)
				w.Heal()
				if _, err := w.Admin.UpdatePartitions(w.ctx, 7, "g.orders"+dlqSuffix+ledgerSuffix); err != nil {
					t.Error(err)
				}
				w.Sleep(10 * time.Second)
				w.mustNotAlarm(t, "calls fail")
				if successor {
					m.Crash()
					w.Join()
					w.Sleep(time.Minute)
				}
				dealWith(w, 1)
				w.mu.Lock()
				defer w.mu.Unlock()
				called := make(map[Place]bool)
				for _, c := range w.h.Calls {
					called[c.Origin] = true
				}
				for _, p := range w.h.Produced[len(w.h.Produced)-12:] {
					if !called[p.Place] {
						t.Errorf("%s was not called when all dead letters were dealt with", p.Place)
					}
				}
			}, followedSome(t))
		})
	}
}
