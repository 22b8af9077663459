package consumer

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
)

// Call calls a dependency from within a handler: dependency is the name of one of [Config.Dependencies], or of
// [Config.Breaker]. ctx is the handler's, or one derived from it. How f ends is recorded with the breaker of that dependency,
// at once, and what the handler returns then says nothing of it any more.
//
// While the breaker lets no call through Call returns a [*RefusedError] without calling f. A handler that returns that error
// uses no attempt: its record stays, and is handled again when the dependency can be called. An error of f is returned as a
// [*DependencyError]; if it opened the breaker, or ended while that was open, the record that fails for it uses no attempt
// either.
//
// Outside of a handler Call just calls f. It may be called concurrently, until the handler returns.
func Call(ctx context.Context, dependency string, f func(ctx context.Context) error) error {
	s, _ := ctx.Value(callKey{}).(*callState)
	if s == nil {
		return f(ctx)
	}
	d := s.p.dependency(dependency)
	if d == nil {
		return classify.Mark(fmt.Errorf("consumer: Call: the dependency %q is not declared: add it to Config.Dependencies of pipeline %s", dependency, s.p.cfg.Name), classify.System)
	}
	return s.call(ctx, d, f)
}

// DependencyFailed says that err is a failure of that dependency, one of [Config.Dependencies], and not of the pipeline's first
// one. It is nil for a nil err.
func DependencyFailed(dependency string, err error) error {
	if err == nil {
		return nil
	}
	return &DependencyError{Dependency: dependency, Err: err}
}

// DependencyError is a failure that counts against the breaker of one of the pipeline's dependencies.
type DependencyError struct {
	Dependency string
	Err        error

	recorded bool          // the breaker knows of it
	after    breaker.State // of the breaker, then
}

func (e *DependencyError) Error() string { return e.Dependency + ": " + e.Err.Error() }

// Unwrap returns the failure itself.
func (e *DependencyError) Unwrap() error { return e.Err }

// RefusedError is the error of a call that was not made, since the breaker of the dependency lets none through.
type RefusedError struct {
	Dependency string
	State      breaker.State
	until      time.Time // when a part that was refused probes
	part       bool      // only records of one part are concerned
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s was not called: its breaker is %s", e.Dependency, e.State)
}

type callKey struct{}

// callState is what [Call] knows of the handler call that it is called from. A worker has one, for one call after the other.
type callState struct {
	p      *Pipeline
	permit callPermit  // of the handler call; set before it
	record *Record     // that it is made for; nil: several
	again  atomic.Bool // its record has failed before
	told   atomic.Uint32
	span   Span // of a call that failed and whose end is not known yet
}

// begin readies the state for another handler call with the same permit.
func (s *callState) begin(r *Record, again bool) {
	if s.record != r {
		s.record = r
	}
	if s.told.Load() != 0 {
		s.told.Store(0)
	}
	if s.again.Load() != again {
		s.again.Store(again)
	}
}

// spokenFor counts, for each dependency that the last call spoke for itself, one more.
func (s *callState) spokenFor(counts *[maxDependencies]int) {
	for told := s.told.Load(); told != 0; told &= told - 1 {
		counts[bits.TrailingZeros32(told)]++
	}
}

// speaks notes that the call speaks for a dependency itself, and reports whether it had not before.
func (s *callState) speaks(d *dependency) (first bool) {
	bit := uint32(1) << d.index
	return s.told.Or(bit)&bit == 0
}

func (s *callState) call(ctx context.Context, d *dependency, f func(ctx context.Context) error) error {
	permit, ok := s.acquire(d)
	if !ok {
		return &RefusedError{Dependency: d.name, State: d.breaker.State()}
	}
	began := time.Now()
	recorded := false
	defer func() {
		if !recorded { // it panicked
			d.breaker.Record(permit, breaker.Ignored, time.Since(began))
		}
	}()
	err := f(ctx)
	recorded = true
	took := time.Since(began)
	if err == nil {
		d.breaker.Record(permit, breaker.Success, took)
		return nil
	}
	failure := readError(s.p.classifier, s.p.failedFor(s.record, d.name), err)
	outcome := breaker.Ignored
	if d.counts[failure.failure.Class] && failure.tellsOfDependency() && !s.cancelled(ctx) {
		if outcome = breaker.FailureAgain; !s.again.Load() {
			outcome = breaker.Failure
			s.p.slots.falter()
		}
	}
	after := d.breaker.Record(permit, outcome, took)
	return &DependencyError{Dependency: d.name, Err: err, recorded: true, after: after}
}

// cancelled reports whether the call ended since its handler was told to: at its time-out that is a failure all the same.
func (s *callState) cancelled(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) || s.p.membership.over(time.Now())
}

// acquire asks for a permit. The first call within a probe has the probe's own.
func (s *callState) acquire(d *dependency) (breaker.Permit, bool) {
	first := s.speaks(d)
	if first && s.permit.probe && d.breaker.State() == breaker.HalfOpen {
		return s.permit.of(d.index), true
	}
	return d.breaker.Acquire()
}
