package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/limit"
)

// NewFairPlan makes a plan from a seed whose members put records off: they hold limits, divide their slots between tenants, and let
// priorities go first, each for itself or together. Most records are one user's, and one tenant's. A third of the plans are calm, so that
// it can be seen for how long anybody waits; in some members hold keys.
func NewFairPlan(seed uint64) *Plan {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 20261130))}
	p := NewPlan(seed)
	if g.chance(0.3) {
		p = NewHeldPlan(seed)
	}
	c := &p.Setup.Config
	if c.Ordering == consumer.ByPartition { // where what waits stops all others
		c.Ordering = pick(g, consumer.ByKey, consumer.Unordered)
	}
	if p.Temper != Calm && g.chance(0.25) {
		p.Temper, p.Events, p.grown = Calm, nil, make(map[string][]growth)
		g.quiet(p)
	}
	if c.Delivery == consumer.ExactlyOnceRouting {
		// What is put off untried and set aside, for no commit has room for it, comes after later records of its key when its partition
		// moves: docs/faults.md says so.
		p.Setup.MetadataLimit = 0
	}
	slowest := g.fair(c)
	for _, r := range p.Records {
		g.belongs(r)
	}
	// Whoever waits does so for no longer than for everybody else's turn, and the longest tier a few times.
	p.Setup.Prompt = time.Duration(float64(len(p.Records))/slowest*float64(time.Second)) + 5*time.Minute
	if c.Priority != nil {
		p.Setup.Prompt += 9 * c.Priority.Ageing
	}
	return p
}

// fair draws what the members hold, at least one of it, and returns the calls a second that whoever is limited most has.
func (g *generator) fair(c *consumer.Config) (slowest float64) {
	perSecond := func(calls float64) limit.Rate {
		slowest = min(slowest, calls)
		return limit.Rate{Calls: calls, Per: time.Second}
	}
	slowest = 50
	which := 1 + g.IntN(7)
	if which&1 != 0 {
		c.Limits = append(c.Limits, consumer.Limit{Name: "per-user", Per: consumer.PerHeader, Header: "redeliver-user", Rate: perSecond(pick[float64](g, 1, 5, 20)), Burst: pick(g, 0, 0, 5), MaxKeys: pick(g, 0, 0, 2)})
		if g.chance(0.3) {
			c.Limits = append(c.Limits, consumer.Limit{Name: "calls", Rate: perSecond(pick[float64](g, 5, 50))})
		}
	}
	if which&2 != 0 {
		c.Tenants = &consumer.Tenants{Weights: map[string]float64{"quiet-1": 3}, MaxInFlight: pick(g, 0, 0, 1, 8), MaxTenants: pick(g, 0, 0, 2)}
	}
	if which&4 != 0 {
		c.Priority = &consumer.Priority{Default: pick(g, 0, 5), Ageing: pick[time.Duration](g, 0, time.Second, 10*time.Second)}
		if c.Priority.Ageing == 0 {
			c.Priority.Ageing = consumer.DefaultAgeing
		}
	}
	return slowest
}

// belongs says whose a record is, and how urgent.
func (g *generator) belongs(r *Record) {
	if !g.chance(0.1) {
		user, tenant := "greedy", "noisy"
		if g.chance(0.4) {
			user, tenant = fmt.Sprint("user-", g.IntN(4)), fmt.Sprint("quiet-", g.IntN(4))
		}
		r.Headers = append(r.Headers, Header{Key: "redeliver-user", Value: []byte(user)}, Header{Key: "redeliver-tenant", Value: []byte(tenant)})
	}
	if g.chance(0.7) {
		r.Headers = append(r.Headers, Header{Key: "redeliver-priority", Value: strconv.AppendInt(nil, int64(g.IntN(11)), 10)}) // 10 is none
	}
}
