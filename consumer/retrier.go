package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// RetrierConfig says how a [Retrier] retries. The zero value is a good setting.
type RetrierConfig struct {
	// Breaker watches the dependency that the function calls. Defaults to a breaker named after the retrier.
	Breaker breaker.Config
	// Breakers shares breakers by dependency name, with pipelines too. Defaults to a registry of the retrier's own.
	Breakers *breaker.Registry
	// Classes say how failures of a class are treated, as in [Config]. What would be held there is given up here.
	Classes classify.Treatments
	// Classify are rules before the built-in ones. Defaults to none.
	Classify classify.Rules
	// Context is what rules and overrides know of the calls: whose job they are, for example. Dependency and Topic default to the
	// breaker's dependency and the retrier's name; Attempt is filled in.
	Context classify.Context
	// Logger gets the notices of failures that are severe. Defaults to slog.Default().
	Logger *slog.Logger
	// Notify is told of failures whose class or rule says Notify, as in [Config]. Defaults to nobody.
	Notify func(context.Context, Notice)
	// Policy says how often and when. Its delays are waited out in memory. Defaults to that of a pipeline.
	Policy retrytopics.Policy
	// Timeout bounds one call, by its context. Defaults to 25s.
	Timeout time.Duration
}

// Retrier gives any Go function what a handler has: the strategies, the classes, the breaker and the time-out, without
// Kafka. It waits in memory: what must outlive the process belongs in a topic. A Retrier may be used concurrently.
type Retrier struct {
	name       string
	timeout    time.Duration
	schedule   *retrytopics.Schedule
	classifier *classify.Classifier
	context    classify.Context
	notices    *notices
	breaker    *breaker.Breaker
	counts     map[classify.Class]bool
}

