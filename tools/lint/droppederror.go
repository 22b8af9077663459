package main

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// droppedError reports calls whose error nobody takes. An error that is of no use is dropped by "_ =", with the reason.
//
// Tests are left out: what they drop makes them fail a line later. So is what cannot fail by its documentation, what is
// printed for a person (there is nobody else to tell), and closing what was only read.
var droppedError = &analysis.Analyzer{
	Name: "droppederror",
	Doc:  "report calls whose error is dropped without a word",
	Run: func(pass *analysis.Pass) (any, error) {
		for _, file := range pass.Files {
			if strings.HasSuffix(pass.Fset.File(file.Pos()).Name(), "_test.go") {
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call := statement(n); call != nil && returnsError(pass, call) && !mayDrop(pass, call) {
					pass.Reportf(call.Pos(), "the error of %s is dropped; handle it, or write _ = and why", types.ExprString(call.Fun))
				}
				return true
			})
		}
		return nil, nil
	},
}

// harmless are functions whose errors may be dropped, by full name, or by its beginning where that ends in a star.
var harmless = []string{
	"fmt.Print*", "fmt.Fprint*", // for people
	"(*strings.Builder).*", "(*bytes.Buffer).*", "(*hash/maphash.Hash).*", // never fail, they say
	"(io.ReadCloser).Close", "(io.Closer).Close", // was only read
	"(net.Conn).Close", "(net.Listener).Close", // nobody is there any more
	"(*net/http.Server).Close",
}

// statement returns the call that a statement consists of, or nil.
func statement(n ast.Node) *ast.CallExpr {
	switch s := n.(type) {
	case *ast.ExprStmt:
		call, _ := s.X.(*ast.CallExpr)
		return call
	case *ast.DeferStmt:
		return s.Call
	case *ast.GoStmt:
		return s.Call
	}
	return nil
}

func returnsError(pass *analysis.Pass, call *ast.CallExpr) bool {
	result := pass.TypesInfo.TypeOf(call)
	if tuple, ok := result.(*types.Tuple); ok {
		if tuple.Len() == 0 {
			return false
		}
		result = tuple.At(tuple.Len() - 1).Type()
	}
	return result != nil && types.Identical(result, types.Universe.Lookup("error").Type())
}

func mayDrop(pass *analysis.Pass, call *ast.CallExpr) bool {
	var name *ast.Ident
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		name = f
	case *ast.SelectorExpr:
		name = f.Sel
		if isHash(pass.TypesInfo.TypeOf(f.X)) {
			return true
		}
	}
	callee, ok := pass.TypesInfo.Uses[name].(*types.Func)
	if !ok {
		return false
	}
	for _, pattern := range harmless {
		beginning, star := strings.CutSuffix(pattern, "*")
		if callee.FullName() == pattern || star && strings.HasPrefix(callee.FullName(), beginning) {
			return true
		}
	}
	return false
}

// isHash says whether a value is a hash.Hash, whose Write never fails, and is io.Writer's by name.
func isHash(t types.Type) bool {
	return t != nil && strings.HasPrefix(t.String(), "hash.Hash")
}
