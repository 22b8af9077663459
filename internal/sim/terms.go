package sim

import (
	"strings"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// Terms are the parts of the members' configuration that the promises speak of.
type Terms struct {
	Group       string
	Sources     []string
	Ordering    consumer.Ordering
	Concurrency int
	Window      int // records
	HeaderLimit int // bytes
	Policy      Policy
	// Policies are those of members whose configuration has another one.
	Policies map[string]Policy
	Drain    time.Duration
	// Eager says that members give all partitions up before they are divided anew.
	Eager bool

	// Coordinated says that the coordinator divides the partitions (KIP-848): those of one number may be apart while members read different topics.
	Coordinated bool
	// ExactlyOnce says that copies and offsets are committed in one transaction.
	ExactlyOnce bool
	// HoldKey says that later records of a key wait behind one that is retried.
	HoldKey bool
	// HoldDead says that they follow it when it dies, and that a key is closed until its dead letters are dealt with.
	HoldDead bool
	// PutsOff says that records may wait in tiers without having been tried, for a limit or for their tenant's share.
	PutsOff bool
	// Ranks says that records of a higher priority go first.
	Ranks bool

	// BreakerCalls is how many calls the breaker wants to have seen, and BreakerRate the rate of failures that opens it.
	// BreakerCalls 0: there is no breaker.
	BreakerCalls int
	BreakerRate  float64
	// SlowHooks is whether hooks take a while with each failure: what is made of it, a breaker's state too, comes after them.
	SlowHooks bool
	// Probes are how many calls a half-open breaker lets through, and SlowStart how long calls take to come back to as many at once as before.
	Probes    int
	SlowStart time.Duration
	// Burst is how many dead letters a member has credit for, at first and at most, negative: for any number; PerSuccess is what each success earns.
	Burst      int
	PerSuccess float64
	// NoDeadLetters says that exhausted records are held, and Drops that they are dropped.
	NoDeadLetters bool
	Drops         bool
	// Prompt is within what time an attempt starts that may start, while nothing is disturbed. 0: it is not checked.
	Prompt time.Duration
}

// retryPart and dlqSuffix are how the default names of the group's topics end.
const (
	retryPart = ".retry-"
	dlqSuffix = ".dlq"

	ledgerSuffix = ".ledger"
	parkName     = "park"
)

// PolicyOf returns the policy of a member.
func (t *Terms) PolicyOf(member string) *Policy {
	if p, ok := t.Policies[member]; ok {
		return &p
	}
	return &t.Policy
}

// RetryTopic names the retry topic of a source for a delay as the contract writes it.
func (t *Terms) RetryTopic(source, delay string) string {
	return t.Group + "." + source + retryPart + delay
}

// DLQTopic names the dead-letter topic of a source.
func (t *Terms) DLQTopic(source string) string { return t.Group + "." + source + dlqSuffix }

// IsSource reports whether a topic is one of the sources.
func (t *Terms) IsSource(topic string) bool {
	for _, s := range t.Sources {
		if s == topic {
			return true
		}
	}
	return false
}

// IsDLQ reports whether a topic is a dead-letter topic of the group.
func (t *Terms) IsDLQ(topic string) bool {
	for _, s := range t.Sources {
		if topic == t.DLQTopic(s) {
			return true
		}
	}
	return false
}

// SourceOf returns the source that a topic of the group belongs to: itself, or the one whose retries or dead letters it
// holds. It returns "" for other topics.
func (t *Terms) SourceOf(topic string) string {
	for _, s := range t.Sources {
		if topic == s || topic == t.DLQTopic(s) || strings.HasPrefix(topic, t.Group+"."+s+retryPart) {
			return s
		}
	}
	return ""
}

// IsRetry reports whether a topic is a retry topic of the group.
func (t *Terms) IsRetry(topic string) bool {
	return !t.IsSource(topic) && !t.IsDLQ(topic) && t.SourceOf(topic) != ""
}

// IsPark reports whether records wait in a topic behind others of their keys.
func (t *Terms) IsPark(topic string) bool {
	return t.HoldKey && t.IsRetry(topic) && strings.HasSuffix(topic, retryPart+parkName)
}
