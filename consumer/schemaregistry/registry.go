package schemaregistry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/redeliver/redeliver/consumer"
)

// Source looks schemas up; *sr.Client is one. It may be called concurrently.
type Source interface {
	SchemaByID(ctx context.Context, id int) (sr.Schema, error)
}

const (
	// lookupTimeout bounds one look-up, whoever waits for it.
	lookupTimeout = 10 * time.Second
	// unknownFor is how long an id that the registry does not know is not asked for again: a topic full of such records
	// must not be a flood for the registry, and a schema that was just registered must not be missed for long.
	unknownFor = 10 * time.Second
	// maxSchemas bounds the ids that are remembered. A registry has fewer in use; records with made-up ids do not.
	maxSchemas = 10_000
)

// Registry remembers the schemas of a registry: what an id stands for never changes. It may be used concurrently, by
// several handlers.
type Registry struct {
	source Source

	mu      sync.Mutex
	schemas map[int]*lookup
}

// New returns a Registry over a client, like that of [sr.NewClient].
func New(source Source) *Registry { return &Registry{source: source, schemas: make(map[int]*lookup)} }

// lookup is what is known about an id: after done is closed, its schema or why there is none.
type lookup struct {
	done   chan struct{}
	schema sr.Schema
	err    error
	until  time.Time // zero: for ever
}

// UnknownSchemaError says that the registry has no schema with the id of a record.
type UnknownSchemaError struct{ ID int }

func (e *UnknownSchemaError) Error() string {
	return fmt.Sprintf("the schema registry knows no schema with id %d", e.ID)
}

// LookupError says that the registry could not be asked for a schema; the record is retried.
type LookupError struct {
	ID  int // of the schema
	Err error
}

func (e *LookupError) Error() string {
	return fmt.Sprintf("look up schema %d in the schema registry: %v", e.ID, e.Err)
}

// Unwrap returns the client's error.
func (e *LookupError) Unwrap() error { return e.Err }

// HTTPStatus returns the status that the registry answered with, 0 when it did not answer.
func (e *LookupError) HTTPStatus() int {
	var response *sr.ResponseError
	if errors.As(e.Err, &response) {
		return response.StatusCode
	}
	return 0
}

// Schema returns the schema with an id, from memory where it was asked for before. Its error is an *UnknownSchemaError,
// or what [consumer.NotDecodedYet] makes of a *LookupError or of the end of ctx.
func (r *Registry) Schema(ctx context.Context, id int) (sr.Schema, error) {
	l := r.lookup(ctx, id)
	select {
	case <-l.done:
	default:
		select {
		case <-l.done:
		case <-ctx.Done():
			return sr.Schema{}, consumer.NotDecodedYet(&LookupError{ID: id, Err: ctx.Err()})
		}
	}
	return l.schema, l.err
}

// lookup returns what is known about an id, or begins to ask. All who need the same id wait for one request, which does
// not end with the context of the one who began it.
func (r *Registry) lookup(ctx context.Context, id int) *lookup {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.schemas[id]; ok && (l.until.IsZero() || time.Now().Before(l.until)) {
		return l
	}
	l := &lookup{done: make(chan struct{})}
	r.remember(id, l)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		schema, err := r.source.SchemaByID(ctx, id)
		r.found(id, l, schema, err)
	}()
	return l
}

// found keeps the outcome of a look-up. One that failed is forgotten, for the next record asks again.
func (r *Registry) found(id int, l *lookup, schema sr.Schema, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.schema = schema
	switch {
	case err == nil:
	case unknown(err):
		l.err, l.until = &UnknownSchemaError{ID: id}, time.Now().Add(unknownFor)
	default:
		l.err = consumer.NotDecodedYet(&LookupError{ID: id, Err: err})
		if r.schemas[id] == l {
			delete(r.schemas, id)
		}
	}
	close(l.done)
}

// remember keeps a look-up, and forgets another one, whichever, when there are too many.
func (r *Registry) remember(id int, l *lookup) {
	if len(r.schemas) >= maxSchemas {
		for other := range r.schemas {
			delete(r.schemas, other)
			break
		}
	}
	r.schemas[id] = l
}

// unknown reports whether the registry said that there is no such schema. A 404 without its error code comes from
// somebody else at that address.
func unknown(err error) bool {
	var response *sr.ResponseError
	return errors.As(err, &response) && response.ErrorCode == sr.ErrSchemaNotFound.Code
}