// NewRetrier makes a retrier; the name is its breaker's, unless that has one.
func NewRetrier(name string, c RetrierConfig) (*Retrier, error) {
	if c.Policy.Experiment != nil {
		return nil, errors.New("consumer: Policy: Experiment is for pipelines: a call has no key to be assigned by")
	}
	schedule, err := c.Policy.Compile()
	if err != nil {
		return nil, fmt.Errorf("consumer: Policy: %w", err)
	}
	if c.Breakers == nil {
		c.Breakers = breaker.NewRegistry()
	}
	b, err := c.Breakers.Get(withName(c.Breaker, name))
	if err != nil {
		return nil, fmt.Errorf("consumer: Breaker: %w", err)
	}
	if err := checkTreatments(c.Classes); err != nil {
		return nil, fmt.Errorf("consumer: Classes: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	r := &Retrier{
		name: name, timeout: or(c.Timeout, DefaultHandlerTimeout), schedule: schedule,
		classifier: classify.New(c.Classify).With(c.Classes), context: c.Context, notices: newNotices(c.Notify, c.Logger),
		breaker: b, counts: make(map[classify.Class]bool),
	}
	r.context.Topic = or(r.context.Topic, name)
	r.context.Dependency = or(r.context.Dependency, b.Snapshot().Dependency)
	for _, class := range defaultCounts {
		r.counts[class] = true
	}
	return r, nil
}

// Breaker returns the breaker of the retrier's dependency.
func (r *Retrier) Breaker() *breaker.Breaker { return r.breaker }

// GaveUpError is the error of a call that is not retried any more.
type GaveUpError struct {
	Name     string             // of the retrier
	Attempts int                // made
	Reason   retrytopics.Reason // why there is no other
	History  []retrytopics.Try
	Failure  classify.Failure
	Err      error // of the last attempt
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("%s: gave up after %d attempts (%s): %v", e.Name, e.Attempts, e.Reason, e.Err)
}

// Unwrap returns the error of the last attempt.
func (e *GaveUpError) Unwrap() error { return e.Err }

// Do calls f until it succeeds or the policy has no other attempt for it. It returns nil, a *GaveUpError, or, when ctx
// ended first, ctx's error joined with that of the last attempt. While the breaker is open Do waits, which uses no attempt. The steering errors of handlers
// work here too; [Drop] ends the call with nil.
func (r *Retrier) Do(ctx context.Context, f func(ctx context.Context) error) error {
	state := retrytopics.State{ID: r.name, Topic: r.context.Topic}
	inPlace, free, mark := 0, 0, uint64(0)
	var err error // of the last attempt
	for {
		permit, over := r.permit(ctx)
		if over != nil {
			return errors.Join(over, err)
		}
		began := time.Now()
		err = r.call(ctx, f)
		now := time.Now()
		if err == nil {
			r.breaker.Record(permit, breaker.Success, now.Sub(began))
			return nil
		}
		if ctx.Err() != nil {
			r.breaker.Cancel(permit)
			return errors.Join(ctx.Err(), err)
		}
		in := r.context
		in.Attempt = state.Attempt + 1
		f := readError(r.classifier, in, err)
		if f.steer == nil || f.steer.err != nil {
			r.notices.failed(&f.failure, func() Notice {
				return Notice{Pipeline: r.name, Dependency: in.Dependency, ID: r.name, Topic: in.Topic, Attempt: in.Attempt, Job: in.Job}
			})
		}
		outcome := breaker.Ignored
		if r.counts[f.failure.Class] && f.tellsOfDependency() {
			outcome = breaker.Failure
		}
		after := r.breaker.Record(permit, outcome, now.Sub(began))
		if outcome == breaker.Failure && !after.Admits() {
			// The dependency is away, and this failure uses no attempt; unless it is this call that always fails.
			if free == 0 {
				mark = r.breaker.Succeeded()
			}
			if free < freeInOrder || r.breaker.Succeeded() == mark {
				free++
				continue
			}
		}
		if f.isAttempt() {
			state.Attempt++
			if state.FirstFailed.IsZero() {
				state.FirstFailed = now
			}
			state.History = append(state.History, retrytopics.Try{N: state.Attempt, At: began.UnixMilli(), Ms: now.Sub(began).Milliseconds(), Class: f.failure.Class.String(), Error: f.failure.Text(historyError)})
		}
		d := judge(situation{failedCall: f, state: &state, inPlace: inPlace, now: now, u: rand.Float64(), schedule: r.schedule})
		state.Counts = d.counts
		switch d.verb {
		case verbDrop:
			return nil
		case verbInPlace:
			inPlace++
		case verbRetry:
			inPlace = 0
		case verbDead, verbHoldHere:
			return &GaveUpError{Name: r.name, Attempts: state.Attempt, Reason: d.reason, History: state.History, Failure: f.failure, Err: err}
		}
		if over := sleepUntil(ctx, d.due); over != nil {
			return errors.Join(over, err)
		}
	}
}

// call makes one call, bounded by the time-out, with panics as errors.
func (r *Retrier) call(ctx context.Context, f func(ctx context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = classify.Mark(&PanicError{Value: cause}, classify.System)
		}
	}()
	return f(ctx)
}

// permit waits until the breaker lets a call through.
func (r *Retrier) permit(ctx context.Context) (breaker.Permit, error) {
	if permit, ok := r.breaker.Acquire(); ok {
		return permit, nil
	}
	changed := make(chan struct{}, 1)
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	defer r.breaker.Subscribe(func(breaker.Event) { tell() })()
	defer r.breaker.WhenFree(tell)()
	for {
		if permit, ok := r.breaker.Acquire(); ok {
			return permit, nil
		}
		select {
		case <-ctx.Done():
			return breaker.Permit{}, errors.Join(ctx.Err(), fmt.Errorf("%s: the breaker of %s is %s", r.name, r.breaker.Snapshot().Dependency, r.breaker.State()))
		case <-changed:
		}
	}
}

func sleepUntil(ctx context.Context, due time.Time) error {
	t := time.NewTimer(time.Until(due))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
