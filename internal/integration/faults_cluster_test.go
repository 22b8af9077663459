package integration_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// A cluster that moves its work from node to node is daily life: the pipeline follows, and nobody has to see it.
//
// These tests are not parallel: what they do to the cluster, others would feel.

// wave produces records that fail once, and waits until all of them are done, nothing of it waits, and the promises
// were kept. At half of it, disturb is called.
func (b *bundle) wave(records int, disturb func()) {
	b.t.Helper()
	before := len(doneIn(b.calls.soFar()))
	given := make([]*kgo.Record, records)
	for i := range given {
		given[i] = record(fmt.Sprint("key-", i), strconv.Itoa(i))
	}
	b.produce(given[:records/2]...)
	disturb()
	b.produce(given[records/2:]...)
	b.given = append(b.given, given...)
	b.calls.awaitDone(b.t, before+records)
	b.settled()
	all := b.calls.soFar()
	onceEach(b.t, all, b.given)
	attemptsOnce(b.t, all)
	neverEarly(b.t, all)
}

// Leaders of the source, of a tier and of the dead letters move under load. Fetches, copies and commits follow, and no
// copy counts as refused.
func TestLeadersMove(t *testing.T) {
	kafkatest.RequireNodes(t, 2)
	const partitions = 2
	b := setup(t, partitions)
	m := b.start(failsUntil(2, errBroken), withoutBreaker)
	b.wave(100, func() {})
	for range 3 {
		for _, topic := range []string{b.source, b.tier("200ms"), b.dlq()} {
			b.wave(50, func() {
				for p := range int32(partitions) {
					kafkatest.MoveLeader(t, topic, p)
				}
			})
		}
	}
	b.mustHaveSeenNothing(m)
	if s := m.Stats(); s.RouteFailures > 0 || s.Paused[consumer.PauseDataLoss] > 0 {
		t.Errorf("%d copies were refused, and %d partitions stand still for lost data: want none", s.RouteFailures, s.Paused[consumer.PauseDataLoss])
	}
	if m.metric(t, "redeliver_lost_records_total") > 0 {
		t.Error("records count as lost after leaders moved")
	}
}

// The group's coordinator moves under load. Commits go to the new one, and the members stay what they are.
func TestCoordinatorMoves(t *testing.T) {
	b := setup(t, 2)
	kafkatest.RequireNodes(t, 2)
	m := b.start(failsUntil(2, errBroken), withoutBreaker)
	b.wave(100, func() {})
	for range 3 {
		b.wave(50, func() { kafkatest.MoveCoordinator(t, b.group) })
	}
	b.mustHaveSeenNothing(m)
}

// The node that leads the source and coordinates the group is killed under load, and later comes back.
func TestNodeIsKilled(t *testing.T) {
	b := setup(t, 3)
	n := &network{}
	m := b.start(failsUntil(2, errBroken), withoutBreaker, n.option, func(c *consumer.Config) { c.SessionTimeout = 30 * time.Second })
	b.wave(100, func() {})
	node := kafkatest.MortalLeader(t, b.source, 0)
	back := func() {}
	b.wave(100, func() {
		back = kafkatest.KillNode(t, node)
		n.drop(kafkatest.AddressOf(t, node)) // a process that dies takes its connections with it
	})
	m.mustBeReady(t)
	b.wave(100, back)
	b.mustHaveSeenNothing(m, "cannot commit offsets: will try again", "cannot write copies and offsets in one transaction: will try again", "copy cannot be written: the record is held and tried again")
}
