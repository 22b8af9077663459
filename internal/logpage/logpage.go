// Package logpage reads from the source what is logged, for docs/logs.md.
package logpage

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// event is one call of a logger.
type event struct {
	message, level, room string
	fields               []string
}

const head = `# What is logged

By log/slog, as text or JSON (` + "`log.format`" + `), from ` + "`log.level`" + ` on; ` + "`redeliver log-level PIPELINE LEVEL`" + ` changes that of a pipeline while it runs, which the log notes as
` + "`operator`" + `, with who did it. An event is known by its ` + "`msg`" + `, which stays as it is within a major version, as its fields do; fields may be added. A failure that repeats is told at a falling
rate, with how often it came. From info on there is nothing of keys, values, headers, what handlers and services answer, or secrets: what an error of a handler says is logged at debug, and
stands in the dead letter. Of headers there is what the configuration tells parts, tenants and limits apart by, and those of Redeliver that cannot be read. What a logger is told in a variable, such as the faults that begin with "cannot", is not in this table. It is made from the code (` + "`make docs`" + `).

| msg | level | fields | from |
|---|---|---|---|
`

// Document is the page, for the source below root.
func Document(root string) (string, error) {
	var events []event
	for _, room := range []string{"cmd/redeliver", "consumer", "dlq", "fleet", "internal/admin", "internal/embedded", "internal/webhook"} {
		err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(room)), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if e, ok := read(call); ok {
						e.room = room
						events = append(events, e)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			return "", err
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

// read takes a call of a logger apart whose message is written there.
func read(call *ast.CallExpr) (e event, ok bool) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(method.X) {
		return e, false
	}
	args := call.Args
	switch name := method.Sel.Name; name {
	case "Debug", "Info", "Warn", "Error":
		e.level = strings.ToLower(name)
	case "Log":
		if len(args) < 3 {
			return e, false
		}
		e.level, args = "as severe as it is", args[2:]
	default:
		return e, false
	}
	if len(args) == 0 {
		return e, false
	}
	if e.message, ok = text(args[0]); !ok {
		return e, false
	}
	for i := 1; i < len(args); i += 2 {
		if field, ok := text(args[i]); ok {
			e.fields = append(e.fields, field)
		}
	}
	return e, true
}

// isLogger tells loggers by their names, which end in log or logger.
func isLogger(x ast.Expr) bool {
	name := ""
	switch x := x.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "log") || strings.HasSuffix(name, "logger")
}

func text(x ast.Expr) (string, bool) {
	literal, ok := x.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(literal.Value)
	return s, err == nil
}
