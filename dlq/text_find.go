package dlq

import (
	"bytes"
	"strings"
)

// textFinder looks for a text by the letter of it that is the rarest in payloads and errors: to look for a byte is what a machine does fastest, and what a rare
// one is found in is most often the text.
type textFinder struct {
	text []byte
	rare int // where that letter stands in it
}

// commonLetters are those that are met most, the most common ones first: of JSON, of numbers and ids in hex, and of English.
const commonLetters = "e\" 0123456789adcbftonisrlhum:,-_./pgywvkxjqz{}[]"

func newTextFinder(text string) *textFinder {
	f := &textFinder{text: []byte(text)}
	most := -1
	for i := range f.text {
		rank := strings.IndexByte(commonLetters, f.text[i]|0x20) // in either case
		if rank < 0 {
			rank = len(commonLetters)
		}
		if rank > most {
			most, f.rare = rank, i
		}
	}
	return f
}

// rareTries are for how many letters it looks by themselves: where there are more they are not rare.
const rareTries = 8

// in says whether the text stands in another one.
func (f *textFinder) in(text []byte) bool {
	if len(f.text) == 0 {
		return true
	}
	from := 0
	for range rareTries {
		if len(text)-from < len(f.text) {
			return false
		}
		last := len(text) - len(f.text) + f.rare + 1 // behind which it cannot stand
		at := bytes.IndexByte(text[from+f.rare:last], f.text[f.rare])
		if at < 0 {
			return false
		}
		from += at
		if here := text[from : from+len(f.text)]; here[0] == f.text[0] && here[len(here)-1] == f.text[len(here)-1] && (len(here) <= 2 || string(here) == string(f.text)) {
			return true
		}
		from++
	}
	return bytes.Contains(text[from:], f.text)
}
