package scenarios

import (
	"testing"

	"github.com/redeliver/redeliver/bench/harness"
)

// Which records fail has nothing to do with where they are: were it every twentieth, the failures of twelve partitions and a thousand keys would
// be those of three partitions and fifty keys, and whoever is held up by a failure would be free in all others.
func TestFailuresReachEveryPartitionAndMostKeys(t *testing.T) {
	const records, partitions, keys = 1_000_000, 12, 1000
	for name, failures := range map[string]func(int) int{
		"c":          failuresOf,
		"f at 0 %":   func(i int) int { return latenessFailures(i, 1) },
		"f at 50 %":  func(i int) int { return latenessFailures(i, 63) },
		"f at 90 %":  func(i int) int { return latenessFailures(i, 114) },
		"f, no load": func(i int) int { return latenessFailures(i, 2) },
	} {
		byPartition, byKey := make(map[int]int), make(map[uint64]int)
		for i := range records {
			if failures(i) > 0 {
				byPartition[i%partitions]++
				byKey[harness.KeyOf(i)]++
			}
		}
		if len(byPartition) < partitions || len(byKey) < keys*9/10 {
			t.Errorf("%s: failures are on %d of %d partitions and %d of %d keys", name, len(byPartition), partitions, len(byKey), keys)
		}
	}
	twice, once := 0, 0
	for i := range records {
		switch failuresOf(i) {
		case 2:
			twice++
		case 1:
			once++
		}
	}
	if twice < records/110 || twice > records/90 || once < records/26 || once > records/24 {
		t.Errorf("%d fail twice and %d once of %d, want 1 and 4 of 100", twice, once, records)
	}
}
