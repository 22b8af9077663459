package retrytopics

import (
	"fmt"
	"strings"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Defaults and bounds of a [Policy].
const (
	// NoRetries as MaxRetries says that the first failure is the last.
	NoRetries = -1
	// DefaultMaxRetries holds for every strategy but Tiered.
	DefaultMaxRetries = 5
	// DefaultMinDelay keeps every strategy but Immediate from spinning.
	DefaultMinDelay = 100 * time.Millisecond
	// DefaultMaxDelay bounds what a strategy may ask for.
	DefaultMaxDelay = time.Minute
	// DefaultInPlaceDelay is the pause between tries on the spot.
	DefaultInPlaceDelay = 50 * time.Millisecond
	// MaxRetryAfter bounds the delay that a failure itself asks for.
	MaxRetryAfter = time.Hour
	// JitterShare is the most by which jitter lengthens a delay.
	JitterShare = 0.25
	// LearnedJitterShare is the most by which jitter lengthens a delay that was learned. It is aimed at a time, which much jitter
	// would miss; and those that wait for one outage have failed at different times.
	LearnedJitterShare = 0.1

	maxMaxRetries = 10_000
	maxTiers      = 32
	maxTier       = 30 * 24 * time.Hour
	maxInPlace    = 100
	maxJobName    = 64 // bytes of a job's type, user and so on in an override
)

// DefaultTiers returns 1s, 10s, 60s.
func DefaultTiers() []time.Duration {
	return []time.Duration{time.Second, 10 * time.Second, time.Minute}
}

// Policy says how often and after which delays a failed record is tried
// again. Its zero value is a good one: tiers of 1s, 10s and 60s, one retry on
// each, with jitter, and no limit on the total time.
//
// A Policy is plain data; [Policy.Compile] checks it and makes it fast.
type Policy struct {
	// Strategy gives the delay before each retry. Defaults to Tiered.
	Strategy Strategy
	// Tiers are the delays for which there are topics, ascending, each a
	// whole number of milliseconds, at most 30 days and at most 32 of them.
	// The delays of every strategy travel over them. Defaults to 1s, 10s, 60s.
	Tiers []time.Duration
	// AutoTiers makes one tier for each distinct delay that the strategies
	// can ask for, instead of Tiers. With Tiered those are the default tiers.
	AutoTiers bool
	// MaxRetries bounds the retries, those on the spot included: a record is
	// attempted at most 1 + MaxRetries times. 0 means the default, NoRetries
	// none; at most 10,000. Defaults to the number of tiers for Tiered, else
	// to 5, in both cases plus InPlace.Max.
	MaxRetries int
	// MinDelay is the shortest delay of every strategy but Immediate.
	// Defaults to 100ms, or to the shortest tier if that is shorter.
	MinDelay time.Duration
	// MaxDelay is the longest delay that a strategy may ask for; jitter comes
	// on top of it and Retry-After is not bound by it. Defaults to 60s, or to
	// the longest tier of a Tiered policy if that is longer.
	MaxDelay time.Duration
	// NoJitter turns jitter off. With jitter every delay grows by up to 25 %, one that
	// was learned by up to 10 %; none shrinks.
	NoJitter bool
	// TotalTimeout ends retrying at the first failure that comes later than
	// this after the first one; time for which the record was held by pauses
	// does not count. 0 means never.
	TotalTimeout time.Duration
	// InPlace are quick tries on the spot before the first hop.
	InPlace InPlace
	// Adaptive lets delays be learned, see [Question.Learned]: Strategy's are
	// those until enough is known. It does not hold for overrides with a Strategy of their own.
	Adaptive bool
	// Overrides change the policy for some failures; the first that matches
	// holds. Each has its own count of attempts.
	Overrides []Override
	// Experiment has some records retried by other policies. Defaults to none.
	Experiment *Experiment
}

// InPlace describes quick tries on the spot, before a record first travels.
// They are attempts and are counted as such.
type InPlace struct {
	// Max is the number of such tries, at most 100. Defaults to none.
	Max int
	// Delay between them. Defaults to 50ms.
	Delay time.Duration
}

// Override is what differs from the policy for the failures that it matches:
// all conditions that are set must hold, and at least one must be set. What it
// leaves out is the policy's.
//
// An override that names a class or a status retries it even where the class
// is not retriable by itself.
type Override struct {
	Class  classify.Class    // None: any
	Status classify.Statuses // HTTP statuses, empty: any
	Topic  string            // origin topic, "": any
	// Job holds where each of its fields that is set is the record's. The
	// values are printable, without ',' and '='.
	Job classify.Job

	// Strategy defaults to the policy's.
	Strategy Strategy
	// MaxRetries as in Policy. 0 means the policy's where Strategy is left
	// out, else the default of the strategy.
	MaxRetries int
	// MinDelay and MaxDelay default to the policy's.
	MinDelay, MaxDelay time.Duration
	// NoJitter turns jitter off for these failures.
	NoJitter bool
	// TotalTimeout defaults to the policy's; negative: none.
	TotalTimeout time.Duration
}

// Name identifies the override in the redeliver-counts header and to people:
// the parts that it matches on, such as "rate_limited", "409", "5xx",
// "topic:orders", "tenant:acme" or "network+topic:orders". It does not depend on the override's place in the
// list, so that counts survive when the list is reordered.
func (o Override) Name() string {
	var parts []string
	if o.Class != classify.None {
		parts = append(parts, o.Class.String())
	}
	if !o.Status.Empty() {
		parts = append(parts, o.Status.String())
	}
	for _, part := range [...]struct{ name, value string }{
		{"topic:", o.Topic}, {"job:", o.Job.Type}, {"user:", o.Job.User}, {"project:", o.Job.Project}, {"tenant:", o.Job.Tenant},
	} {
		if part.value != "" {
			parts = append(parts, part.name+part.value)
		}
	}
	return strings.Join(parts, "+")
}

// matches says whether the override holds for a failure of a record whose
// origin is the topic.
func (o Override) matches(f Failed, topic string) bool {
	return (o.Class == classify.None || o.Class == f.Class) &&
		(o.Status.Empty() || o.Status.Has(f.Status)) &&
		anyOr(o.Topic, topic) && anyOr(o.Job.Type, f.Job.Type) && anyOr(o.Job.User, f.Job.User) &&
		anyOr(o.Job.Project, f.Job.Project) && anyOr(o.Job.Tenant, f.Job.Tenant)
}

// anyOr reports whether a condition holds, where "" is none.
func anyOr(wanted, is string) bool { return wanted == "" || wanted == is }

// covers reports whether every failure that the other matches is matched by o.
func (o Override) covers(other Override) bool {
	return (o.Class == classify.None || o.Class == other.Class) &&
		(o.Status.Empty() || !other.Status.Empty() && o.Status.Covers(other.Status)) &&
		anyOr(o.Topic, other.Topic) && anyOr(o.Job.Type, other.Job.Type) && anyOr(o.Job.User, other.Job.User) &&
		anyOr(o.Job.Project, other.Job.Project) && anyOr(o.Job.Tenant, other.Job.Tenant)
}

// example is a failure that the override matches.
func (o Override) example() Failed {
	return Failed{Class: o.Class, Status: o.Status.First(), Job: o.Job}.normal()
}

// A FieldError is one thing that is wrong with a [Policy]. [Policy.Compile]
// joins all of them; errors.As finds the first.
type FieldError struct {
	// Field is the path of the setting as config.yaml spells it, below
	// "retry": "max_delay", "tiers[1]", "overrides[0].max_retries".
	Field string
	// Problem says what is wrong and what would be right.
	Problem string
}

// Error implements error.
func (e *FieldError) Error() string { return "retry." + e.Field + ": " + e.Problem }

func fieldErrorf(field, format string, args ...any) *FieldError {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
