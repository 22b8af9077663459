package sim

import (
	"fmt"
	"strings"
	"time"
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

	grown   map[string][]growth
	deletes bool // a topic, once
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
	fmt.Fprintf(&b, "seed %d, %s: %d brokers, sources %v, %d members, static %v, %d records and %d events in %v\n",
		p.Seed, p.Temper, p.Setup.Brokers, p.Setup.Sources, p.Members, p.Setup.Static, len(p.Records), len(p.Events), p.Lasts)
	fmt.Fprintf(&b, "  delivery %d, ordering %d, concurrency %d, window %d, metadata %d, retry %+v, breaker %+v, dead letters %+v, batch %v, timeout %v, drain %v, session %v, latency %v\n",
		c.Delivery, c.Ordering, c.Concurrency, c.Window.Records, p.Setup.MetadataLimit, c.Retry, c.Breaker, c.DeadLetters, p.Setup.Batch, c.HandlerTimeout, c.Drain, c.SessionTimeout, p.Setup.Latency)
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
	w.settleWithTraffic(settleLimit)
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
