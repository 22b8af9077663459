package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// Privilege is something that the user of a pipeline has to be allowed, as Kafka's ACLs tell it.
type Privilege struct {
	Resource  string `json:"resource"`  // topic, group, transactional_id
	Name      string `json:"name"`      // of the resource
	Pattern   string `json:"pattern"`   // literal, prefixed
	Operation string `json:"operation"` // READ, WRITE and so on
	// For says who needs it: run is `redeliver run`, operate the commands that act on dead letters and read the cluster.
	For []string `json:"for"`
	Why string   `json:"why"`
	// Must says that without it records are not handled, or not routed; else something is done later, or by hand.
	Must bool `json:"must"`
}

// What privileges are for.
const (
	ForRun     = "run"
	ForOperate = "operate"
)

// Privileges returns the least that the pipeline's user has to be allowed, without asking the cluster. What a pattern of sources may
// match is allowed by prefix.
func (c *Config) Privileges(p *Pipeline) ([]Privilege, error) {
	var all []subject
	for _, topic := range p.Topics {
		if re, is := Pattern(topic); is {
			prefix, _ := re.LiteralPrefix()
			all = append(all, subject{name: prefix, prefixed: true})
		} else {
			all = append(all, subject{name: topic})
		}
	}
	return c.privileges(p, all)
}

// PrivilegesOn returns the same for sources that are known.
func (c *Config) PrivilegesOn(p *Pipeline, sources []string) ([]Privilege, error) {
	all := make([]subject, len(sources))
	for i, s := range sources {
		all[i] = subject{name: s}
	}
	return c.privileges(p, all)
}

// subject is a source topic, or the prefix of those that a pattern may match.
type subject struct {
	name     string
	prefixed bool
}

func (c *Config) privileges(p *Pipeline, sources []subject) ([]Privilege, error) {
	want, err := p.Wanted(c.Topics, nil)
	if err != nil {
		return nil, err
	}
	g := grants{create: c.Topics.Create}
	names, hold := p.Names(), p.Retry.OnDeadLetter == "hold"
	for _, s := range sources {
		source := g.topic(s, func(name string) string { return name })
		source.grant("READ", true, "read the source", ForRun)
		source.grant("DESCRIBE_CONFIGS", false, "make retry topics like the source, and know its retention", ForRun)

		tiers := want.Tiers
		if want.Park {
			tiers = append(slices.Clone(tiers), retrytopics.Park)
		}
		for _, tier := range tiers {
			topic := g.topic(s, func(name string) string { return names.RetryTopic(name, tier) })
			topic.grant("READ", true, "retry, and wait for the outcomes of replays", ForRun, ForOperate)
			topic.grant("WRITE", true, "retry, and replay dead letters", ForRun, ForOperate)
			topic.grant("DELETE", false, "trim away what is done, which the topic keeps otherwise as long as its retention says", ForRun)
			topic.made()
		}
		if !want.DLQ {
			continue
		}
		dead := g.topic(s, names.DLQTopic)
		ledger := g.topic(s, func(name string) string { return retrytopics.LedgerTopic(names.DLQTopic(name)) })
		dead.grant("WRITE", true, "write dead letters", ForRun)
		if hold {
			dead.grant("READ", true, "know which keys are closed", ForRun)
			ledger.grant("READ", true, "know which keys are open again", ForRun)
		}
		dead.grant("READ", hold, "list and replay dead letters", ForOperate)
		dead.grant("READ", false, "tell which dead letters expire, and take up replays", ForRun)
		dead.grant("DESCRIBE_CONFIGS", false, "tell which dead letters expire", ForOperate) // who runs pipelines has it by what made grants
		dead.grant("WRITE", false, "carry dead letters forward, and import them", ForOperate)
		dead.grant("DELETE", false, "purge dead letters", ForOperate)
		dead.made()
		ledger.grant("READ", hold, "know which dead letters were dealt with", ForOperate)
		ledger.grant("READ", false, "take up replays that nobody works on", ForRun)
		ledger.grant("WRITE", false, "replay, discard, park dead letters, and take up replays", ForOperate, ForRun)
		ledger.grant("DESCRIBE_CONFIGS", false, "see whether the ledger keeps what it is told", ForOperate)
		ledger.made(ForOperate) // the first command that marks something makes it, and the first one after the dead letters have grown grows it
		g.writer(s, names.DLQTopic)
	}
	g.add(Privilege{"group", p.Group, "literal", "READ", []string{ForRun, ForOperate}, "take part in the group, commit, and show its lag", true})
	if p.Delivery == "exactly_once_routing" {
		one := Privilege{"transactional_id", consumer.TransactionalID(p.Group, ""), "prefixed", "WRITE", []string{ForRun}, "write copies and offsets in one transaction", true}
		if p.InstanceID != "" {
			one.Name, one.Pattern = consumer.TransactionalID(p.Group, p.InstanceID), "literal"
		}
		g.add(one)
	}
	if p.InFleet() {
		control := g.topic(subject{name: c.Fleet.Topic}, func(name string) string { return name })
		control.grant("READ", true, "share breakers and orders with other processes", ForRun, ForOperate)
		control.grant("WRITE", true, "share breakers and orders with other processes", ForRun, ForOperate)
		control.made()
	}
	return g.sorted(), nil
}

