package config

import (
	"regexp"
	"slices"

	"github.com/redeliver/redeliver/retrytopics"
)

// Pattern returns the regular expression of a source topic that is written between slashes, anchored at both ends, and
// whether it is one.
func Pattern(topic string) (*regexp.Regexp, bool) {
	pattern, is := patternOf(topic)
	if !is {
		return nil, false
	}
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	return re, err == nil
}

// Sources returns the pipeline's source topics, sorted: those it names, and of the existing ones those that its patterns
// match. A pattern never matches a retry or dead-letter topic.
func (p *Pipeline) Sources(existing []string) []string {
	var sources []string
	for _, topic := range p.Topics {
		re, is := Pattern(topic)
		if !is {
			sources = append(sources, topic)
			continue
		}
		for _, name := range existing {
			_, _, own := p.Names().Match(name)
			if re.MatchString(name) && !retrytopics.IsOurs(name) && !own {
				sources = append(sources, name)
			}
		}
	}
	slices.Sort(sources)
	return slices.Compact(sources)
}

// Unmatched returns the patterns, as they are written, that none of the pipeline's sources matches. Their topics may come
// at any time.
func (p *Pipeline) Unmatched(sources []string) (patterns []string) {
	for _, topic := range p.Topics {
		if re, is := Pattern(topic); is && !slices.ContainsFunc(sources, re.MatchString) {
			patterns = append(patterns, topic)
		}
	}
	return patterns
}

// Wanted returns the topics that the pipeline needs beside its sources.
func (p *Pipeline) Wanted(t Topics, sources []string) (retrytopics.Want, error) {
	schedule, err := p.Policy().Compile()
	if err != nil {
		return retrytopics.Want{}, err
	}
	return retrytopics.Want{
		Group:             p.Group,
		Sources:           sources,
		Names:             p.Names(),
		Tiers:             schedule.Tiers(),
		Park:              p.Retry.HoldKey,
		DLQ:               p.DLQ.Enabled,
		DLQRetention:      p.DLQ.Retention,
		ReplicationFactor: t.ReplicationFactor,
		AllowCreate:       t.Create,
	}, nil
}
