package consumer

import (
	"context"
	"fmt"
	"github.com/redeliver/redeliver/adaptive"
	"log/slog"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/limit"
	"github.com/redeliver/redeliver/retrytopics"
)

// Ordering says which records of a source partition may be handled at the same time.
type Ordering uint8

const (
	// ByKey handles records with one key one at a time, in offset order, and different keys side by side. Records
	// without a key are unordered. A retry leaves the order but never runs beside another record of its key.
	ByKey Ordering = iota
	// ByPartition handles one record of a source partition, its retries included, at a time.
	ByPartition
	// Unordered handles any records side by side.
	Unordered
)

// GroupProtocol is the protocol that the consumer group speaks with its coordinator. All members of a group speak the
// same one.
type GroupProtocol uint8

const (
	// Classic is the protocol of all brokers, with Redeliver's own cooperative balancer that keeps a source
	// partition and its retry partitions together: in a rebalance members give up only what goes to others.
	Classic GroupProtocol = iota
	// Eager is the classic protocol with Redeliver's own balancer in its eager form: in a rebalance every member drains
	// and gives up all that it has before anything is assigned. What is not to move comes back to where it was.
	Eager
	// NextGen is the protocol of KIP-848, which Kafka calls group.protocol=consumer: the coordinator assigns. It needs
	// Apache Kafka 4.0 or newer, better 4.3, whose commits do not fail while a member learns of a rebalance. The session
	// time-out is the broker's. Redeliver asks for the assignor "range", which keeps partitions of one number together while
	// a source and its retry topics have equally many, and tells where that does not hold, see [Stats.Apart].
	NextGen
)

// String returns the protocol's name in config.yaml: classic, eager or consumer.
func (p GroupProtocol) String() string {
	if p > NextGen {
		return fmt.Sprintf("GroupProtocol(%d)", uint8(p))
	}
	return [...]string{"classic", "eager", "consumer"}[p]
}

// Delivery says how a routed copy and the offset of its record belong together.
type Delivery uint8

const (
	// AtLeastOnce writes the copy and commits the offset after it was acknowledged. When the member dies in between, the
	// record is both routed and delivered again from where it was.
	AtLeastOnce Delivery = iota
	// ExactlyOnceRouting writes the copy and commits the offset in one transaction, so that a record is never both
	// routed and delivered again. Handlers are still called at least once. It needs write access to the transactional ids
	// that begin with redeliver-GROUP-. When a member dies in a transaction, the readers of its retry and dead-letter partitions wait
	// for up to ten seconds.
	ExactlyOnceRouting
)

// DataLossPolicy says what happens when records of a source partition are gone before they were read.
type DataLossPolicy uint8

const (
	// HoldOnDataLoss stops the partition and says so, until an operator decides.
	HoldOnDataLoss DataLossPolicy = iota
	// SkipDataLoss goes on with the oldest record that is left, and says so.
	SkipDataLoss
)

// DeadLetterPolicy says what becomes of the records of a key that wait behind one that dies, see [Config.HoldKey].
type DeadLetterPolicy uint8

const (
	// ReleaseOnDeadLetter lets them run when the dead letter is written.
	ReleaseOnDeadLetter DeadLetterPolicy = iota
	// HoldOnDeadLetter sends them after it: they become dead letters too, untried and with the reason "behind", and so does
	// every later record of the key, until all of these are replayed, in the order of their origin, or discarded.
	HoldOnDeadLetter
)

// Start is where a group begins to read its source topics the first time. Retry topics, and partitions that appear
// later, are always read from their beginning.
type Start struct {
	latest bool
	at     time.Time
}

// Earliest starts at the oldest record; it is the default.
func Earliest() Start { return Start{} }

// Latest starts with the records that are produced from now on.
func Latest() Start { return Start{latest: true} }

// At starts with the first record whose timestamp is not before t.
func At(t time.Time) Start { return Start{at: t} }

// Shares are the guaranteed shares of the handler calls in flight when fresh records and retries both want them; what
// one does not use is lent to the other. They are fractions and are weighed against each other.
type Shares struct {
	Fresh   float64 // defaults to 0.5
	Retries float64 // defaults to 0.5
}

// Window bounds what a pipeline holds in memory. Beside it there is what was fetched and not taken yet: of each broker twice three eighths
// of Bytes, 1 to 24 MiB each, as large as it is in memory, and as much once more of partitions that are paused.
type Window struct {
	Records int   // fetched and not yet settled; defaults to 10000
	Bytes   int64 // of their keys, values and headers; may be exceeded by one poll; defaults to 64 MiB
}

