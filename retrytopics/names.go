package retrytopics

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Default templates of [Names].
const (
	DefaultRetryTemplate = "{group}.{topic}.retry-{delay}"
	DefaultDLQTemplate   = "{group}.{topic}.dlq"
)

const (
	// maxTopicName is Kafka's bound.
	maxTopicName = 249
	// maxGroupPart leaves the topic part at least as much.
	maxGroupPart = 100
	// maxDelayPart is reserved for {delay} whatever the delay, so that all
	// tiers of a source have the same text around it.
	maxDelayPart = 12
	// hashSize is "-" and eight hexadecimal digits.
	hashSize = 9

	ledgerSuffix = ".ledger"
)

// Names turns a group, a source topic and a delay into topic names.
//
// In a template {group}, {topic} and {delay} stand for the group, the source
// topic and the delay as [Canonical] writes it. What Kafka does not accept in
// a topic name is replaced by '-', what is too long is cut, and both then get
// a short hash of the original, so that different parts stay different.
//
// Where a record comes from is read from its headers, never from a name.
type Names struct {
	// Group is the consumer group.
	Group string
	// Retry is the template of retry topics. Defaults to
	// "{group}.{topic}.retry-{delay}".
	Retry string
	// DLQ is the template of dead-letter topics. Defaults to
	// "{group}.{topic}.dlq".
	DLQ string
}

// RetryTopic names the topic in which records of the source topic wait for the
// delay, or, with [Park], behind others of their keys.
func (n Names) RetryTopic(topic string, delay time.Duration) string {
	return n.retryTemplate().render(n.groupPart(), topic, TierName(delay))
}

// DLQTopic names the topic for dead letters of the source topic.
func (n Names) DLQTopic(topic string) string {
	return n.dlqTemplate().render(n.groupPart(), topic, "")
}

// LedgerTopic names the compacted topic beside a dead-letter topic in which it
// is written down what became of its entries. Of the name of another program's
// topic that leaves no room for the suffix it has what fits, and a short hash.
func LedgerTopic(dlq string) string {
	if room := maxTopicName - len(ledgerSuffix); len(dlq) > room {
		dlq = legalPart(dlq, room)
	}
	return dlq + ledgerSuffix
}

// Validate checks the templates for a pipeline with that many source topics;
// count a pattern of topics as two. The error joins a [*FieldError] (with the
// field "topic" for the retry topic, "dlq.topic" for the dead letters) for
// everything that is wrong.
func (n Names) Validate(sources int) error {
	var problems []error
	wrong := func(field, format string, args ...any) {
		problems = append(problems, fieldErrorf(field, format, args...))
	}
	if n.Group == "" {
		wrong("group", "is empty: retry topics belong to one consumer group")
	}
	for _, t := range []struct {
		field    string
		template template
		required []string
	}{
		{"topic", n.retryTemplate(), []string{partGroup, partDelay}},
		{"dlq.topic", n.dlqTemplate(), []string{partGroup}},
	} {
		required := t.required
		if sources != 1 {
			required = append(required, partTopic)
		}
		for _, problem := range t.template.problems(required) {
			wrong(t.field, "%s", problem)
		}
	}
	if len(problems) == 0 {
		sample := n.DLQTopic("orders")
		if _, _, ok := n.Match(sample); ok || sample == n.RetryTopic("orders", time.Second) {
			wrong("dlq.topic", "%q makes names that %q makes too", string(n.dlqTemplate()), string(n.retryTemplate()))
		}
	}
	return errors.Join(problems...)
}

// Match says whether a topic has the name of a retry topic of this group, and
// if so, of which source and delay; that of the park topic is [Park]. source is "" where the template has no
// {topic} or the name was cut.
//
// A match is a guess when the topic is not known to be the group's: topic
// "b.orders" of group "a" and topic "orders" of group "a.b" have one default
// name. Only the redeliver-group header of its records tells for sure.
func (n Names) Match(topic string) (source string, delay time.Duration, ok bool) {
	return n.retryTemplate().match(n.groupPart(), topic)
}

// MatchDLQ says whether a topic has the name of a dead-letter topic of this group. It is a guess as that of [Names.Match] is.
func (n Names) MatchDLQ(topic string) bool {
	before, after, several := strings.Cut(strings.Replace(string(n.dlqTemplate()), partGroup, n.groupPart(), 1), partTopic)
	if !several {
		return topic == before
	}
	_, ok := between(topic, before, after)
	return ok
}

var ours = regexp.MustCompile(`^.+\.(?:retry-([0-9]+(?:ms|s|m|h)|park)|dlq|dlq` + regexp.QuoteMeta(ledgerSuffix) + `)$`)

// IsOurs says whether a topic looks, by the default naming, like a retry
// topic, a dead-letter topic or a ledger of any group, or a control topic. Patterns of source
// topics never match those.
func IsOurs(topic string) bool {
	if IsControl(topic) {
		return true
	}
	m := ours.FindStringSubmatch(topic)
	if m == nil {
		return false
	}
	if m[1] == "" {
		return true
	}
	_, ok := parseTier(m[1])
	return ok
}

// IsInternal says whether a topic is one that Kafka keeps for itself.
func IsInternal(topic string) bool {
	switch topic {
	case "__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata":
		return true
	}
	return false
}

// Legal turns any text into a name that Kafka accepts as a topic. What is
// legal stays as it is; the rest is replaced by '-' or cut to 249 characters,
// and gets a hash of the original.
func Legal(topic string) string { return legalPart(topic, maxTopicName) }

// legalPart is Legal within limit characters.
func legalPart(s string, limit int) string {
	clean := illegal.ReplaceAllString(s, "-")
	if clean == s && len(s) <= limit && s != "" && s != "." && s != ".." {
		return s
	}
	return clean[:min(len(clean), limit-hashSize)] + shortHash(s)
}

var illegal = regexp.MustCompile(`[^a-zA-Z0-9._-]`)

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "-" + hex.EncodeToString(sum[:4])
}

func (n Names) groupPart() string { return legalPart(n.Group, maxGroupPart) }

func (n Names) retryTemplate() template { return template(orDefault(n.Retry, DefaultRetryTemplate)) }

func (n Names) dlqTemplate() template { return template(orDefault(n.DLQ, DefaultDLQTemplate)) }

// Collisions finds, among the names, those that Kafka would not let exist side
// by side: equal ones, and ones that differ only in '.' and '_', which its
// metrics cannot tell apart. Each is described for people.
func Collisions(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	seen := map[string]string{}
	var found []string
	for _, name := range sorted {
		key := metricName(name)
		switch other, ok := seen[key]; {
		case !ok:
			seen[key] = name
		case other == name:
			found = append(found, fmt.Sprintf("%s is used twice", name))
		default:
			found = append(found, fmt.Sprintf("%s and %s differ only in '.' and '_', which Kafka does not allow side by side", other, name))
		}
	}
	return found
}

// metricName is what Kafka makes of a topic's name in its metrics.
func metricName(topic string) string { return strings.ReplaceAll(topic, ".", "_") }
