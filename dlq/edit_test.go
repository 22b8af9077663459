package dlq_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

// upper is a jq of the test: it knows one program.
func upper(program string) (func([]byte) ([]byte, error), error) {
	if program != "upper" {
		return nil, errors.New("no such program: " + program)
	}
	return func(document []byte) ([]byte, error) {
		if bytes.HasSuffix(document, []byte("/2")) {
			return nil, errors.New("cannot do order " + string(document))
		}
		return bytes.ToUpper(document), nil
	}, nil
}

// What is edited is what is replayed; the dead letter stays as it was, and the ledger says what was changed.
func TestReplayEdits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		record := letter(death(0, int64(i)))
		record.Headers = append([]kgo.RecordHeader{{Key: "secret", Value: []byte("x")}, {Key: "secret", Value: []byte("y")}, {Key: "kept", Value: nil}}, record.Headers...)
		b.produce(record)
	}
	q := b.open(dlq.JQ(upper))
	s := b.replay(q, dlq.Replay{
		SetHeaders: []kgo.RecordHeader{{Key: "trace", Value: []byte("t")}}, UnsetHeaders: []string{"secret"}, SetKey: []byte("k"), JQ: "upper",
	})
	equal(t, "replayed", s.Done, 2)
	equal(t, "left out", s.LeftOut, []dlq.LeftOut{{Why: "jq: cannot do order payload of orders/<*>", Count: 1, ID: b.entries(q, dlq.Filter{})[0].ID()}})
	for _, r := range b.records(tier1) {
		sameBytes(t, "key", r.Key, []byte("k"))
		sameBytes(t, "value", r.Value, []byte("PAYLOAD OF "+strings.ToUpper(header(r, "redeliver-id"))))
		equal(t, "secret", header(r, "secret"), "")
		equal(t, "trace", header(r, "trace"), "t")
		equal(t, "what is not named stays", r.Headers[0].Key, "kept")
	}
	for _, e := range b.entries(q, dlq.Filter{Status: []dlq.Status{dlq.StatusReplayed}}) {
		sameBytes(t, "the dead letter's value", e.Record.Value, []byte("payload of "+e.State.ID))
		equal(t, "the mark", e.Mark.Edit, `set header trace="t", unset header secret, set key "k", jq upper`)
	}
}

// A replay that a function edits is of the call that has the function.
func TestReplayEditedByHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(2)
	r := dlq.Replay{Filter: dlq.Filter{Limit: 1}, Edit: func(r *kgo.Record) error {
		r.Key, r.Value, r.Headers = nil, []byte("by hand"), nil
		return nil
	}}
	b.replay(b.open(), r)
	record := b.records(tier1)[0]
	sameBytes(t, "key", record.Key, nil)
	sameBytes(t, "value", record.Value, []byte("by hand"))
	equal(t, "id", header(record, "redeliver-id"), "orders/0/0")
	equal(t, "trace", header(record, "trace"), "")
	r.EditText = "set payload to what it should be"
	b.replay(b.open(), r)
	for i, e := range b.entries(b.open(), dlq.Filter{All: true}) {
		equal(t, "the mark", e.Mark.Edit, []string{"by hand", r.EditText}[i])
	}
	if _, err := b.open().Start(b.ctx(), r); err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("started as a task: %v", err)
	}
}

func TestBadEdits(t *testing.T) {
	t.Parallel()
	q := setup(t).open(dlq.JQ(upper))
	for _, c := range []struct {
		replay dlq.Replay
		says   string
	}{
		{dlq.Replay{UnsetHeaders: []string{"redeliver-id"}}, "Redeliver's own"},
		{dlq.Replay{UnsetHeaders: []string{""}}, "no name"},
		{dlq.Replay{SetHeaders: []kgo.RecordHeader{{Key: "a"}}, UnsetHeaders: []string{"a"}}, "to be set and to be unset"},
		{dlq.Replay{JQ: "lower"}, "no such program: lower"},
		// What the ledger would keep as something else, for who goes on with the replay.
		{dlq.Replay{Filter: dlq.Filter{Text: "caf\xe9"}}, `text "caf\xe9" is no Unicode`},
		{dlq.Replay{Filter: dlq.Filter{Error: regexp.MustCompilePOSIX("^dial")}}, `error "^dial" is compiled for POSIX`},
		{dlq.Replay{UnsetHeaders: []string{"\xff"}}, `header "\xff" is no Unicode`},
		{dlq.Replay{SetHeaders: []kgo.RecordHeader{{Key: "\xff"}}}, `header "\xff" is no Unicode`},
		{dlq.Replay{Filter: dlq.Filter{Since: time.Date(12025, 1, 1, 0, 0, 0, 0, time.UTC)}}, "want a year up to 9999"},
	} {
		if err := q.Check(c.replay); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", c.says, err)
		}
	}
	if err := setup(t).open().Check(dlq.Replay{JQ: "upper"}); err == nil || !strings.Contains(err.Error(), "dlq.JQ") {
		t.Errorf("a queue without jq: %v", err)
	}
}
