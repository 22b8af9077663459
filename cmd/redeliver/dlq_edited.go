package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

const (
	editedLines = 40  // of one entry's difference
	editedWidth = 160 // of a line

	notShown   = "    the payload is changed, and is not shown: dlq.redact hides a part of it\n"
	allHidden  = "    what is changed is not shown: dlq.redact hides it\n"
	layoutOnly = "    the payload keeps what jq reads of it, and is written as jq writes it: without spaces, keys in order, and of those that are double the last\n"
)

// editsOf returns what tells the difference that the edits of a replay make in an entry of the queue; nil where it has none.
func editsOf(q queue, r dlq.Replay) func(e dlq.Entry) string {
	if len(r.SetHeaders)+len(r.UnsetHeaders) == 0 && r.SetKey == nil && r.JQ == "" {
		return nil
	}
	return func(e dlq.Entry) string {
		record, err := q.Edited(r, e)
		if err != nil {
			return fmt.Sprintf("    the edits fail: %s\n", printable(q.redact.Why(err.Error())))
		}
		whole, hidden := *e.Whole(), q.redact.Entry(e)
		record.Headers = handedOn(q, e, record)
		before, after := *hidden.Whole(), hiding(q.redact, *record)
		whole.Headers, before.Headers = q.UserHeaders(&e), q.UserHeaders(&hidden)
		value := !bytes.Equal(whole.Value, record.Value)
		if value && bytes.Equal(inOrder(whole.Value), inOrder(record.Value)) {
			text := indented(difference(before, after, false))
			if whole.Value = record.Value; text == "" && !equalRecords(whole, *record) {
				text = allHidden
			}
			return text + layoutOnly
		}
		if value && !bytes.Equal(before.Value, whole.Value) {
			// A program may move what is hidden to where no pattern finds it. What it makes of the payload without that shows nothing, and is shown where it
			// is all the same what it makes of the whole one.
			shown, err := q.Edited(r, hidden)
			if value = err == nil && bytes.Equal(shown.Value, after.Value); !value {
				return indented(difference(before, after, false)) + notShown
			}
		}
		if value && (matches(q.redact, before.Value) || matches(q.redact, after.Value)) {
			return indented(difference(before, after, false)) + notShown
		}
		text := difference(before, after, value)
		switch {
		case text == "" && equalRecords(whole, *record):
			return "    the edits change nothing\n"
		case text == "":
			return allHidden
		}
		return indented(text)
	}
}

// handedOn are the headers of what an entry was edited to that its copy has: without those of the program whose dead letter it is.
func handedOn(q queue, e dlq.Entry, edited *kgo.Record) []kgo.RecordHeader {
	if e.Original != nil {
		e.Original = edited
	} else {
		e.Record = edited
	}
	return q.UserHeaders(&e)
}

// matches says whether there still is something to hide in a payload as it would be shown, with its keys in another order.
func matches(redact *dlq.Redaction, payload []byte) bool {
	shown := string(inOrder(payload))
	return redact.String(shown) != shown
}

// hiding is a record without what is hidden.
func hiding(redact *dlq.Redaction, r kgo.Record) kgo.Record {
	return *redact.Entry(dlq.Entry{Record: &r}).Record
}

func equalRecords(a, b kgo.Record) bool {
	same := func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
	equal := same(a.Key, b.Key) && same(a.Value, b.Value) && len(a.Headers) == len(b.Headers)
	for i := 0; equal && i < len(a.Headers); i++ {
		equal = a.Headers[i].Key == b.Headers[i].Key && same(a.Headers[i].Value, b.Headers[i].Value)
	}
	return equal
}

// difference tells the lines in which two records differ. The payload is a part of that where value says so, with its keys in order, as a program of jq puts
// them.
func difference(a, b kgo.Record, value bool) string {
	text := func(r kgo.Record) string {
		view := struct {
			Key     bytesView       `json:"key"`
			Headers []headerView    `json:"headers"`
			Payload json.RawMessage `json:"payload,omitempty"`
		}{Key: r.Key, Headers: []headerView{}}
		for _, h := range retrytopics.UserHeaders(r.Headers) {
			view.Headers = append(view.Headers, headerView{h.Key, h.Value})
		}
		if value {
			view.Payload = inOrder(r.Value)
		}
		var b bytes.Buffer
		_ = printJSON(&b, view) // it was made of JSON
		return b.String()
	}
	return lineDiff(text(a), text(b))
}

// inOrder is a payload as JSON: a document with the keys of its objects in order, anything else in quotes.
func inOrder(payload []byte) json.RawMessage {
	if payload == nil {
		return json.RawMessage("null")
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var document any
	if json.Valid(payload) && utf8.Valid(payload) && decoder.Decode(&document) == nil {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(document) == nil {
			return b.Bytes()
		}
	}
	text := string(payload)
	if !utf8.Valid(payload) {
		text = base64.StdEncoding.EncodeToString(payload)
	}
	quoted, _ := json.Marshal(text) // of a text
	return quoted
}

// indented is a difference as it stands below its entry, bounded.
func indented(diff string) string {
	if diff == "" {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(diff, "\n"), "\n")
	more := len(lines) - editedLines
	var b strings.Builder
	for _, line := range lines[:min(editedLines, len(lines))] {
		b.WriteString("    " + clip(line, editedWidth) + "\n")
	}
	if more > 0 {
		fmt.Fprintf(&b, "    and %d more %s\n", more, plural(more, "line"))
	}
	return b.String()
}
