//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// TestRefusedMetadataCostsNoCommit stops a member whose only commit tells of records that are done above one that stays, on
// brokers that take less metadata than that needs: what stands below that one is committed all the same, and handled once.
func TestRefusedMetadataCostsNoCommit(t *testing.T) {
	const records, stays = 40, 20
	s := Setup{Sources: map[string]int32{"orders": 1}, MetadataLimit: 40, Config: consumer.Config{Breaker: breaker.Config{Failures: 1}}}
	run(t, s, func(w *World) {
		m := w.Join()
		w.Sleep(time.Minute)
		burst := make([]*Record, records)
		for i := range burst {
			burst[i] = &Record{Key: fmt.Append(nil, i)}
		}
		burst[stays].Fate = Fate{Kind: Fail, Times: 2, Class: classify.Network, Work: 5 * time.Millisecond} // and opens the breaker
		w.Produce(burst...)
		w.Sleep(20 * time.Millisecond) // less than until the next commit
		m.Stop()
		w.mustTell(t, "level=WARN", "brokers refuse the metadata of a commit for its size", "topic=orders", "remedy=", "offset.metadata.max.bytes=4096")
		w.Join()
	}, func(_ *History, r *Report) {
		if n := r.Exercised[Bounded]["upsets: unmapped"]; n == 0 {
			t.Error("no metadata was refused")
		}
	})
}

// TestTheLastCommitIsTriedAgain stops a member whose last commit is refused, as in a rebalance: nothing is handled again, and nothing told, as
// it is of a commit before it.
func TestTheLastCommitIsTriedAgain(t *testing.T) {
	run(t, Setup{}, func(w *World) {
		m := w.Join()
		w.Sleep(time.Minute)
		const refusal = "cannot commit offsets: will try again"
		w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: 1, Err: kerr.RebalanceInProgress})
		w.Produce(&Record{})
		w.Sleep(10 * time.Second)
		w.mustTell(t, "level=WARN", refusal, kerr.RebalanceInProgress.Message)
		m.mustMeasure(t, "redeliver_faults", "doing=commit")
		told := len(w.alarms())
		refused := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: 1, Err: kerr.RebalanceInProgress})
		for i := range 30 {
			w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, i)})
		}
		w.Sleep(20 * time.Millisecond) // less than until the next commit
		if refused.Hits() > 0 {
			t.Fatal("it was not the last one that was refused")
		}
		m.Stop()
		if refused.Hits() == 0 {
			t.Error("no commit was refused")
		}
		if all := w.alarms(); len(all) > told {
			t.Errorf("an operator is told of the last commit: %q", all[told:])
		}
		w.Join()
	})
}

// TestAnAbortedTransactionIsNoCommit has the end of a transaction refused, on brokers that take no metadata, while the first record
// of a partition is under way: the offset of the partition is then the same with the transaction and without it, and its
// copies are written again, for they were not.
func TestAnAbortedTransactionIsNoCommit(t *testing.T) {
	s := exactlyOnce()
	s.Sources, s.MetadataLimit = map[string]int32{"orders": 1}, 1
	s.Config.HandlerTimeout, s.Config.Drain, s.Config.RebalanceTimeout = 3*time.Minute, 4*time.Minute, 5*time.Minute
	run(t, s, func(w *World) {
		w.Join()
		w.Sleep(5 * time.Second)
		fails := Fate{Kind: Fail, Times: 1}
		w.Produce(&Record{Key: []byte("slow"), Fate: Fate{Work: 2 * time.Minute}}, &Record{Key: []byte("a"), Fate: fails})
		w.Sleep(10 * time.Second) // until it is known that there is no room for metadata
		refused := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Count: 1, Err: kerr.UnknownServerError})
		w.Produce(&Record{Key: []byte("b"), Fate: fails})
		w.Sleep(3 * time.Minute)
		if refused.Hits() == 0 {
			t.Error("no transaction was ended")
		}
	}, func(h *History, _ *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
	})
}

// TestCopiesWaitForRoomInTheCommit kills a member, on brokers that take no metadata, while the first record of its partition is under way and
// others behind it have failed: until the first is done no commit can tell of them, so no copies were written, and none are twice.
func TestCopiesWaitForRoomInTheCommit(t *testing.T) {
	for _, limit := range []int{1, 40} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			s := exactlyOnce()
			s.Sources, s.MetadataLimit = map[string]int32{"orders": 1}, limit
			s.Config.HandlerTimeout, s.Config.Drain, s.Config.RebalanceTimeout = 3*time.Minute, 4*time.Minute, 5*time.Minute
			run(t, s, func(w *World) {
				m := w.Join()
				w.Sleep(5 * time.Second)
				w.Produce(&Record{Key: []byte("slow"), Fate: Fate{Work: 2 * time.Minute}})
				for i := range 200 {
					f := Fate{}
					if i%3 == 0 {
						f = Fate{Kind: Fail, Times: ForEver}
					}
					w.Produce(&Record{Key: fmt.Append(nil, i), Fate: f})
				}
				w.Sleep(30 * time.Second)
				w.mustTell(t, "level=WARN", "brokers refuse the metadata of a commit for its size", "topic=orders", "copies wait")
				m.Crash()
				w.Join()
				w.Sleep(3 * time.Minute)
			}, settledOnce(t))
		})
	}
}

// TestWhatHasRoomAtLastIsWritten stops a member, on brokers that take little metadata, while the first record of its partition is under way and one
// behind it has been given up: when the first is done there is room for the letter of the other, which is written before the member goes.
func TestWhatHasRoomAtLastIsWritten(t *testing.T) {
	for _, first := range []Fate{{Work: 20 * time.Second}, {Work: 20 * time.Second, Kind: Fail, Times: 1}} {
		t.Run(first.Kind.String(), func(t *testing.T) {
			s := exactlyOnce()
			s.Sources, s.MetadataLimit = map[string]int32{"orders": 1}, 1
			buried := &Record{Key: []byte("a"), Fate: Fate{Kind: Bury, Times: ForEver}}
			run(t, s, func(w *World) {
				m := w.Join()
				w.Sleep(5 * time.Second)
				w.Produce(&Record{Key: []byte("slow"), Fate: first}, buried)
				w.Sleep(10 * time.Second)
				w.mustTell(t, "level=WARN", "brokers refuse the metadata of a commit for its size", "topic=orders", "copies wait")
				m.Stop()
				w.Join()
				w.Sleep(3 * time.Minute)
				if n := len(w.Calls(buried)); n != 1 {
					t.Errorf("the record that was given up was called %d times, want once", n)
				}
			}, settledOnce(t))
		})
	}
}
