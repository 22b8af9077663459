//go:build synctests

package sim

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// heldKeys is a world whose members hold keys.
func heldKeys() Setup {
	return Setup{Config: consumer.Config{
		HoldKey: true, Delivery: consumer.ExactlyOnceRouting, SessionTimeout: 20 * time.Second, Breaker: breaker.Config{Disabled: true},
	}}
}

// TestKeyIsHeldWhileItsRecordIsRetried lets a record fail three times: those behind it wait until it is done, and then run in
// their order; a record of another key is handled at once.
func TestKeyIsHeldWhileItsRecordIsRetried(t *testing.T) {
	run(t, heldKeys(), func(w *World) {
		w.Join()
		w.Sleep(20 * time.Second)
		first := &Record{Key: []byte("a"), Fate: Fate{Kind: Fail, Times: 3}}
		w.Produce(first)
		w.Sleep(100 * time.Millisecond)
		var behind []*Record
		for i := range 5 {
			behind = append(behind, &Record{Key: []byte("a"), Fate: Fate{Kind: Fail, Times: i % 2}})
		}
		other := &Record{Key: []byte("b")}
		w.Produce(append(behind, other)...)
		w.Sleep(time.Second)
		if n := len(w.Calls(other)); n != 1 {
			t.Errorf("the other key had %d calls within a second, want 1", n)
		}
		w.Sleep(30 * time.Second)
		if n := len(w.Calls(behind[0])); n != 0 {
			t.Errorf("a record was called %d times while the one before it is retried", n)
		}
	}, settled(t))
}

// TestKeyOpensAfterADeadLetter lets a record die: those behind it run then.
func TestKeyOpensAfterADeadLetter(t *testing.T) {
	run(t, heldKeys(), func(w *World) {
		w.Join()
		w.Sleep(20 * time.Second)
		w.Produce(&Record{Key: []byte("a"), Fate: Fate{Kind: Fail, Times: ForEver}}, &Record{Key: []byte("a")}, &Record{Key: []byte("a"), Fate: Fate{Kind: Bury}}, &Record{Key: []byte("a")})
		w.Sleep(5 * time.Minute)
	}, settled(t))
}

func settled(t *testing.T) func(*History, *Report) {
	return func(h *History, r *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
		if r.Exercised[Ordered]["records held behind another"] == 0 {
			t.Error("no record was held behind another")
		}
	}
}

// TestRandomHeld holds random scenarios whose members hold keys to every promise.
func TestRandomHeld(t *testing.T) {
	var mu sync.Mutex
	tally := NewTally()
	t.Cleanup(func() { fmt.Print(tally) })
	list := make([]uint64, 0, *seeds)
	for i := range *seeds {
		list = append(list, *firstSeed+uint64(i))
	}
	if *oneSeed != 0 {
		list = []uint64{*oneSeed}
	}
	for _, seed := range list {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				p := NewHeldPlan(seed)
				w, h := p.Run(t, *patience)
				time.Sleep(time.Minute) // for clients that were closed while they dialled
				if *trace != "" {
					_ = os.WriteFile(*trace, []byte(h.Trace()), 0o644)
				}
				r := Check(h)
				mu.Lock()
				tally.Add(p, r, w.Faults(), time.Since(began))
				mu.Unlock()
				if len(r.Violations) > 0 {
					t.Logf("%s", p)
				}
				for _, v := range r.Violations {
					t.Errorf("seed %d: %s", seed, v)
				}
				if *oneSeed != 0 {
					t.Logf("\n%s", r.Exercise())
				}
				if t.Failed() && *oneSeed != 0 {
					t.Logf("log of the members:\n%s", w.Log())
				}
			})
		})
	}
}
