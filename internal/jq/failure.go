package jq

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/itchyny/gojq"
)

var (
	errNoJSON    = errors.New("the payload is no JSON document")
	errNoUnicode = errors.New("a text in the payload is no Unicode, with bytes that are none or half of a surrogate pair, and would not stay as it is")
	errNone      = errors.New("the program has no outcome for the payload")
	errMany      = errors.New("the program has more than one outcome for the payload")
	errTooLong   = errors.New("the program has no outcome within five seconds")
	errFailed    = errors.New("the program fails on the payload")
	errRaised    = errors.New("the program raises an error")
)

// What the errors of gojq say, up to the value that each of them shows. Nothing before that, and no name of a type, comes from a document.
const types = `null|boolean|number|string|array|object`

var (
	expectation = regexp.MustCompile(`^(?:expected [a-z "]+ but got|invalid path(?: on iterating)? against|cannot iterate over): (?:` + types + `)\b`)
	operation   = regexp.MustCompile(`^(cannot [a-z]+:? (?:` + types + `)\b)(?:.* (and|by:) (` + types + `)\b)?`)
	bound       = regexp.MustCompile(`^(?:array index (?:should not be negative|too large)|repeat string result too large|flatten depth should not be negative)`)
	format      = regexp.MustCompile(`^@[a-z0-9]+ cannot format an array including: (?:` + types + `)\b`)
	function    = regexp.MustCompile(`^(@?[a-z_][a-z_0-9]*)(?:\(.*\))? cannot be applied to`)
	applied     = regexp.MustCompile(` cannot be applied to: (?:` + types + `)\b`)
	plain       = regexp.MustCompile(`^(?:length mismatch|expected an array of 8 numbers|number of seconds is out of range|number is out of range)$`)
)

// failure says why a program failed on a document, without a value of it: those who are told need not be allowed to see that. The message of a program's
// own error is told where it stands in the program as it is.
func failure(program string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errTooLong
	}
	if raised := gojq.ValueError(nil); errors.As(err, &raised) {
		if message, ok := raised.Value().(string); ok && quoted(program, message) {
			return errors.New("error: " + message)
		}
		return errRaised
	}
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	for _, known := range []*regexp.Regexp{expectation, bound, format, plain} {
		if said := known.FindString(text); said != "" {
			return errors.New(said)
		}
	}
	if m := operation.FindStringSubmatch(text); m != nil {
		return errors.New(strings.Join(strings.Fields(strings.Join(m[1:], " ")), " "))
	}
	if m := function.FindStringSubmatch(text); m != nil {
		if of := applied.FindString(text); of != "" {
			return errors.New(m[1] + of)
		}
		return errors.New(m[1] + " cannot be applied to what it is given")
	}
	return errFailed
}

// quoted says whether a text is a constant of the program.
func quoted(program, text string) bool {
	constant, err := json.Marshal(text)
	return err == nil && strings.Contains(program, string(constant))
}
