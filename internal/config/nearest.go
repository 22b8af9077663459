package config

import "strings"

// Nearest returns the word that a misspelt one most likely means, or "": at most a third of its letters, and at most
// three, may be wrong, or one is the beginning of the other. Upper and lower case, '-' and '_' count as the same.
func Nearest(misspelt string, words []string) string {
	plain := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(misspelt))
	best, least := "", min(3, max(1, len([]rune(plain))/3))+1
	for _, word := range words {
		if d := distance(plain, strings.ToLower(word)); d < least {
			best, least = word, d
		}
	}
	for _, word := range words {
		if best == "" && min(len(plain), len(word)) >= 3 && (strings.HasPrefix(plain, word) || strings.HasPrefix(word, plain)) {
			best = word
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with their neighbour to make a into b (optimal
// string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > 64 || len(t) > 64 {
		return 64 // no key is that long
	}
	var before, above []int
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(s); i++ {
		before, above, row = above, row, make([]int, len(t)+1)
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(t)]
}
