package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

const listLimit = 100

func newDLQListCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the oldest first",
		Example: `  redeliver dlq list
  redeliver dlq list --class network --since 2h
  redeliver dlq list --error 'connection (refused|reset)' --limit 0 -o jsonl
  redeliver dlq list --status replayed`,
		Args: noArguments,
	}
	format := addOutput(cmd)
	flags := p.addFilterFlags(cmd, listLimit)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		filter, err := flags.look(time.Now())
		if err != nil {
			return err
		}
		qs, err := p.openQueues(cmd.Context(), flags, false)
		if err != nil {
			return err
		}
		defer qs.close()
		rows := newRows(p.out, *format, listColumns(filter)...)
		listed, more, named := 0, false, p.named(flags)
		err = p.each(qs, func(q queue) error {
			filter := filter
			filter.IDs = q.ids
			if filter.Limit > 0 {
				filter.Limit = filter.Limit - listed + 1 // one more, to know whether there are more
			}
			for e, err := range q.Entries(cmd.Context(), filter) {
				if err != nil {
					return err
				}
				if more = flags.limit > 0 && listed == flags.limit; more {
					return nil
				}
				if err := rows.add(view(q, e)); err != nil {
					return err
				}
				named.met(&e)
				listed++
			}
			p.tellBehind(cmd.Context(), q, shownLater)
			return nil
		})
		if err != nil {
			return err
		}
		if err := rows.close(); err != nil {
			return err
		}
		p.remark(listed, more, flags.limit)
		return named.end(cmd.Context(), qs, more)
	}
	return cmd
}

// remark says on standard error what a list does not show.
func (p *program) remark(listed int, more bool, limit int) {
	switch {
	case more:
		these := fmt.Sprintf("these %d", limit)
		if limit == 1 {
			these = "this one"
		}
		fmt.Fprintf(p.err, "There are more than %s: --limit 0 shows all, `redeliver dlq stats` counts them.\n", these)
	case listed == 0:
		fmt.Fprintln(p.err, "No dead letters match.")
	}
}

// deadLetter is an entry as data.
type deadLetter struct {
	ID        string     `json:"id"`
	Pipeline  string     `json:"pipeline"`
	Queue     string     `json:"queue"`
	Partition int32      `json:"partition"`
	Offset    int64      `json:"offset"`
	Died      time.Time  `json:"died"`
	Status    dlq.Status `json:"status"`
	Mark      *markView  `json:"mark,omitempty"`
	Origin    originView `json:"origin"`
	Group     string     `json:"group"`
	Class     string     `json:"class"`
	Severity  string     `json:"severity"` // none: it died before there were severities, or another program wrote it
	Reason    string     `json:"reason"`
	Error     string     `json:"error"`
	// Fingerprint is that of the problem it died of.
	Fingerprint dlq.Fingerprint `json:"fingerprint"`
	Attempts    int             `json:"attempts"`
	Replays     int             `json:"replays"`
	Key         bytesView       `json:"key"`
	Dialect     string          `json:"dialect,omitempty"` // of the program that wrote it, where that is not Redeliver
	Problem     string          `json:"problem,omitempty"` // with the headers
}

