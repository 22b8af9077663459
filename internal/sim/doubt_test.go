//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// doubt keeps the end of the next transaction from being answered, and any other producer from taking the place of its own: nobody can
// say what has become of it. It returns when that is so.
func (w *World) doubt(t *testing.T, lasts time.Duration) {
	began := make(chan struct{})
	seen := false
	w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Count: -1, Err: kerr.UnknownServerError, When: func(r kmsg.Request) bool {
		end, ok := r.(*kmsg.EndTxnRequest)
		if !ok || !end.Commit || seen {
			return false
		}
		seen = true
		w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorNotAvailable, When: w.ofMember}, 0, lasts)
		close(began)
		return true
	}})
	w.Produce(&Record{Key: []byte("in doubt"), Fate: Fate{Kind: Fail, Times: 1}})
	select {
	case <-began:
	case <-time.After(time.Minute):
		t.Error("no transaction was ended")
	}
}

// TestADoubtfulTransactionHoldsUpNoOtherCommit takes the coordinator of transactions away for long when one is to be committed. What is
// done in other partitions is committed meanwhile, and what is done in its own when it is known what has become of it.
func TestADoubtfulTransactionHoldsUpNoOtherCommit(t *testing.T) {
	const away = 3 * time.Minute
	run(t, exactlyOnce(), func(w *World) {
		m := w.Join()
		w.Sleep(5 * time.Second)
		w.doubt(t, away)
		w.Sleep(5 * time.Second)
		began := w.rec.now()
		for i := range 30 {
			w.Produce(&Record{Partition: int32(i % 2), Key: fmt.Append(nil, "done-", i%2)})
		}
		w.Sleep(30 * time.Second)
		commits := make(map[int32]int)
		w.mu.Lock()
		for _, c := range w.h.Commits {
			if began.Before(c.When) && c.Partition.Topic == "orders" {
				commits[c.Partition.Number]++
			}
		}
		w.mu.Unlock()
		if commits[1] == 0 || commits[0] > 0 {
			t.Errorf("commits by partition while it was in doubt what had become of a transaction of partition 0: %v, want some of partition 1 and none of 0", commits)
		}
		w.mustTell(t, "level=WARN", "cannot find out what has become of a transaction", "nothing is committed of orders/0 until then")
		m.mustMeasure(t, "redeliver_faults", "doing=outcome")
		m.mustNotBeReady(t, "cannot find out what has become of a transaction")
		w.Sleep(away)
	}, settledOnce(t))
}

// TestADoubtfulTransactionHoldsUpNoRebalance has a member join while nobody can say what has become of a transaction of another one: it
// gets its partitions while that is so, and nothing is routed twice.
func TestADoubtfulTransactionHoldsUpNoRebalance(t *testing.T) {
	const away = 5 * time.Minute
	run(t, exactlyOnce(), func(w *World) {
		w.Join()
		w.Sleep(5 * time.Second)
		w.doubt(t, away)
		w.Join()
		w.Sleep(2 * time.Minute)
		shared := false
		w.mu.Lock()
		if n := len(w.h.Assignments); n > 0 {
			owners := make(map[string]int)
			for _, o := range w.h.Assignments[n-1].Owners {
				owners[o.Member]++
			}
			shared = len(owners) == 2 && owners["m1"] > 0 && owners["m2"] > 0
			t.Log(owners)
		}
		for _, u := range w.h.Upsets {
			t.Errorf("the group has given %s up", u.Member)
		}
		w.mu.Unlock()
		if !shared {
			t.Error("the members do not share the partitions while it is in doubt what has become of a transaction")
		}
		failing(w, 30)
		w.Sleep(away)
	}, settledOnce(t))
}

// TestADoubtfulTransactionLeavesRoomInTheWindow goes on producing into the partition of such a transaction: what is done there and cannot be
// committed takes up its share of the window, and no more.
func TestADoubtfulTransactionLeavesRoomInTheWindow(t *testing.T) {
	const away = 3 * time.Minute
	s := exactlyOnce()
	s.Config.Window.Records = 100
	run(t, s, func(w *World) {
		w.Join()
		w.Sleep(5 * time.Second)
		w.doubt(t, away)
		w.Sleep(5 * time.Second)
		for i := range 300 {
			w.Produce(&Record{Key: fmt.Append(nil, "done-", i)})
		}
		w.Sleep(20 * time.Second)
		other := make([]*Record, 150)
		for i := range other {
			other[i] = &Record{Partition: 1, Key: fmt.Append(nil, "other-", i)}
			w.Produce(other[i])
		}
		w.Sleep(30 * time.Second)
		for i, r := range other {
			if len(w.Calls(r)) == 0 {
				t.Errorf("record %d of another partition was not called within 30 s", i)
				break
			}
		}
		w.Sleep(away)
	}, settledOnce(t))
}
