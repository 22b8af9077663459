package demo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// style is how a span looks on a terminal with colours.
type style uint8

const (
	plain style = iota
	bold
	dim
	good
	warn
	bad
	inverse
)

// sgr are the terminal's codes for the styles (ECMA-48, SGR).
var sgr = [...]string{plain: "", bold: "1", dim: "2", good: "32", warn: "33", bad: "1;31", inverse: "1;7"}

// span is text in one style; every rune of it is one column wide.
type span struct {
	style style
	text  string
}

// line is one line of the screen.
type line []span

func text(s style, t string) line { return line{{s, t}} }

func (l line) and(s style, t string) line { return append(l, span{s, t}) }

// width is how many columns the line takes.
func (l line) width() (n int) {
	for _, s := range l {
		n += utf8.RuneCountInString(s.text)
	}
	return n
}

// to fills the line up with spaces to a column.
func (l line) to(column int) line {
	return l.and(plain, strings.Repeat(" ", max(0, column-l.width())))
}

// clip cuts the line to a width, and takes out what would move the cursor.
func (l line) clip(width int) line {
	var cut line
	for _, s := range l {
		runes := []rune(strings.Map(printing, s.text))
		if len(runes) > width {
			runes = runes[:width]
		}
		width -= len(runes)
		cut = cut.and(s.style, string(runes))
	}
	return cut
}

func printing(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// render writes the line with the terminal's codes, or without any.
func (l line) render(colour bool) string {
	var b strings.Builder
	for _, s := range l {
		if !colour || s.style == plain {
			b.WriteString(s.text)
			continue
		}
		b.WriteString("\x1b[" + sgr[s.style] + "m" + s.text + "\x1b[0m")
	}
	if !colour {
		return strings.TrimRight(b.String(), " ")
	}
	return b.String()
}

// wrap breaks text into lines of at most so many columns, at spaces.
func wrap(t string, width int) (lines []string) {
	var current string
	for _, word := range strings.Fields(t) {
		switch {
		case current == "":
			current = word
		case utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) <= width:
			current += " " + word
		default:
			lines, current = append(lines, current), word
		}
	}
	return append(lines, current)
}

// glyphs are the signs that the screen is drawn with.
type glyphs struct {
	bar, more           string
	past, present, next string
	lamp                string
	levels              []rune // from empty to full
}

var (
	unicodeGlyphs = glyphs{bar: "■", more: "…", past: "✓", present: "▸", next: "·", lamp: "●", levels: []rune(" ▁▂▃▄▅▆▇█")}
	asciiGlyphs   = glyphs{bar: "#", more: "+", past: "+", present: ">", next: ".", lamp: "*", levels: []rune(" .:-=+*#@")}
)
