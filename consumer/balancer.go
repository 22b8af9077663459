package consumer

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coPartitioned is a sticky balancer whose unit is a source partition with its retry topics' partitions of the same
// number: all of a unit goes to one member, so that whatever touches a key is in one process. It is cooperative or
// eager.
type coPartitioned struct {
	kgo.GroupBalancer                           // the cooperative sticky balancer, for its wire formats
	family            func(topic string) string // the source topic that a topic belongs to
	mayClaim          func() bool               // what this member had is still its own
	eager             bool

	mu  sync.Mutex
	had map[string][]int32 // an eager member's last assignment, which it has given up when it joins and wants back
}

// These are the protocols that all members of a group must share. They never change: a group changes its protocol only
// while nobody runs, or by two rollouts.
const (
	balancerName      = "redeliver-copartitioned"
	balancerNameEager = "redeliver-copartitioned-eager"
)

func newBalancer(p GroupProtocol, family func(string) string, mayClaim func() bool) kgo.GroupBalancer {
	return &coPartitioned{GroupBalancer: kgo.CooperativeStickyBalancer(), family: family, mayClaim: mayClaim, eager: p == Eager}
}

// ProtocolName implements kgo.GroupBalancer.
func (c *coPartitioned) ProtocolName() string {
	if c.eager {
		return balancerNameEager
	}
	return balancerName
}

// JoinGroupMetadata implements kgo.GroupBalancer. A member that the group has forgotten claims nothing: others may have
// had its partitions meanwhile.
func (c *coPartitioned) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	switch {
	case !c.mayClaim():
		current, generation = nil, -1
	case c.eager:
		current = c.last()
	}
	return c.GroupBalancer.JoinGroupMetadata(topics, current, generation)
}

// ParseSyncAssignment implements kgo.GroupBalancer.
func (c *coPartitioned) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	parts, err := c.GroupBalancer.ParseSyncAssignment(assignment)
	if err == nil && c.eager {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.had = cloneParts(parts)
	}
	return parts, err
}

// last returns the last assignment, for the caller to keep.
func (c *coPartitioned) last() map[string][]int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cloneParts(c.had)
}

func cloneParts(parts map[string][]int32) map[string][]int32 {
	clone := make(map[string][]int32, len(parts))
	for topic, ps := range parts {
		clone[topic] = slices.Clone(ps)
	}
	return clone
}

// IsCooperative implements kgo.GroupBalancer.
func (c *coPartitioned) IsCooperative() bool { return !c.eager }

// MemberBalancer implements kgo.GroupBalancer.
func (c *coPartitioned) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	b, err := kgo.NewConsumerBalancer(c, members)
	if err != nil {
		return nil, nil, err
	}
	return b, b.MemberTopics(), nil
}

// Balance implements kgo.ConsumerBalancerBalance.
func (c *coPartitioned) Balance(b *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	// Of two members that claim a partition the one of the later generation has it.
	latest := make(map[string]map[int32]int32)
	b.EachMember(func(_ *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		for _, o := range meta.OwnedPartitions {
			if latest[o.Topic] == nil {
				latest[o.Topic] = make(map[int32]int32)
			}
			for _, p := range o.Partitions {
				if g, ok := latest[o.Topic][p]; !ok || meta.Generation > g {
					latest[o.Topic][p] = meta.Generation
				}
			}
		}
	})
	var members []balanceMember
	b.EachMember(func(_ *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		bm := balanceMember{topics: make(map[string]bool), owned: make(map[string]map[int32]bool)}
		for _, t := range meta.Topics {
			bm.topics[t] = true
		}
		for _, o := range meta.OwnedPartitions {
			bm.owned[o.Topic] = make(map[int32]bool)
			for _, p := range o.Partitions {
				bm.owned[o.Topic][p] = meta.Generation == latest[o.Topic][p]
			}
		}
		members = append(members, bm)
	})
	plan := b.NewPlan()
	for i, parts := range c.assign(members, topics) {
		member, _ := b.MemberAt(i)
		for topic, ps := range parts {
			plan.AddPartitions(member, topic, ps)
		}
	}
	if !c.eager {
		plan.AdjustCooperative(b)
	}
	return plan
}

