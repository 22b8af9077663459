package classify

import "time"

// Context is what rules may know of a failed call beside its error. Its zero
// value knows nothing.
type Context struct {
	Job
	// Topic is where the record first stood.
	Topic string
	// Dependency is what was called.
	Dependency string
	// Attempt is the number of the failed attempt, from 1.
	Attempt int
	// Header returns the value of a header of the record, and whether there is
	// one; nil: there are no headers. It may be called several times, while the
	// failure is classified only.
	Header func(name string) (value []byte, ok bool)
}

// header returns a header's value as text, "" where there is none.
func (c *Context) header(name string) (string, bool) {
	if c.Header == nil {
		return "", false
	}
	value, ok := c.Header(name)
	return string(value), ok
}

// query is one failure that is put before the rules.
type query struct {
	tree tree
	in   *Context
}

// Facts are what a failed call is known by, for the function of [Where]. They
// are worked out when they are asked for, and must not be kept.
type Facts struct{ q *query }

// Context returns what is known beside the error.
func (f Facts) Context() Context { return *f.q.in }

// Error returns the error, as the handler returned it.
func (f Facts) Error() error { return f.q.tree[0].err }

// Type returns the Go type of the innermost cause, as %T prints it.
func (f Facts) Type() string { return typeOf(f.q.tree[f.q.tree.cause(0)].err) }

// Types returns the Go types of the error and of all that it wraps.
func (f Facts) Types() []string { return f.q.tree.types() }

// Status returns the HTTP status that the error carries, 0 if none.
func (f Facts) Status() int { return f.q.tree.status() }

// GRPC returns the name of the gRPC status that the error carries, as
// "UNAVAILABLE"; "" if none.
func (f Facts) GRPC() string {
	_, name := f.q.tree.grpc()
	return name
}

// SQLState returns the SQLSTATE that the error carries, "" if none.
func (f Facts) SQLState() string {
	_, state := f.q.tree.sqlState()
	return state
}

// RetryAfter returns how long the error asks to wait, 0 if it does not.
func (f Facts) RetryAfter() time.Duration { return f.q.tree.retryAfter() }

// Class returns what the error is without rules of the user's.
func (f Facts) Class() Class {
	if _, class, _, ok := builtIn(f.q.tree); ok {
		return class
	}
	return Transient
}

// types names the types of all nodes.
func (t tree) types() []string {
	names := make([]string, len(t))
	for i := range t {
		names[i] = typeOf(t[i].err)
	}
	return names
}

// grpc returns the first gRPC status in the tree that is a failure, "" if none.
func (t tree) grpc() (at int, name string) {
	for i := range t {
		if code, ok := grpcCode(t[i].err); ok && code != 0 {
			return i, grpcName(code)
		}
	}
	return -1, ""
}

// sqlState returns the first SQLSTATE in the tree, "" if none.
func (t tree) sqlState() (at int, state string) {
	for i := range t {
		if state := sqlStateOf(t[i].err); state != "" {
			return i, state
		}
	}
	return -1, ""
}
