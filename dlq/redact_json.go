package dlq

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// wireHeader is what stands before a document in the wire format of a schema registry, see wired.
const wireHeader = 5

// documentIn is the JSON document that a text consists of, and where it begins, nil where it is none. One that holds other documents or texts is meant: a
// number, which reads as it is written, is none.
func documentIn(b []byte) ([]byte, int) {
	from := 0
	if wired(b) {
		from = wireHeader
	}
	document := b[from:]
	if start := bytes.TrimLeft(document, " \t\r\n"); len(start) == 0 || start[0] != '{' && start[0] != '[' && start[0] != '"' || !json.Valid(document) {
		return nil, 0
	}
	return document, from
}

// reading is a document as somebody reads it, without what is escaped in its strings, and which bytes of the document each byte of it stands for.
type reading struct {
	text     []byte
	from, to []int     // of each byte of the text, in the document
	strings  []stretch // what stands in quotes in the text
}

// written is the part of the document that a part of the text stands for.
func (r *reading) written(from, to int) stretch {
	if from >= to {
		return stretch{}
	}
	return stretch{r.from[from], r.to[to-1]}
}

// closed is the text with other quotes in the place of those that are escaped, so that a string ends where it ends.
func (r *reading) closed() []byte {
	text := bytes.Clone(r.text)
	for _, s := range r.strings {
		for i := s.from; i < s.to; i++ {
			if text[i] == '"' {
				text[i] = '\''
			}
		}
	}
	return text
}

func (r *reading) add(from, to int, text ...byte) {
	for _, c := range text {
		r.text, r.from, r.to = append(r.text, c), append(r.from, from), append(r.to, to)
	}
}

// newReadings reads a valid document in the two forms in which documents are written and shown: without blanks, and indented.
func newReadings(document []byte) (compact, indented *reading) {
	compact, indented = &reading{}, &reading{}
	both := func(from, to int, text ...byte) {
		compact.add(from, to, text...)
		indented.add(from, to, text...)
	}
	depth, opened := 0, false // just now, with nothing in it yet
	line := func(at int) {
		indented.add(at, at, '\n')
		for range depth {
			indented.add(at, at, ' ', ' ')
		}
	}
	for i := 0; i < len(document); {
		c := document[i]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			i++
			continue
		}
		if closes := c == '}' || c == ']'; closes {
			depth--
			if !opened {
				line(i)
			}
		} else if opened {
			line(i)
		}
		opened = false
		if c == '"' {
			before := [2]int{len(compact.text) + 1, len(indented.text) + 1}
			i = readString(document, i, both)
			compact.strings = append(compact.strings, stretch{before[0], len(compact.text) - 1})
			indented.strings = append(indented.strings, stretch{before[1], len(indented.text) - 1})
			continue
		}
		both(i, i+1, c)
		i++
		switch c {
		case '{', '[':
			depth, opened = depth+1, true
		case ',':
			line(i)
		case ':':
			indented.add(i, i, ' ')
		}
	}
	return compact, indented
}

// readString reads the string that begins at i, and returns where it ends.
func readString(document []byte, i int, both func(from, to int, text ...byte)) int {
	both(i, i+1, '"')
	i++
	for document[i] != '"' {
		if document[i] != '\\' {
			both(i, i+1, document[i])
			i++
			continue
		}
		text, size := unescaped(document[i:])
		both(i, i+size, text...)
		i += size
	}
	both(i, i+1, '"')
	return i + 1
}

// unescaped is what an escape stands for, and how many bytes of the document it takes.
func unescaped(b []byte) (text []byte, size int) {
	switch b[1] {
	case 'b':
		return []byte{'\b'}, 2
	case 'f':
		return []byte{'\f'}, 2
	case 'n':
		return []byte{'\n'}, 2
	case 'r':
		return []byte{'\r'}, 2
	case 't':
		return []byte{'\t'}, 2
	case 'u':
		const one = len(`\u0000`)
		first, size := hexRune(b), one
		if rest := b[one:]; utf16.IsSurrogate(first) && len(rest) >= one && rest[0] == '\\' && rest[1] == 'u' {
			if both := utf16.DecodeRune(first, hexRune(rest)); both != utf8.RuneError {
				first, size = both, 2*one
			}
		}
		return utf8.AppendRune(nil, first), size
	}
	return b[1:2], 2
}

// hexRune is what stands behind \u, which is valid.
func hexRune(b []byte) rune {
	n, _ := strconv.ParseUint(string(b[2:6]), 16, 32)
	return rune(n)
}
