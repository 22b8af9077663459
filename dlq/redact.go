package dlq

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Redacted stands in the place of what is hidden.
const Redacted = "[redacted]"

// Redaction says what of dead letters is hidden from who looks at them, and kept out of an index, see [Index]. What stands in the topics, is replayed and
// exported is not changed by it, and filters and fingerprints are of what was there: what is hidden is put together by what it was. A nil Redaction hides
// nothing. Its methods may be called concurrently.
type Redaction struct {
	// Headers are patterns over names of headers, whose values are hidden whole.
	Headers []*regexp.Regexp
	// Text are patterns over payloads, keys, other headers' values and error texts. What matches is hidden, or, where the pattern has groups,
	// what its groups match.
	Text []*regexp.Regexp
}

// Hides says whether it may hide anything.
func (r *Redaction) Hides() bool { return r != nil && len(r.Headers)+len(r.Text) > 0 }

// name is the same for redactions that hide the same in the same way; "" for one that hides nothing.
func (r *Redaction) name() string {
	if !r.Hides() {
		return ""
	}
	sum := sha256.New()
	for _, patterns := range [][]*regexp.Regexp{r.Headers, r.Text} {
		for _, pattern := range patterns {
			fmt.Fprintf(sum, "%q", pattern)
		}
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Bytes returns the bytes without what is hidden: the same ones where that is nothing.
func (r *Redaction) Bytes(b []byte) []byte {
	if r == nil {
		return b
	}
	for _, pattern := range r.Text {
		matches := pattern.FindAllSubmatchIndex(b, -1)
		if len(matches) == 0 {
			continue
		}
		var out []byte
		at := 0
		for _, m := range matches {
			if len(m) > 2 {
				m = m[2:] // its groups
			}
			for ; len(m) > 0; m = m[2:] {
				if m[0] >= at && m[1] > m[0] { // a group within another one is hidden with it
					out = append(append(out, b[at:m[0]]...), Redacted...)
					at = m[1]
				}
			}
		}
		b = append(out, b[at:]...)
	}
	return b
}

// String is Bytes of a text.
func (r *Redaction) String(s string) string {
	if r == nil || len(r.Text) == 0 || s == "" {
		return s
	}
	return string(r.Bytes([]byte(s)))
}

// Header returns a header without what is hidden.
func (r *Redaction) Header(h kgo.RecordHeader) kgo.RecordHeader {
	if r == nil || h.Value == nil {
		return h
	}
	if r.hidesHeader(h.Key) {
		h.Value = []byte(Redacted)
		return h
	}
	h.Value = r.Bytes(h.Value)
	return h
}

func (r *Redaction) hidesHeader(name string) bool {
	return slices.ContainsFunc(r.Headers, func(pattern *regexp.Regexp) bool { return pattern.MatchString(name) })
}

// headerSet is how [Replay.edited] says that a header was set; the text may be cut off.
var headerSet = regexp.MustCompile(`set header (.*?)=("(?:[^"\\]|\\.)*(?:"|\\?$))`)

// edit returns what a mark says of an edit without what is hidden.
func (r *Redaction) edit(text string) string {
	if !r.Hides() || text == "" {
		return text
	}
	text = headerSet.ReplaceAllStringFunc(text, func(set string) string {
		if name := headerSet.FindStringSubmatch(set)[1]; r.hidesHeader(name) {
			return "set header " + name + "=" + Redacted
		}
		return set
	})
	return r.String(text)
}

// Entry returns the entry without what is hidden, for who looks at it: it must not be replayed. Its fingerprint is still that of the
// problem it died of.
func (r *Redaction) Entry(e Entry) Entry {
	if !r.Hides() {
		return e
	}
	e.print = e.Fingerprint()
	e.State.Error = r.String(e.State.Error)
	e.Mark.Reason, e.Mark.Edit = r.String(e.Mark.Reason), r.edit(e.Mark.Edit)
	e.State.History = slices.Clone(e.State.History)
	for i := range e.State.History {
		e.State.History[i].Error = r.String(e.State.History[i].Error)
	}
	record := *e.Record
	record.Key, record.Value = r.Bytes(record.Key), r.Bytes(record.Value)
	record.Headers = slices.Clone(record.Headers)
	for i, h := range record.Headers {
		if !retrytopics.IsOwnHeader(h.Key) {
			record.Headers[i] = r.Header(h)
		} else if h.Key == retrytopics.HeaderError || h.Key == retrytopics.HeaderHistory {
			record.Headers[i].Value = r.Bytes(h.Value)
		}
	}
	e.Record = &record
	return e
}

// Problem returns the problem without what is hidden; example is its [Problem.Example], nil where that is gone: then all of the text is hidden.
// Problems are told apart by their whole texts, so that hiding merges and splits none. Their texts, in which numbers and names have given way
// to "<*>", need not hold any more what a pattern looks for beside what it hides: the text is made of the example's, hidden before.
func (r *Redaction) Problem(p Problem, example *Entry) Problem {
	switch {
	case r == nil || len(r.Text) == 0 || p.Error == "":
	case example == nil:
		p.Error = Redacted
	default:
		p.Error = r.String(normalize(r.String(example.State.Error)))
	}
	return p
}
