package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// Plan is a scenario made from a seed: a cluster, a configuration, a load whose fate is known, and what goes wrong when.
type Plan struct {
	Seed    uint64
	Setup   Setup
	Members int
	Records []*Record
	Events  []Event
	Lasts   time.Duration // of load and events
}

// Event is something that happens to a world at a time after its beginning.
type Event struct {
	After time.Duration
	What  string
	Do    func(w *World)
}

// String says what the plan is made of.
func (p *Plan) String() string {
	var b strings.Builder
	c := p.Setup.Config
	fmt.Fprintf(&b, "seed %d: %d brokers, sources %v, %d members, %d records and %d events in %v\n", p.Seed, p.Setup.Brokers, p.Setup.Sources, p.Members, len(p.Records), len(p.Events), p.Lasts)
	fmt.Fprintf(&b, "  ordering %d, concurrency %d, window %d, retry %+v, breaker %+v, dead letters %+v, batch %v, timeout %v, drain %v, session %v, latency %v\n",
		c.Ordering, c.Concurrency, c.Window.Records, c.Retry, c.Breaker, c.DeadLetters, p.Setup.Batch, c.HandlerTimeout, c.Drain, c.SessionTimeout, p.Setup.Latency)
	for _, e := range p.Events {
		fmt.Fprintf(&b, "  %v %s\n", e.After.Round(time.Millisecond), e.What)
	}
	return b.String()
}

// settleLimit is the most virtual time that a plan may take until everything is settled after its last fault.
const settleLimit = 6 * time.Hour

// Run lives the plan in a world and returns the history. It must be called inside a bubble of testing/synctest.
func (p *Plan) Run(t TB) (*World, *History) {
	w := NewWorld(t, p.Setup)
	for range p.Members {
		w.Join()
	}
	records, events := p.Records, p.Events
	for len(records) > 0 || len(events) > 0 {
		next := p.Lasts
		if len(records) > 0 {
			next = records[0].After
		}
		if len(events) > 0 {
			next = min(next, events[0].After)
		}
		if d := next - time.Since(w.Began); d > 0 {
			w.Sleep(d)
		}
		now := time.Since(w.Began)
		n := 0
		for n < len(records) && records[n].After <= now {
			n++
		}
		if n > 0 {
			w.Produce(records[:n]...)
			records = records[n:]
		}
		if len(events) > 0 && events[0].After <= now {
			events[0].Do(w)
			events = events[1:]
		}
	}
	if d := p.Lasts - time.Since(w.Began); d > 0 {
		w.Sleep(d)
	}
	w.Heal()
	w.settleWithTraffic(settleLimit)
	return w, w.Close()
}

// Heal ends what a plan may have left: the dependency is up, nobody has paused anything, and somebody is there to work.
func (w *World) Heal() {
	w.Down(false)
	w.Pause(false)
	if !slices.ContainsFunc(w.Members, func(m *Member) bool { return !m.gone }) {
		w.Join()
	}
}

// NewPlan makes a plan from a seed.
func NewPlan(seed uint64) *Plan {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 20260918))}
	p := &Plan{Seed: seed, Members: 1 + g.IntN(3), Lasts: time.Duration(60+g.IntN(240)) * time.Second}
	p.Setup = g.setup(seed)
	p.Records = g.load(p)
	if !g.chance(0.25) { // the others are calm: promptness can be expected of them
		p.Events = g.events(p)
	} else if g.chance(0.5) {
		p.Events = g.some(p, 3, g.harmless)
	}
	return p
}

