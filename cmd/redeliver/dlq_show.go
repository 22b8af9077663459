package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

func newDLQShowCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one dead letter: payload, headers, and the timeline of its attempts",
		Long: `Show one dead letter: payload, headers, and the timeline of its attempts, whatever became of it. The id is the one that
'redeliver dlq list' shows, or that of the origin (orders/3/1042), which is the idempotency key that handlers get.

Payloads are shown by their kind: JSON and other text, bytes in hex, and, where schema_registry or --schema-registry says where schemas are,
Avro and Protobuf as JSON. What dlq.redact hides is not shown, unless --unredacted is said.

A dead letter of a share group may have neither key nor value, and has no headers of its record: they are read from the origin, as a replay does, as
long as it has them.`,
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
	registry := cmd.Flags().String("schema-registry", "", "look the payload's schema up at this `url` (default schema_registry.url of the configuration)")
	flags := p.addQueueFlags(cmd)
	flags.addNoIndex()
	addUnredacted(cmd, flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if wrong := config.WrongURL(*registry); *registry != "" && wrong != "" {
			return usagef("--schema-registry: %s", wrong)
		}
		q, e, done, err := p.findEntry(cmd.Context(), flags, args[0])
		if err != nil {
			return err
		}
		defer done()
		missing, err := originalOf(cmd.Context(), q, &e)
		switch {
		case cmd.Context().Err() != nil:
			return err
		case err != nil: // what the dead letter has is shown all the same
			missing = err.Error()
		}
		if *raw && unknown(e, missing) { // nothing would be printed, as of an empty payload
			return fmt.Errorf("%s: its payload is not known: %s", args[0], q.redact.Why(missing))
		}
		payload := e.Whole().Value
		if *raw && !q.redact.Hides() {
			_, err = p.out.Write(payload)
			return err
		}
		at := q.registry
		if *registry != "" && *registry != at.URL {
			at = config.SchemaRegistry{URL: *registry} // the password is not for others
		}
		value, err := p.payloadOf(cmd.Context(), at, q.redact, payload)
		if err != nil {
			return err
		}
		if *raw {
			if wrong := value.withheld(payload); wrong != "" {
				return usagef("--raw prints byte for byte, and %s: say --unredacted", wrong)
			}
			_, err = p.out.Write(payload)
			return err
		}
		if *format != asTable {
			return printOne(p.out, *format, shown(q, e, value, missing))
		}
		return showEntry(p.out, q, e, value, missing)
	}
	return cmd
}

// shownLetter is an entry as data, with its payload.
type shownLetter struct {
	deadLetter
	CopyOf  string            `json:"copy_of,omitempty"`
	Former  []string          `json:"former_ids,omitempty"`       // that it was asked for by, and had before it was carried forward
	Origin  string            `json:"original,omitempty"`         // where what the dead letter lacks of its record was read
	Missing string            `json:"original_missing,omitempty"` // why that is not known
	Value   bytesView         `json:"value"`
	Decoded json.RawMessage   `json:"decoded,omitempty"` // by its schema
	Schema  int               `json:"schema_id,omitempty"`
	Failed  string            `json:"not_decoded,omitempty"` // why
	Headers []headerView      `json:"headers"`               // the user's
	History []retrytopics.Try `json:"history"`
}

type headerView struct {
	Key   string    `json:"key"`
	Value bytesView `json:"value"`
}

func shown(q queue, e dlq.Entry, p shownPayload, missing string) shownLetter {
	e = q.redact.Entry(e)
	s := shownLetter{deadLetter: view(q, e), CopyOf: e.CopyOf, Former: e.Former, Value: p.value, Headers: []headerView{}, History: e.State.History}
	if s.Schema = p.decoded.SchemaID; json.Valid(p.decoded.JSON) {
		s.Decoded = p.decoded.JSON
	}
	if p.problem != nil {
		s.Failed = p.problem.Error()
	}
	s.Missing = q.redact.Why(missing)
	if e.Original != nil {
		s.Origin, s.Key = retrytopics.FormatID("", e.Original.Topic, e.Original.Partition, e.Original.Offset), e.Original.Key
	}
	for _, h := range allHeaders(e) {
		s.Headers = append(s.Headers, headerView{h.Key, h.Value})
	}
	if s.History == nil {
		s.History = []retrytopics.Try{}
	}
	return s
}

