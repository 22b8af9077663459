//go:build !race

package retrytopics_test

const underRace = false
