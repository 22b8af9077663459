package dlq

import (
	"slices"
	"testing"
)

// No part of a segment has the name of what an index keeps beside its segments.
func TestNamesOfSegmentsAreNobodyElses(t *testing.T) {
	var st indexState
	last := uint64(0)
	for range 100_000 {
		seq := st.nextSeq()
		if seq <= last || seq > last+2 {
			t.Fatalf("%d comes after %d", seq, last)
		}
		last = seq
		for _, name := range (segmentRef{Seq: seq}).names() {
			if slices.Contains([]string{nameMeta, nameKinds, nameFrom}, name) {
				t.Errorf("segment %d has a part %q", seq, name)
			}
		}
	}
	if last != 100_001 {
		t.Errorf("of 100000 segments the last one is %d, want one number left out", last)
	}
}
