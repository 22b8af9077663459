package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// withExceptions makes an analyzer heed staticcheck's comment, on the line or the one above:
//
//	//lint:ignore nilness,SA5000 a panic is what this test is about
//
// Without a reason it is no exception.
func withExceptions(a *analysis.Analyzer) *analysis.Analyzer {
	wrapped := *a
	wrapped.Run = func(pass *analysis.Pass) (any, error) {
		ignored := exceptions(pass, a.Name)
		heeding := *pass
		heeding.Report = func(d analysis.Diagnostic) {
			if at := pass.Fset.Position(d.Pos); !ignored[place{at.Filename, at.Line}] {
				pass.Report(d)
			}
		}
		return a.Run(&heeding)
	}
	return &wrapped
}

// place is a line of a file.
type place struct {
	file string
	line int
}

// exceptions finds the lines that an analyzer leaves out.
func exceptions(pass *analysis.Pass, analyzer string) map[place]bool {
	lines := make(map[place]bool)
	for _, file := range pass.Files {
		for _, group := range file.Comments {
			for _, comment := range group.List {
				if !excepts(comment, analyzer) {
					continue
				}
				at := pass.Fset.Position(comment.Pos())
				lines[place{at.Filename, at.Line}] = true
				lines[place{at.Filename, lineAfter(pass.Fset, group)}] = true
			}
		}
	}
	return lines
}

func excepts(comment *ast.Comment, analyzer string) bool {
	directive, ok := strings.CutPrefix(comment.Text, "//lint:ignore ")
	fields := strings.Fields(directive)
	return ok && len(fields) > 1 && slices.Contains(strings.Split(fields[0], ","), analyzer)
}

// lineAfter is the line that follows a comment.
func lineAfter(files *token.FileSet, group *ast.CommentGroup) int {
	return files.Position(group.End()).Line + 1
}
