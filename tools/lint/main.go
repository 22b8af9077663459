// Lint is the linter of this repository: a tool for `go vet -vettool`, beside which scripts/lint runs go vet and
// staticcheck.
//
// Why this set, and not golangci-lint: that takes five minutes to build where nothing is cached, which is every run of
// .ci/run on a new machine; this and staticcheck take less than one, and between them they have what found something.
// Each analyzer below says what it is for. What is left out, and why: shadow (an err of its own in an inner scope is how Go is
// written), fieldalignment (a field stands where it is explained), exhaustive (a default is often the point), and all
// that is taste.
//
// An exception stands where it applies and has its reason: "_ =" and a comment for an error that nobody can use, and
// //lint:ignore CHECK REASON for everything else, staticcheck's too. There are no exceptions by directory.
package main

import (
	"github.com/gordonklaus/ineffassign/pkg/ineffassign"
	"github.com/timakin/bodyclose/passes/bodyclose"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/reflectvaluecompare"
	"golang.org/x/tools/go/analysis/passes/sortslice"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	analyzers := []*analysis.Analyzer{
		droppedError,                 // an error that is dropped without a word
		ineffassign.Analyzer,         // a value that nobody reads
		nilness.Analyzer,             // a nil that is certain to be dereferenced, a comparison that is certain
		unusedwrite.Analyzer,         // a field written in a copy that is thrown away
		reflectvaluecompare.Analyzer, // reflect.Value compared by ==
		sortslice.Analyzer,           // sort.Slice of what is no slice
		bodyclose.Analyzer,           // an HTTP response that keeps its connection for ever
		sleepInTest,                  // a test that waits by the clock instead of for what happens
	}
	for i, a := range analyzers {
		analyzers[i] = withExceptions(a)
	}
	unitchecker.Main(analyzers...)
}
