package integration_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// static gives a member an instance id, which is its name.
func static(id string, p consumer.GroupProtocol, hooks ...consumer.Hook) func(*consumer.Config) {
	return func(c *consumer.Config) {
		named(id)(c)
		c.InstanceID, c.Hooks, c.SessionTimeout = id, hooks, 30*time.Second
		speaking(p)(c)
	}
}

// leaveBehind takes the static members out of the group after the test: they stay members when they stop, and a group with
// members cannot be deleted.
func (b *bundle) leaveBehind(p consumer.GroupProtocol, ids ...string) {
	client := kafkatest.Client(b.t)
	b.t.Cleanup(func() {
		ctx := context.Background()
		if p != consumer.NextGen {
			if _, err := kadm.NewClient(client).LeaveGroup(ctx, kadm.LeaveGroup(b.group).InstanceIDs(ids...)); err != nil {
				b.t.Log(err)
			}
			return
		}
		describe := kmsg.NewPtrConsumerGroupDescribeRequest()
		describe.Groups = []string{b.group}
		described, err := describe.RequestWith(ctx, client)
		if err != nil {
			b.t.Log(err)
			return
		}
		for _, m := range described.Groups[0].Members {
			leave := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			leave.Group, leave.MemberID, leave.InstanceID, leave.MemberEpoch = b.group, m.MemberID, m.InstanceID, -1
			if _, err := leave.RequestWith(ctx, client); err != nil {
				b.t.Log(err)
			}
		}
	})
}

// A static member that restarts within its session keeps its partitions: its own, and the others do not notice.
func TestStaticMemberRestarts(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			t.Parallel()
			const partitions = 4
			b := setup(t, partitions)
			b.leaveBehind(protocol, "one", "two")
			var moved atomic.Int32
			b.start(succeeds, static("one", protocol, counting{&moved}))
			two := b.start(succeeds, static("two", protocol))
			before := b.balanced(2, partitions, append(b.tiers(), b.source)...)
			eventually(t, func() error { // it has heard of its half of the source and of both tiers
				if n := moved.Load(); n < 3*partitions/2 {
					return fmt.Errorf("the first member was given %d partitions", n)
				}
				return nil
			})

			var count int32
			var given []*kgo.Record
			for round := range 2 {
				for p := range int32(partitions) {
					r := record("key", "value")
					r.Partition = p
					b.produceTo(r)
					given = append(given, r)
				}
				if round == 0 {
					b.calls.awaitDone(t, len(given))
					count = moved.Load() // by now both read what they have
					two.stop()
				}
			}
			b.start(succeeds, static("two", protocol))
			b.calls.awaitDone(t, len(given))
			b.settled()
			onceEach(t, b.calls.soFar(), given)
			after := b.balanced(2, partitions, b.source)
			if before.perMember(b.source)[0] != after.perMember(b.source)[0] {
				t.Errorf("the partitions were divided as %v, and now as %v", before.perMember(b.source), after.perMember(b.source))
			}
			// The embedded broker takes a member that has forgotten what it claimed for one that wants something else.
			if forgets := protocol == consumer.Eager && kafkatest.KindOf(t) == kafkatest.Embedded; moved.Load() != count && !forgets {
				t.Errorf("%d partitions of the other member moved, want none", moved.Load()-count)
			}
		})
	}
}

// Of two processes with one instance id one works. The other says why it does not, handles nothing, and takes over when the
// first is gone for good.
func TestTwoMembersWithOneInstanceID(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			t.Parallel()
			const partitions = 2
			b := setup(t, partitions)
			b.leaveBehind(protocol, "same")
			same := func(name string) func(*consumer.Config) {
				return func(c *consumer.Config) {
					static("same", protocol)(c)
					named(name)(c)
					if protocol != consumer.NextGen {
						c.SessionTimeout = 6 * time.Second
					}
				}
			}
			older := b.start(succeeds, same("older"))
			b.balanced(1, partitions, b.source)
			b.produce(record("a", "value"))
			b.calls.awaitDone(t, 1)
			newer := b.start(succeeds, same("newer"))
			works, waits := newer, older // who came last fences who was there
			name := "newer"
			if protocol == consumer.NextGen { // who is there keeps its place
				works, waits, name = older, newer, "older"
			}
			eventually(t, func() error {
				if s := waits.Stats(); s.Ready || !strings.Contains(s.NotReady, "another process") || !strings.Contains(s.NotReady, `instance id "same"`) {
					return fmt.Errorf("the member that stands by is ready %v: %q", s.Ready, s.NotReady)
				}
				if s := works.Stats(); !s.Ready {
					return fmt.Errorf("the member that works is not ready: %s", s.NotReady)
				}
				return nil
			})
			b.produce(record("b", "value"), record("c", "value"))
			for _, x := range b.calls.awaitDone(t, 3)[1:] {
				if x.member != name {
					t.Errorf("%s was handled by %s, want %s", x.id, x.member, name)
				}
			}
			works.stop()
			b.produce(record("d", "value"))
			b.calls.awaitDone(t, 4)
			b.settled()
			if s := waits.Stats(); !s.Ready {
				t.Errorf("the member that stood by works and is not ready: %s", s.NotReady)
			}
		})
	}
}

// A static member that comes back within its session with another tier gets what it had, without anybody being asked what it
// reads now. It sees to it that the new tier's partitions are assigned.
func TestStaticMemberComesBackWithAnotherTier(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			t.Parallel()
			const partitions = 3
			b := setup(t, partitions)
			b.leaveBehind(protocol, "one")
			one := b.start(succeeds, static("one", protocol))
			b.balanced(1, partitions, append(b.tiers(), b.source)...)
			b.produce(record("a", "value"))
			b.calls.awaitDone(t, 1)
			b.settled()
			one.stop()
			b.start(failsUntil(2, errBroken), static("one", protocol), func(c *consumer.Config) {
				c.Retry = retrytopics.Policy{Tiers: []time.Duration{300 * time.Millisecond, time.Second}}
			})
			coAssigned(t, b.balanced(1, partitions, b.source, b.tier("300ms")), b.source, b.tier("300ms"), b.tier("200ms"))
			b.produce(record("b", "value"))
			b.calls.awaitDone(t, 2)
			b.settled(b.tier("300ms"), b.tier("1s"))
		})
	}
}
