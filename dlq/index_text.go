package dlq

import (
	"bytes"
	"regexp"
	"regexp/syntax"
)

// textMatch is a regular expression that is tried only on texts which hold what it cannot match without: to look for a few
// letters takes a tenth of the time.
type textMatch struct {
	whole  *regexp.Regexp
	pieces [][]byte // a text that matches holds one of them; nil: nothing is known
	needed [][]byte // a text that matches holds all of them
}

func newTextMatch(whole *regexp.Regexp) *textMatch {
	m := &textMatch{whole: whole}
	if tree, err := syntax.Parse(whole.String(), syntax.Perl); err == nil {
		tree = tree.Simplify()
		m.pieces, m.needed = piecesOf(tree), neededOf(tree)
	}
	return m
}

func (m *textMatch) match(text []byte) bool {
	if m.pieces == nil {
		return m.whole.Match(text)
	}
	for _, piece := range m.pieces {
		if bytes.Contains(text, piece) {
			return m.whole.Match(text)
		}
	}
	return false
}

// morePieces than this take longer to look for than the expression.
const mostPieces = 8

// piecesOf returns texts of which one at least is in whatever the expression matches; nil where there may be none.
func piecesOf(re *syntax.Regexp) [][]byte {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
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
