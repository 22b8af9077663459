package dlq

import (
	"bytes"
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// hidden says which parts of a letter a redaction hides.
type hidden uint8

const (
	hiddenAny   hidden = 1 << iota // something: key and headers are not in the index
	hiddenValue                    // of the value, which is not there either
	hiddenError                    // of the error's text, the same
	hiddenKey
)

// conceal takes out of a letter on its way into the index what must not be there.
func (r *Redaction) conceal(l *indexedLetter, e *Entry) {
	if l.hidden = r.hides(e); l.hidden == 0 {
		return
	}
	l.record = &kgo.Record{Value: e.Record.Value}
	if l.hidden&hiddenValue != 0 {
		l.record.Value = nil
	}
	if l.hidden&hiddenError != 0 {
		l.text = ""
	}
	l.kind.Error = r.Problem(Problem{Error: l.kind.Error}, e).Error
	if l.hidden&hiddenKey != 0 {
		l.key = 0
	}
}

// hides says what it hides of an entry.
func (r *Redaction) hides(e *Entry) (parts hidden) {
	if !r.Hides() {
		return 0
	}
	shown := r.Entry(*e)
	if !bytes.Equal(shown.Record.Value, e.Record.Value) || len(r.Text) > 0 && wired(e.Record.Value) {
		parts |= hiddenAny | hiddenValue
	}
	if shown.State.Error != e.State.Error {
		parts |= hiddenAny | hiddenError
	}
	if !bytes.Equal(shown.Record.Key, e.Record.Key) {
		parts |= hiddenAny | hiddenKey
	}
	for i, h := range shown.Record.Headers {
		if !bytes.Equal(h.Value, e.Record.Headers[i].Value) {
			parts |= hiddenAny
		}
	}
	for i, try := range shown.State.History { // whose header has its texts quoted
		if try.Error != e.State.History[i].Error {
			parts |= hiddenAny
		}
	}
	return parts
}

// wired says whether a value may be one that a schema registry tells how to decode: a zero, and the schema's number in four bytes.
func wired(value []byte) bool { return len(value) > 4 && value[0] == 0 }

// discloseGap is how many records between two hidden ones are read with them: a request more takes as long.
const discloseGap = 1000

// disclose reads the records of the entries of a page that are hidden in the index. Those that the topic has lost meanwhile are left out.
func (iq *indexQuery) disclose(ctx context.Context, partition int32, p *page) error {
	var offsets []int64
	at := make(map[int64]int) // in the page, by the offset
	for i := range p.entries {
		if e := &p.entries[i]; e.Record == nil && e.passed == nil {
			at[e.Offset] = i
			offsets = append(offsets, e.Offset)
		}
	}
	err := iq.topics.readAt(ctx, partition, offsets, func(r *kgo.Record) { p.entries[at[r.Offset]].read(r, iq.topic.ID) })
	if err != nil {
		return err
	}
	n := 0
	for i := range p.entries {
		if p.entries[i].Record != nil || p.entries[i].passed != nil {
			p.entries[n], p.keys[n] = p.entries[i], p.keys[i]
			n++
		}
	}
	p.entries, p.keys = p.entries[:n], p.keys[:n]
	return nil
}

// readAt calls each with the records at these offsets, in order, as far as there still are any.
func (f *fetcher) readAt(ctx context.Context, partition int32, offsets []int64, each func(*kgo.Record)) error {
	wanted := make(map[int64]bool, len(offsets))
	var spans []span
	for _, offset := range offsets {
		wanted[offset] = true
		if n := len(spans); n > 0 && offset-spans[n-1].to < discloseGap {
			spans[n-1].to = offset + 1
		} else {
			spans = append(spans, span{partition, offset, offset + 1})
		}
	}
	for _, s := range spans {
		err := f.read(ctx, s, func(records []*kgo.Record, _ int64) error {
			for _, r := range records {
				if wanted[r.Offset] {
					each(r)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
