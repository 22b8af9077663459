//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

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
		w.Join()
	}, func(_ *History, r *Report) {
		if n := r.Exercised[Bounded]["upsets: unmapped"]; n == 0 {
			t.Error("no metadata was refused")
		}
	})
}
