package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/redeliver/redeliver/consumer"
)

// NewHeldPlan makes a plan from a seed whose members hold keys. Of its records more have keys in common, so that most of
// what fails has others behind it.
func NewHeldPlan(seed uint64) *Plan {
	p := NewPlan(seed)
	c := &p.Setup.Config
	p.Setup.MetadataLimit = 0 // exactly-once routing needs the room that brokers give by default
	c.HoldKey, c.Ordering, c.Delivery, c.GroupProtocol = true, consumer.ByKey, consumer.ExactlyOnceRouting, 0
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
	return p
}
