package integration_test

import (
	"regexp"
	"slices"
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

// onStats is called with a pipeline's counts once a second.
type onStats func(consumer.Stats)

func (f onStats) OnStats(s consumer.Stats) { f(s) }

// A pattern that no topic matches yet is waited for, by a pipeline that is well otherwise, and told; and when its topic comes,
// it is read from its first record, wherever the group was to start.
func TestPatternThatNoTopicMatchesYet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		topics bool // beside the pattern there is a topic
	}{{"alone", false}, {"beside a topic", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 2)
			later := b.source + "-later"
			pattern := regexp.MustCompile(regexp.QuoteMeta(later) + ".*")
			waiting := make(chan consumer.Stats, 1)
			m := b.start(succeeds, func(c *consumer.Config) {
				c.Start = consumer.Latest()
				c.TopicPatterns = []*regexp.Regexp{pattern}
				if !tt.topics {
					c.Topics = nil
				}
				c.Hooks = append(c.Hooks, onStats(func(s consumer.Stats) {
					if s.Phase == consumer.Running && s.Ready && len(s.WaitedFor) > 0 && (len(s.Partitions) > 0) == tt.topics {
						select {
						case waiting <- s:
						default:
						}
					}
				}))
			})
			s := within(t, "pipeline that is ready and waits for topics", waiting)
			if want := "no topic matches /" + pattern.String() + "/ yet: it is waited for"; s.Health != consumer.Healthy || !slices.Contains(s.Reasons, want) {
				t.Errorf("got %v, reasons %q; want a pipeline that is well, and that says %q", s.Health, s.Reasons, want)
			}

			b.createTopics(3, []string{later})
			one := &kgo.Record{Topic: later, Key: []byte("b"), Value: []byte("value")}
			kafkatest.Produce(t, one)
			onceEach(t, b.calls.awaitDone(t, 1), []*kgo.Record{one})
			b.settledIn(later)
			if s := m.Stats(); len(s.WaitedFor) > 0 {
				t.Errorf("still waits for %q", s.WaitedFor)
			}
		})
	}
}
