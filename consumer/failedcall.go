package consumer

import (
	"errors"

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

func readError(c *classify.Classifier, in *classify.Context, err error) failedCall {
	f := failedCall{err: err, job: in.Job}
	if errors.As(err, &f.of) {
		named := *in
		named.Dependency = f.of.Dependency
		in = &named
	}
	f.failure = c.ClassifyIn(in, err)
	errors.As(err, &f.steer)
	var u *UndecodableError
	f.undecodable = errors.As(err, &u)
	if errors.As(err, &f.refused); f.refused != nil && f.refused.part {
		f.putOff = f.refused
	}
	var put *putOffError
	if errors.As(err, &put) {
		f.putOff = put.refusal
	}
	return f
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
func (p *Pipeline) failedIn(e *entry) *classify.Context {
	in := &classify.Context{Topic: e.record.Topic, Dependency: p.cfg.Breaker.Dependency, Attempt: e.attempts + 1}
	if e.state != nil {
		in.Topic = e.state.Topic
	}
	p.tellHeaders(in, e.record.Headers)
	return in
}

// failedFor is the same of a call of a dependency that is not at its end: for a record, nil if it is for several.
func (p *Pipeline) failedFor(r *Record, dependency string) *classify.Context {
	in := &classify.Context{Dependency: dependency}
	if r != nil {
		in.Topic, in.Attempt = r.Topic, r.attempt
		p.tellHeaders(in, r.raw.Headers)
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
