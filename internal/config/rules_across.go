package config

import (
	"fmt"
	"strings"

	"github.com/redeliver/redeliver/retrytopics"
)

// rulesAcrossPipelines judge what pipelines have in common and must not have, or must have alike.
func (r *reader) rulesAcrossPipelines(c *Config) {
	names, groups := map[string]int{}, map[string]int{}
	owners := topicOwners{}
	for i := range c.Pipelines {
		p, at := &c.Pipelines[i], fmt.Sprintf("pipelines[%d]", i)
		if r.sound(at + ".name") {
			if first, twice := names[p.Name]; twice {
				r.wrong(at+".name", "name: %s is the name of the pipeline in line %d too; names are unique", p.Name, r.place(fmt.Sprintf("pipelines[%d].name", first)).Line)
				continue
			}
			names[p.Name] = i
		}
		if p.Group != "" && r.sound(at+".group", at+".name") {
			if first, twice := groups[p.Group]; twice {
				path := at + ".group"
				if !r.given(path) {
					path = at + ".name"
				}
				r.wrong(path, "group: %s is the group of pipeline %s too; two pipelines of one group would take each other's partitions: give one another group, or make them one pipeline with the topics of both", p.Group, c.Pipelines[first].Name)
				continue
			}
			groups[p.Group] = i
		}
		if !r.anyBad(at) {
			r.topicNameRules(p, at, owners)
		}
		for j := range i {
			r.sharedBreakerRules(&c.Pipelines[j], p, j, at)
			r.sharedLimitRules(&c.Pipelines[j], p, at)
		}
	}
	for i := range c.Pipelines {
		r.sourceRules(&c.Pipelines[i], fmt.Sprintf("pipelines[%d]", i), owners)
	}
}

// sourceRules refuse a source that a pipeline makes for its retries or dead letters, by whatever template.
func (r *reader) sourceRules(p *Pipeline, at string, owners topicOwners) {
	for i, source := range p.Topics {
		if _, delay, own := p.Names().Match(source); own && !retrytopics.IsOurs(source) && r.sound(at+".topics", at+".retry.topic", at+".group", at+".name") {
			r.wrong(fmt.Sprintf("%s.topics[%d]", at, i), "topics: %s has the name that retry.topic gives the pipeline's own retry topic of %s; give the retry topics another template, or read another source", source, retrytopics.TierName(delay))
			continue
		}
		owner, made := owners[metricName(source)]
		if made && owner.topic == source && !retrytopics.IsOurs(source) && r.sound(at+".topics") {
			r.wrong(fmt.Sprintf("%s.topics[%d]", at, i), "topics: %s is a topic that pipeline %s makes for its retries or dead letters, which no pipeline reads as a source", source, owner.pipeline)
		}
	}
}

// metricName is what Kafka's metrics make of a topic's name. Two topics with one such name cannot be side by side.
func metricName(topic string) string { return strings.ReplaceAll(topic, ".", "_") }

// topicOwners knows which pipeline makes a topic, by the name that Kafka's metrics know it by.
type topicOwners map[string]topicOwner

type topicOwner struct{ pipeline, topic string }

// topicNameRules refuse two pipelines that yield one name.
func (r *reader) topicNameRules(p *Pipeline, at string, owners topicOwners) {
	schedule, err := p.Policy().Compile()
	if err != nil {
		return
	}
	names := p.Names()
	claim := func(path, topic string) bool {
		owner, taken := owners[metricName(topic)]
		if !taken {
			owners[metricName(topic)] = topicOwner{p.Name, topic}
			return true
		}
		if owner.pipeline == p.Name {
			return true // what one pipeline's own templates make is judged by its templates
		}
		clash := "makes the topic too"
		if owner.topic != topic {
			clash = fmt.Sprintf("makes %s, and Kafka does not allow both, which differ only in '.' and '_'", owner.topic)
		}
		r.wrong(path, "%s: this pipeline makes the topic %s, and pipeline %s %s; give one of them another group, or another template", short(path), topic, owner.pipeline, clash)
		return false
	}
	for _, source := range p.Topics {
		if _, isPattern := patternOf(source); isPattern {
			continue
		}
		for _, tier := range schedule.Tiers() {
			if !claim(at+".retry.topic", names.RetryTopic(source, tier)) {
				return
			}
		}
		if p.Retry.HoldKey && !claim(at+".retry.topic", names.RetryTopic(source, retrytopics.Park)) {
			return
		}
		dead := names.DLQTopic(source)
		if p.DLQ.Enabled && !(claim(at+".dlq.topic", dead) && claim(at+".dlq.topic", retrytopics.LedgerTopic(dead))) {
			return
		}
	}
}

// sharedBreakerRules refuse two breakers of one name that are configured differently: they are one.
func (r *reader) sharedBreakerRules(first, second *Pipeline, i int, at string) {
	before, here := first.breakers(fmt.Sprintf("pipelines[%d]", i)), second.breakers(at)
	for _, a := range before {
		for _, b := range here {
			if a.Dependency == b.Dependency && a.Enabled && b.Enabled && !r.anyBad(a.path) && !r.anyBad(b.path) && !r.sameBreaker(first.Name, a, b) {
				return
			}
		}
	}
}

// placedBreaker is a breaker of a pipeline with its path.
type placedBreaker struct {
	*Breaker
	path string
}

// breakers are all of a pipeline, whose path is given.
func (p *Pipeline) breakers(at string) []placedBreaker {
	all := []placedBreaker{{&p.Breaker, at + ".breaker"}}
	for i := range p.Breakers {
		all = append(all, placedBreaker{&p.Breakers[i], fmt.Sprintf("%s.breakers[%d]", at, i)})
	}
	return all
}

// sameBreaker refuses b where it is configured otherwise than a, the breaker of an earlier pipeline.
func (r *reader) sameBreaker(earlier string, a, b placedBreaker) bool {
	here := breakerKeys(b.Breaker)
	for k, key := range breakerKeys(a.Breaker) {
		before, now := fmt.Sprint(key.write()), fmt.Sprint(here[k].write())
		if before == now || key.name == "classes" || key.name == "ignore" {
			continue
		}
		path := b.path + "." + key.name
		r.wrong(path, "breaker.%s is %s here and %s in pipeline %s, and both share the breaker of %s; write the same in both, or in defaults:", key.name, r.shown(path, now), before, earlier, b.Dependency)
		return false
	}
	return true
}