// grants collects privileges, each once.
type grants struct {
	create bool
	all    []Privilege
}

func (g *grants) add(one Privilege) {
	for i := range g.all {
		have := &g.all[i]
		if have.Resource == one.Resource && have.Name == one.Name && have.Pattern == one.Pattern && have.Operation == one.Operation {
			for _, who := range one.For {
				if !slices.Contains(have.For, who) {
					have.For = append(have.For, who)
				}
			}
			have.Must = have.Must || one.Must
			return
		}
	}
	g.all = append(g.all, one)
}

func (g *grants) sorted() []Privilege {
	slices.SortStableFunc(g.all, func(a, b Privilege) int {
		return cmp.Or(strings.Compare(b.Resource, a.Resource), strings.Compare(a.Name, b.Name), strings.Compare(a.Operation, b.Operation))
	})
	return g.all
}

// topicGrants are those on one topic, or on those with one prefix.
type topicGrants struct {
	*grants
	name, pattern string
}

func (g *grants) topic(s subject, named func(string) string) topicGrants {
	name, pattern := s.resource(named)
	return topicGrants{g, name, pattern}
}

// resource returns the name of what belongs to a source; of many sources, what all these names begin with.
func (s subject) resource(named func(string) string) (name, pattern string) {
	if !s.prefixed {
		return named(s.name), "literal"
	}
	a, b := named(s.name+"a"), named(s.name+"b")
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	if n == 0 {
		return "*", "literal"
	}
	return a[:n], "prefixed"
}

func (t topicGrants) grant(operation string, must bool, why string, who ...string) {
	t.add(Privilege{"topic", t.name, t.pattern, operation, who, why, must})
}

// made grants who runs pipelines what making the topic, and keeping it as it should be, needs; and who else makes it and gives it partitions
// what that needs.
func (t topicGrants) made(also ...string) {
	if !t.create {
		t.grant("DESCRIBE_CONFIGS", false, "see whether the topic is as it should be", ForRun)
		return
	}
	makers := append([]string{ForRun}, also...)
	t.grant("CREATE", false, "make the topic (topics.create)", makers...)
	t.grant("ALTER", false, "give the topic more partitions, as its source gets (topics.create)", makers...)
	t.grant("ALTER_CONFIGS", false, "see and keep the topic's settings (topics.create)", ForRun) // implies DESCRIBE_CONFIGS
}

// writer grants the transactional id of who replays and discards.
func (g *grants) writer(s subject, dead func(string) string) {
	name, pattern := s.resource(func(name string) string { return "redeliver." + dead(name) })
	g.add(Privilege{"transactional_id", name, pattern, "WRITE", []string{ForOperate, ForRun}, "replay and discard dead letters, each once", false})
}
