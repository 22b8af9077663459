package harness

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// order returns in which order contenders take their turns in each round of a case, as indexes. Those of our own that are held against another one stand beside
// it, so that the two of a ratio run within seconds of each other, before it and after it in turns. Else the order is drawn by lot, the same in each run, and nobody
// comes after the same one twice in a row: what one leaves behind, in the broker and in the machine, is not to strike the same one each time.
func order(name string, all []Contender, rounds int) (turns [][]int) {
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(name))
	lot := rand.New(rand.NewPCG(seed.Sum64(), 0)) //nolint:gosec // nobody is to be kept from guessing it
	groups := together(all)
	for round := range rounds {
		before := slices.Clone(groups)
		for range 1000 { // few are needed
			lot.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
			if round == 0 || !follows(before, groups) {
				break
			}
		}
		var one []int
		for _, g := range groups {
			if g = slices.Clone(g); round%2 == 1 {
				slices.Reverse(g)
			}
			one = append(one, g...)
		}
		turns = append(turns, one)
	}
	return turns
}

// together puts who is of our own and held against another one beside that.
func together(all []Contender) (groups [][]int) {
	at := make(map[string]int) // the group of a contender
	for i, c := range all {
		if g, held := at[c.Against]; held && c.Run != nil {
			groups[g] = append(groups[g], i)
			continue
		}
		at[c.Name] = len(groups)
		groups = append(groups, []int{i})
	}
	return groups
}

// follows says whether a group comes after the same one as before.
func follows(before, now [][]int) bool {
	same := func(a, b []int) bool { return a[0] == b[0] }
	for i := range now[1:] {
		for j := range before[1:] {
			if same(now[i], before[j]) && same(now[i+1], before[j+1]) {
				return true
			}
		}
	}
	return false
}
