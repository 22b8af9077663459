//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// TestOutageAtFullLoad takes the dependency away for a minute while a thousand records a second come, on all defaults. When
// it is back it has room for a few calls only and gets its strength back within ten seconds. Before it trips the breaker
// the dependency gets no more calls than it takes, then only probes; no other record loses an attempt, none is dead; and
// the backlog drains without tripping the breaker again.
func TestOutageAtFullLoad(t *testing.T) {
	const (
		rate, before, outage = 1000, 5 * time.Second, time.Minute
		concurrency, minimum = 64, 20
		work                 = 20 * time.Millisecond
	)
	trips := make(chan breaker.Event, 1000)
	run(t, Setup{Sources: map[string]int32{"orders": 12}, Config: consumer.Config{Hooks: []consumer.Hook{tripsHook(trips)}}}, func(w *World) {
		w.Join()
		w.Sleep(time.Second)
		n := 0
		load := func(lasts time.Duration) {
			for began := time.Now(); time.Since(began) < lasts; {
				records := make([]*Record, rate/20)
				for i := range records {
					n++
					records[i] = &Record{Partition: int32(n % 12), Key: fmt.Append(nil, n), Fate: Fate{Work: work}}
				}
				w.Produce(records...)
				w.Sleep(time.Second / 20)
			}
		}
		load(before)
		w.Down(true)
		load(outage)
		w.Down(false)
		back := time.Now()
		w.Room(func() int { return 6 + int(6*time.Since(back).Seconds()) })
		load(20 * time.Second)
		w.Room(nil)
	}, func(h *History, _ *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
		for p, log := range h.Log {
			if p.Topic == h.Terms.DLQTopic("orders") && len(log) > 0 {
				t.Errorf("%d records are dead for the outage, in %s", len(log), p)
			}
		}
		close(trips)
		opened, probing := time.Time{}, 0
		for e := range trips {
			switch {
			case e.To == breaker.Open && opened.IsZero():
				opened = e.At
			case e.To == breaker.HalfOpen:
				probing++
			case e.To == breaker.Open && e.From == breaker.Closed:
				t.Errorf("tripped again after the outage: %v", e)
			}
		}
		failed, probes, attempts := 0, 0, 0
		for _, c := range h.Calls {
			switch {
			case !c.Outage:
			case !c.Start.At.After(opened):
				failed++
			default:
				probes++
			}
			if c.Attempt > 1 {
				attempts++
			}
		}
		if failed > minimum+concurrency {
			t.Errorf("%d calls failed before the breaker opened, want %d at most", failed, minimum+concurrency)
		}
		if most := 3 * probing; probes > most {
			t.Errorf("%d calls failed after it opened, want %d at most: %d times 3 probes", probes, most, probing)
		}
		if attempts > failed {
			t.Errorf("%d records used an attempt, and only %d failed before the breaker opened", attempts, failed)
		}
		t.Logf("%d failed before it opened, %d after it, %d second attempts; it probed %d times", failed, probes, attempts, probing)
	})
}

// TestBrokersThatAreAwayAreTold takes all brokers away from a member that has something to commit and copies to write: it says so for as long as
// that lasts, and is ready soon after.
func TestBrokersThatAreAwayAreTold(t *testing.T) {
	run(t, Setup{Brokers: 3, Config: consumer.Config{SessionTimeout: 45 * time.Second, Breaker: breaker.Config{Disabled: true}}}, func(w *World) {
		m := w.Join()
		failing(w, 10)
		w.Sleep(time.Minute)
		failing(w, 10)
		w.Sleep(20 * time.Millisecond) // less than until the next commit
		w.CutOff(m, 30*time.Second)
		w.Sleep(29 * time.Second)
		m.mustMeasure(t, "redeliver_faults")
		m.mustNotBeReady(t, "cannot ")
		w.Sleep(time.Minute)
		if s := m.Pipeline.Stats(); !s.Ready || m.metric(t, "redeliver_faults") > 0 {
			t.Errorf("ready: %v (%s), with %v, when the brokers are back", s.Ready, s.NotReady, s.Reasons)
		}
	})
}

type tripsHook chan breaker.Event

func (h tripsHook) OnBreaker(_ string, e breaker.Event) { h <- e }
