//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// TestPoisonDoesNotStopAHealthyPipeline has one record in fifty of a burst fail for ever with a failure that counts against the
// dependency, while everything else succeeds, on all defaults. The poison comes back from its tiers all at once. Whatever else
// goes on meanwhile, fresh records go on, and the poison ends among the dead letters.
func TestPoisonDoesNotStopAHealthyPipeline(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(w *World, m *Member)
	}{
		{"others come all the while", func(*World, *Member) {}},
		{"nothing else comes for a minute", func(w *World, _ *Member) { w.Sleep(70 * time.Second) }},
		{"a new process knows nothing yet", func(w *World, m *Member) {
			w.Sleep(2 * time.Second)
			m.Stop()
			w.Sleep(3 * time.Second)
			w.Join()
			w.Sleep(time.Second)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { healthyBesidePoison(t, tt.then) })
	}
}

func healthyBesidePoison(t *testing.T, then func(w *World, m *Member)) {
	const records, poison = 3000, 60
	run(t, Setup{}, func(w *World) {
		m := w.Join()
		burst := make([]*Record, records)
		for i := range burst {
			burst[i] = &Record{Partition: int32(i % 3), Key: fmt.Append(nil, i)}
			if i%(records/poison) == 0 {
				burst[i].Fate = Fate{Kind: Fail, Times: ForEver, Class: classify.Transient}
			}
		}
		w.Produce(burst...)
		then(w, m)
		for i := range 5 * 150 {
			w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, "later", i)})
			w.Sleep(200 * time.Millisecond)
		}
	}, func(h *History, r *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
		late := 0
		for _, c := range h.Calls {
			if c.Attempt == 1 && c.Result == Succeeded && len(c.Key) > 5 && c.Start.At.Sub(c.Timestamp) > 2*time.Second {
				late++
			}
		}
		if late > 0 {
			t.Errorf("%d fresh records waited for more than 2 s: the breaker stayed open for poison", late)
		}
	})
}

// TestBurstOfPoisonDoesNotHoldAHealthyDependency has a burst of fresh records that fail for ever stand before everything else
// in every partition. They open the breaker, once: the probes find one behind them that succeeds, and the slow start after
// that does not begin with them again.
func TestBurstOfPoisonDoesNotHoldAHealthyDependency(t *testing.T) {
	for name, burst := range map[string]int{"sixty": 60, "two hundred": 200} {
		t.Run(name, func(t *testing.T) { healthyBehindPoison(t, burst) })
	}
}

func healthyBehindPoison(t *testing.T, poison int) {
	run(t, Setup{}, func(w *World) {
		w.Join()
		w.Sleep(time.Second)
		for i := range 40 * 240 {
			if i == 40*3 {
				burst := make([]*Record, poison)
				for i := range burst {
					burst[i] = &Record{Partition: int32(i % 3), Key: fmt.Append(nil, "poison", i), Fate: Fate{Kind: Fail, Times: ForEver, Class: classify.Transient}}
				}
				w.Produce(burst...)
			}
			w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, i), Fate: Fate{Work: 5 * time.Millisecond}})
			w.Sleep(time.Second / 40)
		}
	}, func(h *History, r *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
		var last, longest time.Time
		var stalled time.Duration
		for _, c := range h.Calls {
			if c.Result != Succeeded {
				continue
			}
			if gap := c.Start.At.Sub(last); !last.IsZero() && gap > time.Second {
				stalled += gap
				longest = last
			}
			last = c.Start.At
		}
		t.Logf("%v without a success, the last time from %v on", stalled, longest.Sub(h.Begun.At))
		if stalled > 35*time.Second {
			t.Errorf("nothing succeeded for %v in all, want not much more than the 30s that the breaker is open once", stalled)
		}
	})
}
