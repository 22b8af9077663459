package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file is what a test may do to the brokers. The embedded cluster and Apache Kafka are disturbed in the same words.
// What disturbs everybody on the cluster ([MoveCoordinator], [KillNode]) is for tests that do not run in parallel.

// EnvScript names the command that has started the brokers of REDELIVER_TEST_BROKERS, with its flags, like
// "scripts/kafka --name ci": by it a test kills nodes and starts them again.
const EnvScript = "REDELIVER_TEST_KAFKA"

// settleWithin is how long a cluster may take to agree on what was done to it.
const settleWithin = 60 * time.Second

// Fake returns the embedded cluster for faults that Apache Kafka cannot be made to have. On any other broker it skips
// the test and says why.
func Fake(t testing.TB, why string) *kfake.Cluster {
	t.Helper()
	b := broker(t)
	if b.fake == nil {
		t.Skipf("only on the embedded broker, and this is %s: %s", b.description, why)
	}
	return b.fake
}

// RequireNodes skips a test that needs so many brokers, saying so, where there are fewer.
func RequireNodes(t testing.TB, n int) {
	t.Helper()
	if b := broker(t); b.nodes < n {
		t.Skipf("needs %d brokers, and this is %s: scripts/kafka start --nodes 3", n, b.description)
	}
}

// MoveLeader gives a partition another leader and returns when the cluster has one.
func MoveLeader(t testing.TB, topic string, partition int32) {
	t.Helper()
	RequireNodes(t, 2)
	b, admin := broker(t), Admin(t)
	defer admin.Close()
	was, err := partitionNow(t.Context(), admin, topic, partition)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	if b.fake != nil {
		if err := b.fake.MoveTopicPartition(topic, partition, another(b.fake, was.Leader)); err != nil {
			t.Fatalf("kafkatest: moving %s/%d: %v", topic, partition, err)
		}
		return
	}
	// The first of the replicas is the preferred leader: the leader of now goes to the end.
	var replicas []int32
	for _, r := range was.Replicas {
		if r != was.Leader {
			replicas = append(replicas, r)
		}
	}
	if len(replicas) == 0 {
		t.Skipf("%s/%d has one replica, and no other leader to get", topic, partition)
	}
	replicas = append(replicas, was.Leader)
	var req kadm.AlterPartitionAssignmentsReq
	req.Assign(topic, partition, replicas)
	set := make(kadm.TopicsSet)
	set.Add(topic, partition)
	Eventually(t, settleWithin, func() error {
		answers, err := admin.AlterPartitionAssignments(t.Context(), req)
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			return fmt.Errorf("reorder the replicas of %s/%d: %w", topic, partition, err)
		}
		// That it is the leader already is an error too: only what is so afterwards counts.
		_, err = admin.ElectLeaders(t.Context(), kadm.ElectPreferredReplica, set)
		now, errNow := partitionNow(t.Context(), admin, topic, partition)
		if errNow == nil && now.Leader >= 0 && now.Leader != was.Leader {
			return nil
		}
		return errors.Join(fmt.Errorf("%s/%d is still led by node %d", topic, partition, now.Leader), err, errNow)
	})
}

func partitionNow(ctx context.Context, admin *kadm.Client, topic string, partition int32) (kadm.PartitionDetail, error) {
	topics, err := admin.ListTopics(kadm.WithAuthorizedOps(ctx), topic) // past the client's cache
	if err != nil {
		return kadm.PartitionDetail{}, err
	}
	p, ok := topics[topic].Partitions[partition]
	if !ok {
		return p, fmt.Errorf("there is no %s/%d (%w)", topic, partition, topics[topic].Err)
	}
	return p, nil
}

// another returns a node of the embedded cluster that is not the given one.
func another(c *kfake.Cluster, not int32) int32 {
	for n := range int32(embeddedNodes) {
		if n != not {
			return n
		}
	}
	return not
}

// MoveCoordinator gives a consumer group another coordinator.
func MoveCoordinator(t testing.TB, group string) {
	t.Helper()
	RequireNodes(t, 2)
	if fake := broker(t).fake; fake != nil {
		for was := fake.CoordinatorFor(group); fake.CoordinatorFor(group) == was; {
			fake.RehashCoordinators()
		}
		return
	}
	const offsets = "__consumer_offsets"
	admin := Admin(t)
	defer admin.Close()
	topics, err := admin.ListTopicsWithInternal(t.Context(), offsets)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	var hash int32 // Java's String.hashCode, as Kafka has it
	for _, c := range []byte(group) {
		hash = 31*hash + int32(c)
	}
	MoveLeader(t, offsets, (hash&0x7fffffff)%int32(len(topics[offsets].Partitions)))
}

// Leader returns the node that leads a partition.
func Leader(t testing.TB, topic string, partition int32) int32 {
	t.Helper()
	admin := Admin(t)
	defer admin.Close()
	p, err := partitionNow(t.Context(), admin, topic, partition)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	return p.Leader
}

// MortalLeader returns the node that leads a partition, as [Leader] does, and that [KillNode] may kill: the embedded
// cluster elects no other controller, and Apache Kafka takes longer for that than a node that is gone is worth telling of, so there the controller first hands
// the partition to another node.
func MortalLeader(t testing.TB, topic string, partition int32) int32 {
	t.Helper()
	if Leader(t, topic, partition) == controller(t) {
		MoveLeader(t, topic, partition)
	}
	return Leader(t, topic, partition)
}

// controller is the node that is the cluster's controller, which brokers do not say in metadata, -1 where there is none.
func controller(t testing.TB) int32 {
	t.Helper()
	if broker(t).fake != nil {
		return embeddedNodes - 1
	}
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(t.Context(), Client(t))
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		t.Fatalf("ask who is the controller: %v", err)
	}
	for _, described := range resp.Topics {
		for _, p := range described.Partitions {
			return p.LeaderID
		}
	}
	return -1
}