type balanceMember struct {
	topics map[string]bool           // subscribed
	owned  map[string]map[int32]bool // before
}

// share is what is assigned as one: the partitions of one number of a source and its retry topics.
type share struct {
	family    string
	partition int32
	topics    []string
}

// assign divides the units between the members: each stays where it is while its member holds no more than its part,
// and the rest goes to whoever has least. It depends on its arguments only, so that every leader decides the same.
func (c *coPartitioned) assign(members []balanceMember, topics map[string]int32) []map[string][]int32 {
	out := make([]map[string][]int32, len(members))
	for i := range out {
		out[i] = make(map[string][]int32)
	}
	if len(members) == 0 {
		return out
	}
	units := c.units(topics)
	load := make([]int, len(members))
	give := func(m int, u share) {
		load[m]++
		for _, t := range u.topics {
			if members[m].topics[t] {
				out[m][t] = append(out[m][t], u.partition)
			}
		}
	}
	// Every member gets floor units; as many as are left over get one more.
	floor, extra := len(units)/len(members), len(units)%len(members)
	var homeless []share
	for _, u := range units {
		at := ownerOf(members, u)
		switch {
		case at >= 0 && load[at] < floor:
			give(at, u)
		case at >= 0 && load[at] == floor && extra > 0:
			extra--
			give(at, u)
		default:
			homeless = append(homeless, u)
		}
	}
	for _, u := range homeless {
		best := -1
		for m := range members {
			if wants(members[m], u) && (best < 0 || load[m] < load[best]) {
				best = m
			}
		}
		if best >= 0 {
			give(best, u)
		}
	}
	c.strays(members, units, out)
	return out
}

// units lists what there is to assign, in a fixed order.
func (c *coPartitioned) units(topics map[string]int32) (units []share) {
	families := make(map[string][]string)
	for t := range topics {
		f := c.family(t)
		families[f] = append(families[f], t)
	}
	names := make([]string, 0, len(families))
	for f := range families {
		names = append(names, f)
	}
	slices.Sort(names)
	for _, f := range names {
		slices.Sort(families[f])
		most := int32(0)
		for _, t := range families[f] {
			most = max(most, topics[t])
		}
		for p := range most {
			u := share{family: f, partition: p}
			for _, t := range families[f] {
				if p < topics[t] {
					u.topics = append(u.topics, t)
				}
			}
			units = append(units, u)
		}
	}
	return units
}

// ownerOf returns the member that has most of a unit now and may keep it, or -1.
func ownerOf(members []balanceMember, u share) int {
	best, most := -1, 0
	for i, m := range members {
		n := 0
		for _, t := range u.topics {
			if m.owned[t][u.partition] {
				n++
			}
		}
		if n > most && wants(m, u) {
			best, most = i, n
		}
	}
	return best
}

// wants reports whether a member reads all topics of a unit, as every member of one configuration does.
func wants(m balanceMember, u share) bool {
	for _, t := range u.topics {
		if !m.topics[t] {
			return false
		}
	}
	return true
}

// strays gives what no member reads as a whole, as it happens while a new configuration is rolled out, topic by topic
// to a member that reads it: first to the one that has the most of the unit already.
func (c *coPartitioned) strays(members []balanceMember, units []share, out []map[string][]int32) {
	for _, u := range units {
		if anyWants(members, u) {
			continue
		}
		home := -1
		for _, t := range u.topics {
			if home < 0 || !members[home].topics[t] {
				for m := range members {
					if members[m].topics[t] && (home < 0 || !members[home].topics[t] || len(out[m][t]) < len(out[home][t])) {
						home = m
					}
				}
			}
			if home >= 0 && members[home].topics[t] {
				out[home][t] = append(out[home][t], u.partition)
			}
		}
	}
}

func anyWants(members []balanceMember, u share) bool {
	return slices.ContainsFunc(members, func(m balanceMember) bool { return wants(m, u) })
}
