package dlq

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

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

	once  sync.Once
	tails []*regexp.Regexp // what may be the beginning of a match of each of Text
	looks []*textMatch     // for each of Text
}

// Hides says whether it may hide anything.
func (r *Redaction) Hides() bool { return r != nil && len(r.Headers)+len(r.Text) > 0 }

// hidesSince changes whenever another release finds more by the same patterns.
const hidesSince = "escapes, ends, those in dialects, and documents behind others"

// name is the same for redactions that hide the same in the same way; "" for one that hides nothing.
func (r *Redaction) name() string {
	if !r.Hides() {
		return ""
	}
	sum := sha256.New()
	sum.Write([]byte(hidesSince))
	for _, patterns := range [][]*regexp.Regexp{r.Headers, r.Text} {
		for _, pattern := range patterns {
			fmt.Fprintf(sum, "%q", pattern)
		}
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Bytes returns the bytes without what is hidden: the same ones where that is nothing. Of a JSON document, which may stand behind the number of a schema, it
// is also what the patterns match of it as it is read: without blanks, or indented by two, its strings without escapes, and each string by itself. A
// number of which a part is hidden is hidden whole, and a string stands in its place, so that the document is still one.
func (r *Redaction) Bytes(b []byte) []byte {
	if r == nil || len(r.Text) == 0 {
		return b
	}
	return without(b, r.find(b))
}

// Decoded is Bytes of a document that a schema has made of a payload. Bytes stand in it in base64, and are hidden where the patterns match something of them.
func (r *Redaction) Decoded(document []byte) []byte {
	if r == nil || len(r.Text) == 0 {
		return document
	}
	return without(document, append(r.find(document), r.encoded(document)...))
}

// String is Bytes of a text.
func (r *Redaction) String(s string) string {
	if r == nil || len(r.Text) == 0 || s == "" {
		return s
	}
	return string(r.Bytes([]byte(s)))
}

// Beginning is String of a text of which only the beginning is there: what its end may begin of a match, which would go on behind it, is hidden too.
func (r *Redaction) Beginning(s string) string {
	if r == nil || len(r.Text) == 0 || s == "" {
		return s
	}
	return string(without([]byte(s), r.findCut([]byte(s), len(s))))
}

// upTo is String of a text that is cut off where it has more bytes than the limit, and that may hold others which were cut off.
func (r *Redaction) upTo(limit int, s string) string {
	if r == nil || len(r.Text) == 0 || s == "" {
		return s
	}
	return string(without([]byte(s), r.findCut([]byte(s), cutsIn(s, limit)...)))
}

// Why returns why an entry died or is left out, as [LeftOut], the error of [Queue.Edited] or that of the entry says it, without what is hidden. Such a text
// is cut off where it is long, and what it holds of others too.
func (r *Redaction) Why(text string) string { return r.upTo(normalizedSize, text) }

// Header returns a header without what is hidden. In one that holds the text of an error in a dialect, see [retrytopics.ErrorHeader], that is also what may be
// the beginning of a match that was cut off; [Redaction.Entry], which knows the other headers, hides less of it, where the text cannot have been cut.
func (r *Redaction) Header(h kgo.RecordHeader) kgo.RecordHeader {
	if len(h.Value) > retrytopics.MaxErrorSize {
		return r.header(h, whole)
	}
	return r.header(h, 0)
}

// header is the function Header of a header whose text, where it is that of an error, was cut off if it has more bytes than about the limit.
func (r *Redaction) header(h kgo.RecordHeader, limit int) kgo.RecordHeader {
	if r == nil || h.Value == nil {
		return h
	}
	if r.hidesHeader(h.Key) {
		h.Value = []byte(Redacted)
		return h
	}
	if _, is := retrytopics.ErrorHeader(h.Key); is && len(h.Value) > 0 {
		h.Value = []byte(r.upTo(limit, string(h.Value)))
		return h
	}
	h.Value = r.Bytes(h.Value)
	return h
}

// whole is the limit of a text that is not cut.
const whole = math.MaxInt

// limitOf is the limit of an error's text in a header of a dialect that stands among others. A longer one is of another program, and whole.
func limitOf(h kgo.RecordHeader, headers []kgo.RecordHeader) int {
	class, _ := retrytopics.ErrorHeader(h.Key)
	limit := retrytopics.MaxErrorSize
	if len(h.Value) > limit {
		return whole
	}
	for _, of := range headers {
		if of.Key != class || class == "" {
			continue
		}
		size := retrytopics.MaxErrorSize - len(of.Value) - len(": ")
		if bytes.ContainsRune(of.Value, utf8.RuneError) { // which stands for more bytes
			size = 0
		}
		if len(h.Value) <= size || size == 0 {
			limit = min(limit, size)
		}
	}
	return limit
}

func (r *Redaction) hidesHeader(name string) bool {
	return slices.ContainsFunc(r.Headers, func(pattern *regexp.Regexp) bool { return pattern.MatchString(name) })
}

// textSet is how [Replay.edited] says that a header or the key was set; the text may be cut off.
var textSet = regexp.MustCompile(`set (header (.*?)=|key )("(?:[^"\\]|\\.)*(?:"|\\?$))`)

// edit returns what a mark says of an edit without what is hidden: in what it quotes as it is quoted, and before.
func (r *Redaction) edit(text string) string {
	if !r.Hides() || text == "" {
		return text
	}
	cut := mayBeCut(text, maxEditText)
	text = textSet.ReplaceAllStringFunc(text, func(set string) string {
		m := textSet.FindStringSubmatch(set)
		if m[2] != "" && r.hidesHeader(m[2]) {
			return "set header " + m[2] + "=" + Redacted
		}
		was, whole := unquoted(m[3])
		shown := r.String(was)
		if !whole {
			shown = r.Beginning(was)
		}
		if shown == was {
			return set
		}
		return "set " + m[1] + strconv.Quote(shown)
	})
	if cut {
		return r.Beginning(text)
	}
	return r.String(text)
}

// unquoted is a text that was quoted, of which a part of an escape and the quote at its end may be cut off: then it is not whole.
func unquoted(quoted string) (text string, whole bool) {
	if text, err := strconv.Unquote(quoted); err == nil {
		return text, true
	}
	for end := len(quoted); end > 0; end-- {
		if text, err := strconv.Unquote(quoted[:end] + `"`); err == nil {
			return text, false
		}
	}
	return "", false
}

// Entry returns the entry without what is hidden, for who looks at it: it must not be replayed. Its fingerprint is still that of the
// problem it died of.
func (r *Redaction) Entry(e Entry) Entry {
	if !r.Hides() {
		return e
	}
	e.print = e.Fingerprint()
	e.State.Error = r.errorText(&e)
	e.Mark.Reason, e.Mark.Edit = r.String(e.Mark.Reason), r.edit(e.Mark.Edit)
	history := r.history(e.State.History)
	earlier := !slices.Equal(history, e.State.History)
	e.State.History = history
	record := *e.Record
	record.Key, record.Value = r.Bytes(record.Key), r.Bytes(record.Value)
	record.Headers = slices.Clone(record.Headers)
	for i, h := range record.Headers {
		switch {
		case !retrytopics.IsOwnHeader(h.Key):
			record.Headers[i] = r.header(h, limitOf(h, e.Record.Headers))
		case h.Key == retrytopics.HeaderError && h.Value != nil:
			record.Headers[i].Value = []byte(r.ownError(string(h.Value), e.Record.Headers))
		case h.Key == retrytopics.HeaderHistory && earlier:
			record.Headers[i].Value = []byte(Redacted)
		case h.Key == retrytopics.HeaderHistory:
			record.Headers[i].Value = r.Bytes(h.Value)
		case damages(e.Err, h.Key): // it may hold anything
			record.Headers[i] = r.Header(h)
		}
	}
	e.Err = r.damage(e.Err, e.Record.Headers, record.Headers)
	e.Record = &record
	if e.Original != nil {
		e.Original = r.original(e.Original)
	}
	return e
}

// original is the record at an entry's origin without what is hidden.
func (r *Redaction) original(record *kgo.Record) *kgo.Record {
	hidden := *record
	hidden.Key, hidden.Value, hidden.Headers = r.Bytes(record.Key), r.Bytes(record.Value), slices.Clone(record.Headers)
	for i, h := range hidden.Headers {
		hidden.Headers[i] = r.Header(h)
	}
	return &hidden
}

// errorText is the error of an entry without what is hidden.
func (r *Redaction) errorText(e *Entry) string {
	if e.Record == nil {
		return r.upTo(retrytopics.MaxErrorSize, e.State.Error)
	}
	return r.ownError(e.State.Error, e.Record.Headers)
}

// ownError is an error text that travels in headers without what is hidden. It is cut where it is too long, and where there was no room beside the others:
// then there is none for a history either.
func (r *Redaction) ownError(text string, headers []kgo.RecordHeader) string {
	if r == nil || len(r.Text) == 0 || text == "" {
		return text
	}
	size := 0
	for _, h := range headers {
		if h.Key == retrytopics.HeaderHistory {
			size = 0
			break
		}
		if retrytopics.IsOwnHeader(h.Key) {
			size += len(h.Key) + len(h.Value)
		}
	}
	if size > retrytopics.MinHeaderLimit-utf8.UTFMax {
		return r.upTo(0, text)
	}
	return r.upTo(retrytopics.MaxErrorSize, text)
}

// history is the earlier failures without what is hidden.
func (r *Redaction) history(tries []retrytopics.Try) []retrytopics.Try {
	tries = slices.Clone(tries)
	for i := range tries {
		tries[i].Error = r.upTo(retrytopics.MaxTryErrorSize, tries[i].Error)
	}
	return tries
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
		p.Error = r.String(normalize(r.errorText(example)))
	}
	return p
}
