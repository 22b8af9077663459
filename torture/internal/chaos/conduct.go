package chaos

import (
	"context"
	"slices"
	"time"
)

// busy is what steps under way have taken for themselves: what they do to a member, to the brokers or to the topics is
// over, and has been mended, before anything else is done to it.
type busy struct {
	members [members]bool
	brokers bool
	topics  bool
}

// take takes what a step needs, if that is free.
func (b *busy) take(st step) bool {
	want := needs(st)
	if b.brokers && want.brokers || b.topics && want.topics {
		return false
	}
	for i := range b.members {
		if b.members[i] && want.members[i] {
			return false
		}
	}
	b.set(want, true)
	return true
}

func (b *busy) free(st step) { b.set(needs(st), false) }

func (b *busy) set(which busy, to bool) {
	if which.brokers {
		b.brokers = to
	}
	if which.topics {
		b.topics = to
	}
	for i := range b.members {
		if which.members[i] {
			b.members[i] = to
		}
	}
}

// needs is what a step takes.
func needs(st step) (b busy) {
	everybody := [members]bool{true, true, true}
	switch st.verb {
	case killBroker, stopBroker, pauseBroker:
		b.brokers = true
	case growSource, remake:
		b.topics = true
	case tierAway, tierBack:
		b.members, b.topics = everybody, true
	case roll:
		b = busy{everybody, true, true}
	default:
		b.members[st.member] = true
	}
	return b
}

// chaos carries the plan out, for as long as it was asked for. Steps begin in the plan's order, but one does not wait for
// another that still waits for its members or brokers, unless that is owed.
func (r *run) chaos(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := conductor{plan: makePlan(r.c.Seed, r.c.For), began: time.Now(), looked: time.Now(), done: make(chan step)}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	shown := time.Now()
	for !c.over(ctx, r.c.For) {
		for st := c.next(); st != nil; st = c.next() {
			r.say("%s", st)
			go func() {
				if err := r.do(ctx, *st); err != nil {
					cancel(err)
				}
				c.done <- *st
			}()
		}
		var died *process
		select {
		case st := <-c.done:
			c.ended(st)
		case <-r.verifier.ended:
			died = r.verifier.process
		case <-r.service.ended:
			died = r.service.process
		case <-r.load.ended:
			died = r.load
		case <-tick.C:
		}
		if died != nil {
			cancel(died.died())
			c.wait()
		}
		if time.Since(shown) > 5*time.Second {
			shown = time.Now()
			r.progress()
		}
	}
	return context.Cause(ctx)
}

// conductor keeps the time of a plan.
type conductor struct {
	plan   []step
	began  time.Time
	looked time.Time
	halted time.Duration // for how long the plan has stood still
	taken  busy
	under  []step // under way
	done   chan step
}

// next returns the next step to begin, nil if there is none now.
func (c *conductor) next() *step {
	since := time.Since(c.looked)
	c.looked = time.Now()
	if slices.ContainsFunc(c.under, func(st step) bool { return st.verb == roll }) {
		c.halted += since // else all that could not begin meanwhile would begin at once
		return nil
	}
	for i, st := range c.plan {
		if st.at > time.Since(c.began)-c.halted {
			return nil
		}
		if c.taken.take(st) {
			c.plan = slices.Delete(c.plan, i, i+1)
			c.under = append(c.under, st)
			return &st
		}
		if st.owed {
			c.halted += since
			return nil
		}
	}
	return nil
}

func (c *conductor) ended(st step) {
	c.taken.free(st)
	i := slices.Index(c.under, st)
	c.under = slices.Delete(c.under, i, i+1)
}

// wait waits for the steps that are under way.
func (c *conductor) wait() {
	for len(c.under) > 0 {
		c.ended(<-c.done)
	}
}

// over reports whether the chaos has ended: its time is up, what is owed was done, and what was broken is mended.
func (c *conductor) over(ctx context.Context, lasts time.Duration) bool {
	if ctx.Err() != nil {
		c.wait()
		return true
	}
	if time.Since(c.began) < lasts {
		return false
	}
	c.plan = slices.DeleteFunc(c.plan, func(st step) bool { return !st.owed })
	for i := range c.plan {
		c.plan[i].at = 0
	}
	return len(c.plan)+len(c.under) == 0
}
