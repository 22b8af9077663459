package main

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"
)

// What each of our own analyzers reports, and what it leaves alone, stands in testdata.
func TestAnalyzers(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), withExceptions(droppedError), "droppederror")
	analysistest.Run(t, analysistest.TestData(), withExceptions(sleepInTest), "sleepintest")
}