// allHeaders are those of the dead letter, and those of its original behind them.
func allHeaders(e dlq.Entry) []kgo.RecordHeader {
	headers := retrytopics.UserHeaders(e.Record.Headers)
	if e.Original != nil {
		headers = append(slices.Clone(headers), retrytopics.UserHeaders(e.Original.Headers)...)
	}
	return headers
}

// showEntry prints an entry for people.
func showEntry(w io.Writer, q queue, e dlq.Entry, p shownPayload, missing string) error {
	e = q.redact.Entry(e)
	s := e.State
	var lines [][]string
	line := func(name, text string) {
		if text != "" {
			lines = append(lines, []string{name, printable(text)})
		}
	}
	line("id", e.ID())
	line("formerly", strings.Join(e.Former, ", "))
	line("queue", fmt.Sprintf("%s, partition %d, offset %d", e.Topic, e.Partition, e.Offset))
	line("pipeline", q.pipeline.Name)
	line("status", statusText(e))
	if e.CopyOf != "" {
		line("copy", "of "+e.CopyOf+", and dealt with as a part of it")
	}
	died := clockText(e.At)
	if s.Reason != "" {
		died += ", " + strings.ReplaceAll(string(s.Reason), "_", " ")
	}
	line("died", died)
	line("renewed", renewedText(e.Mark))
	line("dialect", string(e.Dialect))
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
	line("original", originalText(e, q.redact.Why(missing)))
	line("group", s.Group)
	line("attempts", fmt.Sprintf("%d, replayed %d %s", s.Attempt, replaysOf(e), plural(replaysOf(e), "time")))
	if e.Err != nil {
		line("problem", onOneLine(e.Err.Error()))
	}
	if err := printTable(w, lines, []bool{false, false}); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := showTimeline(w, s.History); err != nil {
		return err
	}
	if err := showHeaders(w, allHeaders(e)); err != nil {
		return err
	}
	if unknown(e, missing) { // null would be said of a record that may have both
		return nil
	}
	fmt.Fprintf(w, "KEY     %s\n\n", payloadLine(e.Whole().Key))
	p.show(w)
	return nil
}

// replaysOf is how often a record was replayed: before it died, and as this entry.
func replaysOf(e dlq.Entry) int { return e.State.Replays + e.Mark.Times }

func statusText(e dlq.Entry) string {
	m := e.Mark
	if m.At.IsZero() || m.At.Equal(m.Renewed) { // nothing but that was done to it
		return e.Status.String()
	}
	text := e.Status.String() + ", "
	if e.FailedAnew() {
		text += "for it failed anew after it had been " + m.Status.String() + ", "
	}
	text += m.At.Local().Format(time.DateTime)
	for _, part := range []struct{ word, value string }{{"by", m.By}, {"to", m.To}, {"run", m.Run}, {"because", m.Reason}, {"edited:", m.Edit}} {
		if part.value != "" {
			text += " " + part.word + " " + part.value
		}
	}
	return text
}

// renewedText says when an entry was last carried forward, and by whom where that is known still; "" where it never was.
func renewedText(m dlq.Mark) string {
	switch {
	case m.Renewed.IsZero():
		return ""
	case m.Renewed.Equal(m.At):
		return fmt.Sprintf("%s by %s run %s", m.Renewed.Local().Format(time.DateTime), m.By, m.Run)
	}
	return m.Renewed.Local().Format(time.DateTime)
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
		column[kgo.RecordHeader]{title: "VALUE", cell: func(h kgo.RecordHeader) string {
			if text, ok := retrytopics.HeaderText(h); ok {
				return text
			}
			return payloadLine(h.Value)
		}},
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
