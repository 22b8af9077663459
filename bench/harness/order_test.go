package harness

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/redeliver/redeliver/bench/contract"
)

// Each contender has one turn a round; ours stands beside whom it is held against, before and after it in turns; and nobody comes after the same one twice in a
// row.
func TestOrderOfTurns(t *testing.T) {
	own := func(context.Context, contract.Task, *contract.Meter) error { return nil }
	all := []Contender{
		{Name: "copy", Run: own}, {Name: "ours", Against: "copy", Run: own}, {Name: "transactions", Run: own}, {Name: "ours in transactions", Against: "transactions", Run: own},
		{Name: "large", Run: own}, {Name: "one peer", Against: "copy"}, {Name: "another peer", Against: "copy"},
	}
	for n := 1; n <= len(all); n++ {
		all := all[:n]
		turns := order("a case", all, 6)
		if len(turns) != 6 || !reflect.DeepEqual(turns, order("a case", all, 6)) {
			t.Fatalf("%d contenders: %v, and another order each time", n, turns)
		}
		for round, one := range turns {
			if sorted := slices.Sorted(slices.Values(one)); !slices.Equal(sorted, []int{0, 1, 2, 3, 4, 5, 6}[:n]) {
				t.Fatalf("round %d: %v", round, one)
			}
			for ours := 1; ours < min(n, 4); ours += 2 {
				if apart := slices.Index(one, ours) - slices.Index(one, ours-1); apart != 1-2*(round%2) {
					t.Errorf("round %d: %s is not beside whom it is held against, on the side whose turn it is: %v", round, all[ours].Name, one)
				}
			}
			for i := 1; round > 0 && i < n; i++ {
				if before := slices.Index(turns[round-1], one[i]); before > 0 && turns[round-1][before-1] == one[i-1] {
					t.Errorf("%d contenders: %s comes after the same one in rounds %d and %d: %v", n, all[one[i]].Name, round-1, round, turns)
				}
			}
		}
	}
}
