package consumer

import (
	"encoding/base64"
	"maps"

	"github.com/twmb/franz-go/pkg/kadm"
)

// learn takes what the group's commits say: which topics are its retry topics, whatever they are called, and how many
// partitions its sources had at its first start.
func (t *topics) learn(committed kadm.OffsetResponses) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := make(map[string]int32)
	for topic, ps := range committed {
		for _, c := range ps {
			n, ok := parseNote(c.Metadata)
			if !ok {
				continue
			}
			if n.retry {
				if _, known := t.retries[topic]; !known {
					t.retries[topic] = n
				}
				continue
			}
			maps.Copy(first, n.first)
		}
	}
	if len(first) > 0 {
		t.first = first
	}
}

// firstStart returns a function that tells whether a partition without a commit is part of the group's first start.
func (t *topics) firstStart(topic string, committed kadm.OffsetResponses) func(part int32) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, isRetry := t.retries[topic]; isRetry {
		return func(int32) bool { return false }
	}
	foreign := false // commits of another program: the group has started before us
	noted := false
	for _, ps := range committed {
		for _, c := range ps {
			if _, ok := parseNote(c.Metadata); ok {
				noted = true
			} else if c.At >= 0 {
				foreign = true
			}
		}
	}
	count := t.first[topic]
	return func(part int32) bool { return part < count && (noted || !foreign) }
}

// note returns what a topic is to the group.
func (t *topics) note(topic string) note {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n, ok := t.retries[topic]; ok {
		n.id = t.idOf(topic)
		return n
	}
	return note{first: t.first}
}

// id returns a topic's id, zero when it is not known.
func (t *topics) id(topic string) [16]byte {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ids[topic]
}

// idOf returns a topic's id as Kafka's tools print it, "" when it is not known. The lock is held.
func (t *topics) idOf(topic string) string {
	return printedID(t.ids[topic])
}

// printedID returns a topic's id as Kafka's tools print it, "" when it is not known.
func printedID(id kadm.TopicID) string {
	if id == (kadm.TopicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// earlier reports whether a commit belongs to a topic of the same name that was deleted since.
func (t *topics) earlier(topic, metadata string) bool {
	n, ok := parseNote(metadata)
	if !ok || n.id == "" {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	id := t.idOf(topic)
	return id != "" && id != n.id
}
