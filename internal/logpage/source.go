package logpage

import (
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

// source is the code of a room.
type source struct {
	files *token.FileSet
	funcs []*ast.FuncDecl
	maps  map[string][]string // of the package's variables: the texts in each
}

// read returns what the code below a directory logs, tests left out.
func read(directory string) (events []event, err error) {
	s := &source{files: token.NewFileSet(), maps: make(map[string][]string)}
	err = filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(s.files, path, nil, parser.SkipObjectResolution)
		if err == nil {
			s.take(file)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, f := range s.funcs {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && err == nil {
				var found []event
				if found, err = s.logged(f, call); err != nil {
					err = fmt.Errorf("%s: %w", s.files.Position(call.Pos()), err)
				}
				events = append(events, found...)
			}
			return true
		})
	}
	return events, err
}

// take notes the functions of a file, and its maps of texts.
func (s *source) take(file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.funcs = append(s.funcs, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == 1 {
					s.maps[v.Names[0].Name] = texts(v.Values[0])
				}
			}
		}
	}
}

// texts are the values of a map that is written down, as far as they are.
func texts(x ast.Expr) (all []string) {
	literal, ok := x.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, e := range literal.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			if t, ok := text(pair.Value); ok {
				all = append(all, t)
			}
		}
	}
	return all
}

// logged takes a call of a logger apart; of what is none there is nothing.
func (s *source) logged(f *ast.FuncDecl, call *ast.CallExpr) (events []event, err error) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(method.X) {
		return nil, nil
	}
	e, args := event{}, call.Args
	switch name := method.Sel.Name; name {
	case "Debug", "Info", "Warn", "Error":
		e.level = strings.ToLower(name)
	case "Log":
		if len(args) < 3 {
			return nil, nil
		}
		e.level, args = "as severe as it is", args[2:]
	case "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "LogAttrs":
		return nil, fmt.Errorf("%s of a logger is not read: log with Debug, Info, Warn, Error or Log", name)
	default:
		return nil, nil
	}
	if len(args) == 0 {
		return nil, nil
	}
	messages := s.messages(args[0])
	if len(messages) == 0 {
		return nil, fmt.Errorf("what is logged is not written there: an event is known by its text, give it one and put what varies into fields")
	}
	fields, ok := s.fields(f, args[1:], call.Ellipsis.IsValid(), call.Pos())
	if !ok {
		return nil, fmt.Errorf("the fields of %q are not written there", messages[0])
	}
	e.fields = merge(s.always(f, method.X), fields)
	for _, e.message = range messages {
		events = append(events, e)
	}
	return events, nil
}

// always are the fields that a function's logger has with each event, as With gave them.
func (s *source) always(f *ast.FuncDecl, logger ast.Expr) (names []string) {
	variable, ok := logger.(*ast.Ident)
	if !ok {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		set, ok := n.(*ast.AssignStmt)
		if !ok || len(set.Rhs) != 1 {
			return true
		}
		to, ok := set.Lhs[0].(*ast.Ident)
		made, is := set.Rhs[0].(*ast.CallExpr)
		if !ok || !is || to.Name != variable.Name {
			return true
		}
		if method, ok := made.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "With" {
			names, _ = s.fields(f, made.Args, false, set.Pos())
		}
		return true
	})
	return names
}

// messages are the texts that an expression may be.
func (s *source) messages(x ast.Expr) (all []string) {
	switch x := x.(type) {
	case *ast.BasicLit:
		if t, ok := text(x); ok {
			return []string{t}
		}
	case *ast.BinaryExpr:
		for _, left := range s.messages(x.X) {
			for _, right := range s.messages(x.Y) {
				all = append(all, left+right)
			}
		}
	case *ast.IndexExpr:
		if m, ok := x.X.(*ast.Ident); ok {
			return s.maps[m.Name]
		}
	}
	return all
}

// fields are the names in a list of names and values, as it is at a place; the last of them is a list itself where spread is true.
func (s *source) fields(f *ast.FuncDecl, args []ast.Expr, spread bool, until token.Pos) (names []string, ok bool) {
	var last ast.Expr
	if spread {
		args, last = args[:len(args)-1], args[len(args)-1]
	}
	for i := 0; i < len(args); i += 2 {
		name, ok := text(args[i])
		if !ok {
			return nil, false
		}
		names = append(names, name)
	}
	if !spread {
		return names, true
	}
	more, ok := s.list(f, last, until)
	return append(names, more...), ok
}

// list are the names in a list of names and values that is made elsewhere in a function, or given to it.
func (s *source) list(f *ast.FuncDecl, x ast.Expr, until token.Pos) (names []string, ok bool) {
	switch x := x.(type) {
	case *ast.CompositeLit:
		return s.fields(f, x.Elts, false, until)
	case *ast.CallExpr:
		if called, is := x.Fun.(*ast.Ident); !is || called.Name != "append" {
			return nil, false
		}
		names, ok = s.list(f, x.Args[0], until)
		more, also := s.fields(f, x.Args[1:], x.Ellipsis.IsValid(), until)
		return merge(names, more), ok && also
	case *ast.Ident:
		return s.variable(f, x.Name, until)
	}
	return nil, false
}

// variable are the names in a list that is a variable: in all that it is set to before a place, and in what callers give.
func (s *source) variable(f *ast.FuncDecl, name string, until token.Pos) (names []string, ok bool) {
	ok = true
	found := false
	add := func(more []string, also bool) { names, ok, found = merge(names, more), ok && also, true }
	ast.Inspect(f, func(n ast.Node) bool {
		set, is := n.(*ast.AssignStmt)
		if !is || len(set.Lhs) != len(set.Rhs) {
			return true
		}
		for i, to := range set.Lhs {
			if v, is := to.(*ast.Ident); is && v.Name == name && set.Pos() < until {
				add(s.list(f, set.Rhs[i], set.Pos()))
			}
		}
		return true
	})
	fixed := 0
	for _, p := range f.Type.Params.List {
		if _, many := p.Type.(*ast.Ellipsis); many && p.Names[0].Name == name {
			s.calls(f.Name.Name, func(caller *ast.FuncDecl, call *ast.CallExpr) {
				add(s.fields(caller, call.Args[fixed:], call.Ellipsis.IsValid(), call.Pos()))
			})
		}
		fixed += len(p.Names)
	}
	return names, ok && found
}

// calls visits the calls of a function of the room by its name.
func (s *source) calls(name string, visit func(*ast.FuncDecl, *ast.CallExpr)) {
	for _, f := range s.funcs {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == name {
					visit(f, call)
				}
			}
			return true
		})
	}
}

// merge appends what is not there.
func merge(names, more []string) []string {
	for _, m := range more {
		if !slices.Contains(names, m) {
			names = append(names, m)
		}
	}
	return names
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
