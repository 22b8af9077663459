package consumer

import (
	"testing"
	"time"
)

// BenchmarkCommitOfManyLanes is what a commit costs that finds one lane in which something was settled, of a source of 128 partitions with three tiers.
func BenchmarkCommitOfManyLanes(b *testing.B) {
	w := onBench(b, succeed)
	c := w.p.committer
	for partition := range int32(128) {
		for _, tier := range []time.Duration{0, time.Second, 10 * time.Second, time.Minute} {
			w.lane(partition, tier)
		}
	}
	c.acknowledged(c.marks(w.p.intake.all()))
	moved := w.p.intake.lane(testTopic, 0)
	b.ReportAllocs()
	for b.Loop() {
		moved.strand.mu.Lock()
		moved.version++ // as a settlement does
		moved.strand.mu.Unlock()
		marks := c.marks(c.due(w.p.intake.all(), time.Now()))
		if len(marks) != 1 {
			b.Fatalf("%d lanes have something to commit, want one", len(marks))
		}
		c.acknowledged(marks)
	}
}
