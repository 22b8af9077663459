package integration_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Members join and leave one after the other while records come in, one in five of which fails once. At any time a
// source partition and the partitions of that number of its tiers are one member's, all members have their share, and
// since every end is a clean one, no record is handled twice, early, or beside another of its key.
func TestMembersJoinAndLeave(t *testing.T) {
	t.Parallel()
	const partitions = 12
	b := setup(t, partitions)
	handle := works(5*time.Millisecond, func(_ context.Context, r *consumer.Record) error {
		if strings.HasSuffix(string(r.Value), "-once") && r.Attempt() == 1 {
			return errBroken
		}
		return nil
	})
	load := b.feed()
	topics := append(b.tiers(), b.source)
	settle := func(members int) {
		t.Helper()
		o := b.balanced(members, partitions, topics...)
		coAssigned(t, o, b.source, b.tiers()...)
		if counts := o.perMember(b.source); counts[0] != partitions/members {
			t.Errorf("%d members have %v source partitions, want %d each", members, counts, partitions/members)
		}
	}
	members := []*member{b.start(handle, named("one"))}
	kafkatest.AwaitTopics(t, partitions, b.tiers()...)
	settle(1)
	members = append(members, b.start(handle, named("two")))
	settle(2)
	members = append(members, b.start(handle, named("three")))
	settle(3)
	members[0].stop() // the one that was the leader
	settle(2)
	members[1].stop()
	settle(1)
	b.start(handle, named("four"))
	settle(2)

	given := load.stop()
	b.calls.awaitDone(t, len(given))
	b.settled()
	all := b.calls.soFar()
	onceEach(t, all, given)
	neverEarly(t, all)
	attemptsOnce(t, all)
	keysOneByOne(t, all)
	t.Logf("%d records, %d calls", len(given), len(all))
}

// Members that come together, to topics that are all there, are where balancers that look at topics one by one give a
// source partition and its tiers to different members.
func TestMembersComeTogether(t *testing.T) {
	t.Parallel()
	const partitions = 12
	b := setup(t, partitions)
	b.createTopics(partitions, append(b.tiers(), b.dlq()))
	members := []string{"one", "two", "three", "four", "five"}
	for _, name := range members {
		b.start(succeeds, named(name))
	}
	o := b.balanced(len(members), partitions, append(b.tiers(), b.source)...)
	coAssigned(t, o, b.source, b.tiers()...)
	if counts := o.perMember(b.source); counts[0] != partitions/len(members) || counts[len(counts)-1] != partitions/len(members)+1 {
		t.Errorf("%d members have %v of %d source partitions", len(members), counts, partitions)
	}
}

