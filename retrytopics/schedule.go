package retrytopics

import (
	"time"

	"github.com/redeliver/redeliver/classify"
)

// A Schedule is a compiled [Policy]. It is immutable: all methods are pure and
// safe for concurrent use.
type Schedule struct {
	tiers     []time.Duration
	overrides []Override
	rules     []rule // rules[i] is for overrides[i]
	base      rule   // for what no override matches
	inPlace   InPlace

	experiment *experiment // nil: none
}

// rule is a policy or an override with every default filled in.
type rule struct {
	name       string // "" for the policy itself
	strategy   Strategy
	immediate  bool // MinDelay does not hold
	always     bool // retries what its class alone would not
	maxRetries int
	min, max   time.Duration
	total      time.Duration
	jitter     bool
	adaptive   bool // delays may be learned
}

// Verdict is what a failed attempt is owed.
type Verdict uint8

// The verdicts of [Schedule.Next].
const (
	// Retry after Answer.Delay.
	Retry Verdict = iota
	// TryInPlace: again on the spot, after Answer.Delay, without routing.
	TryInPlace
	// Exhausted: no retries are left.
	Exhausted
	// NotRetriable: failures of this class are not retried.
	NotRetriable
	// TimedOut: the first failure is longer ago than the total timeout.
	TimedOut
)

// String names the verdict.
func (v Verdict) String() string {
	return [...]string{"retry", "in_place", "exhausted", "not_retriable", "timed_out"}[v]
}

// Reason is what a dead letter says of the verdict: "" where it is not one.
func (v Verdict) Reason() Reason {
	return [...]Reason{"", "", ReasonExhausted, ReasonNotRetriable, ReasonTimeout}[v]
}

// Question is a failed attempt put before a [Schedule].
type Question struct {
	Failed
	// Topic is where the record first stood.
	Topic string
	// Attempts made so far, this one included. Defaults to Failed.Attempt.
	Attempts int
	// Counts as they stood before this attempt: what [State] carries, or what
	// the last Answer returned. Next counts this attempt itself.
	Counts Counts
	// FirstFailed is when an attempt first failed; zero: this is the first.
	FirstFailed time.Time
	// Now is when this attempt failed.
	Now time.Time
	// Held is for how long since then the record was held by pauses.
	Held time.Duration
	// U makes the jitter: uniform in [0,1).
	U float64
	// InPlaceTries is the number of tries on the spot that were made since the
	// record was last taken from Kafka: 0 for the first attempt.
	InPlaceTries int
	// Always retries the failure even where its class is not retried.
	Always bool
	// Asked is a delay that the handler named, 0: none. It is taken as it is,
	// without bounds or jitter, instead of the strategy's and Retry-After.
	Asked time.Duration
	// Learned is asked for the delay where the policy is adaptive and nobody
	// asked for one; 0 is the configured strategy's. nil: always that.
	Learned func(Wait) time.Duration
}

// Answer is what the failed attempt is owed.
type Answer struct {
	Verdict Verdict
	// Delay before the next attempt, jitter included; 0 unless Retry or
	// TryInPlace.
	Delay time.Duration
	// Override that matched, an index into the policy's, or -1.
	Override int
	// Counts with this attempt in them, to be carried in [State].
	Counts Counts
}

// Tiers returns the tiers, ascending; never empty. Do not change it.
func (s *Schedule) Tiers() []time.Duration { return s.tiers }

// Overrides returns the policy's overrides. Do not change it.
func (s *Schedule) Overrides() []Override { return s.overrides }

// Override returns the index of the first override that matches a failure of a
// record whose origin is the topic, or -1.
func (s *Schedule) Override(f Failed, topic string) int {
	f = f.normal()
	for i := range s.overrides {
		if s.overrides[i].matches(f, topic) {
			return i
		}
	}
	return -1
}

// Next decides what a failed attempt is owed. It is pure: chance comes in by
// Question.U, time by Question.Now.
func (s *Schedule) Next(q Question) Answer {
	if q.Attempts == 0 {
		q.Attempts = q.Attempt
	}
	q.Attempt = q.Attempts
	q.Failed = q.normal()

	a := Answer{Override: s.Override(q.Failed, q.Topic), Counts: q.Counts}
	r := s.rule(a.Override)
	var count int // failures under this rule, this one included
	if a.Override >= 0 {
		a.Counts = q.Counts.Add(r.name, 1)
		count = a.Counts.Get(r.name)
	} else {
		count = max(q.Attempts-a.Counts.charged(), 1)
	}

	switch {
	case !q.Class.Retriable() && !r.always && !q.Always:
		a.Verdict = NotRetriable
	case count > r.maxRetries:
		a.Verdict = Exhausted
	case r.total > 0 && !q.FirstFailed.IsZero() && q.Now.Sub(q.FirstFailed)-q.Held > r.total:
		a.Verdict = TimedOut
	case s.onTheSpot(q):
		a.Verdict, a.Delay = TryInPlace, r.lengthen(s.inPlace.Delay, JitterShare, q.U)
	default:
		a.Verdict = Retry
		if q.InPlaceTries > 0 {
			a.Counts = a.Counts.Add(countInPlace, q.InPlaceTries)
		}
		a.Delay = r.delay(max(count-a.Counts.Get(countInPlace), 1), q, Wait{a.Override, r.maxRetries - count + 1})
	}
	return a
}

func (s *Schedule) rule(override int) *rule {
	if override < 0 {
		return &s.base
	}
	return &s.rules[override]
}

// onTheSpot: tries remain, the record has never travelled (all attempts before
// this one were made here), and nobody asked for more patience than that.
func (s *Schedule) onTheSpot(q Question) bool {
	return q.InPlaceTries < s.inPlace.Max && q.Attempts == q.InPlaceTries+1 &&
		q.Asked == 0 && q.RetryAfter <= s.inPlace.Delay
}

// delay before the given retry, jitter included.
func (r *rule) delay(retry int, q Question, w Wait) time.Duration {
	switch {
	case q.Asked > 0:
		return ceilMillisecond(q.Asked)
	case q.RetryAfter > 0:
		return r.lengthen(max(min(q.RetryAfter, MaxRetryAfter), r.min), JitterShare, q.U)
	}
	if d := r.learned(q, w); d > 0 {
		return r.lengthen(d, LearnedJitterShare, q.U)
	}
	return r.lengthen(r.plain(retry, q.Failed), JitterShare, q.U)
}

// plain is the strategy's delay within the bounds.
func (r *rule) plain(retry int, f Failed) time.Duration {
	d := max(r.strategy.Delay(retry, f), 0)
	if !r.immediate {
		d = max(d, r.min)
	}
	return ceilMillisecond(min(d, r.max))
}

// lengthen adds jitter, at most such a share. It never shortens, so that no attempt is early.
func (r *rule) lengthen(d time.Duration, share, u float64) time.Duration {
	if r.jitter {
		d += time.Duration(float64(d) * share * min(max(u, 0), 1))
	}
	return ceilMillisecond(d)
}

// normal treats what nobody classified as what the classifier would have said.
func (f Failed) normal() Failed {
	if f.Class == classify.None {
		f.Class = classify.Transient
	}
	return f
}
