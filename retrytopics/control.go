package retrytopics

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// RoleControl is the role of the topic in which the processes of a fleet agree on the state of their breakers.
const RoleControl Role = "control"

// DefaultControlTopic is the control topic's name unless it is given another, and ControlSuffix what another one ends in, so
// that no pattern of source topics matches it.
const (
	DefaultControlTopic = "redeliver.control"
	ControlSuffix       = ".redeliver-control"
)

// IsControl says whether a topic has the name of a control topic.
func IsControl(topic string) bool {
	return topic == DefaultControlTopic || strings.HasSuffix(topic, ControlSuffix) && len(topic) > len(ControlSuffix)
}

const (
	configCompactionLag = "min.compaction.lag.ms"
	configSegment       = "segment.ms"

	// controlLag is for how long every record of the control topic is kept, overtaken or not: longer than any lease.
	controlLag = "600000"
	// controlSegment is after what time records can be compacted at all: whoever starts reads what is left.
	controlSegment = "3600000"
)

// PlanControl compares a fleet's control topic with what it should be: one partition, compacted, with the timestamps of the
// broker. It changes nothing. Of w only ReplicationFactor and AllowCreate count; 0 and negative replicas mean three, or one on each
// broker where there are fewer: orders of an operator stand there and nowhere else.
func PlanControl(ctx context.Context, adm *kadm.Client, topic string, w Want) (Plan, error) {
	c, err := inspect(ctx, adm)
	if err != nil {
		return Plan{}, err
	}
	if w.ReplicationFactor > c.brokers && c.brokers > 0 {
		return Plan{}, fmt.Errorf("topics.replication_factor: %d needs as many brokers, and the cluster has %d; lower it, or -1 for as many as there are, up to 3", w.ReplicationFactor, c.brokers)
	}
	s := spec{topic: topic, role: RoleControl, partitions: 1, replication: int16(min(max(c.brokers, 1), 3)), configs: map[string]string{
		configCleanup: "compact", configTimeType: "LogAppendTime", configCompactionLag: controlLag, configSegment: controlSegment,
	}}
	if w.ReplicationFactor > 0 {
		s.replication = int16(w.ReplicationFactor)
	}
	if n := len(c.topics[topic].Partitions); n > 1 {
		return Plan{}, fmt.Errorf("the control topic %s has %d partitions, and its records have one order in one partition only: name another one in fleet.topic", topic, n)
	}
	if c.replication(s) >= 3 {
		s.configs[configMinInSync] = "2"
	}
	if err := c.conflicts(Want{}, []spec{s}); err != nil {
		return Plan{}, err
	}
	if err := c.describe(ctx, adm, existing(c, []spec{s})); err != nil {
		return Plan{}, err
	}
	p := Plan{ReadOnly: !w.AllowCreate, Actions: c.compare(s), Topics: []Topic{c.becomes(s)}}
	c.warnReplication([]spec{s})
	if p.ReadOnly && slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Kind == Configure }) {
		c.warn("%s: the control topic is not what it should be (%s) and stays so, because topics.create is false", topic, p.Actions[0].Why)
	}
	p.Warnings = c.warnings
	return p, nil
}
