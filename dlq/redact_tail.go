package dlq

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// mayBeCut says whether a text may be the beginning of a longer one, of which at most so many bytes are kept, without a part of a rune at the end. What was no
// UTF-8 may have been shorter before it was made that.
func mayBeCut(text string, limit int) bool {
	return len(text) > limit-utf8.UTFMax || strings.ContainsRune(text, utf8.RuneError)
}

const (
	// cutOff stands where a text was cut off that another one holds: the answer of a service in an error, or why an entry is left out.
	cutOff = "…"
	// Answers that were cut off stood before this with nothing behind them, and had about so many bytes.
	answered   = " (POST "
	answerSize = 512
)

// cutsIn is where a text may have been cut off, of which at most limit bytes are kept, and what it holds of others.
func cutsIn(text string, limit int) (cuts []int) {
	for at := 0; ; at += len(cutOff) {
		next := strings.Index(text[at:], cutOff)
		if next < 0 {
			break
		}
		at += next
		cuts = append(cuts, at)
	}
	if at := strings.LastIndex(text, answered); at >= answerSize {
		cuts = append(cuts, at)
	}
	if mayBeCut(text, limit) {
		cuts = append(cuts, len(text))
	}
	return cuts
}

// findCut is find, and what may be the beginning of a match that goes on behind each of these places.
func (r *Redaction) findCut(b []byte, cuts ...int) []stretch {
	found := r.find(b)
	for _, cut := range cuts {
		if at := r.tail(b[:cut]); at < cut {
			found = append(found, stretch{from: at, to: cut})
		}
	}
	return found
}

// tail is where what may be the beginning of a match begins that ends behind the text: the length of the text where there is none.
func (r *Redaction) tail(b []byte) int {
	r.once.Do(r.compile)
	at := len(b)
	for _, t := range r.tails {
		if m := t.FindIndex(b); m != nil {
			at = min(at, m[0])
		}
	}
	return at
}

// compile looks into the patterns, once.
func (r *Redaction) compile() {
	for _, pattern := range r.Text {
		r.tails = append(r.tails, beginningOf(pattern))
		r.looks = append(r.looks, newTextMatch(pattern))
	}
}

// anything is taken for the beginning of a match of a pattern whose beginnings cannot be told.
var anything = regexp.MustCompile(`(?s).*\z`)

// beginningOf matches what at the end of a text may be the beginning of a match, and nothing of length 0 there.
func beginningOf(pattern *regexp.Regexp) *regexp.Regexp {
	parsed, err := syntax.Parse(pattern.String(), syntax.Perl)
	if err != nil || !perlish(pattern) {
		return anything
	}
	begun, err := regexp.Compile(`(?:` + beginnings(parsed) + `)\z`)
	if err != nil { // it is too large
		return anything
	}
	return begun
}

// beginnings is an expression for all beginnings of what an expression matches, from nothing to all of it. They are looked for at the end of a text, behind
// which there may be anything: what an expression says of what comes next is taken for granted there.
func beginnings(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		var runes []string
		for _, c := range re.Rune {
			runes = append(runes, (&syntax.Regexp{Op: syntax.OpLiteral, Flags: re.Flags, Rune: []rune{c}}).String())
		}
		return group(begun(runes, runes)) + `?`
	case syntax.OpCharClass, syntax.OpAnyCharNotNL, syntax.OpAnyChar:
		return group(re.String()) + `?`
	case syntax.OpCapture, syntax.OpQuest:
		return beginnings(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		return group(re.Sub[0].String()) + `*` + group(beginnings(re.Sub[0]))
	case syntax.OpRepeat:
		times := ""
		if re.Max > 0 {
			times = strconv.Itoa(re.Max - 1)
		}
		if re.Max == 0 {
			return ``
		}
		return group(re.Sub[0].String()) + `{0,` + times + `}` + group(beginnings(re.Sub[0]))
	case syntax.OpConcat:
		var whole, parts []string
		for _, sub := range re.Sub {
			whole, parts = append(whole, group(sub.String())), append(parts, beginnings(sub))
		}
		return begun(whole, parts)
	case syntax.OpAlternate:
		var parts []string
		for _, sub := range re.Sub {
			parts = append(parts, group(beginnings(sub)))
		}
		return strings.Join(parts, `|`)
	}
	return `` // it matches nothing of length 1
}

// begun is an expression for the beginnings of parts that follow one another: some of them whole, and the beginning of the next.
func begun(whole, beginnings []string) string {
	last := len(whole) - 1
	text := beginnings[last]
	for i := last - 1; i >= 0; i-- {
		text = group(beginnings[i]) + `|` + whole[i] + group(text)
	}
	return text
}

func group(expression string) string { return `(?:` + expression + `)` }
