package retrytopics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic settings, as Kafka spells them.
const (
	configCleanup       = "cleanup.policy"
	configMaxMessage    = "max.message.bytes"
	configMinInSync     = "min.insync.replicas"
	configRetention     = "retention.ms"
	configRetentionSize = "retention.bytes"
	configTimeType      = "message.timestamp.type"
	configTimeBefore    = "message.timestamp.before.max.ms"
	configTimeApart     = "message.timestamp.difference.max.ms" // before Kafka 3.6

	// headerRoom is how much larger a copy may be than its original: our
	// headers and the batch around them.
	headerRoom = 64 << 10
	// defaultMaxMessage is Kafka's own, for where it may not be read.
	defaultMaxMessage = 1048588

	// inspectPatience bounds how long a plan waits for a broker that has not
	// yet heard of a topic, or a group's first coordinator.
	inspectPatience = 5 * time.Second
)

// cluster is what a plan knows of the cluster.
type cluster struct {
	brokers  int
	topics   kadm.TopicDetails
	configs  map[string]map[string]string // by topic, effective; missing: may not be read
	own      map[string]map[string]string // of these what was set on the topic itself
	warnings []string
}

// spec is one topic as it should be.
type spec struct {
	topic       string
	role        Role
	source      string
	partitions  int32
	replication int16
	configs     map[string]string
}

func (c *cluster) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// ListTopics lists topics as they are now; without names, all of them. kadm
// answers from the client's cache, which may be seconds old and, just after
// topics were made or have grown, without them; a request that also asks for
// permissions goes to the broker.
func ListTopics(ctx context.Context, adm *kadm.Client, topics ...string) (kadm.TopicDetails, error) {
	return adm.ListTopics(kadm.WithAuthorizedOps(ctx), topics...)
}

func inspect(ctx context.Context, adm *kadm.Client) (*cluster, error) {
	meta, err := adm.Metadata(kadm.WithAuthorizedOps(ctx)) // past the cache, see ListTopics
	if err != nil {
		return nil, fmt.Errorf("list the topics of the cluster: %w", err)
	}
	return withTopics(meta.Topics, len(meta.Brokers)), nil
}

// withTopics is a cluster of whose topics no settings are known yet.
func withTopics(topics kadm.TopicDetails, brokers int) *cluster {
	return &cluster{brokers: brokers, topics: topics, configs: make(map[string]map[string]string), own: make(map[string]map[string]string)}
}

func (c *cluster) has(topic string) bool {
	_, ok := c.topics[topic]
	return ok
}

// sources checks that they are there.
func (c *cluster) sources(sources []string) error {
	missing := &MissingSourcesError{Near: map[string][]string{}}
	for _, source := range sources {
		detail, ok := c.topics[source]
		if !ok {
			missing.Topics = append(missing.Topics, source)
			missing.Near[source] = nearest(source, c.topics.Names())
			continue
		}
		if detail.Err != nil {
			return fmt.Errorf("topic %q: %w", source, detail.Err)
		}
	}
	if len(missing.Topics) > 0 {
		return missing
	}
	return nil
}

// describe reads the settings of topics. Where that is not permitted there is
// a warning instead.
func (c *cluster) describe(ctx context.Context, adm *kadm.Client, topics []string) error {
	var described kadm.ResourceConfigs
	var err error
	until(ctx, time.Now().Add(inspectPatience), func() bool {
		described, err = adm.DescribeTopicConfigs(ctx, topics...)
		return err != nil || !slices.ContainsFunc(described, func(d kadm.ResourceConfig) bool { return errors.Is(d.Err, kerr.UnknownTopicOrPartition) })
	})
	var denied *kadm.AuthError
	if errors.As(err, &denied) && len(topics) > 1 {
		// One topic that may not be read fails the request for all.
		for _, topic := range topics {
			if err := c.describe(ctx, adm, []string{topic}); err != nil {
				return err
			}
		}
		return nil
	}
	if denied != nil {
		c.warn("%s: its settings may not be read (%v); they are taken to be right", topics[0], denied)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the settings of topics: %w", err)
	}
	for _, d := range described {
		if d.Err != nil {
			return fmt.Errorf("read the settings of topic %s: %w", d.Name, d.Err)
		}
		configs, own := make(map[string]string, len(d.Configs)), make(map[string]string)
		for _, e := range d.Configs {
			configs[e.Key] = e.MaybeValue()
			if e.Source == kmsg.ConfigSourceDynamicTopicConfig && !e.Sensitive {
				own[e.Key] = e.MaybeValue()
			}
		}
		c.configs[d.Name], c.own[d.Name] = configs, own
	}
	return nil
}

