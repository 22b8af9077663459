package sim

import (
	"testing"
	"time"
)

// A partition whose call hangs is given no further slot as long as the others may need what they have had at one time of late, beside the one that is kept for
// the other kind.
func TestASlotThatOthersHaveNeeded(t *testing.T) {
	hangs, calm := source, Partition{source.Topic, source.Number + 1}
	busy := Partition{source.Topic, source.Number + 2}
	for name, tt := range map[string]struct {
		ago   time.Duration // that two others had a slot at one time, before the call that hangs
		slots int
		bound bool
	}{
		"two of four, a moment ago": {10 * time.Second, 4, true},
		"two of four, long ago":     {2 * needed, 4, false},
		"two of five, a moment ago": {10 * time.Second, 5, false},
		"two of two: not divided":   {10 * time.Second, 2, false},
		"two of nine, a moment ago": {10 * time.Second, 9, false},
	} {
		t.Run(name, func(t *testing.T) {
			tape := newTape()
			tape.h.Terms.Concurrency = tt.slots
			owners := make(map[Partition]Owner)
			for _, p := range []Partition{hangs, calm, busy} {
				owners[p] = Owner{Member: "m1"}
			}
			tape.h.Assignments = []Assignment{{When: tape.now(), Owners: owners}}
			call := func(of Partition, offset int64, takes time.Duration) {
				start := tape.now()
				end := Moment{start.Tick, start.At.Add(takes)}
				if end.Tick = start.Tick + 3; takes > time.Minute {
					end = Moment{}
				}
				tape.h.Calls = append(tape.h.Calls, Call{Member: "m1", From: Place{of, offset}, Start: start, End: end})
			}
			call(calm, 0, time.Second)
			call(busy, 0, time.Second) // beside it
			tape.tick += 10
			tape.pass(tt.ago)
			call(hangs, 0, time.Hour)
			tape.pass(time.Second)
			since := tape.at
			tape.pass(20 * time.Second)
			call(hangs, 1, time.Second)
			x := newIndex(tape.h)
			c := &tape.h.Calls[len(tape.h.Calls)-1]
			if until := x.slotsBoundUntil(c, since); until.After(since) != tt.bound {
				t.Errorf("at its bound until %v after it could start, want that it was: %v", until.Sub(since), tt.bound)
			}
		})
	}
}
