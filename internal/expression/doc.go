// Package expression is the small language of `when:` in rules: a yes-or-no question about a failure and the record it happened to.
//
//	status in 500..599 and tenant == "acme" and error contains "quota"
//
// It is expr-lang's, cut down to what cannot take long: no loops, no variables of its own, no functions but those listed in
// [Functions]. An expression is compiled and checked once; asking it changes nothing.
package expression
