package retrytopics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Want says which topics a pipeline needs beside its sources.
type Want struct {
	// Group is the consumer group. Defaults to Names.Group.
	Group string
	// Sources are the topics that the pipeline reads; all of them must exist.
	Sources []string
	// Gone are sources that exist no more, each with topics in which copies of
	// its records still wait. Their topics are made like the largest of these.
	Gone map[string][]string
	// Names name the topics. Names.Group defaults to Group.
	Names Names
	// Tiers are the delays that need a topic, see [Schedule.Tiers].
	Tiers []time.Duration
	// Park asks for a park topic per source: records wait in it behind others of
	// their keys.
	Park bool
	// DLQ asks for a dead-letter topic, and a ledger beside it, per source.
	DLQ bool
	// DLQRetention is for how long dead letters are kept. 0 and negative mean
	// for ever.
	DLQRetention time.Duration
	// ReplicationFactor of topics that are made. 0 and negative mean that of
	// the source.
	ReplicationFactor int
	// AllowCreate lets Plan.Apply create, grow and configure topics.
	AllowCreate bool
}

// Plan is what has to be done to the topics of a cluster, and what should be
// known about them.
type Plan struct {
	// Actions to take, in the order in which Apply takes them.
	Actions []Action `json:"actions"`
	// Topics are all that are wanted, as they are once the actions were taken.
	Topics []Topic `json:"topics"`
	// Warnings for people: what works but is not safe.
	Warnings []string `json:"warnings"`
	// Leftover are retry topics of the group that the pipeline no longer
	// needs: of a tier, source or strategy that left the configuration.
	// Records may wait there.
	Leftover []string `json:"leftover"`
	// ReadOnly says that topics may not be changed: Apply then fails when one
	// is missing or too small, and leaves its settings alone.
	ReadOnly bool `json:"read_only"`
}

// Kind says what an [Action] does.
type Kind string

// The kinds of actions.
const (
	Create    Kind = "create"    // a topic that is missing
	Grow      Kind = "grow"      // to more partitions
	Configure Kind = "configure" // settings that are wrong
)

// Role says what a topic is for.
type Role string

// The roles of topics.
const (
	RoleRetry  Role = "retry"  // a tier
	RolePark   Role = "park"   // records that wait behind others of their keys
	RoleDLQ    Role = "dlq"    // dead letters
	RoleLedger Role = "ledger" // what became of the dead letters
)

// Action is one step of a [Plan].
type Action struct {
	Kind  Kind   `json:"kind"`
	Topic string `json:"topic"`
	Role  Role   `json:"role"`
	// Source is the topic that it serves.
	Source string `json:"source"`
	// Partitions that the topic has afterwards, and had before.
	Partitions    int32 `json:"partitions"`
	OldPartitions int32 `json:"old_partitions,omitempty"`
	// Replication factor; -1: the broker's default.
	Replication int16 `json:"replication"`
	// Configs to set, and for Configure what stands there now ("" when unset).
	Configs    map[string]string `json:"configs,omitempty"`
	OldConfigs map[string]string `json:"old_configs,omitempty"`
	// Why, for people.
	Why string `json:"why"`
}

// Topic is a topic that a pipeline needs beside its sources.
type Topic struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	// Source is the topic that it serves.
	Source     string `json:"source,omitempty"`
	Partitions int32  `json:"partitions"`
	// Replication factor; -1: the broker's default.
	Replication int16 `json:"replication"`
	// Configs are those that it needs, and others that somebody has given it.
	Configs map[string]string `json:"configs,omitempty"`
}

// Empty says that there is nothing to do.
func (p Plan) Empty() bool { return len(p.Actions) == 0 }

// Missing describes the actions without which the pipeline cannot run: topics
// to create and to grow.
func (p Plan) Missing() []string {
	var missing []string
	for _, a := range p.Actions {
		switch a.Kind {
		case Create:
			missing = append(missing, fmt.Sprintf("%s (create with %d partitions, %s)", a.Topic, a.Partitions, configText(a.Configs)))
		case Grow:
			missing = append(missing, fmt.Sprintf("%s (grow from %d to %d partitions)", a.Topic, a.OldPartitions, a.Partitions))
		}
	}
	return missing
}

