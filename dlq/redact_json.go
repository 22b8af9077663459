package dlq

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// wireHeader is what stands before a document in the wire format of a schema registry, see wired.
const wireHeader = 5

// byteOrderMark may stand before a document, as some programs write it.
var byteOrderMark = []byte("\ufeff")

// documentsIn are the JSON documents that a text consists of, one behind the other, up to the first byte that belongs to none. Those that hold other documents
// or texts are meant: a number, which reads as it is written, is none.
func documentsIn(b []byte) (found []stretch) {
	from := 0
	if wired(b) {
		from = wireHeader
	}
	if bytes.HasPrefix(b[from:], byteOrderMark) {
		from += len(byteOrderMark)
	}
	if composed(b[from:]) && json.Valid(b[from:]) {
		return []stretch{{from: from, to: len(b)}}
	}
	if start := bytes.TrimLeft(b[from:], " \t\r\n"); len(start) == 0 || !bytes.ContainsAny(start[:1], `{["-0123456789tfn`) || !bytes.ContainsAny(start, `{["`) {
		return nil // as most texts
	}
	several := json.NewDecoder(bytes.NewReader(b[from:]))
	for {
		var document json.RawMessage
		if several.Decode(&document) != nil {
			return found
		}
		if to := from + int(several.InputOffset()); composed(document) {
			found = append(found, stretch{from: to - len(document), to: to})
		}
	}
}

// composed says whether a document that begins so holds others, or a text.
func composed(document []byte) bool {
	start := bytes.TrimLeft(document, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[' || start[0] == '"')
}

// numbers are the parts of a valid document that are neither in quotes nor between its values: numbers, true, false and null.
func numbers(b []byte, document stretch) (found []stretch) {
	for i := document.from; i < document.to; {
		switch c := b[i]; {
		case c == '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			i++
		case strings.IndexByte(" \t\r\n{}[],:", c) >= 0:
			i++
		default:
			n := bytes.IndexAny(b[i:document.to], " \t\r\n}],") // a document that begins with one is none that is read
			found = append(found, stretch{from: i, to: i + n})
			i += n
		}
	}
	return found
}

// reading is a document as somebody reads it, without what is escaped in its strings, and which bytes of the document each byte of it stands for.
type reading struct {
	text     []byte
	from, to []int32   // of each byte of the text, in the document
	strings  []stretch // what stands in quotes in the text
	escapes  bool      // some of it is escaped in the document
}

func newReading(document []byte, size int) *reading {
	return &reading{text: make([]byte, 0, size), from: make([]int32, 0, size), to: make([]int32, 0, size), escapes: bytes.IndexByte(document, '\\') >= 0}
}

// written is the part of the document that a part of the text stands for.
func (r *reading) written(from, to int) stretch {
	if from >= to {
		return stretch{}
	}
	return stretch{from: int(r.from[from]), to: int(r.to[to-1])}
}

// closed is the text with other quotes in the place of those that are escaped, so that a string ends where it ends.
func (r *reading) closed() []byte {
	if !r.escapes {
		return r.text
	}
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

func (r *reading) add(from, to int, c byte) {
	r.text, r.from, r.to = append(r.text, c), append(r.from, int32(from)), append(r.to, int32(to))
}

// inCompact reads a valid document without blanks, as programs write it.
func inCompact(document []byte) *reading {
	r := newReading(document, len(document))
	for i := 0; i < len(document); {
		switch c := document[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '"':
			i = r.readString(document, i)
		default:
			r.add(i, i+1, c)
			i++
		}
	}
	return r
}

// inLines reads a valid document as it is shown, see [indent.JSON].
func inLines(document []byte) *reading {
	indented := newReading(document, 2*len(document))
	depth, opened := 0, false // just now, with nothing in it yet
	line := func(at int) {
		indented.add(at, at, '\n')
		for range depth {
			indented.add(at, at, ' ')
			indented.add(at, at, ' ')
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
			i = indented.readString(document, i)
			continue
		}
		indented.add(i, i+1, c)
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
	return indented
}

// readString reads the string that begins at i, and returns where it ends.
func (r *reading) readString(document []byte, i int) int {
	r.add(i, i+1, '"')
	i++
	start := len(r.text)
	for document[i] != '"' {
		if document[i] != '\\' {
			r.add(i, i+1, document[i])
			i++
			continue
		}
		text, size := unescaped(document[i:])
		for _, c := range text {
			r.add(i, i+size, c)
		}
		i += size
	}
	r.strings = append(r.strings, stretch{from: start, to: len(r.text)})
	r.add(i, i+1, '"')
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
