package sim

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/consumer"
)

// Evict makes the group throw a member out: its next heartbeat is answered as if nobody knew it.
func (w *World) Evict(m *Member) {
	w.noteFault("evicted")
	w.upset(m.Name, Evicted, learning)
	w.trouble(0)
	w.disturb(0, w.setup.rebalanceTime())
	ids := w.idsOf(m)
	w.refuse(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat}, Group: w.h.Terms.Group, TopLevel: true, Err: kerr.UnknownMemberID,
		When: func(r kmsg.Request) bool {
			switch hb := r.(type) {
			case *kmsg.HeartbeatRequest:
				return slices.Contains(ids, hb.MemberID)
			case *kmsg.ConsumerGroupHeartbeatRequest:
				return slices.Contains(ids, hb.MemberID) && hb.MemberEpoch > 0
			}
			return false
		},
	}, 1, 10*time.Second)
}

// idsOf returns the ids that the group knows a member by, none or one.
func (w *World) idsOf(m *Member) (ids []string) {
	if info := w.fake.GroupInfo(w.h.Terms.Group); info != nil {
		for _, member := range info.Members {
			if member.ClientID == m.Name {
				ids = append(ids, member.MemberID)
			}
		}
	}
	return ids
}

// DropConnections closes all connections of a member. It may open new ones.
func (w *World) DropConnections(m *Member) {
	w.noteFault("connections dropped")
	w.trouble(0)
	w.disturb(0, 15*time.Second)
	if !m.settled() {
		w.upset(m.Name, CutOff, learning)
	}
	m.link.drop()
	w.answered(nil)
}

// CutOff takes a member's network away for a time. The group goes on without it if that is longer than the session.
func (w *World) CutOff(m *Member, lasts time.Duration) {
	w.noteFault("network away")
	w.cutOff(m, lasts)
	m.link.setAway(true)
	w.Later(lasts, func() { m.link.setAway(false) })
}

// SilenceCoordinator lets all packets between a member and the group's coordinator get lost for a time, and no others: the member
// reads on what other brokers lead, and waits for an answer. The group goes on without it if that is longer than the session.
func (w *World) SilenceCoordinator(m *Member, lasts time.Duration) {
	w.noteFault("coordinator out of reach")
	w.cutOff(m, lasts)
	port := 9092 + int(w.fake.CoordinatorFor(w.h.Terms.Group))
	m.link.setSilent(port, true)
	w.Later(lasts, func() { m.link.setSilent(port, false) })
}

// Deafen keeps every answer from a member for a time: what it asks for is done, and it is in doubt.
func (w *World) Deafen(m *Member, lasts time.Duration) {
	w.noteFault("answers held up")
	w.cutOff(m, lasts)
	m.link.setDeaf(true)
	w.Later(lasts, func() { m.link.setDeaf(false) })
}

// Restart kills a member and starts another one in its place at once: a static member under its instance id.
func (w *World) Restart(m *Member) *Member {
	w.noteFault("crash")
	w.noteFault("restarted at once")
	m.Crash()
	return w.Join(func(c *consumer.Config) { c.InstanceID = m.instance })
}

// Roll stops all members one after the other and starts another one in the place of each, with what the change makes of the
// configuration; nil: nothing else.
func (w *World) Roll(change func(*consumer.Config)) {
	w.noteFault("rolling restart")
	if w.setup.Static {
		w.noteFault("static members restarted")
	}
	if change != nil {
		w.noteFault("configuration changed")
		change(&w.setup.Config)
		for _, source := range w.h.Terms.Sources {
			for _, d := range w.tiers() {
				w.rec.saw(w.h.Terms.RetryTopic(source, d))
			}
		}
	}
	for _, m := range w.Members {
		if m.gone {
			continue
		}
		m.Stop()
		w.Join(func(c *consumer.Config) { c.InstanceID = m.instance })
	}
}

// Pick returns the n-th living member, counted in a circle, or nil when there are not more than spare.
func (w *World) Pick(n, spare int) *Member {
	var living []*Member
	for _, m := range w.Members {
		if !m.gone {
			living = append(living, m)
		}
	}
	if len(living) <= spare {
		return nil
	}
	return living[n%len(living)]
}

// SkipSome lets an operator give a record up that a member still has to do with, the n-th or the one after it. It reports
// whether there was one.
func (w *World) SkipSome(n int) bool {
	w.mu.Lock()
	done := make(map[Place]bool)
	for i := range w.h.Calls {
		if c := &w.h.Calls[i]; c.Result == Succeeded || c.Result == Dropped || c.Result == Buried {
			done[c.Origin] = true
		}
	}
	var open []Place
	for i := range w.h.Produced {
		if p := &w.h.Produced[i]; !done[p.Place] {
			open = append(open, p.Place)
		}
	}
	w.mu.Unlock()
	for i := range open {
		if w.Skip(open[(n+i)%len(open)]) == nil {
			return true
		}
	}
	return false
}

// policyOfMember takes down by which policy a member works.
func (w *World) policyOfMember(name string, cfg *consumer.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Terms.Policies[name] = policyOf(cfg.Retry)
}
