//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// TestPoisonDoesNotStopAHealthyPipeline has one record in fifty of a burst fail for ever with a failure that counts against the
// dependency, while everything else succeeds, on all defaults. The poison comes back from its tiers all at once. The breaker
// stays closed, fresh records go on, and the poison ends among the dead letters.
func TestPoisonDoesNotStopAHealthyPipeline(t *testing.T) {
	const records, poison = 3000, 60
	run(t, Setup{}, func(w *World) {
		w.Join()
		burst := make([]*Record, records)
		for i := range burst {
			burst[i] = &Record{Partition: int32(i % 3), Key: fmt.Append(nil, i)}
			if i%(records/poison) == 0 {
				burst[i].Fate = Fate{Kind: Fail, Times: ForEver, Class: classify.Transient}
			}
		}
		w.Produce(burst...)
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
			if c.Attempt == 1 && c.Result == Succeeded && len(c.Key) > 5 && c.Start.At.Sub(c.Timestamp) > 5*time.Second {
				late++
			}
		}
		if late > 0 {
			t.Errorf("%d fresh records waited for more than 5 s: the breaker opened for poison", late)
		}
	})
}
