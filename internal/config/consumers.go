package config

import (
	"fmt"
	"regexp"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// Consumers returns what each pipeline is for the engine, in the order of the file. handler makes the handler of a
// pipeline, from [Handler.HTTP] and what else it needs to know. Breakers, Hooks and Logger are left to the caller.
func (c *Config) Consumers(handler func(*Pipeline) (consumer.Handler, error)) ([]consumer.Config, error) {
	security, err := c.Kafka.Security()
	if err != nil {
		return nil, err
	}
	var all []consumer.Config
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		h, err := handler(p)
		if err != nil {
			return nil, fmt.Errorf("%s: pipeline %s: %w", c.At(p.path+".handler"), p.Name, err)
		}
		one := p.consumer()
		one.Handler = h
		one.Brokers, one.ClientID, one.ClientOptions = c.Kafka.Brokers, c.Kafka.ClientID, security
		one.TopicSettings = consumer.TopicSettings{Manual: !c.Topics.Create, ReplicationFactor: max(c.Topics.ReplicationFactor, 0)}
		all = append(all, one)
	}
	return all, nil
}

// consumer returns what the pipeline itself says.
func (p *Pipeline) consumer() consumer.Config {
	topics, patterns := p.topics()
	return consumer.Config{
		Breaker:       p.Breaker.config(),
		Classify:      p.Classify.rules(),
		Concurrency:   p.Concurrency,
		CountsAgainst: p.Breaker.classes(),
		DeadLetters: consumer.DeadLetters{
			Disabled:  !p.DLQ.Enabled,
			Drop:      p.DLQ.Exhausted == "drop",
			Retention: max(p.DLQ.Retention, 0),
			Burst:     p.DLQ.Admission.burst(),
		},
		Delivery:         map[string]consumer.Delivery{"at_least_once": consumer.AtLeastOnce, "exactly_once_routing": consumer.ExactlyOnceRouting}[p.Delivery],
		Drain:            p.Drain,
		Group:            p.Group,
		GroupProtocol:    map[string]consumer.GroupProtocol{"classic": consumer.Classic, "eager": consumer.Eager, "consumer": consumer.NextGen}[p.GroupProtocol],
		HandlerTimeout:   p.Handler.Timeout,
		HeaderLimit:      int(p.HeaderLimit),
		HoldKey:          p.Retry.HoldKey,
		IDNamespace:      p.IDNamespace,
		InstanceID:       p.InstanceID,
		Limits:           p.limits(),
		Name:             p.Name,
		Names:            p.Names(),
		OnDataLoss:       map[string]consumer.DataLossPolicy{"hold": consumer.HoldOnDataLoss, "skip": consumer.SkipDataLoss}[p.OnDataLoss],
		Ordering:         map[string]consumer.Ordering{"key": consumer.ByKey, "partition": consumer.ByPartition, "none": consumer.Unordered}[p.Ordering],
		Priority:         p.Priority.priority(),
		RebalanceTimeout: p.RebalanceTimeout,
		Retry:            p.Policy(),
		SessionTimeout:   p.SessionTimeout,
		Shares:           consumer.Shares{Fresh: p.Shares.Fresh, Retries: p.Shares.Retries},
		Start:            p.start(),
		Tenants:          p.Tenants.tenants(),
		TopicPatterns:    patterns,
		Topics:           topics,
		Window:           consumer.Window{Records: p.Window.Records, Bytes: p.Window.Bytes},
	}
}

func (p *Pipeline) topics() (names []string, patterns []*regexp.Regexp) {
	for _, topic := range p.Topics {
		if pattern, is := patternOf(topic); is {
			patterns = append(patterns, regexp.MustCompile(pattern)) // the rules have compiled it; the pipeline anchors it
		} else {
			names = append(names, topic)
		}
	}
	return names, patterns
}

func (p *Pipeline) start() consumer.Start {
	switch p.Start {
	case "earliest":
		return consumer.Earliest()
	case "latest":
		return consumer.Latest()
	}
	at, _ := time.Parse(time.RFC3339, p.Start) // the rules have read it
	return consumer.At(at)
}

func (b Breaker) config() breaker.Config {
	slow := b.SlowCall
	if slow == 0 {
		slow = -1 // off
	}
	return breaker.Config{
		Dependency:    b.Dependency,
		Disabled:      !b.Enabled,
		Window:        b.Window,
		WindowCalls:   b.WindowCalls,
		MinimumCalls:  b.MinimumCalls,
		Failures:      b.Failures,
		FailureRate:   b.FailureRate,
		SlowCall:      slow,
		SlowRate:      b.SlowRate,
		OpenFor:       b.OpenFor,
		HalfOpenCalls: b.HalfOpenCalls,
	}
}

func (b Breaker) classes() []classify.Class {
	var all []classify.Class
	for _, name := range b.Classes {
		class, _ := classify.Parse(name) // the rules have read it
		all = append(all, class)
	}
	return all
}

func (c Classify) rules() classify.Rules {
	var all classify.Rules
	for _, rule := range c.Rules {
		class, _ := classify.Parse(rule.Class) // one of the names that keys.go allows
		if rule.Match != "" {
			all = append(all, classify.MatchRegexp(regexp.MustCompile(rule.Match), class))
		} else {
			all = append(all, classify.Status(rule.Status, class))
		}
	}
	return all
}

// burst is the bound, negative for none.
func (a Admission) burst() int {
	if !a.Enabled {
		return -1
	}
	return a.Burst
}