// AddressOf returns where a node listens, as clients are told.
func AddressOf(t testing.TB, node int32) string {
	t.Helper()
	if port, ok := broker(t).ports[node]; ok {
		return fmt.Sprint(":", port) // it may be gone already
	}
	return Brokers(t)[node-1] // scripts/kafka counts from 1
}

// KillNode kills a broker and returns a function that brings it back, which is called by the end of the test if not
// before. The embedded broker only goes on to serve those connections that a test does not cut itself.
func KillNode(t testing.TB, node int32) (back func()) {
	t.Helper()
	RequireNodes(t, 3)
	b := broker(t)
	start := func() error { return script(b, "restart", node) }
	if b.fake != nil {
		port := b.ports[node]
		start = func() error {
			_, _, err := b.fake.AddNode(node, port)
			return err
		}
		if node == controller(t) {
			t.Fatalf("kafkatest: node %d is the controller of the embedded cluster for ever; see MortalLeader", node)
		}
		if err := b.fake.RemoveNode(node); err != nil {
			t.Fatalf("kafkatest: removing node %d: %v", node, err)
		}
	} else {
		if os.Getenv(EnvScript) == "" {
			t.Skipf("killing a node needs the command that has started it in %s, such as \"scripts/kafka\"", EnvScript)
		}
		if err := script(b, "kill", node); err != nil {
			t.Fatalf("kafkatest: killing node %d: %v", node, err)
		}
	}
	down := true
	back = func() {
		t.Helper()
		if !down {
			return
		}
		down = false
		if err := start(); err != nil {
			t.Fatalf("kafkatest: bringing node %d back: %v", node, err)
		}
	}
	t.Cleanup(func() {
		back()
		AwaitHealthy(t)
	})
	return back
}

func script(b *testBroker, command string, node int32) error {
	words := strings.Fields(os.Getenv(EnvScript))
	cmd := exec.Command(words[0], append(words[1:], command, strconv.Itoa(int(node)))...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "PWD=") }), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

// AwaitHealthy waits until all brokers are there and every partition has its leader and all replicas in sync.
func AwaitHealthy(t testing.TB) {
	t.Helper()
	b := broker(t)
	admin := Admin(t)
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), settleWithin)
	defer cancel()
	Eventually(t, settleWithin, func() error {
		meta, err := admin.Metadata(kadm.WithAuthorizedOps(ctx))
		if err != nil {
			return err
		}
		if len(meta.Brokers) < b.nodes {
			return fmt.Errorf("%d of %d brokers are there", len(meta.Brokers), b.nodes)
		}
		var problem error
		meta.Topics.EachPartition(func(p kadm.PartitionDetail) {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				problem = fmt.Errorf("%s/%d has leader %d and %d of %d replicas in sync", p.Topic, p.Partition, p.Leader, len(p.ISR), len(p.Replicas))
			}
		})
		return problem
	})
}

// Deny takes an operation on topics away from everybody, and returns a function that gives it back, which is called by
// the end of the test if not before.
func Deny(t testing.TB, op kadm.ACLOperation, topics ...string) (allow func()) {
	t.Helper()
	return deny(t, kadm.NewACLs().Topics(topics...), op)
}

// DenyGroup takes an operation on a consumer group away, as [Deny] does.
func DenyGroup(t testing.TB, op kadm.ACLOperation, group string) (allow func()) {
	t.Helper()
	return deny(t, kadm.NewACLs().Groups(group), op)
}

const everybody = "User:ANONYMOUS"

func deny(t testing.TB, on *kadm.ACLBuilder, op kadm.ACLOperation) (allow func()) {
	t.Helper()
	admin := Admin(t)
	all, taken := *on, *on
	// A resource that has any ACL is closed to all that it does not allow.
	all.Allow(everybody).AllowHosts().Operations(kadm.OpAll).ResourcePatternType(kadm.ACLPatternLiteral)
	taken.Deny(everybody).DenyHosts().Operations(op).ResourcePatternType(kadm.ACLPatternLiteral)
	for _, acl := range []*kadm.ACLBuilder{&all, &taken} {
		created, err := admin.CreateACLs(t.Context(), acl)
		for _, c := range created {
			err = errors.Join(err, c.Err)
		}
		if err != nil {
			t.Fatalf("kafkatest: creating an ACL (on Apache Kafka it needs an authorizer, as scripts/kafka sets one): %v", err)
		}
	}
	// Apache Kafka answers when the controllers know it, and its brokers follow a moment later.
	holds := func(ctx context.Context, want bool) {
		t.Helper()
		Eventually(t, cleanupWithin, func() error {
			described, err := admin.DescribeACLs(ctx, &taken)
			has := false
			for _, d := range described {
				has = has || len(d.Described) > 0
				err = errors.Join(err, d.Err)
			}
			if err == nil && has != want {
				err = fmt.Errorf("that an ACL holds is %v, want %v", has, want)
			}
			return err
		})
	}
	holds(t.Context(), true)
	given := false
	allow = func() {
		t.Helper()
		if given {
			return
		}
		given = true
		ctx, cancel := context.WithTimeout(context.Background(), cleanupWithin)
		defer cancel()
		for _, acl := range []*kadm.ACLBuilder{&taken, &all} {
			deleted, err := admin.DeleteACLs(ctx, acl)
			for _, d := range deleted {
				err = errors.Join(err, d.Err)
			}
			if err != nil {
				t.Errorf("kafkatest: deleting an ACL: %v", err)
			}
		}
		holds(ctx, false)
	}
	t.Cleanup(allow)
	return allow
}