// MissingSourcesError says that source topics do not exist, or may not be
// seen.
type MissingSourcesError struct {
	Topics []string
	// Near lists, for a missing topic, existing ones with a similar name.
	Near map[string][]string
}

// Error implements error.
func (e *MissingSourcesError) Error() string {
	var b strings.Builder
	for i, topic := range e.Topics {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "topic %q does not exist, or may not be described by this user", topic)
		if near := e.Near[topic]; len(near) > 0 {
			fmt.Fprintf(&b, "; did you mean %s?", strings.Join(near, " or "))
		}
	}
	return b.String()
}

// MakePlan compares the cluster with what is wanted. It changes nothing. The
// caller may run it again at any time, for example when a source has grown.
//
// A source that is missing is a [*MissingSourcesError]; names that Kafka would
// refuse are an error too.
func MakePlan(ctx context.Context, adm *kadm.Client, w Want) (Plan, error) {
	w.Group = orDefault(w.Group, w.Names.Group)
	w.Names.Group = orDefault(w.Names.Group, w.Group)
	c, err := inspect(ctx, adm)
	if err != nil {
		return Plan{}, err
	}
	if err := c.sources(w.Sources); err != nil {
		return Plan{}, err
	}
	if brokers := c.brokers; w.ReplicationFactor > brokers && brokers > 0 {
		return Plan{}, fmt.Errorf("topics.replication_factor: %d needs as many brokers, and the cluster has %d; lower it, or -1 for that of the source", w.ReplicationFactor, brokers)
	}
	models := c.models(w)
	if err := c.describe(ctx, adm, slices.Sorted(maps.Values(models))); err != nil {
		return Plan{}, err
	}
	specs := c.specs(w, models)
	if err := c.conflicts(w, specs); err != nil {
		return Plan{}, err
	}
	if err := c.describe(ctx, adm, existing(c, specs)); err != nil {
		return Plan{}, err
	}
	return c.plan(ctx, adm, w, specs), nil
}

func (c *cluster) plan(ctx context.Context, adm *kadm.Client, w Want, specs []spec) Plan {
	p := Plan{ReadOnly: !w.AllowCreate}
	for _, s := range specs {
		p.Actions = append(p.Actions, c.compare(s)...)
		p.Topics = append(p.Topics, c.becomes(s))
	}
	slices.SortStableFunc(p.Actions, func(a, b Action) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	p.Leftover = c.leftover(ctx, adm, w, specs)
	c.warnReplication(specs)
	if p.ReadOnly {
		for _, a := range p.Actions {
			if a.Kind == Configure {
				c.warn("%s: %s is not what it should be (%s) and stays so, because topics.create is false", a.Topic, a.Role, a.Why)
			}
		}
	}
	if w.DLQ && w.DLQRetention > 0 {
		c.warn("dead letters expire after %s (dlq.retention): what is not replayed by then is lost", Canonical(w.DLQRetention))
	}
	p.Warnings = c.warnings
	return p
}

var order = []Kind{Create, Grow, Configure}

// conflicts finds names that cannot be.
func (c *cluster) conflicts(w Want, specs []spec) error {
	var problems []error
	names := slices.Clone(w.Sources)
	for _, s := range specs {
		names = append(names, s.topic)
	}
	for _, collision := range Collisions(names) {
		problems = append(problems, fmt.Errorf("topic names: %s; give the retry and dead-letter topics another template (retry.topic, dlq.topic)", collision))
	}
	others := map[string]string{}
	for name := range c.topics {
		others[metricName(name)] = name
	}
	for _, s := range specs {
		if other, ok := others[metricName(s.topic)]; ok && other != s.topic {
			problems = append(problems, fmt.Errorf("topic %s cannot be made: %s exists, and Kafka does not allow names that differ only in '.' and '_'; give it another template (retry.topic, dlq.topic)", s.topic, other))
		}
	}
	return errors.Join(problems...)
}

func (c *cluster) warnReplication(specs []spec) {
	var single []string
	for _, s := range specs {
		if c.replication(s) == 1 {
			single = append(single, s.topic)
		}
	}
	if len(single) > 0 {
		c.warn("replication factor 1 for %s: when that broker's disk is lost, so are the records that wait there", strings.Join(single, ", "))
	}
}

func configText(configs map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(configs)) {
		parts = append(parts, key+"="+configs[key])
	}
	return strings.Join(parts, " ")
}
