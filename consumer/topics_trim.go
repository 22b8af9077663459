package consumer

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/retrytopics"
)

// trim deletes what the group has committed from its retry topics, which have no retention of their own.
func (t *topics) trim(ctx context.Context) {
	offsets, ids := make(kadm.Offsets), make(map[string]kadm.TopicID)
	for _, l := range t.p.intake.all() {
		if l.tier == 0 || t.isShared(l.topic) {
			continue
		}
		l.strand.mu.Lock()
		committed, trimmed := l.committed, l.trimmed
		l.strand.mu.Unlock()
		if committed > trimmed {
			offsets.AddOffset(l.topic, l.partition, committed, -1)
			ids[l.topic] = l.topicID
		}
	}
	if len(offsets) == 0 {
		return
	}
	// The request knows topics by their names only. One that was made again since has other records at these offsets, so it is
	// looked at once more, last.
	found, err := retrytopics.ListTopics(ctx, t.p.admin, slices.Collect(maps.Keys(ids))...)
	if err != nil {
		t.p.faults.note("trim", "", -1, err)
		return
	}
	maps.DeleteFunc(offsets, func(topic string, _ map[int32]kadm.Offset) bool {
		d := found[topic]
		return d.Err != nil || d.ID != ids[topic]
	})
	if len(offsets) == 0 {
		return
	}
	responses, err := t.p.admin.DeleteRecords(ctx, offsets)
	if err != nil && len(responses) == 0 {
		t.p.faults.note("trim", "", -1, err)
		return
	}
	responses.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err != nil {
			t.p.faults.note("trim", r.Topic, r.Partition, r.Err)
			return
		}
		if l := t.p.intake.lane(r.Topic, r.Partition); l != nil {
			l.strand.mu.Lock()
			l.trimmed = offsets[r.Topic][r.Partition].At
			l.strand.mu.Unlock()
		}
	})
}

// measure asks for the ends of the assigned partitions, or of those that are paused: they do not learn them by a fetch.
func (t *topics) measure(ctx context.Context, all bool) {
	var names []string
	for _, l := range t.p.intake.all() {
		if (all || l.pauses.Load() != 0) && !slices.Contains(names, l.topic) {
			names = append(names, l.topic)
		}
	}
	if len(names) == 0 {
		return
	}
	ends, err := t.p.admin.ListCommittedOffsets(ctx, names...)
	if err != nil {
		t.p.faults.note("ends", "", -1, err)
		return
	}
	ends.Each(func(o kadm.ListedOffset) {
		if l := t.p.intake.lane(o.Topic, o.Partition); l != nil && o.Err == nil {
			l.measured(o.Offset)
		}
	})
}
