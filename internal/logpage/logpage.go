// Package logpage reads from the source what is logged, for docs/logs.md.
package logpage

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// event is one call of a logger.
type event struct {
	message, level, room string
	fields               []string
}

// rooms are the directories whose code logs. What is logged elsewhere is of demos and tools.
var rooms = []string{"adaptive", "breaker", "classify", "cmd/redeliver", "consumer", "dlq", "fleet", "internal/admin", "internal/certs", "internal/embedded", "internal/otlp", "internal/telemetry", "internal/webhook", "limit", "retrytopics"}

const head = `# What is logged

By log/slog, as text or JSON (` + "`log.format`" + `), from ` + "`log.level`" + ` on; ` + "`redeliver log-level PIPELINE LEVEL`" + ` changes that of a pipeline while it runs, which the log notes as
` + "`operator`" + `, with who did it. Changes by operators, and who is refused by the admin listener, are logged whatever the level is. An event is known by its ` + "`msg`" + `, which stays as it is within a major version, as its fields do; fields may be added. A failure that repeats is told at a falling
rate, with how often it came (` + "`times`" + `). From info on there is nothing of keys, values, headers, what handlers and services answer, or secrets: what an error of a handler says, what a part or tenant is
called, and what stands in damaged headers is logged at debug. Of headers there are Redeliver's own identifiers, ` + "`id`" + ` and ` + "`group`" + `, and of what services answer the name of a dependency that nobody has declared.
This page is made from the code (` + "`make docs`" + `), and has every event: a text that it cannot read there is an error.

| msg | level | fields | from |
|---|---|---|---|
`

// Document is the page, for the source below root. A logger that is told what cannot be read from the source is an error.
func Document(root string) (string, error) {
	var events []event
	for _, room := range rooms {
		found, err := read(filepath.Join(root, filepath.FromSlash(room)))
		if err != nil {
			return "", err
		}
		for _, e := range found {
			e.room = room
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(strings.Compare(a.message, b.message), strings.Compare(a.room, b.room), strings.Compare(a.level, b.level), slices.Compare(a.fields, b.fields))
	})
	var page strings.Builder
	page.WriteString(head)
	before := ""
	for _, e := range events {
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", strings.ReplaceAll(e.message, "|", "\\|"), e.level, strings.Join(e.fields, ", "), e.room)
		if row != before {
			page.WriteString(row)
		}
		before = row
	}
	return page.String(), nil
}
