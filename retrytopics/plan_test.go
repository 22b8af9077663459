package retrytopics_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const keptForEver = ", cleanup.policy=delete, retention.ms=-1, retention.bytes=-1"

var retentionKeys = []string{"cleanup.policy", "retention.ms", "retention.bytes"}

func TestPlanMakesWhatIsMissing(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 4, 3, "max.message.bytes=2000000", "retention.ms=3600000", "message.timestamp.before.max.ms=1000", "cleanup.policy=compact")
	c.topic("clicks", 2, 1)
	w := billing("orders", "clicks")

	p := c.plan(w)
	equal(t, actions(p), []string{
		"create billing.clicks.retry-1s", "create billing.clicks.retry-10s", "create billing.clicks.retry-60s",
		"create billing.clicks.dlq", "create billing.clicks.dlq.ledger",
		"create billing.orders.retry-1s", "create billing.orders.retry-10s", "create billing.orders.retry-60s",
		"create billing.orders.dlq", "create billing.orders.dlq.ledger",
	})
	equal(t, p.Actions[5], retrytopics.Action{
		Kind: retrytopics.Create, Topic: "billing.orders.retry-1s", Role: retrytopics.RoleRetry, Source: "orders",
		Partitions: 4, Replication: 3, Why: "does not exist",
		Configs: map[string]string{
			"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "2065536",
			"message.timestamp.type": "CreateTime", "message.timestamp.before.max.ms": "9223372036854775807", "min.insync.replicas": "2",
		},
	})
	equal(t, c.shape("orders"), "4 partitions, replication 3") // nothing is done yet
	equal(t, len(p.Leftover), 0)

	c.apply(w)
	for _, tier := range []string{"1s", "10s", "60s"} {
		equal(t, c.shape("billing.orders.retry-"+tier, retentionKeys...), "4 partitions, replication 3"+keptForEver)
		equal(t, c.shape("billing.clicks.retry-"+tier, retentionKeys...), "2 partitions, replication 1"+keptForEver)
	}
	equal(t, c.shape("billing.orders.dlq", append(retentionKeys, "max.message.bytes", "min.insync.replicas")...),
		"4 partitions, replication 3"+keptForEver+", max.message.bytes=2065536, min.insync.replicas=2")
	equal(t, c.shape("billing.orders.dlq.ledger", "cleanup.policy", "min.insync.replicas"), "4 partitions, replication 3, cleanup.policy=compact, min.insync.replicas=2")
	equal(t, c.shape("billing.clicks.dlq", "max.message.bytes", "min.insync.replicas"), "2 partitions, replication 1, max.message.bytes=1114124, min.insync.replicas=1")
	// What this broker does not have is not set: older and newer names of the bound on timestamps.
	equal(t, c.setting("billing.clicks.dlq", "message.timestamp.before.max.ms"), "")
	equal(t, c.setting("billing.orders.dlq", "message.timestamp.difference.max.ms"), "")
}

func TestPlanWithoutDeadLetters(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	w := billing("orders")
	w.DLQ, w.Tiers = false, w.Tiers[:1]
	equal(t, actions(c.plan(w)), []string{"create billing.orders.retry-1s"})
}

// The park topic is made, grown and kept like a tier; when it is asked for no more it is left over, and read on.
func TestPlanPark(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 3, 1)
	w := billing("orders")
	w.DLQ, w.Tiers, w.Park = false, w.Tiers[:1], true
	equal(t, actions(c.plan(w)), []string{"create billing.orders.retry-1s", "create billing.orders.retry-park"})
	equal(t, c.plan(w).Actions[1].Role, retrytopics.RolePark)
	c.apply(w)
	equal(t, c.shape("billing.orders.retry-park", retentionKeys...), "3 partitions, replication 1"+keptForEver)
	equal(t, len(c.plan(w).Leftover), 0)

	_, err := c.admin.UpdatePartitions(c.ctx, 5, "orders")
	noError(t, err)
	equal(t, actions(c.plan(w)), []string{"grow billing.orders.retry-1s 3 -> 5", "grow billing.orders.retry-park 3 -> 5"})

	w.Park = false
	equal(t, c.plan(w).Leftover, []string{"billing.orders.retry-park"})
}

