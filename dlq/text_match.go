package dlq

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
	"unicode/utf8"
)

// textMatch is a regular expression that is tried only on texts which hold what it cannot match without: to look for a few
// letters, or for so many digits in a row, takes a tenth of the time.
type textMatch struct {
	whole  *regexp.Regexp
	quick  func() *automaton // of the same; nil: there is none
	least  int               // bytes of a match
	pieces [][]byte          // a text that matches holds one of them; nil: nothing is known
	needed [][]byte          // a text that matches holds all of them
	runs   []byteRun         // a text that matches holds all of them
}

// byteRun is so many bytes of a class in a row.
type byteRun struct {
	class [256]bool
	size  int
}

func newTextMatch(whole *regexp.Regexp) *textMatch {
	m := &textMatch{whole: whole, quick: func() *automaton { return nil }}
	if !perlish(whole) {
		return m
	}
	m.quick = sync.OnceValue(func() *automaton { return newAutomaton(whole.String()) })
	if tree, err := syntax.Parse(whole.String(), syntax.Perl); err == nil {
		m.least, m.runs = leastOf(tree), runsOf(tree)
		tree = tree.Simplify() // which writes repetitions out
		m.pieces, m.needed = piecesOf(tree), neededOf(tree)
	}
	return m
}

func (m *textMatch) match(text []byte) bool {
	if !m.mayBy(text) {
		return false
	}
	if quick := m.quick(); quick != nil { // which is done as soon as runs are looked for
		if matches, sure := quick.match(text); sure {
			return matches
		}
	}
	return m.hasRuns(text) && m.whole.Match(text)
}

// may is false where the expression matches nothing of the text for sure.
func (m *textMatch) may(text []byte) bool { return m.mayBy(text) && m.hasRuns(text) }

// mayBy is may by the size of the text, and by the pieces that are looked for.
func (m *textMatch) mayBy(text []byte) bool {
	return len(text) >= m.least && (m.pieces == nil || slices.ContainsFunc(m.pieces, func(piece []byte) bool { return bytes.Contains(text, piece) }))
}

// hasRuns says whether all runs that are needed are in a text.
func (m *textMatch) hasRuns(text []byte) bool {
	for i := range m.runs {
		if !m.runs[i].in(text) {
			return false
		}
	}
	return true
}

// in looks at one byte of each stretch of that size, for all of one of them belong to the run, until it finds one.
func (r *byteRun) in(text []byte) bool {
	for end := r.size; end <= len(text); {
		at := end - 1
		for at >= end-r.size && r.class[text[at]] {
			at--
		}
		if at < end-r.size {
			return true
		}
		end = at + 1 + r.size
	}
	return false
}

// runsOf returns runs all of which are in whatever the expression matches, of characters of ASCII.
func runsOf(re *syntax.Regexp) (runs []byteRun) {
	switch re.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return runsOf(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			runs = append(runs, runsOf(sub)...)
		}
	case syntax.OpRepeat:
		class, ok := asciiClass(re.Sub[0])
		switch {
		case re.Min > 1 && ok:
			return []byteRun{{class, re.Min}}
		case re.Min > 0:
			return runsOf(re.Sub[0])
		}
	}
	return runs
}

// asciiClass is the class of an expression that matches one character of ASCII.
func asciiClass(re *syntax.Regexp) (class [256]bool, ok bool) {
	if re.Op != syntax.OpCharClass {
		return class, false
	}
	for i := 0; i < len(re.Rune); i += 2 {
		if re.Rune[i+1] >= utf8.RuneSelf {
			return class, false
		}
		for c := re.Rune[i]; c <= re.Rune[i+1]; c++ {
			class[c] = true
		}
	}
	return class, true
}

// leastOf is how many bytes a match has at least, or fewer.
func leastOf(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyCharNotNL, syntax.OpAnyChar:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return leastOf(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * leastOf(re.Sub[0])
	case syntax.OpConcat:
		sum := 0
		for _, sub := range re.Sub {
			sum += leastOf(sub)
		}
		return sum
	case syntax.OpAlternate:
		least := leastOf(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			least = min(least, leastOf(sub))
		}
		return least
	}
	return 0
}

// morePieces than this take longer to look for than the expression.
const mostPieces = 8

// piecesOf returns texts of which one at least is in whatever the expression matches; nil where there may be none.
func piecesOf(re *syntax.Regexp) [][]byte {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 || slices.ContainsFunc(re.Rune, standsForBytes) {
			return nil
		}
		return [][]byte{[]byte(string(re.Rune))}
	case syntax.OpCapture, syntax.OpPlus:
		return piecesOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return piecesOf(re.Sub[0])
		}
	case syntax.OpConcat:
		var best [][]byte
		for _, sub := range re.Sub {
			if found := piecesOf(sub); shortest(found) > shortest(best) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all [][]byte
		for _, sub := range re.Sub {
			found := piecesOf(sub)
			if found == nil {
				return nil
			}
			all = append(all, found...)
		}
		if len(all) <= mostPieces {
			return all
		}
	}
	return nil
}

// standsForBytes says whether a character is also what package regexp takes bytes for that are no UTF-8.
func standsForBytes(r rune) bool { return r == utf8.RuneError || utf8.RuneLen(r) < 0 }

// neededOf returns texts all of which are in whatever the expression matches.
func neededOf(re *syntax.Regexp) (needed [][]byte) {
	switch re.Op {
	case syntax.OpLiteral:
		return piecesOf(re)
	case syntax.OpCapture, syntax.OpPlus:
		return neededOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return neededOf(re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			needed = append(needed, neededOf(sub)...)
		}
	}
	return needed
}

func shortest(pieces [][]byte) int {
	if len(pieces) == 0 {
		return 0
	}
	least := len(pieces[0])
	for _, p := range pieces {
		least = min(least, len(p))
	}
	return least
}
