package config

import (
	"fmt"
	"github.com/redeliver/redeliver/adaptive"
	"regexp"
	"strings"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
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
		Classes:       p.treatments(),
		Classify:      p.classRules(),
		Concurrency:   p.Concurrency,
		CountsAgainst: p.Breaker.classes(),
		Dependencies:  p.dependencies(),
		DeadLetters: consumer.DeadLetters{
			Disabled:   !p.DLQ.Enabled,
			Drop:       p.DLQ.Exhausted == "drop",
			Retention:  max(p.DLQ.Retention, 0),
			Burst:      p.DLQ.Admission.burst(),
			PerSuccess: p.DLQ.Admission.PerSuccess,
		},
		Delivery:         map[string]consumer.Delivery{"at_least_once": consumer.AtLeastOnce, "exactly_once_routing": consumer.ExactlyOnceRouting}[p.Delivery],
		Drain:            p.Drain,
		Group:            p.Group,
		GroupProtocol:    map[string]consumer.GroupProtocol{"classic": consumer.Classic, "eager": consumer.Eager, "consumer": consumer.NextGen}[p.GroupProtocol],
		HandlerTimeout:   p.Handler.Timeout,
		HeaderDialects:   p.HeaderDialects(),
		HeaderLimit:      int(p.HeaderLimit),
		HoldKey:          p.Retry.HoldKey,
		IDNamespace:      p.IDNamespace,
		InstanceID:       p.InstanceID,
		Limits:           p.limits(),
		Name:             p.Name,
		Names:            p.Names(),
		Parts:            p.Breaker.parts(),
		OnDeadLetter:     map[string]consumer.DeadLetterPolicy{"release": consumer.ReleaseOnDeadLetter, "hold": consumer.HoldOnDeadLetter}[p.Retry.OnDeadLetter],
		OnDataLoss:       map[string]consumer.DataLossPolicy{"hold": consumer.HoldOnDataLoss, "skip": consumer.SkipDataLoss}[p.OnDataLoss],
		Ordering:         map[string]consumer.Ordering{"key": consumer.ByKey, "partition": consumer.ByPartition, "none": consumer.Unordered}[p.Ordering],
		Priority:         p.Priority.priority(),
		RebalanceTimeout: p.RebalanceTimeout,
		Retry:            p.Policy(),
		Adaptive:         adaptive.Config{AttemptCost: p.Retry.Adaptive.AttemptCost, HalfLife: p.Retry.Adaptive.HalfLife, Minimum: p.Retry.Adaptive.Minimum},
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

// dependencies are those beside that of breaker.
func (p *Pipeline) dependencies() (all []consumer.Dependency) {
	for _, b := range p.Breakers {
		all = append(all, consumer.Dependency{Breaker: b.config(), CountsAgainst: b.classes(), Parts: b.parts()})
	}
	return all
}

// parts says how the dependency is watched part by part, if it is.
func (b Breaker) parts() consumer.Parts {
	kind, name, _ := strings.Cut(b.By, ":")
	switch kind {
	case "tenant":
		return consumer.Parts{By: consumer.ByTenant, Most: b.Parts}
	case "header":
		return consumer.Parts{By: consumer.ByHeader(name), Most: b.Parts}
	case "host":
		return consumer.Parts{By: consumer.ByHost(name), Most: b.Parts}
	}
	return consumer.Parts{}
}

func (b Breaker) config() breaker.Config {
	return breaker.Config{
		Dependency:    b.Dependency,
		Mode:          b.mode(),
		Window:        b.Window,
		WindowCalls:   b.WindowCalls,
		MinimumCalls:  b.MinimumCalls,
		Failures:      b.Failures,
		FailureRate:   b.FailureRate,
		SlowCall:      orNone(b.SlowCall),
		SlowRate:      b.SlowRate,
		OpenFor:       b.OpenFor,
		HalfOpenCalls: b.HalfOpenCalls,

		OpenMultiplier: b.OpenMultiplier,
		OpenMax:        b.OpenMax,
		OpenJitter:     orNone(b.OpenJitter),
		HalfOpenFor:    orNone(b.HalfOpenFor),
		SlowStart:      orNone(b.SlowStart),
	}
}

// orNone returns what the breaker takes for none where 0 says so in the file.
func orNone[T float64 | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

func (b Breaker) mode() breaker.State {
	if !b.Enabled {
		return breaker.Disabled
	}
	return map[string]breaker.State{"forced_open": breaker.ForcedOpen, "disabled": breaker.Disabled, "metrics_only": breaker.MetricsOnly}[b.Mode]
}

func (b Breaker) classes() []classify.Class {
	var all []classify.Class
	for _, name := range b.Classes {
		class, _ := classify.Parse(name) // the rules have read it
		all = append(all, class)
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

// HeaderDialects are the dialects that are written beside Redeliver's own headers.
func (p *Pipeline) HeaderDialects() []retrytopics.Dialect {
	var all []retrytopics.Dialect
	for _, name := range p.Headers.Dialects {
		all = append(all, retrytopics.Dialect(name))
	}
	return all
}
