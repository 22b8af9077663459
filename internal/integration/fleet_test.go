package integration_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/internal/telemetry"
	"github.com/redeliver/redeliver/internal/telemetry/telemetrytest"
)

// fleetMember is a member of the group and its part in a fleet, as a process of its own has them.
type fleetMember struct {
	*member
	fleet *fleet.Member
	leave func() // the fleet
}

// controlTopic is a test's own.
func (b *bundle) controlTopic() string { return b.group + ".redeliver-control" }

// join makes a member of a fleet, without a pipeline.
func (b *bundle) join(changes ...func(*fleet.Config)) *fleet.Member {
	b.t.Helper()
	c := fleet.Config{
		Brokers: kafkatest.Brokers(b.t), Topic: b.controlTopic(), ReplicationFactor: 1,
		Logger: slog.New(slog.NewTextHandler(io.MultiWriter(b.t.Output(), &b.log), nil)),
	}
	for _, change := range changes {
		change(&c)
	}
	m, err := fleet.New(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// part runs a member of a fleet until the test ends.
func part(t *testing.T, m *fleet.Member) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	leave = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(leave)
	within(t, "control topic that was read", m.Ready())
	return leave
}

// fleetMember starts a member of the group that is one of the fleet.
func (b *bundle) fleetMember(h handler, changes ...func(*consumer.Config)) *fleetMember {
	b.t.Helper()
	c := b.config(h)
	c.Breaker = breaker.Config{Dependency: "service", MinimumCalls: 10, OpenFor: time.Second, HalfOpenCalls: 2}
	for _, change := range changes {
		change(&c)
	}
	p, err := consumer.New(c)
	if err != nil {
		b.t.Fatal(err)
	}
	f := b.join()
	f.Share(p.Breaker(), p.Waiting)
	f.Steer(p)
	if l := p.Learner(); l != nil {
		f.Keep(p.Group(), l)
	}
	leave := part(b.t, f)
	return &fleetMember{started(b.t, p), f, leave}
}

// reachable reads redeliver_fleet_reachable.
func reachable(t *testing.T, m *fleet.Member) bool {
	t.Helper()
	return telemetrytest.Read(t, telemetry.NewFleetCollector(m.Status), "redeliver_fleet_reachable") == 1
}

// await waits until the breakers of all are in a state.
func awaitAll(t *testing.T, all []*fleetMember, want breaker.State) {
	t.Helper()
	eventually(t, func() error {
		for i, p := range all {
			if got := p.Breaker().State(); got != want {
				return fmt.Errorf("the breaker of process %d is %v, want %v", i, got, want)
			}
		}
		return nil
	})
}

// Five processes call a service that goes down. The breaker of one of them opens, and those of the others with it; one process at a
// time probes for all, and when the service is up again all go on.
func TestAFleetProbesAsOne(t *testing.T) {
	t.Parallel()
	const processes, records, minimum, concurrency = 5, 400, 10, 4
	b := setup(t, 2*processes)
	var down atomic.Bool
	var all []*fleetMember
	for range processes {
		all = append(all, b.fleetMember(func(context.Context, *consumer.Record) error {
			if down.Load() {
				return errBroken
			}
			return nil
		}, func(c *consumer.Config) { c.Concurrency = concurrency; c.Breaker.MinimumCalls = minimum }))
	}
	b.wave(20, func() {})
	down.Store(true)
	var given []*kgo.Record
	for i := range records {
		given = append(given, record(fmt.Sprint("key-", i), "in the outage"))
	}
	b.produce(given...)
	awaitAll(t, all, breaker.Open)
	episode, episodes := int64(-1), 0
	for episodes < 4 { // each begins when the probes of the one before have failed
		eventually(t, func() error {
			s := all[0].fleet.Status().Breakers
			if len(s) == 0 || !s[0].Open || s[0].Episode <= episode {
				return fmt.Errorf("the fleet is at %+v, want another episode", s)
			}
			episode = s[0].Episode
			return nil
		})
		episodes++
	}
	failed := slices.DeleteFunc(b.calls.soFar(), func(c call) bool { return string(c.record.Value) != "in the outage" })
	if most := processes*(minimum+concurrency) + 2*(episodes+3); len(failed) > most {
		t.Errorf("%d calls were made while nothing could succeed, want %d at most", len(failed), most)
	}
	down.Store(false)
	b.calls.awaitDone(t, 20+records)
	awaitAll(t, all, breaker.Closed)
	b.settled()
	if n := len(b.letters()); n > 0 {
		t.Errorf("%d records are dead for the outage, want none", n)
	}
	if kept := settings(t, b.controlTopic()); kept["cleanup.policy"] != "compact" || kept["message.timestamp.type"] != "LogAppendTime" || kept["min.compaction.lag.ms"] != "600000" {
		t.Errorf("the control topic was made with %v", kept)
	}
}

// An operator pauses and keeps open, through any process: it reaches the others, those too that start later, and is told with who
// and when.
func TestOrdersForAFleet(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	one, two := b.fleetMember(succeeds), b.fleetMember(succeeds)
	b.wave(20, func() {})
	give := func(p *fleetMember, o fleet.Order) {
		t.Helper()
		if err := p.fleet.Give(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	give(two, fleet.Order{Wish: fleet.Pause, Group: b.group, By: "ann@desk"})
	give(one, fleet.Order{Wish: fleet.KeepOpen, Dependency: "service", By: "ann@desk"})
	awaitAll(t, []*fleetMember{one, two}, breaker.ForcedOpen)
	one.stop()
	one.leave()
	again := b.fleetMember(succeeds)
	if s := again.Breaker().State(); s != breaker.ForcedOpen {
		t.Errorf("a process that starts again has its breaker %v, want forced open", s)
	}
	if s := again.fleet.Status(); len(s.Pipelines) != 1 || s.Pipelines[0].By != "ann@desk" || s.Pipelines[0].Wish != fleet.Pause || !s.Reachable {
		t.Errorf("it tells of %+v", s)
	}
	calls := len(b.calls.soFar())
	b.produce(record("key", "paused"))
	eventually(t, func() error {
		if s := two.Stats(); s.Paused[consumer.PauseOperator] == 0 || s.Paused[consumer.PauseBreaker] == 0 {
			return fmt.Errorf("paused: %v", s.Paused)
		}
		return nil
	})
	if n := len(b.calls.soFar()); n != calls {
		t.Errorf("%d calls were made in spite of the orders", n-calls)
	}
	give(again, fleet.Order{Wish: fleet.Measure, Dependency: "service"})
	give(again, fleet.Order{Wish: fleet.Resume, Group: b.group})
	b.calls.awaitDone(t, 21)
}

// The control topic is deleted under a fleet. It is made again, with the order that stood in it.
func TestTheControlTopicIsDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	one, two := b.fleetMember(succeeds), b.fleetMember(succeeds)
	if err := one.fleet.Give(t.Context(), fleet.Order{Wish: fleet.KeepOpen, Dependency: "service", By: "ann@desk"}); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, []*fleetMember{one, two}, breaker.ForcedOpen)
	if _, err := kafkatest.Admin(t).DeleteTopics(t.Context(), b.controlTopic()); err != nil {
		t.Fatal(err)
	}
	b.awaitLog("level=ERROR", "the control topic is not what it was")
	eventually(t, func() error {
		for _, r := range kafkatest.ReadAll(t, b.controlTopic()) {
			if string(r.Key) == "breaker/service/order" && strings.Contains(string(r.Value), "ann@desk") {
				return nil
			}
		}
		return fmt.Errorf("the order does not stand in the topic")
	})
	awaitAll(t, []*fleetMember{one, two}, breaker.ForcedOpen)
	late := b.fleetMember(succeeds)
	awaitAll(t, []*fleetMember{late}, breaker.ForcedOpen)
}

// A process is not permitted to read the control topic, and then to write to it: it says so, keeps its state, and takes part when it
// may.
func TestTheControlTopicIsDenied(t *testing.T) {
	for _, op := range []kadm.ACLOperation{kadm.OpRead, kadm.OpWrite} {
		t.Run(op.String(), func(t *testing.T) {
			t.Parallel()
			b := setup(t, 2)
			one := b.fleetMember(succeeds)
			allow := kafkatest.Deny(t, op, b.controlTopic())
			order := fleet.Order{Wish: fleet.KeepOpen, Dependency: "service"}
			if op == kadm.OpWrite {
				if err := one.fleet.Give(t.Context(), order); err == nil || !strings.Contains(err.Error(), "permit this user") {
					t.Errorf("an order that may not be written: %v", err)
				}
				b.awaitLog("level=WARN", "cannot write to the control topic", b.controlTopic())
			} else {
				eventually(t, func() error {
					if s := one.fleet.Status(); s.Reachable || !strings.Contains(s.Trouble, "permit this user") {
						return fmt.Errorf("reachable: %v, %s", s.Reachable, s.Trouble)
					}
					return nil
				})
				b.awaitLog("level=ERROR", "the control topic cannot be reached", "the last state holds", b.controlTopic())
				if reachable(t, one.fleet) {
					t.Error("redeliver_fleet_reachable is 1 while the topic may not be read")
				}
			}
			b.wave(10, func() {}) // work goes on
			allow()
			eventually(t, func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				return one.fleet.Give(ctx, order)
			})
			awaitAll(t, []*fleetMember{one}, breaker.ForcedOpen)
			if s := one.fleet.Status(); !s.Reachable || !reachable(t, one.fleet) {
				t.Errorf("it says that it cannot reach the topic: %s", s.Trouble)
			}
		})
	}
}

// The control topic is missing, and the process may not make it: it says so, begins without after a while, and takes part when
// somebody has made it.
func TestTheControlTopicIsMissing(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	m := b.join(func(c *fleet.Config) { c.Manual, c.StartTimeout = true, time.Second })
	part(t, m)
	b.awaitLog("level=ERROR", "this process begins without it", "topics.create is false", b.controlTopic())
	if s := m.Status(); s.Reachable || reachable(t, m) || !strings.Contains(s.Trouble, "cleanup.policy=compact") {
		t.Errorf("reachable %v: %s", s.Reachable, s.Trouble)
	}
	if _, err := kafkatest.Admin(t).CreateTopic(t.Context(), 1, 1, nil, b.controlTopic()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if s := m.Status(); !s.Reachable || !reachable(t, m) {
			return fmt.Errorf("it cannot be reached: %s", s.Trouble)
		}
		return nil
	})
	if err := m.Give(t.Context(), fleet.Order{Wish: fleet.Pause, Group: b.group}); err != nil {
		t.Error(err)
	}
}
