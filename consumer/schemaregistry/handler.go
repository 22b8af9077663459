package schemaregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"

	"github.com/redeliver/redeliver/consumer"
)

// Schema is the schema that a record was written with.
type Schema struct {
	ID int
	sr.Schema
}

// Format decodes a payload that was written with a schema. It may be called concurrently. An error says that the
// payload does not fit, unless [consumer.NotDecodedYet] marks it.
type Format[T any] func(ctx context.Context, schema Schema, payload []byte) (T, error)

// Handler makes a function over decoded values a handler. A null value has no schema and gives the zero T.
func Handler[T any](r *Registry, format Format[T], f func(ctx context.Context, m consumer.Message[T]) error) consumer.Handler {
	return consumer.Typed(Decoder(r, format), f)
}

// Decoder returns the decoder of [Handler], for [consumer.Typed]. It may be called concurrently.
func Decoder[T any](r *Registry, format Format[T]) consumer.Decoder[T] {
	var header sr.ConfluentHeader
	return func(ctx context.Context, record *consumer.Record) (v T, err error) {
		if record.Value == nil {
			return v, nil
		}
		id, payload, err := header.DecodeID(record.Value)
		if err != nil {
			return v, headerError(record.Value)
		}
		schema, err := r.Schema(ctx, id)
		if err != nil {
			return v, err
		}
		return format(ctx, Schema{ID: id, Schema: schema}, payload)
	}
}

// HeaderError says that a value does not begin with the wire format's header.
type HeaderError struct {
	Begin []byte // of the value, at most five bytes
	Size  int    // of the value
}

func (e *HeaderError) Error() string {
	if e.Size < 5 {
		return fmt.Sprintf("the value has %d bytes: the schema registry's header has 5", e.Size)
	}
	return fmt.Sprintf("the value begins with % x: the schema registry's header begins with 00, was it written without a schema?", e.Begin)
}

func headerError(value []byte) error {
	return &HeaderError{Begin: append([]byte(nil), value[:min(5, len(value))]...), Size: len(value)}
}

// JSON decodes payloads of JSON Schema with encoding/json. It does not validate them against the schema.
func JSON[T any]() Format[T] {
	return func(_ context.Context, schema Schema, payload []byte) (v T, err error) {
		if err := isType(schema, sr.TypeJSON); err != nil {
			return v, err
		}
		err = json.Unmarshal(payload, &v)
		return v, err
	}
}

// maxIndex bounds how deep messages are nested in a Protobuf payload's message index.
const maxIndex = 64

// Protobuf decodes payloads of Protobuf schemas as T, a generated type like *orderspb.Order. It reads over the message
// index, which says which message of the writer's file it is: a topic holds one type. It panics when T is an interface.
func Protobuf[T proto.Message]() Format[T] {
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Interface {
		panic(fmt.Sprintf("schemaregistry: %v does not say which message the records hold: name a generated type", t))
	}
	var null T
	kind := null.ProtoReflect().Type()
	var header sr.ConfluentHeader
	return func(_ context.Context, schema Schema, payload []byte) (T, error) {
		if err := isType(schema, sr.TypeProtobuf); err != nil {
			return null, err
		}
		_, message, err := header.DecodeIndex(payload, maxIndex)
		if err != nil {
			return null, fmt.Errorf("the message index behind the header cannot be read: %w", err)
		}
		m := kind.New().Interface().(T)
		if err := proto.Unmarshal(message, m); err != nil {
			return null, err
		}
		return m, nil
	}
}

func isType(schema Schema, want sr.SchemaType) error {
	if schema.Type != want {
		return fmt.Errorf("schema %d is of type %v, want %v", schema.ID, schema.Type, want)
	}
	return nil
}

// Compiled makes a format out of a library that turns a schema's text into something that decodes: compile is called
// once for each schema id, and once more after it failed. Both functions may be called concurrently.
//
//	schemaregistry.Compiled(
//		func(s schemaregistry.Schema) (avro.Schema, error) { return avro.Parse(s.Schema.Schema) },
//		func(s avro.Schema, payload []byte) (o Order, err error) { err = avro.Unmarshal(s, payload, &o); return o, err },
//	)
func Compiled[S, T any](compile func(Schema) (S, error), decode func(compiled S, payload []byte) (T, error)) Format[T] {
	var (
		mu    sync.Mutex
		known = make(map[int]S)
	)
	get := func(schema Schema) (S, error) {
		mu.Lock()
		compiled, ok := known[schema.ID]
		mu.Unlock()
		if ok {
			return compiled, nil
		}
		compiled, err := compile(schema)
		if err != nil {
			return compiled, fmt.Errorf("compile schema %d: %w", schema.ID, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(known) >= maxSchemas {
			clear(known)
		}
		known[schema.ID] = compiled
		return compiled, nil
	}
	return func(_ context.Context, schema Schema, payload []byte) (v T, err error) {
		compiled, err := get(schema)
		if err != nil {
			return v, err
		}
		return decode(compiled, payload)
	}
}

// Serde decodes whole values with a Serde that has types registered by schema id: each T, or a type that implements T.
// The registry is not asked; an id that is not registered is undecodable. A null value gives the zero T.
func Serde[T any](serde *sr.Serde) consumer.Decoder[T] {
	return func(_ context.Context, record *consumer.Record) (v T, err error) {
		if record.Value == nil {
			return v, nil
		}
		decoded, err := serde.DecodeNew(record.Value)
		if err != nil {
			return v, err
		}
		switch decoded := decoded.(type) {
		case T:
			return decoded, nil
		case *T: // DecodeNew makes pointers to registered types
			return *decoded, nil
		}
		return v, fmt.Errorf("the schema's id is registered for %T, the handler takes %T", decoded, v)
	}
}
