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
}

func readError(c *classify.Classifier, in *classify.Context, err error) failedCall {
	f := failedCall{err: err, failure: c.ClassifyIn(in, err), job: in.Job}
	errors.As(err, &f.steer)
	var u *UndecodableError
	f.undecodable = errors.As(err, &u)
	return f
}

// isAttempt reports whether the call counts as a failed attempt: a snooze or a drop only steers.
func (f *failedCall) isAttempt() bool {
	return f.steer == nil || f.steer.verb != steerSnooze && f.steer.verb != steerDrop
}

// tellsOfDependency reports whether the failure may say something about the dependency: what the handler has decided itself
// does not, but for a retry with its cause, and neither does a value that cannot be read.
func (f *failedCall) tellsOfDependency() bool {
	return !f.undecodable && (f.steer == nil || f.steer.verb == steerRetry && f.steer.err != nil)
}

// failedIn is what rules and overrides may know of an entry's failed call.
func (p *Pipeline) failedIn(e *entry) *classify.Context {
	in := &classify.Context{Topic: e.record.Topic, Dependency: p.cfg.Breaker.Dependency, Attempt: e.attempts + 1}
	if e.state != nil {
		in.Topic = e.state.Topic
	}
	headers := e.record.Headers
	if hasOurs(headers) {
		in.Job = retrytopics.JobOf(headers)
	}
	if p.classifier.NeedsContext() {
		in.Header = func(name string) ([]byte, bool) { return retrytopics.UserHeader(headers, name) }
	}
	return in
}