// generator draws plans.
type generator struct{ *rand.Rand }

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func (g *generator) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(g.Int64N(int64(hi-lo)+1))
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) setup(seed uint64) Setup {
	s := Setup{Seed: seed, Brokers: 1 + g.IntN(3), Sources: map[string]int32{"orders": int32(1 + g.IntN(5))}}
	if g.chance(0.3) {
		s.Sources["clicks"] = int32(1 + g.IntN(4))
	}
	s.Latency = [2]time.Duration{50 * time.Microsecond, 500 * time.Microsecond}
	if g.chance(0.5) {
		s.Latency = [2]time.Duration{0, pick[time.Duration](g, 2, 10, 40) * time.Millisecond}
	}
	s.Config = consumer.Config{
		Group:       "g",
		Ordering:    pick(g, consumer.ByKey, consumer.ByKey, consumer.ByKey, consumer.ByPartition, consumer.Unordered),
		Concurrency: pick(g, 1, 2, 4, 16, 64, 64),
		OnDataLoss:  consumer.SkipDataLoss, // kfake tells of losses that are none when a leader moves
	}
	c := &s.Config
	if seed%3 == 0 {
		c.Delivery = consumer.ExactlyOnceRouting
	}
	c.Window.Records = pick(g, 30, 300, 10000, 10000)
	c.HeaderLimit = pick(g, 0, 0, 2048)
	c.HandlerTimeout = pick[time.Duration](g, 0, 5*time.Second, 12*time.Second)
	c.SessionTimeout = pick[time.Duration](g, 0, 10*time.Second)
	if g.chance(0.15) {
		s.Batch = consumer.BatchOf(2+g.IntN(15), pick[time.Duration](g, 0, 50*time.Millisecond, 500*time.Millisecond))
	}
	if g.chance(0.5) {
		c.Breaker.Disabled = true
	} else {
		// What is done behind a record that stays, as records may while the breaker is not closed, counts against the window:
		// in a small one nothing else would be left to succeed.
		c.Window.Records = max(c.Window.Records, 10000)
		c.Breaker.MinimumCalls, c.Breaker.OpenFor = pick(g, 0, 5, 10), pick[time.Duration](g, 0, 5*time.Second)
	}
	if g.chance(0.05) {
		c.DeadLetters = consumer.DeadLetters{Disabled: true, Drop: true}
	}
	c.Retry = g.policy()
	return s
}

func (g *generator) policy() retrytopics.Policy {
	p := retrytopics.Policy{NoJitter: g.chance(0.3), MaxRetries: pick(g, 0, 0, 1, 2, 5)}
	switch g.IntN(8) {
	case 0:
		p.Strategy = retrytopics.Exponential{}
	case 1:
		p.Strategy = retrytopics.Linear{Initial: 2 * time.Second}
	case 2:
		p.Strategy = retrytopics.Fixed{Wait: pick(g, 27*time.Second, 3*time.Second, 15*time.Second)}
	case 3:
		p.Strategy = retrytopics.Immediate{}
	}
	switch g.IntN(5) {
	case 0:
		p.Tiers = []time.Duration{time.Second, 10 * time.Second}
	case 1:
		p.Tiers = []time.Duration{200 * time.Millisecond, 2 * time.Second, 15 * time.Second}
	}
	if g.chance(0.2) {
		p.InPlace = retrytopics.InPlace{Max: 1 + g.IntN(3)}
		if p.MaxRetries > 0 {
			p.MaxRetries += p.InPlace.Max
		}
	}
	if g.chance(0.3) {
		p.Overrides = []retrytopics.Override{{Class: classify.RateLimited, Strategy: retrytopics.Fixed{Wait: 10 * time.Second}, MaxRetries: 4}}
		if g.chance(0.5) {
			p.Overrides = append(p.Overrides, retrytopics.Override{Class: classify.Validation, Strategy: retrytopics.Fixed{Wait: 2 * time.Second}, MaxRetries: 1})
		}
	}
	return p
}

// load draws records in bursts.
func (g *generator) load(p *Plan) (records []*Record) {
	sources := make([]string, 0, 2)
	for t := range p.Setup.Sources {
		sources = append(sources, t)
	}
	slices.Sort(sources)
	keys := pick(g, 3, 20, 200)
	bursts := 1 + g.IntN(12)
	for range bursts {
		at := g.between(0, p.Lasts*3/4)
		for range 1 + g.IntN(40) {
			topic := pick(g, sources...)
			r := &Record{Topic: topic, Partition: int32(g.IntN(int(p.Setup.Sources[topic]))), After: at, Fate: g.fate(p), Padding: g.IntN(200)}
			if !g.chance(0.1) {
				r.Key = fmt.Appendf(nil, "key-%d", g.IntN(keys))
				r.Partition = int32(int(r.Key[len(r.Key)-1]) % int(p.Setup.Sources[topic]))
			}
			if g.chance(0.03) {
				r.Key = []byte{}
			}
			g.decorate(r)
			records = append(records, r)
			at += g.between(0, 300*time.Millisecond)
		}
	}
	slices.SortStableFunc(records, func(a, b *Record) int { return int(a.After - b.After) })
	return records
}

