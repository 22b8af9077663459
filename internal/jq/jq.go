// Package jq runs programs of jq over single JSON documents, for `redeliver replay --jq`.
package jq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// patience with a program and one document: one that goes round for ever is not waited for.
const patience = 5 * time.Second

// Compile makes of a program what turns one JSON document into another. That may be called concurrently. A document that is
// no JSON, or has texts that are no Unicode, which would not stay as they are, and a program that fails, that has no outcome, more than one, or none within 5 seconds, is an error. The outcome
// is compact, with its keys in order, and of a key that an object has twice the last; numbers that are integers stay what they are, however large. Files and
// further input are out of the program's reach, and one that asks for the environment, or is no Unicode itself, is not compiled. An error names what failed and types, and no value of the document.
func Compile(program string) (func(document []byte) ([]byte, error), error) {
	query, err := gojq.Parse(program)
	if err != nil {
		return nil, fmt.Errorf("jq %q: %w", program, err)
	}
	asks := false
	code, err := gojq.Compile(query, gojq.WithEnvironLoader(func() []string { asks = true; return nil }))
	switch {
	case err != nil:
		return nil, fmt.Errorf("jq %q: %w", program, err)
	case !isUnicode([]byte(program)): // its texts would be written with U+FFFD in them
		return nil, fmt.Errorf("jq %q: the program is no Unicode: it has bytes that are no UTF-8, or half of a surrogate pair", program)
	case asks: // and would be given null
		return nil, fmt.Errorf("jq %q: the program asks for the environment, which is out of its reach: write the value into it", program)
	}
	return func(document []byte) ([]byte, error) {
		outcome, failed, err := run(code, document)
		if failed != nil {
			err = failure(program, failed)
		}
		return outcome, err
	}, nil
}

// run returns the outcome, or the error of the program, or what else is wrong.
func run(code *gojq.Code, document []byte) (outcome []byte, failed, err error) {
	input, err := decode(document)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	outcomes := code.RunWithContext(ctx, input)
	value, ok := outcomes.Next()
	if !ok {
		return nil, nil, errNone
	}
	if failed, ok := value.(error); ok {
		return nil, failed, nil
	}
	if more, ok := outcomes.Next(); ok {
		if failed, ok := more.(error); ok {
			return nil, failed, nil
		}
		return nil, nil, errMany
	}
	outcome, failed = gojq.Marshal(value)
	return outcome, failed, nil
}

func decode(document []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var input any
	if err := decoder.Decode(&input); err != nil {
		return nil, errNoJSON
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoJSON
	}
	if !isUnicode(document) {
		return nil, errNoUnicode
	}
	return input, nil
}

// isUnicode says whether all texts of a JSON document are, as they were decoded: else there are others in their place.
func isUnicode(document []byte) bool {
	if !utf8.Valid(document) {
		return false
	}
	for {
		at := bytes.IndexByte(document, '\\')
		if at < 0 {
			return true
		}
		document = document[at:]
		first := escaped(document)
		switch {
		case first < 0:
			document = document[min(len(`\n`), len(document)):] // a comment of a program may end with it
		case !utf16.IsSurrogate(first):
			document = document[len(`\u0000`):]
		default:
			document = document[len(`\u0000`):]
			if utf16.DecodeRune(first, escaped(document)) == utf8.RuneError {
				return false
			}
			document = document[len(`\u0000`):]
		}
	}
}

// escaped is the rune of the escape by its number that JSON begins with; -1: it begins with none.
func escaped(json []byte) rune {
	if len(json) < len(`\u0000`) || json[0] != '\\' || json[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(json[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
