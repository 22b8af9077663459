package dlq

import (
	"cmp"
	"encoding/base64"
	"slices"

	"github.com/redeliver/redeliver/internal/indent"
)

// stretch is a part of a text that is to be hidden.
type stretch struct{ from, to int }

// find returns what is to be hidden of a text: what the patterns match of it as it is written, and, of JSON, as somebody reads it.
func (r *Redaction) find(b []byte) []stretch {
	found := r.matches(b)
	document, from := documentIn(b)
	if document == nil {
		return found
	}
	compact := inCompact(document)
	note := func(in *reading, at int, matches []stretch) {
		for _, m := range matches {
			if s := in.written(m.from+at, m.to+at); s.from < s.to {
				found = append(found, stretch{from + s.from, from + s.to})
			}
		}
	}
	if compact.escapes || len(compact.text) < len(document) { // it reads as it is written otherwise
		note(compact, 0, r.matches(compact.closed()))
	}
	if indent.Fits(document) {
		shown := inLines(document)
		note(shown, 0, r.matches(shown.closed()))
	}
	for _, s := range compact.strings { // each by itself: a pattern may say where a text begins, and a string may hold a document
		note(compact, s.from, r.find(compact.text[s.from:s.to]))
	}
	return found
}

// encoded are the strings of a document that are bytes in base64 in which the patterns match something.
func (r *Redaction) encoded(b []byte) (found []stretch) {
	document, from := documentIn(b)
	if document == nil {
		return nil
	}
	compact := inCompact(document)
	for _, s := range compact.strings {
		decoded, err := base64.StdEncoding.DecodeString(string(compact.text[s.from:s.to]))
		if err == nil && len(r.find(decoded)) > 0 {
			w := compact.written(s.from, s.to)
			found = append(found, stretch{from + w.from, from + w.to})
		}
	}
	return found
}

// matches is what the patterns match of a text, each by itself: what one hides another may need to find what it hides.
func (r *Redaction) matches(b []byte) (found []stretch) {
	r.once.Do(r.compile)
	for i, pattern := range r.Text {
		if len(b) < r.least[i] { // as most strings of a document
			continue
		}
		for _, m := range pattern.FindAllSubmatchIndex(b, -1) {
			if len(m) > 2 {
				m = m[2:] // its groups
			}
			for ; len(m) > 0; m = m[2:] {
				if m[1] > m[0] {
					found = append(found, stretch{m[0], m[1]})
				}
			}
		}
	}
	return found
}

// without is the text with what is hidden replaced: the same bytes where that is nothing.
func without(b []byte, hidden []stretch) []byte {
	if len(hidden) == 0 {
		return b
	}
	slices.SortFunc(hidden, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var out []byte
	at := 0
	for i := 0; i < len(hidden); {
		s := hidden[i]
		for i++; i < len(hidden) && hidden[i].from < s.to; i++ { // they overlap
			s.to = max(s.to, hidden[i].to)
		}
		out = append(append(out, b[at:s.from]...), Redacted...)
		at = s.to
	}
	return append(out, b[at:]...)
}
