package main

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// sleepInTest reports time.Sleep in test files. A test that sleeps is slow when the machine is idle and fails when it is
// busy; a signal, a channel or virtual time is neither. Inside a bubble of testing/synctest sleeping is the way to move the
// clock, so files that import it may.
var sleepInTest = &analysis.Analyzer{
	Name: "sleepintest",
	Doc:  "report time.Sleep in tests that do not run on virtual time",
	Run: func(pass *analysis.Pass) (any, error) {
		for _, file := range pass.Files {
			name := pass.Fset.File(file.Pos()).Name()
			if !strings.HasSuffix(name, "_test.go") || usesBubbles(file) {
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if ok && isSleep(pass, call) {
					pass.Reportf(call.Pos(), "time.Sleep in a test: wait for a signal, or run on virtual time (testing/synctest)")
				}
				return true
			})
		}
		return nil, nil
	},
}

// usesBubbles says whether a file has tests on virtual time.
func usesBubbles(file *ast.File) bool {
	for _, imported := range file.Imports {
		if imported.Path.Value == `"testing/synctest"` {
			return true
		}
	}
	return false
}

func isSleep(pass *analysis.Pass, call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	f, ok := pass.TypesInfo.Uses[selector.Sel].(*types.Func)
	return ok && f.FullName() == "time.Sleep"
}
