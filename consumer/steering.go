package consumer

import (
	"fmt"
	"time"
)

// RetryAfter is a failure that is tried again after exactly delay or later, whatever the policy's delay would be. It
// is an attempt like any other failure, and err is classified; a class that is not retried is retried all the same,
// until the attempts are used up. err may be nil.
func RetryAfter(delay time.Duration, err error) error {
	return &steer{verb: steerRetry, delay: max(delay, 0), err: err}
}

// Snooze puts the record off for delay without using an attempt: it is no failure.
func Snooze(delay time.Duration) error { return &steer{verb: steerSnooze, delay: max(delay, 0)} }

// DeadLetter sends the record to the dead letters now, with reason requested. err says why and is classified.
func DeadLetter(err error) error { return &steer{verb: steerDead, err: err} }

// Drop settles the record without a trace but for the outcome dropped in metrics and the reason in the log.
func Drop(reason string) error { return &steer{verb: steerDrop, reason: reason} }

type steerVerb uint8

const (
	steerRetry steerVerb = iota + 1
	steerSnooze
	steerDead
	steerDrop
)

// steer is an error that decides what becomes of its record.
type steer struct {
	verb   steerVerb
	delay  time.Duration
	reason string
	err    error
	policy bool // retry at the policy's delay
}

func (s *steer) Error() string {
	switch s.verb {
	case steerRetry:
		if s.err != nil {
			return s.err.Error()
		}
		return fmt.Sprintf("retry asked for after %v", s.delay)
	case steerSnooze:
		return fmt.Sprintf("snoozed for %v", s.delay)
	case steerDead:
		if s.err != nil {
			return s.err.Error()
		}
		return "dead letter asked for"
	default:
		return "dropped: " + s.reason
	}
}

// Unwrap returns the handler's own error, so that classification sees it.
func (s *steer) Unwrap() error { return s.err }

// Retriable is a failure that is retried at the policy's delay even if its class would not be. err is classified.
func Retriable(err error) error { return &steer{verb: steerRetry, policy: true, err: err} }
