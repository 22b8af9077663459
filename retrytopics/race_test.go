//go:build race

package retrytopics_test

// underRace says that the race detector runs, which allocates on its own.
const underRace = true
