package integration_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// What the cluster itself says about a group and its topics. Nothing here asks the pipelines.

// lag sums up, over the topics, what the group has not committed of what a reader of committed records can read up to.
func lag(ctx context.Context, admin *kadm.Client, group string, topics ...string) (sum int64, err error) {
	// First the commits, then the ends: a record that goes from one topic to another meanwhile is seen in one of them.
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0, err
	}
	ends, err := admin.ListEndOffsets(ctx, topics...) // of open transactions too: what they hold is on its way
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, err
	}
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return 0, err
	}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(end.Topic, end.Partition)
		at := start.Offset
		if c, ok := committed.Lookup(end.Topic, end.Partition); ok && c.At >= 0 {
			at = c.At
		}
		sum += end.Offset - at
	})
	return sum, nil
}

// settled waits until the group has committed everything in its source and retry topics: nothing waits, nothing is lost.
func (b *bundle) settled(retries ...string) {
	b.t.Helper()
	if retries == nil {
		retries = b.tiers()
	}
	b.settledIn(append([]string{b.source}, retries...)...)
}

func (b *bundle) settledIn(topics ...string) {
	b.t.Helper()
	admin := kafkatest.Admin(b.t)
	eventually(b.t, func() error {
		left, err := lag(b.t.Context(), admin, b.group, topics...)
		if err == nil && left != 0 {
			err = fmt.Errorf("group %s has a lag of %d in %s", b.group, left, strings.Join(topics, ", "))
		}
		return err
	})
}

// ownership says which member has a partition, by what the group's coordinator says.
type ownership map[string]map[int32]string

// owners asks the coordinator. It is an error while the group is not stable.
func owners(ctx context.Context, client *kgo.Client, group string) (ownership, int, error) {
	admin := kadm.NewClient(client)
	described, err := admin.DescribeGroups(ctx, group)
	if err != nil {
		return nil, 0, err
	}
	g := described[group]
	if errors.Is(g.Err, kerr.GroupIDNotFound) || g.Err == nil && len(g.Members) == 0 { // not as a classic group
		return nextGenOwners(ctx, client, group)
	}
	if g.Err != nil {
		return nil, 0, g.Err
	}
	if g.State != "Stable" {
		return nil, 0, fmt.Errorf("group %s is %s", group, g.State)
	}
	o := make(ownership)
	for _, m := range g.Members {
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			return nil, 0, fmt.Errorf("the assignment of %s cannot be read", m.MemberID)
		}
		for _, topic := range assigned.Topics {
			if err := o.add(topic.Topic, m.MemberID, topic.Partitions...); err != nil {
				return nil, 0, err
			}
		}
	}
	return o, len(g.Members), nil
}

// nextGenOwners asks the coordinator of a group that speaks KIP-848. Brokers name the topics by name, by id, or both.
func nextGenOwners(ctx context.Context, client *kgo.Client, group string) (ownership, int, error) {
	topics, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return nil, 0, err
	}
	names := make(map[[16]byte]string)
	for name, d := range topics {
		names[d.ID] = name
	}
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, 0, err
	}
	g := resp.Groups[0]
	if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
		return nil, 0, err
	}
	if !strings.EqualFold(g.State, "Stable") {
		return nil, 0, fmt.Errorf("group %s is %s", group, g.State)
	}
	o := make(ownership)
	for _, m := range g.Members {
		if m.MemberEpoch != g.Epoch { // it has not come as far as the group yet, or is away and static
			return nil, 0, fmt.Errorf("member %s of group %s is at epoch %d of %d", m.MemberID, group, m.MemberEpoch, g.Epoch)
		}
		for _, tp := range m.Assignment.TopicPartitions {
			if err := o.add(cmp.Or(tp.Topic, names[tp.TopicID]), m.MemberID, tp.Partitions...); err != nil {
				return nil, 0, err
			}
		}
	}
	return o, len(g.Members), nil
}

// add notes whose partitions are. No partition belongs to two.
func (o ownership) add(topic, member string, partitions ...int32) error {
	if o[topic] == nil {
		o[topic] = make(map[int32]string)
	}
	for _, p := range partitions {
		if other, twice := o[topic][p]; twice {
			return fmt.Errorf("%s/%d belongs to %s and %s", topic, p, other, member)
		}
		o[topic][p] = member
	}
	return nil
}

// balanced waits until the group has so many members which own all partitions of the topics between them, none of them
// nothing, and returns who has what.
func (b *bundle) balanced(members int, partitions int32, topics ...string) ownership {
	b.t.Helper()
	return b.owned(func(o ownership, n int) error { return balanced(o, n, members, partitions, topics) })
}

// together is balanced for the source and its retry topics, when the partitions of one number are one member's, too: where the coordinator
// assigns, that comes with the last member's hearing of topics that were made a moment before it joined.
func (b *bundle) together(members int, partitions int32) ownership {
	b.t.Helper()
	return b.owned(func(o ownership, n int) error {
		if err := balanced(o, n, members, partitions, append(b.tiers(), b.source)); err != nil {
			return err
		}
		return errors.Join(o.apart(b.source, b.tiers()...)...)
	})
}

// owned waits until the group's ownership and the number of its members are as they should be.
func (b *bundle) owned(as func(o ownership, members int) error) (o ownership) {
	b.t.Helper()
	client := kafkatest.Client(b.t)
	eventually(b.t, func() error {
		var n int
		var err error
		if o, n, err = owners(b.t.Context(), client, b.group); err != nil {
			return err
		}
		if err := as(o, n); err != nil {
			return fmt.Errorf("group %s: %w", b.group, err)
		}
		return nil
	})
	return o
}

// balanced says why so many members do not have all partitions of the topics, each a part.
func balanced(o ownership, n, members int, partitions int32, topics []string) error {
	if n != members {
		return fmt.Errorf("%d members, want %d", n, members)
	}
	busy := make(map[string]bool)
	for _, topic := range topics {
		if len(o[topic]) != int(partitions) {
			return fmt.Errorf("%d partitions of %s are assigned, want %d", len(o[topic]), topic, partitions)
		}
		for _, m := range o[topic] {
			busy[m] = true
		}
	}
	if len(busy) != members {
		return fmt.Errorf("%d of %d members have partitions", len(busy), members)
	}
	return nil
}

// coAssigned expects that a partition of the source and those of the same number of its retry topics are one member's.
func coAssigned(t testing.TB, o ownership, source string, retries ...string) {
	t.Helper()
	for _, err := range o.apart(source, retries...) {
		t.Error(err)
	}
}

// apart returns an error for each partition of a retry topic that another member has than the source's of that number.
func (o ownership) apart(source string, retries ...string) (all []error) {
	for p, member := range o[source] {
		for _, retry := range retries {
			if got := o[retry][p]; got != member {
				all = append(all, fmt.Errorf("co-assignment: %s/%d belongs to %s, but %s/%d to %s", source, p, member, retry, p, got))
			}
		}
	}
	return all
}

// perMember counts the partitions of a topic by their owners, in ascending order.
func (o ownership) perMember(topic string) []int {
	count := make(map[string]int)
	for _, m := range o[topic] {
		count[m]++
	}
	var counts []int
	for _, n := range count {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	return counts
}

// within waits for a signal that a test has arranged.
func within[T any](t testing.TB, what string, signal <-chan T) (v T) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case v = <-signal:
		return v
	case <-timeout.C:
		t.Fatalf("no %s after %s", what, patience)
		return v
	}
}

var errBroken = errors.New("broken")

// eventually asks check until it returns nil.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	kafkatest.Eventually(t, patience, check)
}