// models names for each source the topic whose partitions, replication and
// size limit its copies follow: the source itself or, when that is gone, the
// topic with the most partitions in which copies of its records wait.
func (c *cluster) models(w Want) map[string]string {
	models := map[string]string{}
	for source, waiting := range w.Gone {
		for _, topic := range slices.Sorted(slices.Values(waiting)) {
			if best, ok := models[source]; c.has(topic) && (!ok || len(c.topics[topic].Partitions) > len(c.topics[best].Partitions)) {
				models[source] = topic
			}
		}
	}
	for _, source := range w.Sources {
		models[source] = source
	}
	return models
}

// specs lists the topics wanted, tiers first, source by source.
func (c *cluster) specs(w Want, models map[string]string) []spec {
	var specs []spec
	for _, source := range slices.Sorted(maps.Keys(models)) {
		model := models[source]
		base := spec{source: source, partitions: int32(len(c.topics[model].Partitions)), replication: int16(w.ReplicationFactor)}
		if w.ReplicationFactor <= 0 {
			base.replication = replicas(c.topics[model])
		}
		add := func(role Role, topic string, configs map[string]string) {
			s := base
			s.role, s.topic = role, topic
			s.configs = c.known(model, configs)
			specs = append(specs, s)
		}
		for _, tier := range w.Tiers {
			add(RoleRetry, w.Names.RetryTopic(source, tier), c.retain(source, model, -1))
		}
		if w.Park {
			add(RolePark, w.Names.RetryTopic(source, Park), c.retain(source, model, -1))
		}
		if w.DLQ {
			retention := int64(-1)
			if w.DLQRetention > 0 {
				retention = w.DLQRetention.Milliseconds()
			}
			dlq := w.Names.DLQTopic(source)
			add(RoleDLQ, dlq, c.retain(source, model, retention))
			// The ledger is read whole by key, so it follows the DLQ's partitions.
			base.partitions = max(base.partitions, int32(len(c.topics[dlq].Partitions)))
			add(RoleLedger, LedgerTopic(dlq), map[string]string{configCleanup: "compact", configTimeType: "CreateTime"})
		}
	}
	for i := range specs {
		if c.replication(specs[i]) >= 3 {
			specs[i].configs[configMinInSync] = "2"
		}
	}
	return specs
}

// retain is how copies of the source's records are kept. A model that holds
// copies has their headers' room already.
func (c *cluster) retain(source, model string, retention int64) map[string]string {
	largest, err := strconv.ParseInt(c.configs[model][configMaxMessage], 10, 32)
	if err != nil {
		largest = defaultMaxMessage
	} else if model != source {
		largest = max(largest-headerRoom, 0)
	}
	never := strconv.FormatInt(math.MaxInt64, 10)
	return map[string]string{
		configCleanup:       "delete",
		configRetention:     strconv.FormatInt(retention, 10),
		configRetentionSize: "-1",
		configMaxMessage:    strconv.FormatInt(min(largest+headerRoom, math.MaxInt32), 10),
		configTimeType:      "CreateTime",
		configTimeBefore:    never,
		configTimeApart:     never,
	}
}

// known leaves out the settings that this broker does not have: old ones do
// not know the bounds on timestamps, new ones not their older name.
func (c *cluster) known(source string, configs map[string]string) map[string]string {
	have := c.configs[source]
	for _, key := range []string{configTimeBefore, configTimeApart} {
		if _, ok := have[key]; !ok {
			delete(configs, key)
		}
	}
	if _, ok := have[configTimeBefore]; ok {
		delete(configs, configTimeApart)
	}
	return configs
}

// replication is what the topic has, or will have; -1 when only the broker
// knows.
func (c *cluster) replication(s spec) int16 {
	if c.has(s.topic) {
		return replicas(c.topics[s.topic])
	}
	return s.replication
}

// replicas of the topic's worst partition; -1 without partitions.
func replicas(detail kadm.TopicDetail) int16 {
	least := int16(-1)
	for _, p := range detail.Partitions {
		if n := int16(len(p.Replicas)); least < 0 || n < least {
			least = n
		}
	}
	return least
}

func existing(c *cluster, specs []spec) []string {
	var names []string
	for _, s := range specs {
		if c.has(s.topic) {
			names = append(names, s.topic)
		}
	}
	return names
}