// decorate gives some records what is easily lost on the way.
func (g *generator) decorate(r *Record) {
	r.NullValue = g.chance(0.05)
	if g.chance(0.2) {
		r.Headers = append(r.Headers, Header{Key: "a", Value: []byte("1")}, Header{Key: "b", Value: nil}, Header{Key: "a", Value: []byte{}}, Header{Key: "a", Value: []byte("1")})
	}
	if g.chance(0.05) {
		r.Headers = append(r.Headers, Header{Key: "redeliver-job-type", Value: []byte("mail")}, Header{Key: "redeliver-unknown", Value: []byte("stays")})
	}
	if g.chance(0.05) { // from outside: nobody parks or exhausts records that way
		r.Headers = append(r.Headers, Header{Key: "redeliver-due", Value: []byte("99999999999999")}, Header{Key: "redeliver-attempt", Value: []byte("99")},
			Header{Key: "redeliver-group", Value: []byte("somebody")}, Header{Key: "redeliver-due", Value: []byte("1")})
	}
	if g.chance(0.05) {
		r.Timestamp = time.Date(1999, 12, 25, 0, 0, 0, 0, time.UTC)
	}
}

func (g *generator) fate(p *Plan) Fate {
	f := Fate{Class: pick(g, classify.None, classify.None, classify.Network, classify.RateLimited, classify.System, classify.Permanent, classify.Validation, classify.Authentication)}
	f.Work = pick[time.Duration](g, 0, 0, 0, 5*time.Millisecond, 50*time.Millisecond)
	switch n := g.IntN(100); {
	case n < 55:
	case n < 80:
		f.Kind, f.Times = Fail, 1+g.IntN(4)
	case n < 83:
		f.Kind, f.Times = Fail, ForEver
	case n < 85:
		f.Kind, f.Times = Panic, 1+g.IntN(2)
	case n < 86:
		f.Kind, f.Times = Hang, 1
	case n < 90:
		f.Kind, f.Times, f.Delay = Snooze, 1+g.IntN(3), g.between(0, 40*time.Second)
	case n < 93:
		f.Kind, f.Times, f.Delay = Ask, 1+g.IntN(2), g.between(time.Millisecond, 100*time.Second)
	case n < 95:
		f.Kind = Drop
	case n < 97:
		f.Kind = Bury
	default:
		f.Work = g.between(100*time.Millisecond, 4*time.Second)
	}
	return f
}

// events draws what goes wrong.
func (g *generator) events(p *Plan) []Event {
	return g.some(p, 6+g.IntN(20), func(p *Plan) (string, func(*World)) {
		if g.chance(0.15) {
			return g.harmless(p)
		}
		return g.harmful(p)
	})
}

func (g *generator) some(p *Plan, n int, draw func(*Plan) (string, func(*World))) (events []Event) {
	for range n {
		what, do := draw(p)
		events = append(events, Event{After: g.between(time.Second, p.Lasts), What: what, Do: do})
	}
	slices.SortStableFunc(events, func(a, b Event) int { return int(a.After - b.After) })
	return events
}

// harmless draws an event that disturbs nobody.
func (g *generator) harmless(p *Plan) (string, func(*World)) {
	partition := int32(0)
	delay := nameOf(time.Second)
	if p.Setup.Config.Retry.Tiers != nil {
		delay = nameOf(p.Setup.Config.Retry.Tiers[0])
	}
	return "a copy of another group", func(w *World) { w.Plant("orders", delay, partition) }
}

