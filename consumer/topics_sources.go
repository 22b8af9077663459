package consumer

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/retrytopics"
)

// sources resolves the configured topics and patterns; idle are the patterns that no topic matches, as they were given.
func (t *topics) sources(found kadm.TopicDetails) (sources, idle []string) {
	sources = slices.Clone(t.p.cfg.Topics)
	matched := make([]bool, len(t.p.patterns))
	for name := range found {
		if retrytopics.IsOurs(name) || t.isOwn(name) {
			continue
		}
		for i, re := range t.p.patterns {
			if !re.MatchString(name) {
				continue
			}
			matched[i] = true
			if !slices.Contains(sources, name) {
				sources = append(sources, name)
			}
		}
	}
	for i, re := range t.p.cfg.TopicPatterns {
		if !matched[i] {
			idle = append(idle, re.String())
		}
	}
	slices.Sort(sources)
	return sources, idle
}

// wait tells of patterns that no topic matches. That is no fault: their topics may come at any time, and are found then.
func (t *topics) wait(idle []string) {
	t.mu.Lock()
	before := t.idle
	t.idle = idle
	t.mu.Unlock()
	for _, pattern := range idle {
		if !slices.Contains(before, pattern) {
			t.p.log.Warn("no topic matches a pattern yet: it is waited for", "pipeline", t.p.cfg.Name, "pattern", pattern)
		}
	}
}

// waitedFor lists the patterns that no topic matches.
func (t *topics) waitedFor() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.idle
}

// left lists the sources that left the configuration while their records waited: what is left of those may need every
// tier and the dead letters of today. Those that are gone from the cluster too come with the topics in which they wait.
func (t *topics) left(sources []string, found kadm.TopicDetails) (left []string, gone map[string][]string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	gone = make(map[string][]string)
	for name, n := range t.retries {
		switch {
		case !found.Has(name) || slices.Contains(sources, n.source):
		case !found.Has(n.source):
			gone[n.source] = append(gone[n.source], name)
		case !slices.Contains(left, n.source):
			left = append(left, n.source)
		}
	}
	slices.Sort(left)
	return left, gone
}

// isOwn reports whether a topic is a retry topic of this group, by its commits or by its name.
func (t *topics) isOwn(name string) bool {
	t.mu.RLock()
	_, ok := t.retries[name]
	t.mu.RUnlock()
	if !ok {
		_, _, ok = t.p.cfg.Names.Match(name)
	}
	return ok
}

// know remembers the topics that there are: those of the configured tiers, and those that earlier configurations left.
func (t *topics) know(sources, wanted, leftover []string, found kadm.TopicDetails) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range sources {
		t.partitions[s] = int32(len(found[s].Partitions))
	}
	for _, s := range wanted {
		t.letters[s] = t.p.cfg.Names.DLQTopic(s)
		for _, d := range t.tiers() {
			name := t.p.cfg.Names.RetryTopic(s, d)
			t.names[tierOf{s, d}] = name
			t.retries[name] = note{retry: true, delay: d.String(), source: s}
		}
	}
	for _, name := range leftover {
		if _, known := t.retries[name]; known {
			continue
		}
		source, delay, _ := t.p.cfg.Names.Match(name)
		t.retries[name] = note{retry: true, delay: delay.String(), source: or(source, name)}
	}
	if !t.begun && len(t.first) == 0 {
		maps.Copy(t.first, t.partitions)
	}
	t.begun = true
	clear(t.all)
	for name, d := range found {
		t.all[name] = int32(len(d.Partitions))
		if id, known := t.ids[name]; known && id != d.ID && t.ours(name) {
			t.remade = append(t.remade, name)
		}
		t.ids[name] = d.ID
	}
}

// tellLeftover says which retry topics no tier of a source needs any more.
func (t *topics) tellLeftover(sources []string) {
	wanted := make(map[string]bool)
	var leftover []string
	t.mu.Lock()
	for _, s := range sources {
		for _, d := range t.tiers() {
			wanted[t.names[tierOf{s, d}]] = true
		}
	}
	for name := range t.retries {
		if t.all[name] > 0 && !wanted[name] {
			leftover = append(leftover, name)
		}
	}
	t.mu.Unlock()
	for _, name := range slices.Sorted(slices.Values(leftover)) {
		if t.p.faults.untold("leftover", name) {
			t.p.log.Warn("retry topic that the configuration needs no more: it is read on, and can be deleted when nothing waits in it", "pipeline", t.p.cfg.Name, "topic", name)
		}
	}
}
