// Package jq runs programs of jq over single JSON documents, for `redeliver replay --jq`.
package jq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/itchyny/gojq"
)

// patience with a program and one document: one that goes round for ever is not waited for.
const patience = 5 * time.Second

// Compile makes of a program what turns one JSON document into another. That may be called concurrently. A document that is
// no JSON, and a program that fails, that has no outcome, more than one, or none within 5 seconds, is an error. The outcome
// is compact, with its keys in order; numbers that are integers stay what they are, however large. The environment, files and
// further input are out of the program's reach.
func Compile(program string) (func(document []byte) ([]byte, error), error) {
	query, err := gojq.Parse(program)
	if err != nil {
		return nil, fmt.Errorf("jq %q: %w", program, err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, fmt.Errorf("jq %q: %w", program, err)
	}
	return func(document []byte) ([]byte, error) { return run(code, document) }, nil
}

var (
	errNoJSON = errors.New("the payload is no JSON document")
	errNone   = errors.New("the program has no outcome for the payload")
	errMany   = errors.New("the program has more than one outcome for the payload")
)

func run(code *gojq.Code, document []byte) ([]byte, error) {
	input, err := decode(document)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	outcomes := code.RunWithContext(ctx, input)
	value, ok := outcomes.Next()
	if !ok {
		return nil, errNone
	}
	if err, failed := value.(error); failed {
		return nil, err
	}
	if more, ok := outcomes.Next(); ok {
		if err, failed := more.(error); failed {
			return nil, err
		}
		return nil, errMany
	}
	return gojq.Marshal(value)
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
	return input, nil
}