// Retry topics, dead letters and ledger follow a source that grows; what is
// larger already stays.
func TestPlanGrows(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 2, 3)
	c.apply(billing("orders"))
	_, err := c.admin.UpdatePartitions(c.ctx, 7, "billing.orders.dlq")
	noError(t, err)
	_, err = c.admin.UpdatePartitions(c.ctx, 5, "orders")
	noError(t, err)

	p := c.plan(billing("orders"))
	equal(t, actions(p), []string{
		"grow billing.orders.retry-1s 2 -> 5", "grow billing.orders.retry-10s 2 -> 5", "grow billing.orders.retry-60s 2 -> 5",
		"grow billing.orders.dlq.ledger 2 -> 7", // as its DLQ
	})
	equal(t, p.Actions[0].Why, "has 2 partitions, orders has 5, and a copy keeps its partition number")
	c.apply(billing("orders"))
	equal(t, c.shape("billing.orders.retry-10s"), "5 partitions, replication 3")
	equal(t, c.shape("billing.orders.dlq"), "7 partitions, replication 3")
}

// Settings that endanger records are put right; what is merely generous is
// left alone.
func TestPlanConfigures(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	c.topic("billing.orders.retry-1s", 1, 3)
	c.topic("billing.orders.retry-10s", 1, 3, "cleanup.policy=delete", "retention.ms=-1", "retention.bytes=-1", "max.message.bytes=9000000", "min.insync.replicas=3", "segment.bytes=1000000")
	c.topic("billing.orders.dlq", 3, 1, "retention.ms=-1", "max.message.bytes=100000", "message.timestamp.type=LogAppendTime", "cleanup.policy=compact")
	w := billing("orders")
	w.Tiers = w.Tiers[:2]
	w.DLQRetention = 7 * 24 * time.Hour

	p := c.plan(w)
	equal(t, actions(p), []string{
		"create billing.orders.dlq.ledger",
		"configure billing.orders.retry-1s: max.message.bytes 1048588 -> 1114124, min.insync.replicas 1 -> 2, retention.ms 604800000 -> -1",
		"configure billing.orders.dlq: cleanup.policy compact -> delete, max.message.bytes 100000 -> 1114124, message.timestamp.type LogAppendTime -> CreateTime, retention.ms -1 -> 604800000",
	})
	equal(t, p.Actions[1].Configs, map[string]string{"retention.ms": "-1", "max.message.bytes": "1114124", "min.insync.replicas": "2"})
	equal(t, p.Actions[1].OldConfigs, map[string]string{"retention.ms": "604800000", "max.message.bytes": "1048588", "min.insync.replicas": "1"})
	equal(t, p.Warnings, []string{
		"replication factor 1 for billing.orders.dlq: when that broker's disk is lost, so are the records that wait there",
		"dead letters expire after 168h (dlq.retention): what is not replayed by then is lost",
	})
	c.apply(w)
	equal(t, c.setting("billing.orders.retry-10s", "max.message.bytes"), "9000000")
	equal(t, c.setting("billing.orders.retry-10s", "segment.bytes"), "1000000")
	equal(t, c.setting("billing.orders.dlq", "retention.ms"), "604800000")
}

// A client that remembers its last answer would not see what is new.
func TestListTopicsSeesWhatIsNew(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	for n := range int32(5) {
		found, err := retrytopics.ListTopics(c.ctx, c.admin)
		noError(t, err)
		equal(t, len(found["orders"].Partitions), int(n)+1)
		equal(t, len(found), int(n)+1)
		c.topic("clicks-"+string('a'+n), 1, 3)
		_, err = c.admin.UpdatePartitions(c.ctx, int(n)+2, "orders")
		noError(t, err)
	}
}

