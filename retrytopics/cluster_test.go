package retrytopics_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// testCluster is a cluster in this process and a client to ask it what is so.
type testCluster struct {
	t     *testing.T
	ctx   context.Context
	fake  *kfake.Cluster
	admin *kadm.Client
}

func newCluster(t *testing.T, opts ...kfake.Opt) *testCluster {
	t.Helper()
	fake, err := kfake.NewCluster(opts...)
	noError(t, err)
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	noError(t, err)
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &testCluster{t: t, ctx: ctx, fake: fake, admin: kadm.NewClient(client)}
}

// topic makes a topic with settings as "key=value".
func (c *testCluster) topic(name string, partitions int32, replication int16, settings ...string) {
	c.t.Helper()
	configs := map[string]*string{}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		configs[key] = &value
	}
	_, err := c.admin.CreateTopic(c.ctx, partitions, replication, configs, name)
	noError(c.t, err)
}

func (c *testCluster) plan(w retrytopics.Want) retrytopics.Plan {
	c.t.Helper()
	p, err := retrytopics.MakePlan(c.ctx, c.admin, w)
	noError(c.t, err)
	return p
}

func (c *testCluster) apply(w retrytopics.Want) {
	c.t.Helper()
	noError(c.t, c.plan(w).Apply(c.ctx, c.admin))
	if again := c.plan(w); !again.Empty() {
		c.t.Fatalf("after it was applied the plan still says %v", actions(again))
	}
}

// shape of a topic: "4 partitions, replication 3, key=value ..." of the keys.
func (c *testCluster) shape(topic string, keys ...string) string {
	c.t.Helper()
	details, err := retrytopics.ListTopics(c.ctx, c.admin, topic)
	noError(c.t, err)
	noError(c.t, details[topic].Err)
	text := fmt.Sprintf("%d partitions, replication %d", len(details[topic].Partitions), details[topic].Partitions.NumReplicas())
	for _, key := range keys {
		text += fmt.Sprintf(", %s=%s", key, c.setting(topic, key))
	}
	return text
}

func (c *testCluster) setting(topic, key string) string {
	c.t.Helper()
	described, err := c.admin.DescribeTopicConfigs(c.ctx, topic)
	noError(c.t, err)
	for _, config := range described[0].Configs {
		if config.Key == key {
			return config.MaybeValue()
		}
	}
	return ""
}

// actions in short: "create billing.orders.dlq", with the settings that are
// changed.
func actions(p retrytopics.Plan) []string {
	out := []string{}
	for _, a := range p.Actions {
		text := string(a.Kind) + " " + a.Topic
		switch a.Kind {
		case retrytopics.Grow:
			text += fmt.Sprintf(" %d -> %d", a.OldPartitions, a.Partitions)
		case retrytopics.Configure:
			text += ": " + a.Why
		}
		out = append(out, text)
	}
	return out
}

func billing(sources ...string) retrytopics.Want {
	slices.Sort(sources)
	return retrytopics.Want{Group: "billing", Sources: sources, Tiers: retrytopics.DefaultTiers(), DLQ: true, AllowCreate: true}
}
