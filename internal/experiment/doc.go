// Package experiment says which variant of a retry policy is better, and how sure that is, from counts of what became of
// records: see docs/experiments.md for the methods.
package experiment
