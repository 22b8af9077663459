package consumer

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Apart is a source partition of which this member has a part only, while other members have the rest of the partitions of that
// number: of the source and its retry topics. Then a retry may run beside a fresh record of its key, and in another order.
type Apart struct {
	Source    string
	Partition int32
	Elsewhere []string // topics whose partitions of that number are not this member's
	Since     time.Time
}

// coAssignment verifies that a source partition and the partitions of its number of its retry topics are this member's
// together, or none of them. Redeliver's balancers see to that, except for topics that only some members read, as while a
// new configuration is rolled out; where the coordinator assigns it depends on equal numbers of partitions.
type coAssignment struct {
	p *Pipeline

	mu    sync.Mutex
	since map[strandKey]time.Time
	timer *time.Timer // to tell
	told  bool
}

func newCoAssignment(p *Pipeline) *coAssignment {
	c := &coAssignment{p: p, since: make(map[strandKey]time.Time)}
	c.timer = time.AfterFunc(time.Hour, c.tell)
	c.timer.Stop()
	return c
}

// patience is how long partitions may be apart before it is told: as long as one may take to go from member to member.
func (c *coAssignment) patience() time.Duration { return c.p.cfg.Drain }

// verify is called when partitions came or went.
func (c *coAssignment) verify() {
	if len(c.look(time.Now())) > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.told {
			c.timer.Reset(c.patience())
		}
	}
}

// look finds what is apart now.
func (c *coAssignment) look(now time.Time) (apart []Apart) {
	has := make(map[strandKey]map[string]bool)
	for _, l := range c.p.intake.all() {
		k := strandKey{l.source, l.partition}
		if has[k] == nil {
			has[k] = make(map[string]bool)
		}
		has[k][l.topic] = true
	}
	families := c.p.topics.families()
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, topics := range has {
		var elsewhere []string
		for topic, partitions := range families[k.source] {
			if k.partition < partitions && !topics[topic] {
				elsewhere = append(elsewhere, topic)
			}
		}
		if len(elsewhere) == 0 {
			delete(c.since, k)
			continue
		}
		if _, known := c.since[k]; !known {
			c.since[k] = now
		}
		slices.Sort(elsewhere)
		apart = append(apart, Apart{Source: k.source, Partition: k.partition, Elsewhere: elsewhere, Since: c.since[k]})
	}
	maps.DeleteFunc(c.since, func(k strandKey, _ time.Time) bool { return has[k] == nil })
	if len(apart) == 0 && c.told {
		c.told = false
		c.p.log.Info("source partitions and their retry partitions are together again", "pipeline", c.p.cfg.Name)
	}
	slices.SortFunc(apart, func(a, b Apart) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Partition, b.Partition))
	})
	return apart
}

// lasting returns what has been apart for longer than partitions take to go from member to member.
func (c *coAssignment) lasting(now time.Time) []Apart {
	if c.p.cfg.Ordering == Unordered {
		return nil
	}
	return slices.DeleteFunc(c.look(now), func(a Apart) bool { return now.Sub(a.Since) < c.patience() })
}

// tell says once what is apart.
func (c *coAssignment) tell() {
	now := time.Now()
	apart := c.lasting(now)
	c.mu.Lock()
	if len(apart) == 0 {
		if len(c.since) > 0 && !c.told {
			c.timer.Reset(c.patience())
		}
		c.mu.Unlock()
		return
	}
	c.told = true
	c.mu.Unlock()
	first := apart[0]
	c.p.log.Error("source partitions and their retry partitions belong to different members: the order of a key between its retries and fresh records is not kept",
		"pipeline", c.p.cfg.Name, "partitions", len(apart), "such_as", printable(map[string][]int32{first.Source: {first.Partition}}), "elsewhere", first.Elsewhere,
		"remedy", "give the retry topics as many partitions as their source, and all members the same configuration")
}

// end lets go of the timer.
func (c *coAssignment) end() { c.timer.Stop() }
