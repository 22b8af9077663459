package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// hexLimit is how many bytes of a payload that is no text are dumped.
const hexLimit = 4 << 10

func newDLQShowCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one dead letter: payload, headers, and the timeline of its attempts",
		Long: `Show one dead letter: payload, headers, and the timeline of its attempts, whatever became of it. The id is the one that
'redeliver dlq list' shows, or that of the origin (orders/3/1042), which is the idempotency key that handlers get.`,
		Example: "  redeliver dlq show k7qp-3-1042\n  redeliver dlq show orders/3/1042 --raw > payload",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one dead letter: redeliver dlq show ID")
			}
			return nil
		},
	}
	format := addOutput(cmd)
	raw := cmd.Flags().Bool("raw", false, "print the payload only, byte for byte")
	flags := p.addQueueFlags(cmd)
	flags.addNoIndex()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, e, done, err := p.findEntry(cmd.Context(), flags, args[0])
		if err != nil {
			return err
		}
		defer done()
		switch {
		case *raw:
			_, err = p.out.Write(e.Record.Value)
			return err
		case *format != asTable:
			return printOne(p.out, *format, shown(q, e))
		}
		return showEntry(p.out, q, e)
	}
	return cmd
}

// shownLetter is an entry as data, with its payload.
type shownLetter struct {
	deadLetter
	CopyOf  string            `json:"copy_of,omitempty"`
	Value   bytesView         `json:"value"`
	Headers []headerView      `json:"headers"` // the user's
	History []retrytopics.Try `json:"history"`
}

type headerView struct {
	Key   string    `json:"key"`
	Value bytesView `json:"value"`
}

func shown(q queue, e dlq.Entry) shownLetter {
	s := shownLetter{deadLetter: view(q, e), CopyOf: e.CopyOf, Value: e.Record.Value, Headers: []headerView{}, History: e.State.History}
	for _, h := range retrytopics.UserHeaders(e.Record.Headers) {
		s.Headers = append(s.Headers, headerView{h.Key, h.Value})
	}
	if s.History == nil {
		s.History = []retrytopics.Try{}
	}
	return s
}

// showEntry prints an entry for people.
func showEntry(w io.Writer, q queue, e dlq.Entry) error {
	s := e.State
	var lines [][]string
	line := func(name, text string) {
		if text != "" {
			lines = append(lines, []string{name, printable(text)})
		}
	}
	line("id", e.ID())
	line("queue", fmt.Sprintf("%s, partition %d, offset %d", e.Topic, e.Partition, e.Offset))
	line("pipeline", q.pipeline.Name)
	line("status", statusText(e))
	if e.CopyOf != "" {
		line("copy", "of "+e.CopyOf+", and dealt with as a part of it")
	}
	line("died", e.At.Local().Format(time.DateTime)+", "+strings.ReplaceAll(string(s.Reason), "_", " "))
	line("class", s.Class.String())
	if s.Severity != classify.SeverityNone {
		line("severity", s.Severity.String())
	}
	line("error", s.Error)
	line("fingerprint", e.Fingerprint().String())
	if e.OriginKnown() {
		origin := s.ID
		if !s.Timestamp.IsZero() {
			origin += ", written " + s.Timestamp.Local().Format(time.DateTime)
		}
		line("origin", origin)
	}
	line("group", s.Group)
	line("attempts", fmt.Sprintf("%d, replayed %d %s", s.Attempt, s.Replays, plural(s.Replays, "time")))
	if e.Err != nil {
		line("problem", strings.ReplaceAll(e.Err.Error(), "\n", "; "))
	}
	if err := printTable(w, lines, []bool{false, false}); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := showTimeline(w, s.History); err != nil {
		return err
	}
	if err := showHeaders(w, retrytopics.UserHeaders(e.Record.Headers)); err != nil {
		return err
	}
	fmt.Fprintf(w, "KEY     %s\n\n", payloadLine(e.Record.Key))
	return showPayload(w, e.Record.Value)
}

func statusText(e dlq.Entry) string {
	m := e.Mark
	if m.At.IsZero() {
		return e.Status.String()
	}
	text := fmt.Sprintf("%s, %s", e.Status, m.At.Local().Format(time.DateTime))
	for _, part := range []struct{ word, value string }{{"by", m.By}, {"to", m.To}, {"run", m.Run}, {"because", m.Reason}, {"edited:", m.Edit}} {
		if part.value != "" {
			text += " " + part.word + " " + part.value
		}
	}
	return text
}

// showTimeline prints the failed attempts. Times between them are those from start to start.
func showTimeline(w io.Writer, history []retrytopics.Try) error {
	if len(history) == 0 {
		return nil
	}
	type row struct {
		try   retrytopics.Try
		since time.Duration
	}
	rows := newRows(w, asTable,
		column[row]{title: "ATTEMPT", right: true, cell: func(r row) string { return fmt.Sprint(r.try.N) }},
		column[row]{title: "AT", cell: func(r row) string { return time.UnixMilli(r.try.At).Local().Format("2006-01-02 15:04:05.000") }},
		column[row]{title: "AFTER", right: true, cell: func(r row) string {
			if r.since == 0 {
				return "-"
			}
			return "+" + r.since.String()
		}},
		column[row]{title: "TOOK", right: true, cell: func(r row) string { return (time.Duration(r.try.Ms) * time.Millisecond).String() }},
		column[row]{title: "CLASS", cell: func(r row) string { return r.try.Class }},
		column[row]{title: "ERROR", cell: func(r row) string { return r.try.Error }},
	)
	for i, try := range history {
		r := row{try: try}
		if i > 0 {
			r.since = time.Duration(try.At-history[i-1].At) * time.Millisecond
		}
		if err := rows.add(r); err != nil {
			return err
		}
	}
	if err := rows.close(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

func showHeaders(w io.Writer, headers []kgo.RecordHeader) error {
	if len(headers) == 0 {
		return nil
	}
	rows := newRows(w, asTable,
		column[kgo.RecordHeader]{title: "HEADER", cell: func(h kgo.RecordHeader) string { return h.Key }},
		column[kgo.RecordHeader]{title: "VALUE", cell: func(h kgo.RecordHeader) string { return payloadLine(h.Value) }},
	)
	for _, h := range headers {
		if err := rows.add(h); err != nil {
			return err
		}
	}
	if err := rows.close(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// payloadLine is bytes on one line.
func payloadLine(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) == 0:
		return `""`
	}
	return printable(string(b))
}

// showPayload prints a value by its kind: JSON indented, other text as it is, bytes as a hex dump.
func showPayload(w io.Writer, value []byte) error {
	var indented bytes.Buffer
	switch {
	case value == nil:
		fmt.Fprintln(w, "PAYLOAD null")
	case len(value) == 0:
		fmt.Fprintln(w, "PAYLOAD empty")
	case json.Valid(value) && json.Indent(&indented, value, "", "  ") == nil && isText(indented.Bytes()):
		fmt.Fprintf(w, "PAYLOAD JSON, %d bytes\n%s\n", len(value), indented.Bytes())
	case isText(value):
		fmt.Fprintf(w, "PAYLOAD text, %d bytes\n%s\n", len(value), value)
	default:
		shown := value[:min(len(value), hexLimit)]
		fmt.Fprintf(w, "PAYLOAD binary, %d bytes\n%s", len(value), hex.Dump(shown))
		if left := len(value) - len(shown); left > 0 {
			fmt.Fprintf(w, "and %d more: --raw prints all, byte for byte\n", left)
		}
	}
	return nil
}

// isText says whether bytes can be printed on a terminal as they are.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	return !bytes.ContainsFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' })
}
