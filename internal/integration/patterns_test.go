package integration_test

import (
	"regexp"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// A pattern of topics finds those that are there and those that come later, and none that is a retry or dead-letter
// topic, of this group or another, although their names match it.
func TestPatternOfTopics(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	pattern := regexp.MustCompile(".*" + regexp.QuoteMeta(b.source) + ".*")
	fail := failsUntil(2, errBroken)
	m := b.start(fail, func(c *consumer.Config) {
		c.Topics, c.TopicPatterns = nil, []*regexp.Regexp{pattern}
	})
	other := &bundle{t: t, source: b.source, group: kafkatest.Group(t)}
	other.start(fails(errBroken)) // whose topics match the pattern, too
	first := record("a", "value")
	b.produce(first)
	b.calls.awaitDone(t, 1)
	other.calls.awaitCount(t, 3)
	other.settled()

	later := b.source + "-later"
	b.createTopics(3, []string{later}) // the engine looks for new ones every half minute
	second := &kgo.Record{Topic: later, Key: []byte("b"), Value: []byte("value")}
	kafkatest.Produce(t, second)
	all := b.calls.awaitDone(t, 2)
	b.settledIn(b.source, later, b.tier("200ms"), b.group+"."+later+".retry-200ms")
	onceEach(t, all, []*kgo.Record{first, second})
	for _, topic := range m.Stats().Topics {
		if topic.Source != b.source && topic.Source != later {
			t.Errorf("%s is read as a topic of source %s", topic.Topic, topic.Source)
		}
	}
}
