package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The errors that brokers refuse things with. Every one of them must have been met by somebody.
var (
	copyErrors = []*kerr.Error{
		kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition, kerr.MessageTooLarge,
		kerr.NotLeaderForPartition, kerr.TopicAuthorizationFailed, kerr.KafkaStorageError, kerr.InvalidRecord,
	}
	deadLetterErrors = []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.PolicyViolation, kerr.MessageTooLarge}
	commitErrors     = []*kerr.Error{
		kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.RequestTimedOut, kerr.CoordinatorNotAvailable, kerr.UnknownServerError, kerr.GroupAuthorizationFailed,
	}
	fetchErrors = []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.TopicAuthorizationFailed, kerr.UnknownTopicOrPartition}
)

// FaultKinds lists every kind of fault that plans have, as [World.Faults] counts them.
func FaultKinds() []string {
	kinds := []string{
		"admin requests refused", "answers held up", "broker lost", "configuration changed", "connections dropped", "coordinator moved", "coordinator out of reach", "crash",
		"dependency slow", "evicted", "leaders moved", "metadata too large", "network away", "operator pause", "operator skip", "outage", "replay", "replay killed",
		"requests slow", "restarted at once", "retry topic deleted", "rolling restart", "source grown", "static members restarted", "transaction aborted", "transactions refused",
	}
	for what, errs := range map[string][]*kerr.Error{"produce": copyErrors, "dead letters": deadLetterErrors, "commit": commitErrors, "fetch": fetchErrors} {
		for _, err := range errs {
			kinds = append(kinds, kindOf(what, err))
		}
	}
	for d := ReadTopics; d <= ReadRetries; d++ {
		kinds = append(kinds, "denied "+d.String())
	}
	slices.Sort(kinds)
	return kinds
}

// draw draws an event that happens at a time: what it is called, and what it does.
type draw func(g *generator, p *Plan, at time.Duration) (what string, do func(*World))

// disturbance is a kind of event: how often plans have it, by their temper, and what it is.
type disturbance struct {
	gentle, wild int
	draw         draw
}

// events draws what happens.
func (g *generator) events(p *Plan) (events []Event) {
	n := 12 + g.IntN(20)
	if p.Temper == Calm {
		n = g.IntN(4)
	}
	for range n {
		at := g.between(time.Second, p.Lasts)
		what, do := g.disturbance(p).draw(g, p, at)
		events = append(events, Event{After: at, What: what, Do: do})
	}
	slices.SortStableFunc(events, func(a, b Event) int { return int(a.After - b.After) })
	return events
}

// disturbance draws one by its weight.
func (g *generator) disturbance(p *Plan) disturbance {
	weight := func(d disturbance) int {
		switch p.Temper {
		case Gentle:
			return d.gentle
		case Wild:
			return d.wild
		}
		return 0
	}
	sum := 0
	for _, d := range disturbances {
		sum += weight(d)
	}
	if sum == 0 {
		return disturbance{draw: drawAlien}
	}
	n := g.IntN(sum)
	for _, d := range disturbances {
		if n -= weight(d); n < 0 {
			return d
		}
	}
	panic("unreachable")
}

// most is the most members that a plan has at once.
const most = 4