// works makes each call of a handler take a while, as what it calls would.
func works(took time.Duration, h handler) handler {
	return func(ctx context.Context, r *consumer.Record) error {
		done := time.NewTimer(took)
		defer done.Stop()
		select {
		case <-done.C:
			return h(ctx, r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// feed is a producer that goes on until it is stopped.
type feed struct{ stop func() []*kgo.Record }

// feed produces twenty records every 20 ms, every fifth of which is to fail once, with keys that come again.
func (b *bundle) feed() feed {
	ctx, cancel := context.WithCancel(b.t.Context())
	client := kafkatest.Client(b.t)
	result := make(chan []*kgo.Record, 1)
	go func() {
		var given []*kgo.Record
		defer func() { result <- given }()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			chunk := make([]*kgo.Record, 20)
			for i := range chunk {
				value := "value"
				if i%5 == 0 {
					value = "value-once"
				}
				chunk[i] = record(fmt.Sprintf("key-%d", (len(given)+i)%97), value)
				chunk[i].Topic = b.source
			}
			if err := client.ProduceSync(context.WithoutCancel(ctx), chunk...).FirstErr(); err != nil {
				b.t.Errorf("producing: %v", err)
				return
			}
			given = append(given, chunk...)
		}
	}()
	return feed{stop: func() []*kgo.Record {
		cancel()
		return within(b.t, "end of the producer", result)
	}}
}

// attemptsOnce expects that no attempt of a record was made twice.
func attemptsOnce(t testing.TB, all []call) {
	t.Helper()
	type attempt struct {
		id string
		n  int
	}
	made := make(map[attempt]int)
	for _, x := range all {
		made[attempt{x.id, x.attempt}]++
	}
	for a, n := range made {
		if n != 1 {
			t.Errorf("bounded: attempt %d of %s was made %d times: %s", a.n, a.id, n, story(all, a.id))
		}
	}
}

// story tells all calls of a record, for a failed test's message.
func story(all []call, id string) (text string) {
	for _, x := range all {
		if x.id == id {
			text += fmt.Sprintf("\n\t%s attempt %d at %s, read from %s/%d/%d, due %s, %s to %s: %v", x.id, x.attempt, x.member, x.raw.Topic,
				x.raw.Partition, x.raw.Offset, x.due.Format(clock), x.began.Format(clock), x.ended.Format(clock), x.err)
		}
	}
	return text
}

const clock = "15:04:05.000"

// keysOneByOne expects that no two calls for records of one key overlapped, and that first attempts came in the order
// of the partition.
func keysOneByOne(t testing.TB, all []call) {
	t.Helper()
	byKey := make(map[string][]call)
	for _, x := range all {
		byKey[string(x.record.Key)] = append(byKey[string(x.record.Key)], x)
	}
	for key, calls := range byKey {
		slices.SortFunc(calls, func(a, b call) int { return a.began.Compare(b.began) })
		for i := 1; i < len(calls); i++ {
			if before := calls[i-1]; calls[i].began.Before(before.ended) {
				t.Errorf("ordered: attempt %d of %s at %s and attempt %d of %s at %s ran side by side, with key %s",
					before.attempt, before.id, before.member, calls[i].attempt, calls[i].id, calls[i].member, key)
			}
		}
		firsts := slices.DeleteFunc(calls, func(x call) bool { return x.attempt > 1 })
		if !slices.IsSortedFunc(firsts, func(a, b call) int { return cmp.Compare(a.record.Offset, b.record.Offset) }) {
			t.Errorf("ordered: the first attempts for key %s did not come in the order of the partition", key)
		}
	}
}

// A pause belongs to an assignment. Partitions that were paused at one member, went to another and came back are read,
// since the pause had ended meanwhile; and the other one reads them although they were paused where they came from.
func TestPausesEndWithTheAssignment(t *testing.T) {
	t.Parallel()
	const partitions = 6
	b := setup(t, partitions)
	var given []*kgo.Record
	produce := func() {
		for p := range int32(partitions) {
			r := record("key", "value")
			r.Partition = p
			b.produceTo(r)
			given = append(given, r)
		}
	}
	one := b.start(succeeds, named("one"))
	b.balanced(1, partitions, b.source)
	produce()
	b.calls.awaitDone(t, len(given))

	one.Pause()
	produce()
	two := b.start(succeeds, named("two"))
	b.balanced(2, partitions, b.source)
	all := b.calls.awaitDone(t, len(given)-partitions/2) // the other half is paused
	for _, x := range all[partitions:] {
		if x.member != "two" {
			t.Errorf("%s was handled by %s, which is paused", x.id, x.member)
		}
	}
	one.Resume(0)
	b.calls.awaitDone(t, len(given))
	two.stop()
	b.balanced(1, partitions, b.source)
	produce()
	b.calls.awaitDone(t, len(given))
	b.settled()
	onceEach(t, b.calls.soFar(), given)
}

// counting is a hook that counts the partitions that a member gets and gives up.
type counting struct{ moved *atomic.Int32 }

func (c counting) OnAssigned(_ string, partitions map[string][]int32) { c.add(partitions) }

func (c counting) OnRevoked(_ string, partitions map[string][]int32, _ bool) { c.add(partitions) }

func (c counting) add(partitions map[string][]int32) {
	for _, ps := range partitions {
		c.moved.Add(int32(len(ps)))
	}
}
