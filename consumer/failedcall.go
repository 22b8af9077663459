package consumer

import (
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// failedCall is what the error of a call says, read once.
type failedCall struct {
	err         error
	failure     classify.Failure
	job         classify.Job
	steer       *steer // nil: the handler leaves it to the policy
	undecodable bool   // the call did not come to the handler

	of      *DependencyError // what it names as having failed; nil: nothing
	refused *RefusedError    // a dependency was not called
	putOff  *RefusedError    // the part of its record is not to be called

	became string // of its record, for a tracer
}

func readError(c *classify.Classifier, in classify.Context, err error) failedCall {
	f := failedCall{err: err, job: in.Job}
	var found ourErrors
	found.in(err)
	if f.of = found.of; f.of != nil {
		in.Dependency = f.of.Dependency
	}
	if c.NeedsContext() {
		known := in // which outlives the call, as far as the compiler knows
		f.failure = c.ClassifyIn(&known, err)
	} else {
		f.failure = c.Classify(err)
	}
	f.steer, f.undecodable, f.refused = found.steer, found.undecodable != nil, found.refused
	if f.refused != nil && f.refused.part {
		f.putOff = f.refused
	}
	if found.putOff != nil {
		f.putOff = found.putOff.refusal
	}
	return f
}

// ourErrors are the first errors of each of the engine's types in a tree: what errors.As finds for each, in one walk and without
// an allocation.
type ourErrors struct {
	of          *DependencyError
	steer       *steer
	undecodable *UndecodableError
	refused     *RefusedError
	putOff      *putOffError
}

func (o *ourErrors) in(err error) {
	for err != nil {
		switch e := err.(type) {
		case *steer:
			foremost(&o.steer, e)
		case *DependencyError:
			foremost(&o.of, e)
		case *UndecodableError:
			foremost(&o.undecodable, e)
		case *RefusedError:
			foremost(&o.refused, e)
		case *putOffError:
			foremost(&o.putOff, e)
		case interface{ As(any) bool }:
			asked(&o.steer, e)
			asked(&o.of, e)
			asked(&o.undecodable, e)
			asked(&o.refused, e)
			asked(&o.putOff, e)
		}
		switch wrapper := err.(type) {
		case interface{ Unwrap() error }:
			err = wrapper.Unwrap()
		case interface{ Unwrap() []error }:
			for _, one := range wrapper.Unwrap() {
				o.in(one)
			}
			return
		default:
			return
		}
	}
}

func foremost[E any](found **E, e *E) {
	if *found == nil {
		*found = e
	}
}

// asked asks an error that passes itself off as others.
func asked[E any](found **E, e interface{ As(any) bool }) {
	if as := (*E)(nil); *found == nil && e.As(&as) {
		*found = as
	}
}

// isAttempt reports whether the call counts as a failed attempt: a snooze or a drop only steers.
func (f *failedCall) isAttempt() bool {
	return f.steer == nil || f.steer.verb != steerSnooze && f.steer.verb != steerDrop
}

// tellsOfDependency reports whether the failure may say something about the dependency: what the handler has decided itself
// does not, but for a retry with its cause, and neither does a value that cannot be read.
func (f *failedCall) tellsOfDependency() bool {
	return !f.undecodable && f.refused == nil && (f.steer == nil || f.steer.verb == steerRetry && f.steer.err != nil)
}

// failedIn is what rules and overrides may know of an entry's failed call.
func (p *Pipeline) failedIn(e *entry) classify.Context {
	in := classify.Context{Topic: e.record.Topic, Dependency: p.cfg.Breaker.Dependency, Attempt: e.attempts + 1}
	if e.state != nil {
		in.Topic = e.state.Topic
	}
	p.tellHeaders(&in, e.record.Headers)
	return in
}

// failedFor is the same of a call of a dependency that is not at its end: for a record, nil if it is for several.
func (p *Pipeline) failedFor(r *Record, dependency string) classify.Context {
	in := classify.Context{Dependency: dependency}
	if r != nil {
		in.Topic, in.Attempt = r.Topic, r.attempt
		p.tellHeaders(&in, r.raw.Headers)
	}
	return in
}

func (p *Pipeline) tellHeaders(in *classify.Context, headers []Header) {
	if hasOurs(headers) {
		in.Job = retrytopics.JobOf(headers)
	}
	if p.classifier.NeedsContext() {
		in.Header = func(name string) ([]byte, bool) { return retrytopics.UserHeader(headers, name) }
	}
}