// DeadLetters says what becomes of records that are not retried any more.
type DeadLetters struct {
	// Disabled keeps no dead-letter topic: exhausted records are held in place and say so, until an operator skips
	// them, or Drop is set.
	Disabled bool
	// Drop, with Disabled, drops exhausted records.
	Drop bool
	// Retention of the dead-letter topic. Defaults to none: entries are kept until they are replayed or discarded.
	Retention time.Duration
	// Burst is the credit for dead letters that the pipeline starts with, in each process, and that it has at most. A record
	// that is exhausted or not retriable needs one; what a handler itself sent there does not. Without credit the pipeline
	// holds: it tries one record at a time, and goes on when successes have earned some. Defaults to 1000; negative: no bound.
	Burst int
	// PerSuccess is the credit that a record earns that was handled, 0.001 to 1000, in thousandths. A pipeline whose dead letters
	// stay below PerSuccess for each success holds only for more than Burst of them at a time. Defaults to 4.
	PerSuccess float64
}

// Config says what a [Pipeline] does. The zero value of every optional field is a good production setting. A Config may
// be used for several pipelines of different groups.
type Config struct {
	// Adaptive says how delays are learned where Retry.Adaptive is set. Its zero value is a good one.
	Adaptive adaptive.Config
	// Breaker watches the dependency that the handler calls. Defaults to a breaker named after the pipeline, see
	// [breaker.Config].
	Breaker breaker.Config
	// Breakers shares breakers by dependency name between the pipelines of a process. Defaults to a registry of the
	// pipeline's own.
	Breakers *breaker.Registry
	// Brokers are the seed brokers, host:port. Required.
	Brokers []string
	// Classes say how failures of a class are treated: how severe they are, what becomes of their records, and whether Notify is
	// told. Rules may say otherwise. Defaults to [classify.Class.Severity], and retries for what is retriable.
	Classes classify.Treatments
	// Classify are rules that say what kind of failure an error is, before the built-in ones. Defaults to none.
	Classify classify.Rules
	// ClientID is what the brokers know this client by. Defaults to "redeliver".
	ClientID string
	// ClientOptions are passed to the Kafka client: TLS, SASL, dialers, hooks. Options that would break a promise
	// (offset commits, group, transactions, time-outs of copies) are refused by [New], named; the engine's own balancer,
	// isolation, acks, partitioner and callbacks take the place of others.
	ClientOptions []kgo.Opt
	// Concurrency is the most handler calls in flight in this process. While there are several partitions, one whose calls hang
	// or fail uses a sixteenth of it, at least one, and a slot for retries, beside others that need the rest; one that is alone at work gets all
	// but two as its calls succeed, which is remembered for ten seconds, or eight ninths within one and a half seconds. One slot is kept for
	// retries, and of nine or more one for whoever comes. Defaults to 64.
	Concurrency int
	// CountsAgainst are the classes that count as failures of the dependency. Defaults to transient, network,
	// rate_limited, system and authentication.
	CountsAgainst []classify.Class
	// DeadLetters says what becomes of exhausted records. Defaults to a dead-letter topic without retention.
	DeadLetters DeadLetters
	// Dependencies are what the handlers call beside the dependency of Breaker, each with a breaker of its own, at most 15. Every
	// record is taken to need all of them: while the breaker of one is not closed the pipeline holds. A failure counts against
	// the one that it names, see [DependencyFailed] and [Call], and one that names none against the first. A handler call that
	// succeeds is a success of all that it did not call with Call. Defaults to none.
	Dependencies []Dependency
	// Delivery says how copies and offsets belong together. Defaults to AtLeastOnce.
	Delivery Delivery
	// Drain is how long running handlers have to end when a partition is revoked or the pipeline stops, before their
	// contexts are cancelled. It lies between HandlerTimeout and RebalanceTimeout. Defaults to 30s.
	Drain time.Duration
	// Group is the consumer group. Required.
	Group string
	// GroupProtocol is how the group is managed. Defaults to Classic.
	GroupProtocol GroupProtocol
	// Handler handles the records. Required, unless Mux is set.
	Handler Handler
	// HandlerTimeout bounds one handler call, by its context. Defaults to 25s.
	HandlerTimeout time.Duration
	// HeaderDialects are written on copies and dead letters beside Redeliver's own headers, so that programs made for Spring, SmallRye or
	// share groups can read them. They are overwritten on every copy. Defaults to none.
	HeaderDialects []retrytopics.Dialect
	// HeaderLimit bounds the bytes of Redeliver's own headers on a copy; the oldest history gives way first.
	// Defaults to 4096; at least 2048.
	HeaderLimit int
	// HoldKey keeps the order of a key across retries: while a record of a key is retried, later records of the key go untried
	// to a topic of their own, and run in the order of their origin when it is settled: handled, dropped or a dead letter. Records
	// without a key wait for nobody. It needs the ordering ByKey, the delivery ExactlyOnceRouting, and one of Redeliver's own
	// balancers, which is Classic or Eager. While so many records wait behind others that the memory for their order is used up, 16
	// windows of them, their source partitions are paused. Defaults to false.
	HoldKey bool
	// Hooks are told what happens, see [Hook]. Defaults to none.
	Hooks []Hook
	// IDNamespace sets the ids of this pipeline's records apart from those of topics that once had the same name.
	// Defaults to none.
	IDNamespace string
	// InstanceID makes the member static: a restart within the session time-out causes no rebalance, and what it had waits
	// for it until then. No two processes of a group may have the same: one of them stands by, see [Stats.NotReady]. Defaults
	// to none.
	InstanceID string
	// Limits bound how often handlers are called, see [Limit]. Defaults to none.
	Limits []Limit
	// Logger gets the pipeline's log. Defaults to slog.Default().
	Logger *slog.Logger
	// Mux routes several topics to their handlers, instead of Handler.
	Mux *Mux
	// Name names the pipeline in logs and metrics: letters, digits, '-'. Defaults to the group.
	Name string
	// Names are the templates of the retry and dead-letter topics' names. Defaults to {group}.{topic}.retry-{delay} and
	// {group}.{topic}.dlq.
	Names retrytopics.Names
	// Notify is told of failures whose class or rule says Notify, see [Notice]: of the first of a kind at once, then of all others of
	// the kind together, after a minute, two, four, up to an hour. It is called beside the records, once at a time for each kind; a
	// call that takes long delays nothing but the next of its kind. Its context ends with Run. Defaults to nobody.
	Notify func(context.Context, Notice)
	// OnDataLoss says what happens when unread records of a source are gone. Defaults to HoldOnDataLoss.
	OnDataLoss DataLossPolicy
	// OnDeadLetter says what becomes of the records that wait behind one that dies. HoldOnDeadLetter needs HoldKey and a
	// dead-letter topic without retention, and brokers that give topics ids, which is Apache Kafka 2.8 or newer. Defaults to
	// ReleaseOnDeadLetter.
	OnDeadLetter DeadLetterPolicy
	// Ordering says what may be handled side by side. Defaults to ByKey.
	Ordering Ordering
	// Pacers shares the limits of a dependency between the pipelines of a process. Defaults to none but the pipeline's own.
	Pacers *limit.Registry
	// Parts watches the dependency of Breaker part by part, by tenant for example. Defaults to as a whole.
	Parts Parts
	// Priority lets records of a higher priority go first, see [Priority]. Defaults to none.
	Priority *Priority
	// RebalanceTimeout is how long a member may take to give up partitions. Defaults to 60s.
	RebalanceTimeout time.Duration
	// Retry is the policy: how often, when, and over which tiers. Defaults to tiers of 1s, 10s and 60s, one retry each.
	Retry retrytopics.Policy
	// SessionTimeout is how long the group waits for a member that is silent. Defaults to 45s. With NextGen it is the
	// broker's and must not be set.
	SessionTimeout time.Duration
	// Shares divide the slots between fresh records and retries. Defaults to halves.
	Shares Shares
	// Start is where the group begins its first time. Defaults to Earliest.
	Start Start
	// Tenants divide the slots between tenants, see [Tenants]. Defaults to none.
	Tenants *Tenants
	// TopicPatterns select source topics by name, each anchored at both ends. They never match a retry or dead-letter
	// topic. New topics that match are found within a minute.
	TopicPatterns []*regexp.Regexp
	// Topics are the source topics. Required, unless TopicPatterns or Mux is set; defaults to the Mux's topics.
	Topics []string
	// TopicSettings say how retry and dead-letter topics are made.
	TopicSettings TopicSettings
	// Tracer follows records through calls, copies and dead letters, see [Tracer]. Defaults to none, which costs nothing.
	Tracer Tracer
	// Window bounds what is held in memory. Defaults to 10000 records and 64 MiB.
	Window Window
}

// TopicSettings say how retry and dead-letter topics are made.
type TopicSettings struct {
	// Manual leaves the topics to the operator: the pipeline checks them and waits for what is missing.
	Manual bool
	// ReplicationFactor of new topics. Defaults to the broker's default.
	ReplicationFactor int
}
