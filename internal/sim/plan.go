package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// Plan is a scenario made from a seed: a cluster, a configuration, a load whose fate is known, and what goes wrong when.
type Plan struct {
	Seed    uint64
	Temper  Temper
	Setup   Setup
	Members int
	Records []*Record
	Events  []Event
	Lasts   time.Duration // of load and events

	keys    int       // how many there are
	rush    []*Record // records that come with events
	grown   map[string][]growth
	deletes bool                               // a topic, once
	tend    func(*World)                       // every now and then until everything is settled
	finally func(*Plan, *World, time.Duration) // after everything was settled
}

// Temper is what kind of faults a plan has.
type Temper uint8

// The tempers.
const (
	Calm   Temper = iota // nothing goes wrong, but in the handlers: promptness can be expected
	Gentle               // much goes wrong, but every member can keep to the rules: nothing may be handled twice
	Wild                 // everything
)

// String names the temper.
func (t Temper) String() string { return [...]string{"calm", "gentle", "wild"}[t] }

// Event is something that happens to a world at a time after its beginning.
type Event struct {
	After time.Duration
	What  string
	Do    func(w *World)
}

// growth is a source that has more partitions from a time on.
type growth struct {
	after      time.Duration
	partitions int32
}

// String says what the plan is made of.
func (p *Plan) String() string {
	var b strings.Builder
	c := p.Setup.Config
	fmt.Fprintf(&b, "seed %d, %s: %d brokers, sources %v, %d members, %d records and %d events in %v\n",
		p.Seed, p.Temper, p.Setup.Brokers, p.Setup.Sources, p.Members, len(p.Records), len(p.Events), p.Lasts)
	fmt.Fprintf(&b, "  %s, concurrency %d, window %d, metadata %d, retry %+v, breaker %+v, dead letters %+v, batch %v, timeout %v, drain %v, session %v, latency %v\n",
		strings.Join(p.Traits(), ", "), c.Concurrency, c.Window.Records, p.Setup.MetadataLimit, c.Retry, c.Breaker, c.DeadLetters, p.Setup.Batch, c.HandlerTimeout, c.Drain, c.SessionTimeout, p.Setup.Latency)
	if c.Tenants != nil || c.Priority != nil || len(c.Limits) > 0 {
		fmt.Fprintf(&b, "  limits %+v, tenants %+v, priority %+v\n", c.Limits, c.Tenants, c.Priority)
	}
	for _, e := range p.Events {
		fmt.Fprintf(&b, "  %v %s\n", e.After.Round(time.Millisecond), e.What)
	}
	return b.String()
}

// trait is a way in which the configurations of plans differ.
type trait struct {
	name string
	has  func(p *Plan) bool
}

var traits = []trait{
	{"ordering key", func(p *Plan) bool { return p.Setup.Config.Ordering == consumer.ByKey }},
	{"ordering partition", func(p *Plan) bool { return p.Setup.Config.Ordering == consumer.ByPartition }},
	{"ordering none", func(p *Plan) bool { return p.Setup.Config.Ordering == consumer.Unordered }},
	{"delivery at_least_once", func(p *Plan) bool { return p.Setup.Config.Delivery == consumer.AtLeastOnce }},
	{"delivery exactly_once_routing", func(p *Plan) bool { return p.Setup.Config.Delivery == consumer.ExactlyOnceRouting }},
	{"group_protocol classic", func(p *Plan) bool { return p.Setup.Config.GroupProtocol == consumer.Classic }},
	{"group_protocol eager", func(p *Plan) bool { return p.Setup.Config.GroupProtocol == consumer.Eager }},
	{"group_protocol consumer", func(p *Plan) bool { return p.Setup.Config.GroupProtocol == consumer.NextGen }},
	{"static members", func(p *Plan) bool { return p.Setup.Static }},
	{"batch handler", func(p *Plan) bool { return p.Setup.Batch.Records > 0 }},
	{"slow hook", func(p *Plan) bool { return len(p.Setup.Config.Hooks) > 0 }},
	{"breaker", func(p *Plan) bool { return !p.Setup.Config.Breaker.Disabled }},
}

// Traits lists what the configuration of the plan is, of what every collection of plans must have.
func (p *Plan) Traits() (names []string) {
	for _, t := range traits {
		if t.has(p) {
			names = append(names, t.name)
		}
	}
	return names
}

// Run lives the plan in a world and returns the history. It must be called inside a bubble of testing/synctest. Patience is
// how long it may take until everything is settled after the last fault.
func (p *Plan) Run(t TB, patience time.Duration) (*World, *History) {
	w := NewWorld(t, p.Setup)
	for range p.Members {
		w.Join()
	}
	w.aside.Go(func() { p.feed(w) })
	for _, e := range p.Events {
		if d := e.After - time.Since(w.Began); d > 0 {
			w.Sleep(d)
		}
		e.Do(w)
	}
	if d := p.Lasts - time.Since(w.Began); d > 0 {
		w.Sleep(d)
	}
	w.Heal()
	if p.tend != nil {
		w.tend = func() { p.tend(w) }
	}
	w.settleWithTraffic(patience)
	w.Heal()
	if p.finally != nil && w.h.Settled {
		p.finally(p, w, patience)
	}
	return w, w.Close()
}

// feed produces the plan's records at their times.
func (p *Plan) feed(w *World) {
	for records := p.Records; len(records) > 0; {
		if d := records[0].After - time.Since(w.Began); d > 0 {
			time.Sleep(d)
		}
		now := time.Since(w.Began)
		n := 1
		for n < len(records) && records[n].After <= now && records[n].Transaction == records[0].Transaction {
			n++
		}
		due := records[:n]
		records = records[n:]
		if t := due[0].Transaction; t != nil {
			w.aside.Go(func() { w.ProduceInTransaction(*t, due...) })
			continue
		}
		w.Produce(due...)
	}
}
