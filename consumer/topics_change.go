package consumer

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lost counts the records of a topic that were not settled when it was deleted, as far as known.
func (t *topics) lost(topic string) (n int64) {
	for _, l := range t.p.intake.all() {
		if l.topic != topic {
			continue
		}
		l.strand.mu.Lock()
		unread := int64(l.open) + max(l.end.Load()-l.next, 0)
		l.strand.mu.Unlock()
		l.meter.lost.Add(uint64(unread))
		n += unread
	}
	return n
}

// missing says that a topic is not there that a copy was sent to, or that is to be read.
func (t *topics) missing(string) {
	select {
	case t.again <- struct{}{}:
	default:
	}
}

// misnamed says that whoever writes copies knows a topic by the id of one that is gone.
func (t *topics) misnamed(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.misnames, topic) {
		t.misnames = append(t.misnames, topic)
	}
}

// renamed reports whether there is a topic, under another id, that whoever writes copies takes for one that is gone.
func (t *topics) renamed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := t.misnames
	t.misnames = nil
	return slices.ContainsFunc(names, func(topic string) bool { return t.all[topic] > 0 })
}

// check holds the lanes of new partitions whose copies have nowhere to go yet, or not for all that the client knows that writes them.
func (t *topics) check(parts map[string][]int32) {
	short, writer := false, t.p.writer()
	for topic, ps := range parts {
		for _, part := range ps {
			l := t.p.intake.lane(topic, part)
			if t.complete(topic, part) && (l == nil || writer == nil || t.writable(writer, l)) {
				continue
			}
			short = true
			if l != nil {
				l.missing.Store(true)
				t.p.intake.review(l)
			}
		}
	}
	if short {
		t.missing("")
	}
}

// recheck lets lanes go on whose topics are there now, and known to the client that writes to them. It reports whether
// one still waits: for somebody to make its topics, for the client to learn of them, or since the broker that was asked
// is behind the others.
func (t *topics) recheck() (soon bool) {
	for _, l := range t.p.intake.all() {
		missing := !t.complete(l.topic, l.partition)
		soon = soon || missing
		if writer := t.p.writer(); !missing && l.missing.Load() && writer != nil && !t.writable(writer, l) {
			writer.ForceMetadataRefresh()
			soon = true
			continue
		}
		if missing != l.missing.Load() {
			l.missing.Store(missing)
			t.p.intake.review(l)
			l.strand.wake()
		}
	}
	return soon
}

// writable reports whether the client knows the partitions that the lane's copies go to. What it has not written to yet
// it will ask for when it does.
func (t *topics) writable(writer *kgo.Client, l *lane) bool {
	for _, d := range t.tiers() {
		if outdated(writer, t.retry(l.source, d), l.partition) {
			return false
		}
	}
	return t.p.cfg.DeadLetters.Disabled || !outdated(writer, t.letter(l.source), l.partition)
}

func outdated(writer *kgo.Client, topic string, part int32) bool {
	known, _, err := writer.PartitionLeader(topic, 0)
	if err != nil || known < 0 {
		return false
	}
	leader, _, err := writer.PartitionLeader(topic, part)
	return err != nil || leader < 0
}

// complete reports whether the partition's copies have a partition of the same number to go to.
func (t *topics) complete(topic string, part int32) bool {
	source := t.family(topic)
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, current := t.partitions[source]; !current {
		return true // left over: its copies are few, and an unknown topic holds them one by one
	}
	for _, d := range t.tiers() {
		if t.all[t.names[tierOf{source, d}]] <= part {
			return false
		}
	}
	return t.p.cfg.DeadLetters.Disabled || t.all[t.letters[source]] > part
}

// share notes that a topic holds copies of another group: what we have done with is not ours to delete there.
func (t *topics) share(topic string) {
	t.mu.Lock()
	t.shared[topic] = true
	t.mu.Unlock()
	if t.p.faults.untold("shared", topic) {
		t.p.log.Warn("topic holds copies of another group and is trimmed no more", "pipeline", t.p.cfg.Name, "topic", topic, "remedy", "give one of the groups another name for its retry topics")
	}
}

func (t *topics) isShared(topic string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.shared[topic]
}