var disturbances = []disturbance{
	{3, 2, drawAlien},
	{5, 3, func(*generator, *Plan, time.Duration) (string, func(*World)) {
		return "a member joins", func(w *World) {
			if w.living() < most {
				w.Join()
			}
		}
	}},
	{5, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		return "a member stops", onMember(g, 1, func(_ *World, m *Member) { m.Leave() })
	}},
	{2, 1, func(*generator, *Plan, time.Duration) (string, func(*World)) {
		return "all members are restarted, one after the other", func(w *World) { w.Roll(nil) }
	}},
	{1, 1, func(g *generator, p *Plan, _ time.Duration) (string, func(*World)) {
		change := g.change(p)
		return "all members are restarted with other tiers", func(w *World) { w.Roll(change) }
	}},
	{3, 2, func(g *generator, p *Plan, at time.Duration) (string, func(*World)) {
		lasts := g.between(2*time.Second, 80*time.Second)
		if g.chance(0.8) { // what comes now meets an open breaker
			p.rush = append(p.rush, g.burst(p, at+g.between(0, time.Second), 20+g.IntN(60), 50*time.Millisecond)...)
		}
		return fmt.Sprintf("the dependency is down for %v", lasts), func(w *World) { w.DownFor(lasts) }
	}},
	{2, 1, drawSlowCalls},
	{3, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		lasts := g.between(time.Second, 40*time.Second)
		return fmt.Sprintf("an operator pauses for %v", lasts), func(w *World) { w.PauseFor(lasts) }
	}},
	{3, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		n := g.IntN(1 << 20)
		return "an operator skips a record", func(w *World) { w.SkipSome(n) }
	}},
	{3, 2, func(g *generator, p *Plan, _ time.Duration) (string, func(*World)) {
		source, kills := pick(g, p.sources()...), time.Duration(0)
		if g.chance(0.4) {
			kills = g.between(time.Millisecond, 200*time.Millisecond)
			return fmt.Sprintf("the dead letters of %s are replayed, and the replay is killed after %v", source, kills), func(w *World) { w.ReplayAside(source, kills) }
		}
		return "the dead letters of " + source + " are replayed", func(w *World) { w.ReplayAside(source, kills) }
	}},
	{2, 1, func(g *generator, p *Plan, at time.Duration) (string, func(*World)) {
		topic := pick(g, p.sources()...)
		n := p.partitionsAt(topic, p.Lasts) + 1
		if n > 7 || len(p.grown[topic]) > 1 {
			return drawAlien(g, p, at)
		}
		p.grown[topic] = append(p.grown[topic], growth{at, n})
		return fmt.Sprintf("%s grows to %d partitions", topic, n), func(w *World) { w.Grow(topic, n) }
	}},
	{3, 1, drawRefusedCopy},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		err, lasts := pick(g, copyErrors...), g.between(time.Second, 40*time.Second)
		return fmt.Sprintf("copies refused for %v: %s", lasts, err.Message), func(w *World) { w.RefuseCopies(err, 0, lasts) }
	}},
	{0, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		err, lasts := pick(g, deadLetterErrors...), g.between(time.Second, 60*time.Second)
		return fmt.Sprintf("dead letters refused for %v: %s", lasts, err.Message), func(w *World) { w.RefuseDeadLetters(err, lasts) }
	}},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		err, lasts := pick(g, commitErrors...), g.between(time.Second, 40*time.Second)
		return fmt.Sprintf("commits refused for %v: %s", lasts, err.Message), func(w *World) { w.RefuseCommits(err, lasts) }
	}},
	{2, 1, drawRefusedFetches},
	{2, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		lasts := g.between(time.Second, 40*time.Second)
		return fmt.Sprintf("topics cannot be looked after for %v", lasts), func(w *World) { w.RefuseAdmin(lasts) }
	}},
	{0, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		key, lasts := pick(g, kmsg.InitProducerID, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn), g.between(time.Second, 15*time.Second)
		err := pick(g, kerr.ConcurrentTransactions, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.UnknownServerError)
		return fmt.Sprintf("%s refused for %v: %s", key.Name(), lasts, err.Message), func(w *World) { w.RefuseTransactions(key, err, lasts) }
	}},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		what, lasts := Denied(g.IntN(int(ReadRetries)+1)), g.between(time.Second, 40*time.Second)
		return fmt.Sprintf("members are denied %s for %v", what, lasts), func(w *World) { w.Deny(what, lasts) }
	}},
	{0, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		by, lasts := g.between(20*time.Millisecond, 1500*time.Millisecond), g.between(time.Second, 30*time.Second)
		return fmt.Sprintf("requests take %v longer for %v", by, lasts), func(w *World) { w.LagFor(by, lasts) }
	}},
	{2, 2, drawDrops},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		return "a member crashes", onMember(g, 0, func(w *World, m *Member) { w.noteFault("crash"); m.Crash() })
	}},
	{0, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		return "a member crashes and is restarted at once", onMember(g, 0, func(w *World, m *Member) { w.Restart(m) })
	}},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		return "a member is thrown out", onMember(g, 0, func(w *World, m *Member) { w.Evict(m) })
	}},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		lasts := g.between(time.Second, 80*time.Second)
		return fmt.Sprintf("network away for %v", lasts), onMember(g, 0, func(w *World, m *Member) { w.CutOff(m, lasts) })
	}},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		lasts := g.between(time.Second, 40*time.Second)
		return fmt.Sprintf("answers held up for %v", lasts), onMember(g, 0, func(w *World, m *Member) { w.Deafen(m, lasts) })
	}},
	{0, 2, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		lasts := g.between(time.Second, 100*time.Second)
		return fmt.Sprintf("the coordinator out of reach for %v", lasts), onMember(g, 0, func(w *World, m *Member) { w.SilenceCoordinator(m, lasts) })
	}},
	{1, 1, drawLeaders},
	{1, 1, drawCoordinators},
	{0, 1, func(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
		n, lasts := g.IntN(2), g.between(time.Second, 40*time.Second)
		return fmt.Sprintf("a broker lost for %v", lasts), func(w *World) { w.LoseBroker(n, lasts) }
	}},
	{0, 1, func(g *generator, p *Plan, at time.Duration) (string, func(*World)) {
		if p.deletes { // the client asks for a topic that is gone without a pause, which takes long to simulate
			return drawAlien(g, p, at)
		}
		p.deletes = true
		source, tier := pick(g, p.sources()...), g.IntN(3)
		return "a retry topic of " + source + " is deleted", func(w *World) {
			tiers := w.tiers()
			w.DeleteRetryTopic(source, tiers[tier%len(tiers)])
		}
	}},
}

