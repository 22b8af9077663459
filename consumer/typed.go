package consumer

import (
	"context"
	"encoding/json"
	"fmt"
)

// Message is a record with its value decoded. The bytes are in Record.Value.
type Message[T any] struct {
	*Record
	Value T
}

// Decoder turns a record's bytes into a value. It may be called concurrently.
type Decoder[T any] func(ctx context.Context, r *Record) (T, error)

// Typed makes a function over decoded values a [Handler]. A record that decode cannot read is not retried: it goes to
// the dead letters with reason undecodable. A decoder that failed for another cause than the bytes (a schema registry
// that does not answer) says so with [NotDecodedYet], and the record is retried like after any other failure.
func Typed[T any](decode Decoder[T], f func(ctx context.Context, m Message[T]) error) Handler {
	if decode == nil || f == nil {
		panic("consumer: Typed with a nil function")
	}
	return HandlerFunc(func(ctx context.Context, r *Record) error {
		v, err := decode(ctx, r)
		if err != nil {
			return undecoded(r, err)
		}
		return f(ctx, Message[T]{Record: r, Value: v})
	})
}

// JSON makes a function over JSON values a [Handler]. A null value is decoded like the JSON null.
func JSON[T any](f func(ctx context.Context, m Message[T]) error) Handler {
	return Typed(func(_ context.Context, r *Record) (v T, err error) {
		if r.Value == nil {
			return v, nil
		}
		err = json.Unmarshal(r.Value, &v)
		return v, err
	}, f)
}

// NotDecodedYet marks an error of a [Decoder] as not the record's fault, so that the record is retried.
func NotDecodedYet(err error) error { return &notDecodedYet{err} }

type notDecodedYet struct{ err error }

func (e *notDecodedYet) Error() string { return e.err.Error() }
func (e *notDecodedYet) Unwrap() error { return e.err }

// UndecodableError is the error of a record whose value a typed handler's decoder cannot read.
type UndecodableError struct {
	ID  string // of the record
	Err error  // the decoder's
}

func (e *UndecodableError) Error() string {
	return fmt.Sprintf("decode the value of %s: %v", e.ID, e.Err)
}

// Unwrap returns the decoder's error.
func (e *UndecodableError) Unwrap() error { return e.Err }

func undecoded(r *Record, err error) error {
	if later, ok := err.(*notDecodedYet); ok {
		return later.err
	}
	return &UndecodableError{ID: r.ID(), Err: err}
}
