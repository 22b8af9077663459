package consumer

import (
	"errors"

	"github.com/redeliver/redeliver/classify"
)

// failedCall is what the error of a call says, read once.
type failedCall struct {
	err         error
	failure     classify.Failure
	steer       *steer // nil: the handler leaves it to the policy
	undecodable bool   // the call did not come to the handler

	of      *DependencyError // what it names as having failed; nil: nothing
	refused *RefusedError    // a dependency was not called
	putOff  *RefusedError    // the part of its record is not to be called
}

func readError(c *classify.Classifier, err error) failedCall {
	f := failedCall{err: err, failure: c.Classify(err)}
	errors.As(err, &f.steer)
	var u *UndecodableError
	f.undecodable = errors.As(err, &u)
	errors.As(err, &f.of)
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