// harmful draws a fault, with everything that it needs.
func (g *generator) harmful(p *Plan) (string, func(*World)) {
	lasts := g.between(time.Second, 40*time.Second)
	some := g.IntN(1 << 20) // which member
	switch g.IntN(19) {
	case 0, 1:
		return "a member joins", func(w *World) {
			if w.living() < 4 {
				w.Join()
			}
		}
	case 2:
		return "a member stops", onMember(some, 1, func(w *World, m *Member) { m.Stop() })
	case 3:
		return "a member crashes", onMember(some, 0, func(w *World, m *Member) { w.noteFault("crash"); m.Crash() })
	case 4:
		err := pick(g, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition, kerr.MessageTooLarge, kerr.NotLeaderForPartition, kerr.TopicAuthorizationFailed, kerr.KafkaStorageError)
		return fmt.Sprintf("copies refused for %v: %s", lasts, err.Message), func(w *World) { w.RefuseCopies(err, 0, lasts) }
	case 5:
		err := pick(g, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.MessageTooLarge, kerr.UnknownTopicOrPartition, kerr.InvalidRecord)
		return "a copy refused: " + err.Message, func(w *World) { w.RefuseCopies(err, 1, time.Minute) }
	case 6:
		err := pick(g, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.RequestTimedOut, kerr.CoordinatorNotAvailable, kerr.UnknownServerError, kerr.GroupAuthorizationFailed)
		return fmt.Sprintf("commits refused for %v: %s", lasts, err.Message), func(w *World) { w.RefuseCommits(err, lasts) }
	case 7:
		err := pick(g, kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.TopicAuthorizationFailed, kerr.UnknownTopicOrPartition)
		return "fetches refused: " + err.Message, func(w *World) { w.RefuseFetches("orders", err, 1+some%30) }
	case 8:
		return "a member is thrown out", onMember(some, 0, func(w *World, m *Member) { w.Evict(m) })
	case 9, 10:
		return "connections dropped", onMember(some, 0, func(w *World, m *Member) { w.DropConnections(m) })
	case 11:
		return fmt.Sprintf("network away for %v", lasts*2), onMember(some, 0, func(w *World, m *Member) { w.CutOff(m, lasts*2) })
	case 12:
		return fmt.Sprintf("answers held up for %v", lasts), onMember(some, 0, func(w *World, m *Member) { w.Deafen(m, lasts) })
	case 13:
		return "leaders move", (*World).MoveLeaders
	case 14:
		return "coordinators move", (*World).MoveCoordinators
	case 15:
		node := int32(g.IntN(3))
		return fmt.Sprintf("broker %d lost for %v", node, lasts), func(w *World) {
			if w.setup.Brokers > 1 && w.brokersLost(node, lasts) {
				w.LoseBroker(node, lasts)
			}
		}
	case 16:
		return fmt.Sprintf("the dependency is down for %v", lasts*2), func(w *World) {
			w.Down(true)
			time.AfterFunc(lasts*2, func() { w.Down(false) })
		}
	case 17:
		return fmt.Sprintf("an operator pauses for %v", lasts), func(w *World) {
			w.Pause(true)
			time.AfterFunc(lasts, func() { w.Pause(false) })
		}
	default:
		return fmt.Sprintf("topics cannot be looked after for %v", lasts), func(w *World) { w.RefuseAdmin(lasts) }
	}
}

// onMember makes an event of something that happens to one living member, if more than so many are left.
func onMember(which, spare int, do func(*World, *Member)) func(*World) {
	return func(w *World) {
		var living []*Member
		for _, m := range w.Members {
			if !m.gone {
				living = append(living, m)
			}
		}
		if len(living) > spare {
			do(w, living[which%len(living)])
		}
	}
}

func (w *World) living() (n int) {
	for _, m := range w.Members {
		if !m.gone {
			n++
		}
	}
	return n
}

// brokersLost keeps brokers that are out at one time to one.
func (w *World) brokersLost(_ int32, lasts time.Duration) bool {
	if time.Now().Before(w.brokerBack) {
		return false
	}
	w.brokerBack = time.Now().Add(lasts + time.Second)
	return true
}
