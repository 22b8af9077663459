package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/indent"
)

// outputFormat is the value of -o.
type outputFormat string

const (
	asTable outputFormat = "table" // for people
	asJSON  outputFormat = "json"  // one document
	asJSONL outputFormat = "jsonl" // one object a line, as they come
)

var outputFormats = []string{string(asTable), string(asJSON), string(asJSONL)}

// String, Set and Type implement pflag.Value.
func (f *outputFormat) String() string { return string(*f) }

func (f *outputFormat) Set(s string) error {
	if !slices.Contains(outputFormats, s) {
		return fmt.Errorf("want one of %s", strings.Join(outputFormats, ", "))
	}
	*f = outputFormat(s)
	return nil
}

func (f *outputFormat) Type() string { return "format" }

// addOutput gives a command that prints data its -o.
func addOutput(cmd *cobra.Command) *outputFormat {
	f := asTable
	cmd.Flags().VarP(&f, "output", "o", "output `format`: table, json, jsonl (one object a line)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputFormats, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// column is one column of a table of T.
type column[T any] struct {
	title string
	cell  func(T) string
	right bool // aligned to the right, for numbers
}

// rows prints values of T: as a table of the columns, or each whole, as encoding/json writes it. A table and a JSON
// document appear when they are closed, lines at once.
type rows[T any] struct {
	w       io.Writer
	format  outputFormat
	columns []column[T]
	cells   [][]string
	values  []T
}

func newRows[T any](w io.Writer, format outputFormat, columns ...column[T]) *rows[T] {
	return &rows[T]{w: w, format: format, columns: columns}
}

// add prints one value, or keeps it until close.
func (r *rows[T]) add(v T) error {
	switch r.format {
	case asJSONL:
		return json.NewEncoder(r.w).Encode(v)
	case asJSON:
		r.values = append(r.values, v)
	default:
		line := make([]string, len(r.columns))
		for i, c := range r.columns {
			line[i] = printable(c.cell(v))
		}
		r.cells = append(r.cells, line)
	}
	return nil
}

// close prints what was kept: an array, or the table with its titles, nothing when it has no line.
func (r *rows[T]) close() error {
	switch r.format {
	case asJSONL:
		return nil
	case asJSON:
		return printJSON(r.w, append([]T{}, r.values...)) // [] rather than null
	}
	if len(r.cells) == 0 {
		return nil
	}
	titles := make([]string, len(r.columns))
	right := make([]bool, len(r.columns))
	for i, c := range r.columns {
		titles[i], right[i] = c.title, c.right
	}
	return printTable(r.w, slices.Insert(r.cells, 0, titles), right)
}

// printJSON writes v as one indented document.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	text, _ := indent.JSON(bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))
	_, err := w.Write(append(text, '\n'))
	return err
}

// Times that JSON can hold are those of years with four digits.
var (
	firstJSONTime = time.Date(0, time.January, 1, 0, 0, 0, 0, time.UTC)
	lastJSONTime  = time.Date(9999, time.December, 31, 23, 59, 59, 999_000_000, time.UTC)
)

// jsonTime is a time in UTC as it stands in data: brokers take any time that a producer gives, such as microseconds for milliseconds, and one of them must not
// be in the way of all other dead letters.
func jsonTime(t time.Time) time.Time {
	switch {
	case t.After(lastJSONTime):
		return lastJSONTime
	case t.Before(firstJSONTime):
		return firstJSONTime
	}
	return t.UTC()
}

// printTable writes lines of cells in columns two spaces apart, without spaces at the ends of lines.
func printTable(w io.Writer, lines [][]string, right []bool) error {
	widths := make([]int, len(right))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			if i > 0 {
				text.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right[i] {
				text.WriteString(pad + cell)
			} else {
				text.WriteString(cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable makes text that came out of a record safe to print on a terminal, on one line: control characters, and
// bytes that are no UTF-8, are written as escapes.
func printable(s string) string {
	bad := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for i, width := 0, 0; i < len(s); i += width {
		var r rune
		r, width = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && width <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// clip shortens text to at most n characters and says so with an ellipsis.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// printOne prints the one value of a command that has no list.
func printOne(w io.Writer, format outputFormat, v any) error {
	if format == asJSONL {
		return json.NewEncoder(w).Encode(v)
	}
	return printJSON(w, v)
}