func TestPlanReplication(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 1)
	w := billing("orders")
	w.Tiers, w.DLQ = w.Tiers[:1], false
	for _, tt := range []struct {
		factor   int
		want     int16
		inSync   string
		warnings int
	}{
		{-1, 1, "", 1}, // as the source, and that is told
		{0, 1, "", 1},
		{2, 2, "", 0},
		{3, 3, "2", 0},
	} {
		w.ReplicationFactor = tt.factor
		p := c.plan(w)
		equal(t, p.Actions[0].Replication, tt.want)
		equal(t, p.Actions[0].Configs["min.insync.replicas"], tt.inSync)
		equal(t, len(p.Warnings), tt.warnings)
	}
	w.ReplicationFactor = 4
	_, err := retrytopics.MakePlan(c.ctx, c.admin, w)
	fails(t, err, "topics.replication_factor: 4 needs as many brokers, and the cluster has 3")
}

func TestPlanMissingSources(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	c.topic("order-items", 1, 3)
	_, err := retrytopics.MakePlan(c.ctx, c.admin, billing("ordres", "orders", "payments"))
	got := errorAs[*retrytopics.MissingSourcesError](t, err)
	equal(t, got.Topics, []string{"ordres", "payments"})
	equal(t, got.Error(), `topic "ordres" does not exist, or may not be described by this user; did you mean orders?; `+
		`topic "payments" does not exist, or may not be described by this user`)
}

// The topics of a source that is gone are made like the largest in which copies
// of its records wait: a copy keeps its partition number and its size.
func TestPlanSourceThatIsGone(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	c.topic("billing.gone.retry-3s", 2, 1, "max.message.bytes=300000")
	c.topic("billing.gone.retry-5s", 5, 2, "max.message.bytes=500000")
	w := billing("orders")
	w.Tiers, w.DLQ = w.Tiers[:1], false
	w.Gone = map[string][]string{"gone": {"billing.gone.retry-3s", "billing.gone.retry-5s", "billing.gone.deleted"}}
	p := c.plan(w)
	equal(t, len(p.Actions), 2)
	got := p.Actions[0]
	equal(t, got.Topic, "billing.gone.retry-1s")
	equal(t, got.Partitions, int32(5))
	equal(t, got.Replication, int16(2))
	equal(t, got.Configs["max.message.bytes"], "500000")
}

// Where topics may not be made, the plan says what is missing, and Apply does
// nothing but fail when the pipeline cannot run without it.
func TestPlanReadOnly(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 2, 3)
	c.topic("billing.orders.retry-1s", 1, 3, "retention.ms=1000")
	w := billing("orders")
	w.Tiers, w.DLQ, w.AllowCreate = w.Tiers[:2], false, false

	p := c.plan(w)
	equal(t, p.ReadOnly, true)
	equal(t, len(p.Actions), 3)
	err := p.Apply(c.ctx, c.admin)
	missing := errorAs[*retrytopics.MissingTopicsError](t, err)
	equal(t, missing.Topics, p.Missing())
	fails(t, err, "topics.create is false", "billing.orders.retry-10s (create with 2 partitions, cleanup.policy=delete", "billing.orders.retry-1s (grow from 1 to 2 partitions)")
	equal(t, c.shape("billing.orders.retry-1s", "retention.ms"), "1 partitions, replication 3, retention.ms=1000")

	w.Tiers = w.Tiers[:1]
	_, err = c.admin.UpdatePartitions(c.ctx, 2, "billing.orders.retry-1s")
	noError(t, err)
	p = c.plan(w)
	noError(t, p.Apply(c.ctx, c.admin)) // it runs, and is warned about
	equal(t, len(p.Warnings), 1)
	if !strings.Contains(p.Warnings[0], "retention.ms 1000 -> -1") || !strings.Contains(p.Warnings[0], "topics.create is false") {
		t.Fatalf("got warning %q", p.Warnings[0])
	}
	equal(t, c.setting("billing.orders.retry-1s", "retention.ms"), "1000")
}

