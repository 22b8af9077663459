package consumer

import (
	"slices"
	"time"
)

// family returns the source that a topic belongs to, itself for a source.
func (t *topics) family(topic string) string {
	if n := t.note(topic); n.retry {
		return n.source
	}
	return topic
}

// retry returns the name of a tier's retry topic.
func (t *topics) retry(source string, delay time.Duration) string {
	t.mu.RLock()
	name, ok := t.names[tierOf{source, delay}]
	t.mu.RUnlock()
	if !ok { // of a source that the configuration does not name any more
		name = t.p.cfg.Names.RetryTopic(source, delay)
		t.mu.Lock()
		t.names[tierOf{source, delay}] = name
		t.mu.Unlock()
	}
	return name
}

// letter returns the name of a source's dead-letter topic.
func (t *topics) letter(source string) string {
	t.mu.RLock()
	name, ok := t.letters[source]
	t.mu.RUnlock()
	if !ok {
		name = t.p.cfg.Names.DLQTopic(source)
	}
	return name
}

// subscriptions lists the topics that the group reads.
func (t *topics) subscriptions() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var names []string
	for s := range t.partitions {
		names = append(names, s)
	}
	for r := range t.retries {
		if t.all[r] > 0 {
			names = append(names, r)
		}
	}
	slices.Sort(names)
	return names
}

// subscribe reads topics that are new. A topic that was made again is forgotten first: the client knows topics by
// their ids.
func (t *topics) subscribe() {
	t.mu.Lock()
	remade := t.remade
	t.remade = nil
	t.mu.Unlock()
	if len(remade) > 0 {
		for _, topic := range remade {
			t.p.log.Error("topic was deleted and made again: what was in it is gone", "pipeline", t.p.cfg.Name, "topic", topic, "unread", t.lost(topic))
		}
		t.p.abandon(remade)
		t.p.client.PurgeTopicsFromClient(remade...)
		t.p.intake.following.startOver(remade)
		if t.p.deadWatch != nil {
			t.p.deadWatch.startOver(remade)
		}
	}
	if copier := t.p.copier; copier != nil && (t.renamed() || len(remade) > 0) {
		if err := copier.renew(); err != nil {
			t.p.faults.note("topics", "", -1, err)
		}
	}
	t.p.client.AddConsumeTopics(t.subscriptions()...)
}

// families lists the topics that the group reads with their partitions, by the source that they belong to.
func (t *topics) families() map[string]map[string]int32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	families := make(map[string]map[string]int32)
	add := func(source, topic string) {
		if families[source] == nil {
			families[source] = make(map[string]int32)
		}
		families[source][topic] = t.all[topic]
	}
	for s := range t.partitions {
		add(s, s)
	}
	for r, n := range t.retries {
		if t.all[r] > 0 {
			add(n.source, r)
		}
	}
	return families
}

// ours reports whether the pipeline reads or writes a topic. The lock is held.
func (t *topics) ours(topic string) bool {
	_, source := t.partitions[topic]
	_, retry := t.retries[topic]
	return source || retry || t.isLetter(topic)
}

func (t *topics) isLetter(topic string) bool {
	for _, l := range t.letters {
		if l == topic {
			return true
		}
	}
	return false
}
