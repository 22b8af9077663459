package dlq

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// JQ gives a queue the programs of jq that [Replay.JQ] names: compile makes of a program's text what turns one JSON document
// into another. Without it such a replay is refused: this package knows no jq.
func JQ(compile func(program string) (func(document []byte) ([]byte, error), error)) Option {
	return func(q *Queue) { q.jq = compile }
}

// errEdited: what a function does stands in no ledger.
var errEdited = errors.New("the replay was edited by hand, which no other call can repeat: start it anew")

const maxEditText = 1 << 10 // bytes in each mark; the task has the edits whole

// edited says in words what is changed, for the ledger.
func (r Replay) edited() string {
	var text []string
	for _, h := range r.SetHeaders {
		text = append(text, fmt.Sprintf("set header %s=%q", h.Key, h.Value))
	}
	for _, name := range r.UnsetHeaders {
		text = append(text, "unset header "+name)
	}
	if r.SetKey != nil {
		text = append(text, fmt.Sprintf("set key %q", r.SetKey))
	}
	if r.JQ != "" {
		text = append(text, "jq "+r.JQ)
	}
	if r.Edit != nil {
		text = append(text, cmp.Or(r.EditText, "by hand"))
	}
	return strings.ToValidUTF8(cutBytes(strings.Join(text, ", "), maxEditText), "\uFFFD")
}

// checkEdits says what is wrong with the edits.
func (r Replay) checkEdits() error {
	for _, h := range r.SetHeaders {
		if err := editable(h.Key); err != nil {
			return err
		}
	}
	for _, name := range r.UnsetHeaders {
		if err := editable(name); err != nil {
			return err
		}
		if slices.ContainsFunc(r.SetHeaders, func(h kgo.RecordHeader) bool { return h.Key == name }) {
			return fmt.Errorf("header %s is to be set and to be unset", name)
		}
	}
	return nil
}

func editable(header string) error {
	switch {
	case header == "":
		return errors.New("a header to edit has no name")
	case retrytopics.IsOwnHeader(header):
		return fmt.Errorf("header %s is Redeliver's own and cannot be edited", header)
	}
	return nil
}

// editor changes records on their way back to work.
type editor struct {
	Replay
	jq func([]byte) ([]byte, error) // nil: none
}

func (q *Queue) editor(r Replay) (editor, error) {
	e := editor{Replay: r}
	if r.JQ == "" {
		return e, nil
	}
	if q.jq == nil {
		return e, errors.New("this queue was opened without jq: see dlq.JQ")
	}
	var err error
	e.jq, err = q.jq(r.JQ)
	return e, err
}

// Edited returns what a replay makes of an entry by its edits: a record with the key, the value and the headers, of which Redeliver's own are written
// anew when it is replayed. It asks the cluster nothing: of an entry that has its record from its origin it edits that where [Entry.Original] is set. The error says why the entry would be left out, or is that of [Replay.Edit].
func (q *Queue) Edited(r Replay, e Entry) (*kgo.Record, error) {
	edit, err := q.editor(r)
	if err != nil {
		return nil, err
	}
	whole := e.Whole()
	record := &kgo.Record{Key: whole.Key, Value: whole.Value, Headers: whole.Headers}
	return record, edit.payload(record)
}

// headers are the entry's with the edits in them: a header that is set stands in the place of the first of its name, without
// the others.
func (e *editor) headers(from []kgo.RecordHeader) []kgo.RecordHeader {
	if len(e.SetHeaders)+len(e.UnsetHeaders) == 0 {
		return from
	}
	headers := make([]kgo.RecordHeader, 0, len(from)+len(e.SetHeaders))
	done := make([]bool, len(e.SetHeaders))
	for _, h := range from {
		i := slices.IndexFunc(e.SetHeaders, func(set kgo.RecordHeader) bool { return set.Key == h.Key })
		switch {
		case slices.Contains(e.UnsetHeaders, h.Key):
		case i < 0:
			headers = append(headers, h)
		case !done[i]:
			headers, done[i] = append(headers, e.SetHeaders[i]), true
		}
	}
	for i, h := range e.SetHeaders {
		if !done[i] {
			headers = append(headers, h)
		}
	}
	return headers
}

// payload edits the key, value and headers of an entry in the record that is written for it. An unroutable error leaves the entry out.
func (e *editor) payload(record *kgo.Record) error {
	record.Headers = e.headers(record.Headers)
	if e.SetKey != nil {
		record.Key = e.SetKey
	}
	if e.jq != nil {
		value, err := e.jq(record.Value)
		if err != nil {
			why, cut := normalized(err.Error())
			if cut {
				why += cutOff
			}
			return unroutable("jq: " + why)
		}
		record.Value = value
	}
	if e.Edit == nil {
		return nil
	}
	edited := kgo.Record{Key: record.Key, Value: record.Value, Headers: slices.Clone(record.Headers)}
	err := e.Edit(&edited)
	record.Key, record.Value, record.Headers = edited.Key, edited.Value, edited.Headers
	return err
}