// steady are the disturbances that leave members, assignments and pauses as they are.
var steady = []draw{drawSlowCalls, drawRefusedCopy, drawRefusedFetches, drawDrops, drawLeaders, drawCoordinators}

func drawSlowCalls(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
	by, lasts := g.between(10*time.Millisecond, 3*time.Second), g.between(time.Second, 30*time.Second)
	return fmt.Sprintf("calls take %v longer for %v", by, lasts), func(w *World) { w.SlowFor(by, lasts) }
}

func drawRefusedCopy(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
	err := pick(g, copyErrors...)
	return "a copy refused: " + err.Message, func(w *World) { w.RefuseCopies(err, 1, time.Minute) }
}

func drawRefusedFetches(g *generator, p *Plan, _ time.Duration) (string, func(*World)) {
	err, topic, times := pick(g, fetchErrors...), pick(g, p.sources()...), 1+g.IntN(30)
	return fmt.Sprintf("fetches of %s refused, %d times: %s", topic, times, err.Message), func(w *World) { w.RefuseFetches(topic, err, times) }
}

func drawDrops(g *generator, _ *Plan, _ time.Duration) (string, func(*World)) {
	return "connections dropped", onMember(g, 0, func(w *World, m *Member) { w.DropConnections(m) })
}

func drawLeaders(*generator, *Plan, time.Duration) (string, func(*World)) {
	return "leaders move", (*World).MoveLeaders
}

func drawCoordinators(*generator, *Plan, time.Duration) (string, func(*World)) {
	return "coordinators move", (*World).MoveCoordinators
}

// drawAlien is an event that disturbs nobody.
func drawAlien(*generator, *Plan, time.Duration) (string, func(*World)) {
	return "a copy of another group", func(w *World) { w.Plant("orders", w.tiers()[0], 0) }
}

// onMember makes an event of something that happens to one living member, if more than so many are left.
func onMember(g *generator, spare int, do func(*World, *Member)) func(*World) {
	which := g.IntN(1 << 20)
	return func(w *World) {
		if m := w.Pick(which, spare); m != nil {
			do(w, m)
		}
	}
}