// compare says what has to be done to a topic. Partitions and sizes that are
// larger than they need be are left alone: nothing ever shrinks.
func (c *cluster) compare(s spec) []Action {
	detail, ok := c.topics[s.topic]
	if !ok {
		return []Action{{
			Kind: Create, Topic: s.topic, Role: s.role, Source: s.source,
			Partitions: s.partitions, Replication: s.replication, Configs: s.configs,
			Why: "does not exist",
		}}
	}
	var actions []Action
	action := Action{
		Topic: s.topic, Role: s.role, Source: s.source,
		Partitions: s.partitions, OldPartitions: int32(len(detail.Partitions)), Replication: replicas(detail),
	}
	if action.OldPartitions < s.partitions {
		grow := action
		grow.Kind = Grow
		grow.Why = fmt.Sprintf("has %d partitions, %s has %d, and a copy keeps its partition number", action.OldPartitions, s.source, s.partitions)
		actions = append(actions, grow)
	}
	if c.configs[s.topic] == nil {
		return actions
	}
	action.Kind, action.Partitions = Configure, max(action.Partitions, action.OldPartitions)
	action.Configs, action.OldConfigs = map[string]string{}, map[string]string{}
	var why []string
	for _, key := range slices.Sorted(maps.Keys(s.configs)) {
		want, have := s.configs[key], c.configs[s.topic][key]
		if satisfies(key, have, want) {
			continue
		}
		action.Configs[key], action.OldConfigs[key] = want, have
		why = append(why, fmt.Sprintf("%s %s -> %s", key, orDefault(have, "unset"), want))
	}
	if len(why) > 0 {
		action.Why = strings.Join(why, ", ")
		actions = append(actions, action)
	}
	return actions
}

// becomes is the topic once what [cluster.compare] says was done.
func (c *cluster) becomes(s spec) Topic {
	t := Topic{Name: s.topic, Role: s.role, Source: s.source, Partitions: s.partitions, Replication: c.replication(s), Configs: maps.Clone(c.own[s.topic])}
	t.Partitions = max(t.Partitions, int32(len(c.topics[s.topic].Partitions)))
	if t.Configs == nil {
		t.Configs = make(map[string]string, len(s.configs))
	}
	for key, want := range s.configs {
		if have := c.configs[s.topic][key]; satisfies(key, have, want) {
			want = have
		}
		t.Configs[key] = want
	}
	return t
}

// satisfies says whether a setting is good enough as it is.
func satisfies(key, have, want string) bool {
	switch key {
	case configMaxMessage, configMinInSync, configTimeBefore, configTimeApart, configCompactionLag:
		h, errH := strconv.ParseInt(have, 10, 64)
		w, errW := strconv.ParseInt(want, 10, 64)
		return errH == nil && errW == nil && h >= w
	}
	return have == want
}

// leftover finds retry topics of the group that are wanted no more. A name
// alone does not prove whose a topic is (see [Names.Match]); it counts when
// the group has committed a position there, or when the source that it names
// exists and its name can be read in no other way.
func (c *cluster) leftover(ctx context.Context, adm *kadm.Client, w Want, specs []spec) []string {
	wanted := map[string]bool{}
	for _, s := range specs {
		wanted[s.topic] = true
	}
	var candidates []string
	for _, topic := range c.topics.Names() {
		if _, _, ok := w.Names.Match(topic); ok && !wanted[topic] {
			candidates = append(candidates, topic)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	var committed kadm.OffsetResponses
	var err error
	until(ctx, time.Now().Add(inspectPatience), func() bool {
		committed, err = adm.FetchOffsets(ctx, w.Group)
		return !kerr.IsRetriable(err)
	})
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		c.warn("the positions of group %s may not be read (%v): which topics are left over is told by their names alone", w.Group, err)
	}
	var leftover []string
	for _, topic := range candidates {
		source, _, _ := w.Names.Match(topic)
		switch {
		case len(committed[topic]) > 0, c.has(source) && !c.ambiguous(source):
			leftover = append(leftover, topic)
		default:
			c.warn("%s has the name of a retry topic of group %s, but nothing else shows that it is one: if it was, read it out by hand; else it is another group's", topic, w.Group)
		}
	}
	return leftover
}

// ambiguous: the part read as the source may begin with the rest of another
// group's name ("b.orders" of group "a" or "orders" of group "a.b").
func (c *cluster) ambiguous(source string) bool {
	for i := range len(source) - 1 {
		if strings.IndexByte("._-", source[i]) >= 0 && c.has(source[i+1:]) {
			return true
		}
	}
	return false
}
