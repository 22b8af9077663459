package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// NewHeldPlan makes a plan from a seed whose members hold keys. Of its records more have keys in common, so that most of
// what fails has others behind it; some come all at once, so that what fails has others behind it in one poll.
func NewHeldPlan(seed uint64) *Plan {
	p := NewPlan(seed)
	c := &p.Setup.Config
	if p.Temper == Calm {
		p.Setup.MetadataLimit = 0 // what a commit has no room for is set aside, and nobody says for how long
	}
	c.HoldKey, c.Ordering, c.Delivery = true, consumer.ByKey, consumer.ExactlyOnceRouting
	if c.GroupProtocol == consumer.NextGen { // which keeps no key with one member
		c.GroupProtocol = consumer.Classic
	}
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 20261127))}
	if c.Breaker.Disabled || g.chance(0.4) { // park lanes that are full
		c.Breaker.Disabled, c.Window.Records = true, pick(g, 20, 60, 300)
	}
	hot := pick(g, 2, 5)
	for _, r := range p.Records {
		if r.Key != nil && g.chance(0.5) {
			r.Key = fmt.Appendf(nil, "hot-%d", int(r.Partition)+g.IntN(hot)*100)
		}
	}
	g.pileUp(p)
	return p
}

// pileUp adds records of few keys that are there at one instant, quickly handled, the first of which fail; in half of the plans a hook
// takes its time with each failure. What the members find when they begin is one poll of each partition.
func (g *generator) pileUp(p *Plan) {
	if g.chance(0.5) {
		p.Setup.Config.Hooks = []consumer.Hook{slowToHear(g.between(2*time.Millisecond, 20*time.Millisecond))}
	}
	pile := func(topic string, partition int32, at time.Duration) {
		failing := 1 + g.IntN(2)
		for i := range 6 + g.IntN(20) {
			r := &Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "hot-%d", int(partition)+g.IntN(2)*100), After: at}
			if i < failing {
				r.Fate.Kind, r.Fate.Times = Fail, 1+g.IntN(2)
			}
			p.Records = append(p.Records, r)
		}
	}
	for _, topic := range p.sources() {
		for n := range p.Setup.Sources[topic] {
			pile(topic, n, 0)
		}
	}
	for range g.IntN(6) {
		topic, at := pick(g, p.sources()...), g.between(0, p.Lasts*3/4)
		pile(topic, int32(g.IntN(int(p.partitionsAt(topic, at)))), at)
	}
	slices.SortStableFunc(p.Records, func(a, b *Record) int { return int(a.After - b.After) })
}
