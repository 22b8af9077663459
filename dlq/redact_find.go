package dlq

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"sort"

	"github.com/redeliver/redeliver/internal/indent"
)

// stretch is a part of a text that is to be hidden.
type stretch struct {
	from, to int
	by       string // what stands in its place where that is not [Redacted]
}

// find returns what is to be hidden of a text: what the patterns match of it as it is written, and, of JSON, as somebody reads it.
func (r *Redaction) find(b []byte) []stretch {
	found, documents := r.matches(b), documentsIn(b)
	for _, d := range documents {
		found = r.findRead(b, d, found)
	}
	if len(found) == 0 {
		return nil
	}
	var bare []stretch
	for _, d := range documents {
		bare = append(bare, numbers(b, d)...)
	}
	asStrings(found, bare)
	return found
}

// findRead adds what the patterns match of a document as somebody reads it.
func (r *Redaction) findRead(b []byte, d stretch, found []stretch) []stretch {
	document := b[d.from:d.to]
	compact := inCompact(document)
	note := func(in *reading, at int, matches []stretch) {
		for _, m := range matches {
			if s := in.written(m.from+at, m.to+at); s.from < s.to {
				found = append(found, stretch{from: d.from + s.from, to: d.from + s.to, by: m.by})
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
		inner := r.find(compact.text[s.from:s.to])
		for i := range inner {
			inner[i].by = escaped(inner[i].by)
		}
		note(compact, s.from, inner)
	}
	return found
}

// asStrings makes what is hidden of a number all of it, and a string of what stands in its place, so that the document is still one. The numbers are in their
// order.
func asStrings(found, numbers []stretch) {
	for i, s := range found {
		at := sort.Search(len(numbers), func(i int) bool { return numbers[i].to > s.from })
		if at < len(numbers) && s.from >= numbers[at].from && s.to <= numbers[at].to {
			found[i] = stretch{from: numbers[at].from, to: numbers[at].to, by: `"` + Redacted + `"`}
		}
	}
}

// escaped is a text as it stands in a string of a document.
func escaped(text string) string {
	if text == "" {
		return text
	}
	quoted, _ := json.Marshal(text)
	return string(quoted[1 : len(quoted)-1])
}

// encoded are the strings of a document that are bytes in base64 in which the patterns match something.
func (r *Redaction) encoded(b []byte) (found []stretch) {
	for _, d := range documentsIn(b) {
		compact := inCompact(b[d.from:d.to])
		for _, s := range compact.strings {
			decoded, err := base64.StdEncoding.DecodeString(string(compact.text[s.from:s.to]))
			if err == nil && len(r.find(decoded)) > 0 {
				w := compact.written(s.from, s.to)
				found = append(found, stretch{from: d.from + w.from, to: d.from + w.to})
			}
		}
	}
	return found
}

// matches is what the patterns match of a text, each by itself: what one hides another may need to find what it hides.
func (r *Redaction) matches(b []byte) (found []stretch) {
	r.once.Do(r.compile)
	for i, pattern := range r.Text {
		if !r.looks[i].may(b) { // as most strings of a document
			continue
		}
		for _, m := range pattern.FindAllSubmatchIndex(b, -1) {
			if len(m) > 2 {
				m = m[2:] // its groups
			}
			for ; len(m) > 0; m = m[2:] {
				if m[1] > m[0] {
					found = append(found, stretch{from: m[0], to: m[1]})
				}
			}
		}
	}
	return found
}

// redactedAt is from where to where a [Redacted] stands in the text that begins before a place in it and ends behind that; none stands there where both are the
// place itself. A text that goes through this a second time has some, which are hidden whole or not at all: a pattern may find a part of them.
func redactedAt(b []byte, place int) (from, to int) {
	begin, end := max(0, place-len(Redacted)+1), min(len(b), place+len(Redacted)-1)
	at := bytes.Index(b[begin:end], []byte(Redacted))
	if at < 0 {
		return place, place
	}
	return begin + at, begin + at + len(Redacted)
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
		i++
		for whole := false; !whole; {
			for ; i < len(hidden) && hidden[i].from < s.to; i++ { // they overlap
				switch next := hidden[i]; {
				case next.to > s.to:
					s.to, s.by = next.to, ""
				case next.from == s.from && next.to == s.to && len(next.by) > len(s.by): // found deeper, in a document in a string
					s.by = next.by
				}
			}
			from, _ := redactedAt(b, s.from)
			_, to := redactedAt(b, s.to)
			if whole = from == s.from && to == s.to; !whole {
				s = stretch{from: from, to: to}
			}
		}
		out = append(append(out, b[at:s.from]...), cmp.Or(s.by, Redacted)...)
		at = s.to
	}
	return append(out, b[at:]...)
}
