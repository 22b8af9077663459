// Package payload turns values in the wire format of Confluent's Schema Registry into JSON for people: Avro, Protobuf and JSON Schema, by the
// schema that the value names. It needs no generated types.
package payload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"
)

// Source looks schemas up; *sr.Client is one.
type Source interface {
	SchemaByID(ctx context.Context, id int) (sr.Schema, error)
	SchemaByVersion(ctx context.Context, subject string, version int) (sr.SubjectSchema, error)
}

// ErrNoSchema is the error of a value that names no schema: it is not in the wire format.
var ErrNoSchema = errors.New("the value names no schema")

// Decoded is a value as its schema says.
type Decoded struct {
	SchemaID int
	Type     sr.SchemaType
	JSON     []byte // compact
}

// Decoder decodes values. It may be used concurrently.
type Decoder struct {
	source Source

	mu      sync.Mutex
	schemas map[int]schema
}

// schema is one that was compiled, or why it could not be.
type schema struct {
	kind   sr.SchemaType
	decode func(payload []byte) ([]byte, error)
}

// New returns a decoder that asks the source for each schema once.
func New(source Source) *Decoder { return &Decoder{source: source, schemas: make(map[int]schema)} }

// limits on schemas that come from elsewhere.
const (
	maxReferences = 1000    // that one schema has, with theirs
	maxDepth      = 100     // of references
	maxSchema     = 8 << 20 // bytes of its text
)

// Decode decodes a value. The error is ErrNoSchema where it is not in the wire format, as for null.
func (d *Decoder) Decode(ctx context.Context, value []byte) (Decoded, error) {
	var header sr.ConfluentHeader
	id, payload, err := header.DecodeID(value)
	if err != nil {
		return Decoded{}, ErrNoSchema
	}
	s, err := d.schema(ctx, id)
	if err != nil {
		return Decoded{SchemaID: id}, fmt.Errorf("schema %d: %w", id, err)
	}
	text, err := s.decode(payload)
	if err != nil {
		return Decoded{SchemaID: id, Type: s.kind}, fmt.Errorf("the value does not fit its schema %d (%v): %w", id, s.kind, err)
	}
	return Decoded{SchemaID: id, Type: s.kind, JSON: text}, nil
}

func (d *Decoder) schema(ctx context.Context, id int) (schema, error) {
	d.mu.Lock()
	s, known := d.schemas[id]
	d.mu.Unlock()
	if known {
		return s, nil
	}
	text, err := d.source.SchemaByID(ctx, id)
	if err != nil {
		return s, fmt.Errorf("ask the schema registry: %w", err)
	}
	if len(text.Schema) > maxSchema {
		return s, fmt.Errorf("its text has %d bytes, more than %d", len(text.Schema), maxSchema)
	}
	imports := &references{source: d.source, seen: make(map[string]string)}
	if err := imports.gather(ctx, text.References, 0); err != nil {
		return s, err
	}
	s.kind = text.Type
	switch text.Type {
	case sr.TypeAvro:
		s.decode, err = compileAvro(text.Schema, imports)
	case sr.TypeProtobuf:
		s.decode, err = compileProtobuf(ctx, text.Schema, imports)
	case sr.TypeJSON:
		s.decode = compactJSON
	default:
		err = fmt.Errorf("its type %v is unknown", text.Type)
	}
	if err != nil {
		return s, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.schemas[id] = s
	return s, nil
}

// references are the schemas that others refer to, each before those that refer to it.
type references struct {
	source Source
	seen   map[string]string // text by the name that it is referred to by
	names  []string          // in order
}

func (r *references) gather(ctx context.Context, of []sr.SchemaReference, depth int) error {
	for _, ref := range of {
		if _, seen := r.seen[ref.Name]; seen {
			continue
		}
		if depth == maxDepth || len(r.seen) == maxReferences {
			return fmt.Errorf("it refers to more than %d others, or %d deep", maxReferences, maxDepth)
		}
		s, err := r.source.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return fmt.Errorf("ask the schema registry for %s, version %d, which it refers to: %w", ref.Subject, ref.Version, err)
		}
		if len(s.Schema.Schema) > maxSchema {
			return fmt.Errorf("the text of %s has %d bytes, more than %d", ref.Subject, len(s.Schema.Schema), maxSchema)
		}
		r.seen[ref.Name] = s.Schema.Schema
		if err := r.gather(ctx, s.References, depth+1); err != nil {
			return err
		}
		r.names = append(r.names, ref.Name)
	}
	return nil
}

func compactJSON(payload []byte) ([]byte, error) {
	if !json.Valid(payload) {
		return nil, errors.New("it is no JSON")
	}
	return payload, nil
}
