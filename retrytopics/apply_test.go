package retrytopics_test

import (
	"context"
	"testing"

	"github.com/redeliver/redeliver/retrytopics"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Members of a group start together, and each applies the same plan.
func TestApplyInSeveralMembersAtOnce(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 3, 3)
	c.topic("billing.orders.retry-1s", 1, 3)
	var plans []retrytopics.Plan
	for range 8 {
		plans = append(plans, c.plan(billing("orders")))
	}
	results := make(chan error)
	for _, p := range plans {
		go func() { results <- p.Apply(c.ctx, c.admin) }()
	}
	for range plans {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	equal(t, actions(c.plan(billing("orders"))), []string{})
	for _, p := range plans { // and an old plan does no harm
		noError(t, p.Apply(c.ctx, c.admin))
	}
	equal(t, actions(c.plan(billing("orders"))), []string{})
}

// What somebody made between plan and apply is checked and put right.
func TestApplyChecksWhatAnotherMade(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 3, 3)
	p := c.plan(billing("orders"))
	c.topic("billing.orders.retry-1s", 1, 3, "retention.ms=1000")
	c.topic("billing.orders.retry-10s", 9, 1)
	noError(t, p.Apply(c.ctx, c.admin))
	equal(t, c.shape("billing.orders.retry-1s", "retention.ms"), "3 partitions, replication 3, retention.ms=-1")
	equal(t, c.shape("billing.orders.retry-10s", "retention.ms"), "9 partitions, replication 1, retention.ms=-1")
	equal(t, actions(c.plan(billing("orders"))), []string{})
}

// Apache Kafka refuses to grow a topic to the size that it has.
func TestApplyGrowsWhatAnotherHasGrown(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 5, 3)
	c.topic("billing.orders.retry-1s", 2, 3)
	w := billing("orders")
	w.Tiers, w.DLQ = w.Tiers[:1], false
	p := c.plan(w)
	c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Topic: "billing.orders.retry-1s", Err: kerr.InvalidPartitions, Count: -1})
	fails(t, p.Apply(c.ctx, c.admin), "grow topic billing.orders.retry-1s to 5 partitions", "INVALID_PARTITIONS")

	c = newCluster(t)
	c.topic("orders", 5, 3)
	c.topic("billing.orders.retry-1s", 2, 3)
	p = c.plan(w)
	_, err := c.admin.UpdatePartitions(c.ctx, 6, "billing.orders.retry-1s")
	noError(t, err)
	noError(t, p.Apply(c.ctx, c.admin))
	equal(t, c.shape("billing.orders.retry-1s"), "6 partitions, replication 3")
}

func TestApplyWaitsForABusyController(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	c.topic("billing.orders.retry-1s", 1, 3)
	c.topic("clicks", 2, 3)
	c.topic("billing.clicks.retry-1s", 1, 3)
	faults := c.fake.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.ThrottlingQuotaExceeded, Count: 2},
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Err: kerr.ThrottlingQuotaExceeded, Count: 1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Err: kerr.RequestTimedOut, Count: 1},
	)
	c.apply(billing("orders", "clicks"))
	if faults.Hits() < 4 {
		t.Fatalf("only %d faults were met", faults.Hits())
	}
}

// One topic that is refused does not stop the others, and the error says which
// it was and what to do.
func TestApplyRefused(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 2, 3)
	c.topic("billing.orders.retry-10s", 1, 3)
	c.fake.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Topic: "billing.orders.retry-1s", Err: kerr.TopicAuthorizationFailed, Count: -1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Topic: "billing.orders.dlq", Err: kerr.PolicyViolation, Count: -1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Err: kerr.ClusterAuthorizationFailed, Count: -1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Err: kerr.InvalidConfig, Count: -1},
	)
	err := c.plan(billing("orders")).Apply(c.ctx, c.admin)
	fails(t, err,
		"create topic billing.orders.retry-1s (2 partitions, replication 3, cleanup.policy=delete", "TOPIC_AUTHORIZATION_FAILED", "set topics.create to false",
		"create topic billing.orders.dlq (2 partitions", "POLICY_VIOLATION",
		"grow topic billing.orders.retry-10s to 2 partitions", "CLUSTER_AUTHORIZATION_FAILED",
		"configure topic billing.orders.retry-10s (max.message.bytes=1114124", "INVALID_CONFIG",
	)
	equal(t, c.shape("billing.orders.retry-60s"), "2 partitions, replication 3")
}

func TestApplyEndsWithItsContext(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	p := c.plan(billing("orders"))
	faults := c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.ThrottlingQuotaExceeded, Count: -1})
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	result := make(chan error)
	go func() { result <- p.Apply(ctx, c.admin) }()
	noError(t, faults.Wait(c.ctx, 4))
	cancel()
	fails(t, <-result, "create topic billing.orders.retry-1s")
}
