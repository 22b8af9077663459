package retrytopics

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// template is the name of a topic with {group}, {topic} and {delay} in it.
type template string

const (
	partGroup = "{group}"
	partTopic = "{topic}"
	partDelay = "{delay}"
)

func (t template) has(part string) bool { return strings.Contains(string(t), part) }

// render fills in the parts. The topic part gives way when the whole would be
// too long.
func (t template) render(group, topic, delay string) string {
	name := t.withGroup(group)
	if t.has(partTopic) {
		name = strings.Replace(name, partTopic, legalPart(topic, t.topicRoom(group)), 1)
	}
	return strings.Replace(name, partDelay, delay, 1)
}

func (t template) withGroup(group string) string {
	return strings.Replace(string(t), partGroup, group, 1)
}

// topicRoom is how long the topic part may be: the same for every delay and
// with room for the ledger's suffix.
func (t template) topicRoom(group string) int {
	rest := len(t.withGroup(group)) - len(partTopic) + len(ledgerSuffix)
	if t.has(partDelay) {
		rest += maxDelayPart - len(partDelay)
	}
	return max(maxTopicName-rest, hashSize+1)
}

// match reads a name backwards, with the group known.
func (t template) match(group, name string) (source string, delay time.Duration, ok bool) {
	pattern := t.withGroup(group)
	before, after, found := strings.Cut(pattern, partDelay)
	if !found {
		return "", 0, false
	}
	if !t.has(partTopic) {
		middle, ok := between(name, before, after)
		if !ok {
			return "", 0, false
		}
		delay, ok = parseTier(middle)
		return "", delay, ok
	}
	if prefix, middle, ok := strings.Cut(before, partTopic); ok {
		rest, ok := between(name, prefix, after)
		if !ok {
			return "", 0, false
		}
		// The delay is what stands behind the last separator.
		i := strings.LastIndex(rest, middle)
		if i <= 0 {
			return "", 0, false
		}
		return t.read(group, rest[:i], rest[i+len(middle):])
	}
	middle, suffix, _ := strings.Cut(after, partTopic)
	rest, ok := between(name, before, suffix)
	if !ok {
		return "", 0, false
	}
	i := strings.Index(rest, middle)
	if i <= 0 {
		return "", 0, false
	}
	return t.read(group, rest[i+len(middle):], rest[:i])
}

func (t template) read(group, topic, delayText string) (string, time.Duration, bool) {
	delay, ok := parseTier(delayText)
	if !ok || topic == "" {
		return "", 0, false
	}
	if len(topic) == t.topicRoom(group) && hashed(topic) {
		topic = ""
	}
	return topic, delay, true
}

// hashed says whether a part ends as legalPart ends what it had to change.
// Sources are topics, so that only their length is ever changed.
func hashed(part string) bool {
	if len(part) <= hashSize {
		return false
	}
	tail := part[len(part)-hashSize:]
	return tail[0] == '-' && strings.Trim(tail[1:], "0123456789abcdef") == ""
}

func between(s, prefix, suffix string) (string, bool) {
	if len(s) <= len(prefix)+len(suffix) {
		return "", false
	}
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}

// problems says what is wrong with the template.
func (t template) problems(required []string) []string {
	var problems []string
	literal := string(t)
	for _, part := range []string{partGroup, partTopic, partDelay} {
		count := strings.Count(literal, part)
		switch {
		case count > 1:
			problems = append(problems, fmt.Sprintf("%q has %s %d times, once is enough", string(t), part, count))
		case count == 0 && slices.Contains(required, part):
			problems = append(problems, fmt.Sprintf("%q needs %s: without it %s", string(t), part, missingPart[part]))
		case count == 1 && part == partDelay && !slices.Contains(required, part):
			problems = append(problems, fmt.Sprintf("%q: a dead letter has no %s", string(t), part))
		}
		literal = strings.ReplaceAll(literal, part, "")
	}
	if i := strings.IndexAny(literal, "{}"); i >= 0 {
		problems = append(problems, fmt.Sprintf("%q: only {group}, {topic} and {delay} may stand in braces", string(t)))
	} else if bad := illegal.FindString(literal); bad != "" {
		problems = append(problems, fmt.Sprintf("%q: %q may not stand in the name of a topic, only letters, digits, '.', '_' and '-'", string(t), bad))
	}
	if strings.Contains(string(t), "}{") {
		problems = append(problems, fmt.Sprintf("%q: put a separator between the braces, or names could not be told apart", string(t)))
	}
	if room := maxTopicName - maxGroupPart - maxDelayPart - len(ledgerSuffix) - 2*hashSize; len(literal) > room {
		problems = append(problems, fmt.Sprintf("%q is too long: at most %d characters beside the braces, for Kafka allows %d in all", string(t), room, maxTopicName))
	}
	return problems
}

var missingPart = map[string]string{
	partGroup: "two groups would share a topic",
	partTopic: "several source topics would share a topic",
	partDelay: "all tiers would be one topic",
}
