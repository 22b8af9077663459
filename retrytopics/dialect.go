package retrytopics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Dialect is the headers in which another program says what Redeliver says in redeliver-*.
type Dialect string

// The dialects. All are read, from dead letters; all but Connect's are written too, on request.
const (
	// Spring is that of Spring for Apache Kafka: of @RetryableTopic and of its dead-letter recoverer. Numbers in it are binary, big endian.
	Spring Dialect = "spring"
	// SmallRye is that of SmallRye Reactive Messaging: of delayed retry topics and of its dead-letter queue.
	SmallRye Dialect = "smallrye"
	// ShareGroup is that of the dead letters of Kafka's share groups (KIP-1191).
	ShareGroup Dialect = "kip1191"
	// Connect is that of Kafka Connect's sink connectors.
	Connect Dialect = "connect"
)

// WrittenDialects are those that can be written.
func WrittenDialects() []Dialect { return []Dialect{Spring, SmallRye, ShareGroup} }

// ParseDialect returns the dialect of that name, of those that can be written.
func ParseDialect(name string) (Dialect, error) {
	if d := Dialect(name); slices.Contains(WrittenDialects(), d) {
		return d, nil
	}
	return "", fmt.Errorf("no header dialect %q: want one of %s, %s, %s", name, Spring, SmallRye, ShareGroup)
}

// The prefixes and names of the dialects' headers.
const (
	springPlain     = "kafka_dlt-"   // of the plain dead-letter recoverer
	springRetryable = "kafka_"       // of @RetryableTopic
	springTopics    = "retry_topic-" // of @RetryableTopic too

	smallRyeDead    = "dead-letter-"
	smallRyeDelayed = "delayed-retry-"

	shareGroupPrefix = "__dlq.errors."
	connectPrefix    = "__connect.errors."
)

// springSuffixes are the names of one failure, behind either prefix.
var springSuffixes = []string{
	"original-topic", "original-partition", "original-offset", "original-timestamp", "original-timestamp-type", "original-consumer-group",
	"exception-fqcn", "exception-cause-fqcn", "exception-message", "exception-stacktrace",
}

var (
	springTopicsSuffixes = []string{"attempts", "backoff-timestamp", "original-timestamp"}
	smallRyeSuffixes     = []string{
		"count", "original-timestamp", "first-processing-timestamp", "reason", "cause", "topic", "partition", "offset", "exception-class-name", "cause-class-name",
	}
)

// Has says whether the header is one of the dialect's.
func (d Dialect) Has(header string) bool {
	switch d {
	case Spring:
		return hasName(header, springPlain, springSuffixes) || hasName(header, springRetryable, springSuffixes) || hasName(header, springTopics, springTopicsSuffixes)
	case SmallRye:
		return hasName(header, smallRyeDead, smallRyeSuffixes) || hasName(header, smallRyeDelayed, smallRyeSuffixes)
	case ShareGroup:
		return strings.HasPrefix(header, shareGroupPrefix)
	case Connect:
		return strings.HasPrefix(header, connectPrefix)
	}
	return false
}

// ErrorHeader says whether the header of that name holds the text of an error in a dialect. class names the header that holds the type of that error, which
// [State.AppendHeaders] takes off the text, which is cut off with it at [MaxErrorSize]; "" where it takes off nothing.
func ErrorHeader(header string) (class string, ok bool) {
	if prefix, suffix, ok := cutAny(header, springPlain, springRetryable); ok {
		switch suffix {
		case "exception-message":
			return prefix + "exception-fqcn", true
		case "exception-stacktrace":
			return "", true
		}
	}
	if prefix, suffix, ok := cutAny(header, smallRyeDead, smallRyeDelayed); ok {
		switch suffix {
		case "reason":
			return prefix + "exception-class-name", true
		case "cause":
			return prefix + "cause-class-name", true
		}
	}
	switch header {
	case shareGroupPrefix + "message", connectPrefix + "exception.message", connectPrefix + "exception.stacktrace":
		return "", true
	}
	return "", false
}

// cutAny takes the first of the prefixes that it has off a text.
func cutAny(text string, prefixes ...string) (prefix, rest string, ok bool) {
	for _, prefix := range prefixes {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			return prefix, rest, true
		}
	}
	return "", text, false
}

func hasName(header, prefix string, suffixes []string) bool {
	rest, ok := strings.CutPrefix(header, prefix)
	return ok && slices.Contains(suffixes, rest)
}

// Without returns the headers without those of the dialects, in their order. It shares the argument's memory where nothing had to
// go, and must not be changed in place.
func Without(headers []kgo.RecordHeader, dialects ...Dialect) []kgo.RecordHeader {
	of := func(h kgo.RecordHeader) bool {
		return slices.ContainsFunc(dialects, func(d Dialect) bool { return d.Has(h.Key) })
	}
	if len(dialects) == 0 || !slices.ContainsFunc(headers, of) {
		return headers
	}
	return slices.DeleteFunc(slices.Clone(headers), of)
}
