//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// TestLatenessOnVirtualTime has records fail all the time and looks how late their attempts out of the tiers begin, start minus
// due. On virtual time nothing is waited for but the network, so that what is printed here is the engine's own.
func TestLatenessOnVirtualTime(t *testing.T) {
	const records = 600
	run(t, Setup{Latency: [2]time.Duration{time.Millisecond / 10, time.Millisecond}, Config: consumer.Config{Breaker: breaker.Config{Disabled: true}}}, func(w *World) {
		w.Join()
		for i := range records {
			w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, i), Fate: Fate{Kind: Fail, Times: 1 + i%3}})
			w.Sleep(83 * time.Millisecond)
		}
	}, func(h *History, _ *Report) {
		due := make(map[Place]int64)
		for _, copies := range h.Log {
			for i := range copies {
				k := readCopy(&copies[i])
				due[k.Place] = k.due
			}
		}
		var late []time.Duration
		for _, c := range h.Calls {
			if c.Attempt > 1 {
				late = append(late, c.Start.At.Sub(time.UnixMilli(due[c.From])))
			}
		}
		slices.Sort(late)
		if len(late) < records {
			t.Fatalf("%d attempts out of the tiers, want at least %d", len(late), records)
		}
		median, p99 := late[len(late)/2], late[len(late)*99/100]
		t.Logf("lateness of %d attempts on virtual time: median %v, p99 %v, most %v", len(late), median, p99, late[len(late)-1])
		if late[0] < 0 || median > 5*time.Millisecond || p99 > 50*time.Millisecond {
			t.Errorf("the earliest began %v after its due time, the median %v, want 0 to 5ms, the 99th percentile %v, want at most 50ms", late[0], median, p99)
		}
	})
}