func TestPlanNamesThatCannotBe(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	c.topic("a.b", 1, 3)
	c.topic("billing_orders_retry-1s", 1, 3)
	_, err := retrytopics.MakePlan(c.ctx, c.admin, billing("orders"))
	fails(t, err, "topic billing.orders.retry-1s cannot be made: billing_orders_retry-1s exists", "retry.topic")

	w := billing("orders", "a.b")
	w.Names = retrytopics.Names{Retry: "{group}-{delay}", DLQ: "a.b"}
	_, err = retrytopics.MakePlan(c.ctx, c.admin, w)
	fails(t, err, "billing-1s is used twice", "a.b is used twice")
}

// What a changed configuration leaves behind is found, and what only looks so
// is not.
func TestPlanLeftover(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	c.topic("clicks", 1, 3)
	c.topic("eu.orders", 1, 3)
	c.apply(billing("orders", "clicks"))
	w := billing("orders")
	w.Tiers = durations(t, "1s 30s")
	equal(t, c.plan(w).Leftover, []string{
		"billing.clicks.retry-10s", "billing.clicks.retry-1s", "billing.clicks.retry-60s",
		"billing.orders.retry-10s", "billing.orders.retry-60s",
	})

	// Of group "billing" and topic "eu.orders", or group "billing.eu" and
	// topic "orders"? And is a topic of a source that is gone ours?
	c.topic("billing.eu.orders.retry-1s", 1, 3)
	c.topic("billing.gone.retry-1s", 1, 3)
	p := c.plan(w)
	equal(t, len(p.Leftover), 5)
	equal(t, len(p.Warnings), 2)
	fails(t, errorText(p.Warnings[0]), "billing.eu.orders.retry-1s has the name of a retry topic of group billing")

	// A committed position tells.
	var at kadm.Offsets
	at.AddOffset("billing.eu.orders.retry-1s", 0, 0, -1)
	at.AddOffset("billing.gone.retry-1s", 0, 0, -1)
	_, err := c.admin.CommitOffsets(c.ctx, "billing", at)
	noError(t, err)
	p = c.plan(w)
	equal(t, len(p.Leftover), 7)
	equal(t, len(p.Warnings), 0)
}

type errorText string

func (e errorText) Error() string { return string(e) }

// A user who may not read settings gets a plan from what can be known.
func TestPlanWithoutPermissionToDescribe(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3, "max.message.bytes=5000000")
	c.topic("clicks", 1, 3, "max.message.bytes=5000000")
	c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: "orders", Err: kerr.TopicAuthorizationFailed, Count: -1})
	w := billing("orders", "clicks")
	w.Tiers, w.DLQ = w.Tiers[:1], false
	p := c.plan(w)
	equal(t, p.Actions[0].Configs["max.message.bytes"], "5065536")
	equal(t, p.Actions[1].Configs["max.message.bytes"], "1114124")
	equal(t, len(p.Warnings), 1)
	fails(t, errorText(p.Warnings[0]), "orders: its settings may not be read")
}

// A plan is data: the command prints it as JSON.
func TestPlanAsJSON(t *testing.T) {
	c := newCluster(t)
	c.topic("orders", 1, 3)
	w := billing("orders")
	w.Tiers, w.DLQ = w.Tiers[:1], false
	got, err := json.Marshal(c.plan(w))
	noError(t, err)
	equal(t, string(got), `{"actions":[{"kind":"create","topic":"billing.orders.retry-1s","role":"retry","source":"orders","partitions":1,"replication":3,`+
		`"configs":{"cleanup.policy":"delete","max.message.bytes":"1114124","message.timestamp.type":"CreateTime","min.insync.replicas":"2","retention.bytes":"-1","retention.ms":"-1"},`+
		`"why":"does not exist"}],"topics":[{"name":"billing.orders.retry-1s","role":"retry","source":"orders","partitions":1,"replication":3,`+
		`"configs":{"cleanup.policy":"delete","max.message.bytes":"1114124","message.timestamp.type":"CreateTime","min.insync.replicas":"2","retention.bytes":"-1","retention.ms":"-1"}}],`+
		`"warnings":null,"leftover":null,"read_only":false}`)
}
