package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Settle waits until everything is committed, at most for limit.
func (w *World) Settle(limit time.Duration) bool {
	until := time.Now().Add(limit)
	for {
		lag := w.behind()
		if lag == "" {
			w.h.Settled, w.h.Unsettled = true, ""
			return true
		}
		if time.Now().After(until) {
			w.h.Settled, w.h.Unsettled = false, lag
			_, _ = w.log.Write([]byte(w.Diagnose())) // a buffer
			return false
		}
		w.Sleep(500 * time.Millisecond)
	}
}

// trickle is how often a record that succeeds comes while a plan settles, as traffic goes on in life: what failed while
// the breaker was not closed waits for a success of another record.
const trickle = 30 * time.Second

// settleWithTraffic is Settle while traffic goes on, and operators tend what only they can.
func (w *World) settleWithTraffic(limit time.Duration) {
	until := time.Now().Add(limit)
	for !w.Settle(trickle) && time.Now().Before(until) {
		for _, source := range w.h.Terms.Sources {
			for p := range w.partitions[source] {
				w.Produce(&Record{Topic: source, Partition: p, Key: fmt.Appendf(nil, "traffic-%d", w.numbers)})
			}
		}
		if w.tend != nil {
			w.tend()
		}
	}
}

// behind describes the partitions of sources and retry topics that are not committed to their end, "" for none.
func (w *World) behind() string {
	info := w.fake.GroupInfo(w.h.Terms.Group)
	var behind []string
	for _, t := range w.readTopics() {
		for _, p := range w.fake.PartitionInfos(t) {
			at := int64(-1)
			if info != nil {
				if c, ok := info.Commits[t][p.Partition]; ok {
					at = c.Offset
				}
			}
			if p.HighWatermark > max(at, 0) {
				behind = append(behind, fmt.Sprintf("%s/%d at %d of %d", t, p.Partition, at, p.HighWatermark))
			}
		}
	}
	return strings.Join(behind, ", ")
}

// readTopics lists the sources and the retry topics that there are.
func (w *World) readTopics() []string {
	topics := slices.Clone(w.h.Terms.Sources)
	for _, t := range w.copyTopics() {
		if w.h.Terms.IsRetry(t) {
			topics = append(topics, t)
		}
	}
	slices.Sort(topics)
	return topics
}
