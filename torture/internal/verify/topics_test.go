package verify

import (
	"slices"
	"testing"
)

// What one client comes too late for is not lost as long as the other one brings it, and each offset is new once.
func TestReaderTakesWhatEitherClientHas(t *testing.T) {
	type fetch struct {
		start   int64
		offsets []int64
	}
	for name, run := range map[string]struct {
		fetches []fetch
		taken   []int64
		unread  int64
	}{
		"both have all":                               {[]fetch{{0, []int64{0, 1, 2}}, {0, []int64{0, 1, 2}}}, []int64{0, 1, 2}, 0},
		"one is too late, the other one brings":       {[]fetch{{0, []int64{0}}, {3, []int64{3, 4}}, {0, []int64{0, 1, 2, 3, 4}}}, []int64{0, 3, 4, 1, 2}, 0},
		"both are too late":                           {[]fetch{{0, []int64{0}}, {3, []int64{3}}, {3, []int64{3, 4}}}, []int64{0, 3, 4}, 2},
		"one is too late for a part":                  {[]fetch{{0, []int64{0}}, {4, []int64{4}}, {2, []int64{2, 3, 4}}}, []int64{0, 4, 2, 3}, 1},
		"a gap of a transaction that came to nothing": {[]fetch{{0, []int64{0, 1}}, {0, []int64{5, 6}}}, []int64{0, 1, 5, 6}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reader{v: &verifier{h: NewHistory(Terms{})}, next: make(map[partition]int64), missed: make(map[partition]map[int64]bool)}
			var at partition
			var taken []int64
			for _, f := range run.fetches {
				for _, offset := range f.offsets {
					if r.isNew(at, offset, f.start) {
						taken = append(taken, offset)
					}
				}
			}
			if !slices.Equal(taken, run.taken) || r.v.h.Unread != run.unread {
				t.Errorf("%d were taken, want %d; %d were not read, want %d", taken, run.taken, r.v.h.Unread, run.unread)
			}
		})
	}
}