// originView is where the record first stood.
type originView struct {
	ID        string    `json:"id"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Timestamp time.Time `json:"timestamp,omitzero"`
}

// markView is what the ledger says.
type markView struct {
	// Status is that of the entry, but for one that is open again since its record failed anew: then what had become of it.
	Status dlq.Status `json:"status"`
	At     time.Time  `json:"at"`
	By     string     `json:"by,omitempty"`
	Run    string     `json:"run,omitempty"`
	To     string     `json:"to,omitempty"`
	Reason string     `json:"reason,omitempty"`
	Edit   string     `json:"edit,omitempty"`
	// Renewed is when it was carried forward last: the time of the mark where nothing else was done to it.
	Renewed time.Time `json:"renewed,omitzero"`
}

// bytesView is bytes for people: as text where they are text, as {"base64": ...} where they are not, null for null.
type bytesView []byte

// MarshalJSON implements json.Marshaler.
func (b bytesView) MarshalJSON() ([]byte, error) {
	switch {
	case b == nil:
		return []byte("null"), nil
	case utf8.Valid(b):
		return json.Marshal(string(b))
	}
	return fmt.Appendf(nil, `{"base64":%q}`, base64.StdEncoding.EncodeToString(b)), nil
}

// UnmarshalJSON implements json.Unmarshaler: it reads what MarshalJSON writes.
func (b *bytesView) UnmarshalJSON(text []byte) error {
	var s *string
	if json.Unmarshal(text, &s) == nil {
		if *b = nil; s != nil {
			*b = []byte(*s)
		}
		return nil
	}
	var encoded struct{ Base64 *[]byte }
	if err := json.Unmarshal(text, &encoded); err != nil {
		return err
	}
	if encoded.Base64 == nil {
		return fmt.Errorf(`want text in quotes, null, or {"base64": "..."}, not %s`, text)
	}
	*b = *encoded.Base64
	return nil
}

func view(q queue, e dlq.Entry) deadLetter {
	e = q.redact.Entry(e)
	s := e.State
	d := deadLetter{
		ID: e.ID(), Pipeline: q.pipeline.Name, Queue: e.Topic, Partition: e.Partition, Offset: e.Offset,
		Died: jsonTime(e.At), Status: e.Status, Group: s.Group, Class: s.Class.String(), Severity: s.Severity.String(), Reason: string(s.Reason), Error: s.Error,
		Fingerprint: e.Fingerprint(), Attempts: s.Attempt, Replays: replaysOf(e), Key: e.Record.Key,
	}
	if e.OriginKnown() {
		d.Origin = originView{ID: s.ID, Topic: s.Topic, Partition: s.Partition, Offset: s.Offset}
		if !s.Timestamp.IsZero() {
			d.Origin.Timestamp = jsonTime(s.Timestamp)
		}
	}
	if m := e.Mark; !m.At.IsZero() {
		d.Mark = &markView{Status: m.Status, At: jsonTime(m.At), By: m.By, Run: m.Run, To: m.To, Reason: m.Reason, Edit: m.Edit}
		if !m.Renewed.IsZero() {
			d.Mark.Renewed = jsonTime(m.Renewed)
		}
	}
	d.Dialect = string(e.Dialect)
	if e.Err != nil {
		d.Problem = e.Err.Error()
	}
	return d
}

// listColumns are those of the table: the status only where not all have the same.
func listColumns(f dlq.Filter) []column[deadLetter] {
	type row = deadLetter
	columns := []column[row]{
		{title: "ID", cell: func(d row) string { return d.ID }},
		{title: "DIED", cell: func(d row) string { return clockText(d.Died) }},
		{title: "CLASS", cell: func(d row) string { return d.Class }},
		{title: "REASON", cell: func(d row) string { return orDash(d.Reason) }},
		{title: "ATTEMPTS", right: true, cell: func(d row) string { return strconv.Itoa(d.Attempts) }},
		{title: "REPLAYS", right: true, cell: func(d row) string { return strconv.Itoa(d.Replays) }},
		{title: "ORIGIN", cell: func(d row) string { return orDash(d.Origin.ID) }},
		{title: "KEY", cell: keyText},
	}
	if f.All || len(f.Status) != 1 {
		columns = append(columns, column[row]{title: "STATUS", cell: func(d row) string { return d.Status.String() }})
	}
	return append(columns, column[row]{title: "ERROR", cell: errorText})
}

func keyText(d deadLetter) string {
	switch {
	case d.Key == nil:
		return "-"
	case len(d.Key) == 0:
		return `""`
	}
	return clip(string(d.Key), 24)
}

func errorText(d deadLetter) string {
	if d.Error == "" && d.Problem != "" {
		return clip("not written by Redeliver: "+onOneLine(d.Problem), 80)
	}
	return clip(d.Error, 80)
}

// onOneLine is what is wrong with several things, one a line, as one line.
func onOneLine(problems string) string { return strings.ReplaceAll(problems, "\n", "; ") }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
